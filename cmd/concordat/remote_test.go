package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/examples/bank"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/saga"
	"github.com/concordat-dev/concordat/server"
)

const errFails functions.Failure = "test: \x1b[31mno"

type box struct{ N int }

var (
	boxes = functions.NewType[box]("test/box")
	fill  = functions.Upsert(boxes, "fill", func(_ *functions.Ctx, b *box, n int) error { b.N = n; return nil })
	empty = functions.Upsert(boxes, "empty", func(*functions.Ctx, *box, int) error { return errFails })
	stuck = saga.New("test/stuck", func(s *saga.Run, id string) error {
		return errors.Join(s.Do(fill.On(id, 1), empty.On(id, 1)), errFails)
	})
	_ = functions.Upsert(boxes, "ring", func(ctx *functions.Ctx, _ *box, in time.Duration) error {
		ctx.SendAfter(in, fill.On("other", 2))
		return nil
	})
)

// serving starts a server, which the commands of the test talk to.
func serving(t *testing.T, o server.Options) (*server.Server, *engine.Engine) {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	e, err := engine.Open(engine.Options{Dir: t.TempDir(), MaxUndoTries: 1, ReserveBytes: -1, Logger: quiet}, append(bank.Parts(), boxes, stuck)...)
	if err != nil {
		t.Fatal(err)
	}
	o.Address, o.Logger = "127.0.0.1:0", quiet
	s, err := server.Start(e, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Shutdown(context.Background()); e.Close() })
	t.Setenv("CONCORDAT_URL", s.URL())
	return s, e
}

// command runs a command, and fails unless it ends with the status and writes what is expected, to either output.
func command(t *testing.T, status int, want string, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	got := newProgram(t.Context(), &stdout, &stderr).main(args)
	if text := stdout.String() + stderr.String(); got != status || !strings.Contains(text, want) || strings.ContainsRune(text, '\x1b') {
		t.Errorf("%q: status %d, want %d\n%swant %q", args, got, status, text, want)
	}
	return stdout.String()
}

// TestRemote: what can be done with a server can be done from the command line, with the exit status that scripts need.
func TestRemote(t *testing.T) {
	_, e := serving(t, server.Options{})
	command(t, exitOK, "", "call", "bank/account.open", "alice", "100")
	command(t, exitOK, "", "call", "bank/account.open", "bob", "5", "--request-id", "k1")
	command(t, exitOK, "", "run", "bank/transfer", `{"From":"alice","To":"bob","Amount":30}`)
	command(t, exitOK, "70\n", "ask", "bank/account.balance", "alice")
	command(t, exitOK, "105\n", "run", "bank/total", `["alice","bob"]`, "--request-id", "k1")
	command(t, exitOK, "succeeded\n", "request", "bank/account/bob", "k1")
	command(t, exitOK, "succeeded: 105\n", "request", "bank/total", "k1")
	command(t, exitFailed, "not known\n", "request", "bank/account/alice", "k1")
	command(t, exitFailed, "not known\n", "request", "bank/transfer", "nothing")
	command(t, exitUsage, "neither an instance of a type nor a coordinator function", "request", "bank/account", "k1")
	command(t, exitUsage, "no instance of a type that has an operation none", "request", "bank/account/bob", "k1", "--operation", "none")
	command(t, exitOK, "70\n", "ask", "bank/account.balance", "alice", "--request-id", "k2")
	command(t, exitOK, "succeeded: 70\n", "request", "bank/account/alice", "k2", "--operation", "balance")
	command(t, exitFailed, "failure: bank: insufficient funds: have 35, need 1000", "call", "bank/account.debit", "bob", "1000")
	command(t, exitUsage, `no function "bank/account.none"`, "call", "bank/account.none", "bob")
	command(t, exitUsage, "is a coordinator function", "call", "bank/transfer", "bob")
	command(t, exitUsage, "field /Frm", "run", "bank/transfer", `{"Frm":1}`)
	command(t, exitUsage, "no such file", "run", "bank/transfer", "@/nowhere")
	command(t, exitOK, "bank/transfer-saga", "functions")
	command(t, exitOK, `{"Balance":35}`, "instances", "bank/account", "--prefix", "b")
	command(t, exitOK, "there are more: --from bob", "instances", "bank/account", "--limit", "1")

	command(t, exitUnknown, "unknown: engine: outcome unknown", "run", "test/stuck", `"s"`, "--request-id", "stuck")
	command(t, exitFailed, "stuck: ", "request", "test/stuck", "stuck")
	sagas, err := e.Sagas(t.Context())
	if err != nil || len(sagas) != 1 {
		t.Fatal(sagas, err)
	}
	var listed struct{ Sagas []struct{ ID, Phase string } }
	if err := json.Unmarshal([]byte(command(t, exitOK, "stuck", "saga", "list", "--json")), &listed); err != nil || len(listed.Sagas) != 1 {
		t.Fatal(listed, err)
	}
	id := listed.Sagas[0].ID
	command(t, exitOK, "test/box.empty(s)", "saga", "show", id)
	command(t, exitUsage, "no such saga", "saga", "cancel", id)
	command(t, exitOK, "", "saga", "retry", id)
	command(t, exitOK, "", "saga", "skip", id)
	command(t, exitUsage, "no saga", "saga", "show", id)
	command(t, exitUsage, "no such saga", "saga", "done", id)

	command(t, exitOK, "", "call", "test/box.ring", "r", `"1h"`)
	command(t, exitOK, "test/box.fill(other)", "timers")
	command(t, exitOK, "INSTANCE", "locks")
	command(t, exitOK, `"transactions": []`, "tx", "list", "--json")
	command(t, exitUsage, "not under way", "tx", "show", "7")
	command(t, exitUsage, "transaction 7 is not under way", "tx", "cancel", "7")
	command(t, exitUsage, "nobody has asked", "cancel", "bank/account/alice", "k1")
	command(t, exitUsage, "has succeeded", "cancel", "bank/total", "k1")
	command(t, exitUsage, "neither an instance", "cancel", "bank/account", "k1")
	command(t, exitOK, "NUMBER", "deadlocks", "list")
	command(t, exitUsage, "there are 0", "deadlocks", "show", "1")
	command(t, exitUsage, "url: ", "locks", "--url", "localhost")
	command(t, exitUnavailable, "connection refused", "locks", "--url", "http://127.0.0.1:1")
}

// TestTokens: a token that the command makes lets its bearer in, and is in no file but that of the bearer.
func TestTokens(t *testing.T) {
	file := filepath.Join(t.TempDir(), "credentials")
	token := strings.TrimSpace(command(t, exitOK, "concordat_", "token", "reader", "me", "--credentials", file))
	command(t, exitUsage, "king", "token", "king", "me", "--credentials", file)
	text, err := os.ReadFile(file)
	if err != nil || strings.Contains(string(text), token) || !strings.HasPrefix(string(text), "reader me sha256:") {
		t.Errorf("%s, %v", text, err)
	}
	credentials, err := server.ReadCredentials(file)
	if err != nil {
		t.Fatal(err)
	}
	serving(t, server.Options{Credentials: credentials})
	command(t, exitFailed, "unauthenticated", "locks")
	t.Setenv("CONCORDAT_TOKEN", token)
	command(t, exitOK, "INSTANCE", "locks")
	command(t, exitFailed, "forbidden", "call", "bank/account.open", "a", "1")
	held := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(held, []byte("concordat_forged\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	command(t, exitFailed, "the token is not known", "locks", "--token-file", held)
}

// TestServe: the command serves until it is told to end; its settings come from the command line, the environment and a file, in this order.
func TestServe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.json")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	for text, want := range map[string]string{
		`{"adress":"x"}`: `no setting "adress"`, `{"workers":"two"}`: "workers", `{`: "unexpected end", `[]`: "cannot unmarshal",
		`{"kafka":{"broker":"b:1"}}`: `kafka: json: unknown field "broker"`, `{"kafka":{"brokers":["b:1"]}}`: "config: kafka: ingresses: there are none",
	} {
		write(text)
		command(t, exitUsage, want, "serve", dir, "--config", file)
	}
	write(`{"address":"127.0.0.1:1","workers":3,"host":["a","b"]}`)
	t.Setenv("CONCORDAT_WORKERS", "2")
	var settings map[string]any
	if err := json.Unmarshal([]byte(command(t, exitOK, "", "serve", dir, "--config", file, "--print-config", "--host", "c")), &settings); err != nil {
		t.Fatal(err)
	}
	if settings["address"] != "127.0.0.1:1" || settings["workers"] != 2.0 || len(settings["host"].([]any)) != 1 {
		t.Errorf("%v", settings)
	}
	command(t, exitUsage, "that needs TLS", "serve", dir, "--address", "0.0.0.0:0")
	command(t, exitUsage, "belong together", "serve", dir, "--tls-cert", file)
	command(t, exitUsage, "no such file", "serve", dir, "--credentials", "/nowhere")

	ctx, stop := context.WithCancel(t.Context())
	read, written := io.Pipe()
	ended := make(chan int)
	go func() {
		ended <- newProgram(ctx, written, io.Discard).main([]string{"serve", dir, "--address", "127.0.0.1:0"})
	}()
	line := make([]byte, 200)
	n, err := read.Read(line)
	url, found := strings.CutPrefix(strings.TrimSpace(string(line[:n])), "serving on ")
	if err != nil || !found {
		t.Fatalf("%q, %v", line[:n], err)
	}
	answer, err := http.Get(url + "/readyz")
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Errorf("%v, %v", answer, err)
	}
	stop()
	if status := <-ended; status != exitOK {
		t.Errorf("it ended with status %d", status)
	}
}
