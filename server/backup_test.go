package server_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/internal/archive"
	"github.com/concordat-dev/concordat/server"
)

// TestBackup: what is sent is a directory that opens, one at a time, and nothing of it stays on the server.
func TestBackup(t *testing.T) {
	made := t.TempDir()
	s := start(t, openEngine(t), server.Options{BackupDir: made})
	expect(t, send(t, s, "POST", "/v1/call/bank/account/open?id=a", "7"), http.StatusNoContent, "")
	release := s.HoldBackup()
	expectCode(t, send(t, s, "GET", "/v1/backup", ""), http.StatusServiceUnavailable, "overloaded", "another backup is being made")
	release()
	got := send(t, s, "GET", "/v1/backup", "")
	if got.status != http.StatusOK || got.header.Get("Content-Type") != "application/x-tar" {
		t.Fatalf("%d %.200s", got.status, got.body)
	}
	if left, err := os.ReadDir(made); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
	dir := filepath.Join(t.TempDir(), "data")
	if err := archive.Receive(ctx, bytes.NewReader([]byte(got.body)), dir, ""); err != nil {
		t.Fatal(err)
	}
	e, err := engine.Open(engine.Options{Dir: dir, ReserveBytes: -1}, parts()...)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	expect(t, send(t, start(t, e, server.Options{}), "GET", "/v1/ask/bank/account/balance?id=a", ""), http.StatusOK, "7")
}

// TestNoRoomForABackup: where it cannot be put together the client is told, and nothing happens.
func TestNoRoomForABackup(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, openEngine(t), server.Options{BackupDir: filepath.Join(file, "in a file")})
	expectCode(t, send(t, s, "GET", "/v1/backup", ""), http.StatusServiceUnavailable, "overloaded", "was not made")
}
