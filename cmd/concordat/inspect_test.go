package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/concordat-dev/concordat/internal/offline"
)

// offlineCommand runs a command on a directory.
func offlineCommand(t *testing.T, status int, args ...string) (stdout, stderr string) {
	t.Helper()
	got, stdout, stderr := withFake(t.Context(), false, args...)
	if got != status {
		t.Errorf("%q: status %d, want %d\n%s%s", args, got, status, stdout, stderr)
	}
	return stdout, stderr
}

// TestInspectAndVerify: what is in a directory is told to people and as JSON; what is damaged is told with its file, and by the status.
func TestInspectAndVerify(t *testing.T) {
	dir := parkedDir(t, 1, 2)
	out, _ := offlineCommand(t, exitOK, "inspect", dir)
	for _, want := range []string{"directory  " + dir, "version 5, 64 shards", "\nmessages  2 ", "\nparked or suspect  2\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	out, _ = offlineCommand(t, exitOK, "inspect", "--json", dir)
	var r offline.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil || r.Parked != 2 || r.Shards != 64 {
		t.Errorf("as JSON: %v, %+v", err, r)
	}
	out, _ = offlineCommand(t, exitOK, "verify", dir)
	if !strings.HasPrefix(out, "verified: ") || !strings.HasSuffix(out, ": no damage\n") {
		t.Errorf("verified: %s", out)
	}
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("the tables are %q, %v", tables, err)
	}
	for _, table := range tables {
		data, err := os.ReadFile(table)
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)/3] ^= 1
		if err := os.WriteFile(table, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out, stderr := offlineCommand(t, exitFailed, "verify", dir)
	for _, table := range tables {
		if !strings.Contains(out, "damaged: "+table) {
			t.Errorf("it does not tell of %s:\n%s%s", table, out, stderr)
		}
	}
	out, _ = offlineCommand(t, exitFailed, "verify", "--json", dir)
	var v offline.Verification
	if err := json.Unmarshal([]byte(out), &v); err != nil || int(v.Damaged) < len(tables) || len(v.Damage) < len(tables) {
		t.Errorf("as JSON: %v, %+v", err, v)
	}
	for _, command := range []string{"inspect", "verify"} {
		if _, stderr := offlineCommand(t, exitUsage, command, t.TempDir()); !strings.Contains(stderr, "not Concordat's") {
			t.Errorf("%s of an empty directory: %s", command, stderr)
		}
	}
}

// TestSizes: numbers of bytes as people read them.
func TestSizes(t *testing.T) {
	for bytes, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 1 << 20: "1.0 MiB", 5 << 40: "5.0 TiB",
	} {
		if got := sizeOf(bytes); got != want {
			t.Errorf("%d bytes are %q, want %q", bytes, got, want)
		}
	}
}
