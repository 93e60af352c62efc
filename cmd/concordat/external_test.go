package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/internal/postgrestest"
	"github.com/concordat-dev/concordat/server"
	"github.com/concordat-dev/concordat/ycsb"
	"github.com/concordat-dev/concordat/ycsb/accounts"
)

// servingRows starts a server that serves the workload.
func servingRows(t *testing.T) string {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	e, err := engine.Open(engine.Options{Dir: t.TempDir(), ReserveBytes: -1, Logger: quiet}, (&serveSettings{YCSB: true}).parts()...)
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.Start(e, server.Options{Address: "127.0.0.1:0", Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Shutdown(t.Context()); e.Close() })
	return s.URL()
}

// briefly are the flags of a short run.
var briefly = []string{"--keys", "50", "--clients", "8", "--duration", "300ms", "--warmup", "0s"}

// ran runs a command that has to go well, and returns its reports.
func ran(t *testing.T, args ...string) []ycsb.Report {
	t.Helper()
	path := filepath.Join(t.TempDir(), "out.json")
	command(t, exitOK, "", append(append(args, "--json", path), briefly...)...)
	reports, err := ycsb.ReadReports(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range reports {
		if r.Committed == 0 || r.Failed+r.Unknown > 0 || !r.Balanced() {
			t.Errorf("%+v", r)
		}
	}
	return reports
}

// TestServerAsTarget: the workload runs on a server under each protocol, with its audit, and a server of other functions is refused.
func TestServerAsTarget(t *testing.T) {
	url := servingRows(t)
	for _, protocol := range []accounts.Protocol{accounts.Plain, accounts.Saga, accounts.Serializable} {
		r := ran(t, "ycsb", "run", "--target", url, "--protocol", string(protocol), "--mix", "read=10,update=20,transfer=20,insert=20,readmodifywrite=10,snapshot=10,scan=10")[0]
		if r.Protocol != "server/"+string(protocol) || r.Policy != "" || r.Workers != 0 || r.WrittenBytes != nil {
			t.Errorf("%+v", r)
		}
	}
	run := func(status int, want string, args ...string) {
		t.Helper()
		command(t, status, want, append(append([]string{"ycsb", "run"}, args...), briefly...)...)
	}
	run(exitUsage, `"read-committed" is none of plain`, "--target", url, "--protocol", "read-committed")
	run(exitUsage, "--policy, --dir: the target has an engine", "--target", url, "--policy", "no-wait", "--dir", "x")
	run(exitUsage, "neither a server's", "--target", "ftp://x")
	run(exitUsage, "it is no URL", "--target", "http://me:secret@x:y:z/%")
	run(exitFailed, "cannot be reached", "--target", "http://127.0.0.1:1")
	s, _ := serving(t, server.Options{})
	run(exitFailed, "concordat serve --ycsb has the functions", "--target", s.URL())
}

// TestSearchElsewhere: the highest rate of a server is found as that of an engine, and the reports say what it is of.
func TestSearchElsewhere(t *testing.T) {
	url := servingRows(t)
	search := func(status int, want string, args ...string) {
		t.Helper()
		args = append([]string{"ycsb", "search", "--start-rate", "50", "--max-rate", "100"}, args...)
		command(t, status, want, append(args, briefly...)...)
	}
	path := filepath.Join(t.TempDir(), "out.json")
	search(exitOK, "highest rate with", "--target", url, "--protocol", "SAGA", "--tries", "5", "--achieved", "0.5", "--json", path)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var found ycsb.SearchReport
	if err := json.Unmarshal(data, &found); err != nil || len(found.Probes) == 0 {
		t.Fatalf("%v: %s", err, data)
	}
	for _, probe := range found.Probes {
		if r := probe.Report; r.Protocol != "server/saga" || r.Policy != "" || r.WrittenBytes != nil || r.Committed == 0 || !r.Balanced() {
			t.Errorf("%+v", r)
		}
	}
	search(exitUsage, `"floor" is none of plain`, "--target", url, "--protocol", "floor")
	search(exitUsage, "--policy: the target has an engine", "--target", url, "--policy", "no-wait")
	search(exitUsage, "neither a server's", "--target", "ftp://x")
	search(exitFailed, "cannot be reached", "--target", "http://127.0.0.1:1")
}

// TestPostgresAsTarget: PostgreSQL runs the same workload, and is compared with a server and an engine in one run, without its password.
func TestPostgresAsTarget(t *testing.T) {
	postgres, stop, err := postgrestest.Start()
	if errors.Is(err, postgrestest.ErrMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	for _, protocol := range []string{"read-committed", "Serializable"} {
		if r := ran(t, "ycsb", "run", "--target", postgres, "--protocol", protocol, "--connections", "4")[0]; r.Protocol != "postgres/"+strings.ToLower(protocol) {
			t.Errorf("%+v", r)
		}
	}
	command(t, exitUsage, `"saga" is neither read-committed`, "ycsb", "run", "--target", postgres, "--protocol", "saga")
	page := filepath.Join(t.TempDir(), "page.html")
	url := servingRows(t)
	var names []string
	for _, r := range ran(t, "ycsb", "compare", "--target", postgres, "--target", url, "--html", page) {
		names = append(names, r.Protocol)
	}
	want := append(append([]string{}, compared...), "postgres/read-committed", "postgres/serializable", "server/saga", "server/serializable")
	if fmt.Sprint(names) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", names, want)
	}
	_, password, _ := strings.Cut(postgres[len("postgres://"):strings.Index(postgres, "@")], ":")
	text, err := os.ReadFile(page)
	if err != nil || strings.Contains(string(text), password) || !strings.Contains(string(text), "postgres/serializable") {
		t.Errorf("%v: the page has the password, or not the target", err)
	}
	command(t, exitUsage, "two of the kind postgres", "ycsb", "compare", "--target", postgres, "--target", postgres)
}
