package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/examples/bank"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/server"
)

// balanceIn opens a directory and asks for a balance.
func balanceIn(t *testing.T, dir, account string, more ...functions.Part) int64 {
	t.Helper()
	e, err := engine.Open(engine.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler), ReserveBytes: -1}, append(bank.Parts(), more...)...)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	balance, err := engine.Ask(t.Context(), e, bank.Balance.On(account))
	if err != nil {
		t.Error(err)
	}
	return balance
}

// TestBackup: a running server's engine is backed up, the backup is copied and restored, and each has what was acknowledged.
func TestBackup(t *testing.T) {
	s, _ := serving(t, server.Options{BackupDir: t.TempDir()})
	command(t, exitOK, "", "call", "bank/account.open", "alice", "100")
	parent := t.TempDir()
	first, second, third := filepath.Join(parent, "first"), filepath.Join(parent, "second"), filepath.Join(parent, "third")
	command(t, exitOK, "no damage", "backup", first)
	command(t, exitOK, "", "call", "bank/account.credit", "alice", "1")
	command(t, exitOK, "no damage", "backup", "--dir", first, second)
	command(t, exitOK, "no damage", "restore", second, third)
	for _, dir := range []string{first, second, third} {
		if got := balanceIn(t, dir, "alice", boxes, stuck); got != 100 {
			t.Errorf("%s: %d", dir, got)
		}
	}

	command(t, exitUsage, "is not empty", "backup", first)
	command(t, exitUsage, "is not empty", "restore", first, second)
	command(t, exitUsage, "without a server", "backup", "--dir", first, "--url", s.URL(), filepath.Join(parent, "x"))
	command(t, exitUsage, "not Concordat's", "restore", parent, filepath.Join(parent, "x"))
	command(t, exitUsage, "no such file", "restore", "/nowhere", filepath.Join(parent, "x"))
	command(t, exitUnavailable, "connection refused", "backup", filepath.Join(parent, "x"), "--url", "http://127.0.0.1:1")
	tables, err := filepath.Glob(filepath.Join(first, "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatal(tables, err)
	}
	data, err := os.ReadFile(tables[0])
	if err != nil {
		t.Fatal(err)
	}
	data[10] ^= 1
	if err := os.WriteFile(tables[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
	command(t, exitFailed, "damaged: ", "restore", first, filepath.Join(parent, "x"))
	if left, err := os.ReadDir(parent); err != nil || len(left) != 3 {
		t.Errorf("%v, %v", left, err)
	}
}

// TestBackupNeedsAnOperator: others are refused, and what is served after a backup leaves nothing behind.
func TestBackupNeedsAnOperator(t *testing.T) {
	var lines []string
	tokens := map[server.Role]string{}
	for role := server.Caller; role <= server.Operator; role++ {
		token, line, err := server.NewToken(role, "me", time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		lines, tokens[role] = append(lines, line), token
	}
	credentials, err := server.ParseCredentials(strings.NewReader(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	made := t.TempDir()
	serving(t, server.Options{Credentials: credentials, BackupDir: made})
	to := filepath.Join(t.TempDir(), "backup")
	command(t, exitFailed, "unauthenticated", "backup", to)
	t.Setenv("CONCORDAT_TOKEN", tokens[server.Caller])
	command(t, exitFailed, "forbidden", "backup", to)
	t.Setenv("CONCORDAT_TOKEN", tokens[server.Operator])
	command(t, exitOK, "no damage", "backup", to)
	if left, err := os.ReadDir(made); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
}

// TestClientSettings: where the server is comes from the command line, the environment and a file, in this order.
func TestClientSettings(t *testing.T) {
	s, _ := serving(t, server.Options{})
	t.Setenv("CONCORDAT_URL", "")
	file := filepath.Join(t.TempDir(), "client.json")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(fmt.Sprintf(`{"url":%q}`, s.URL()))
	command(t, exitOK, "INSTANCE", "locks", "--config", file)
	command(t, exitUnavailable, "refused", "locks", "--config", file, "--url", "http://127.0.0.1:1")
	command(t, exitOK, `"url": "`+s.URL()+`"`, "locks", "--config", file, "--print-config")
	t.Setenv("CONCORDAT_CLIENT_CONFIG", file)
	command(t, exitOK, "INSTANCE", "locks")
	t.Setenv("CONCORDAT_URL", "http://127.0.0.1:1")
	command(t, exitUnavailable, "refused", "locks")
	write(`{"uri":"x"}`)
	command(t, exitUsage, `no setting "uri"`, "locks")
}

// TestCompletion: a shell is offered commands, flags and values, from what is there.
func TestCompletion(t *testing.T) {
	for line, want := range map[string]string{
		"sa": "saga", "saga s": "show skip", "token ": "caller operator reader", "token o": "operator", "token --for = 1h o": "operator", "ycsb run --proto": "--protocol",
		"locks --url http://x --js": "--json", "locks --url=http://x --js": "--json", "locks --url = http://x --js": "--json", "saga list --stu": "--stuck", "saga list --stuck": "--stuck",
		"completion ": "bash fish zsh", "call bank/account.open alice ": "", "inspect ": "", "ycsb run -- --proto": "", "nothing ": "", "comple": "completion",
	} {
		args := append([]string{"complete", "--"}, strings.Split(line, " ")...)
		if got := strings.Fields(command(t, exitOK, "", args...)); strings.Join(got, " ") != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
	if all := command(t, exitOK, "", "complete"); !strings.Contains(all, "ycsb\n") || strings.Contains(all, "complete\n") {
		t.Errorf("%s", all)
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		command(t, exitOK, "concordat complete -- ", "completion", shell)
	}
	command(t, exitUsage, "csh", "completion", "csh")
}
