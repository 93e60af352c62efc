package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/store"
	"github.com/concordat-dev/concordat/internal/values"
)

// parkedDir makes a directory in which messages with these numbers are parked.
func parkedDir(t *testing.T, numbers ...uint64) string {
	t.Helper()
	things := functions.NewType[int]("test/thing")
	poke := functions.Update(things, "poke", func(*functions.Ctx, *int, int) error { return nil })
	dir := t.TempDir()
	e, err := engine.Open(engine.Options{Dir: dir, ReserveBytes: -1}, things)
	if err == nil {
		err = e.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(store.Options{Dir: dir, Fatal: func(err error) { t.Error(err) }})
	if err != nil {
		t.Fatal(err)
	}
	message, err := values.Encode(poke.On("x", 1).Envelope().Stored())
	if err != nil {
		t.Fatal(err)
	}
	starts, err := values.Encode(map[int]int{1: engine.MaxStarts})
	if err != nil {
		t.Fatal(err)
	}
	batch := s.NewBatch()
	for _, n := range numbers {
		row := format.NumberedKey(nil, 3, format.KindMessage, n)
		batch.Set(row, message)
		batch.Set(format.StartsKey(row), starts)
	}
	if err := batch.Seal(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func parkedCommand(t *testing.T, status int, args ...string) (stdout, stderr string) {
	t.Helper()
	got, stdout, stderr := withFake(t.Context(), false, append([]string{"parked"}, args...)...)
	if got != status {
		t.Errorf("%q: status %d, want %d\n%s%s", args, got, status, stdout, stderr)
	}
	return stdout, stderr
}

// TestParked: what is parked is listed, as a table and as JSON; what is retried or dropped is not parked any more, and the rest is.
func TestParked(t *testing.T) {
	dir := parkedDir(t, 1, 2, 3, 4)
	out, _ := parkedCommand(t, exitOK, "list", dir)
	if lines := strings.Split(strings.TrimSpace(out), "\n"); len(lines) != 5 || !strings.HasPrefix(lines[1], "message-3-1  test/thing.poke(x)") {
		t.Errorf("the list is %s", out)
	}
	out, _ = parkedCommand(t, exitOK, "retry", dir, "message-3-2")
	if !strings.Contains(out, "message-3-2") || !strings.Contains(out, "1 to be started once more") {
		t.Errorf("retried: %s", out)
	}
	out, _ = parkedCommand(t, exitOK, "drop", "--json", dir, "message-3-1", "message-3-3")
	var dropped, left []engine.Parked
	if err := json.Unmarshal([]byte(out), &dropped); err != nil || len(dropped) != 2 || dropped[1].ID != "message-3-3" {
		t.Errorf("dropped: %v, %s", err, out)
	}
	out, _ = parkedCommand(t, exitOK, "list", "--json", dir)
	if err := json.Unmarshal([]byte(out), &left); err != nil || len(left) != 2 || !left[0].Suspect || left[1].ID != "message-3-4" || left[1].Starts != engine.MaxStarts || left[1].Suspect {
		t.Errorf("left: %v, %s", err, out)
	}
	parkedCommand(t, exitOK, "drop", dir, "--all") // but not what was retried, which is suspect
	out, _ = parkedCommand(t, exitOK, "list", dir)
	if lines := strings.Split(strings.TrimSpace(out), "\n"); len(lines) != 2 || !strings.HasSuffix(lines[1], "4       suspect") {
		t.Errorf("suspect: %s", out)
	}
	parkedCommand(t, exitOK, "retry", dir, "message-3-2")
	parkedCommand(t, exitOK, "drop", dir, "message-3-2")
	if out, _ = parkedCommand(t, exitOK, "list", dir); out != "Nothing is parked.\n" {
		t.Errorf("nothing: %s", out)
	}
	if out, _ = parkedCommand(t, exitOK, "list", "--json", dir); strings.TrimSpace(out) != "[]" {
		t.Errorf("nothing, as JSON: %s", out)
	}
}

func TestParkedMistakes(t *testing.T) {
	dir := parkedDir(t, 1)
	for _, args := range [][]string{
		{"list"}, {"list", dir + "/missing"}, {"list", t.TempDir()}, {"drop", dir}, {"retry", dir, "--all", "message-3-1"},
		{"drop", dir, "message-3-1", "message-3-9"}, {"retry", dir, "nonsense"},
	} {
		if _, stderr := parkedCommand(t, exitUsage, args...); stderr == "" {
			t.Errorf("%q: no word", args)
		}
	}
	if out, _ := parkedCommand(t, exitOK, "list", dir); !strings.Contains(out, "message-3-1") {
		t.Errorf("it is gone: %s", out)
	}
}

// TestParkedMakesNothing where there is no store, and a directory that holds something beside one is no place for data.
func TestParkedMakesNothing(t *testing.T) {
	dir := t.TempDir()
	letter := filepath.Join(dir, "letter")
	if err := os.WriteFile(letter, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"list", dir}, {"retry", dir, "message-3-1"}, {"drop", dir, "--all"}, {"list", letter}} {
		if _, stderr := parkedCommand(t, exitUsage, args...); !strings.Contains(stderr, dir) {
			t.Errorf("%q: %s", args, stderr)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
			t.Fatalf("%q: there are %v, %v", args, left, err)
		}
	}
	s, err := store.Open(store.Options{Dir: dir, Fatal: func(err error) { t.Error(err) }})
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	status, _, stderr := runWords("ycsb run --dir " + dir + few)
	if status != exitUsage || !strings.Contains(stderr, "not a directory of Concordat's: it holds letter") {
		t.Errorf("a store beside a letter: status %d, %s", status, stderr)
	}
	if err := os.Remove(letter); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if status, stdout, stderr := runWords("ycsb run --dir " + dir + few); status != exitOK {
			t.Errorf("an empty store: status %d, %s%s", status, stdout, stderr)
		}
	}
}
