package ledger

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func entry(check string, seeds, violations int) Entry {
	return Entry{
		Date: time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC), Commit: "abc", Command: "prove " + check, Check: check, Seconds: 1.5,
		Counts: map[string]int{"seeds": seeds}, Violations: violations, Go: "go1.26", CPU: "2 x x",
	}
}

// TestAppendAndRead: what was appended is read, in order, and adds up.
func TestAppendAndRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.jsonl")
	want := []Entry{entry("sim", 20, 0), entry("sweep", 7, 1), entry("sim", 30, 2)}
	for _, e := range want {
		if err := Append(path, e); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Read(path)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("read %v, %v", got, err)
	}
	if seeds, violations := Sum(got, "sim", "seeds"); seeds != 50 || violations != 2 {
		t.Errorf("the sum is %d with %d violations, want 50 with 2", seeds, violations)
	}
}

// TestBadEntries: an entry that proves nothing is not written, and a damaged file is an error that names the line.
func TestBadEntries(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.jsonl")
	for what, spoil := range map[string]func(*Entry){
		"counts": func(e *Entry) { e.Counts = nil }, "commit": func(e *Entry) { e.Commit = "" },
		"command": func(e *Entry) { e.Command = "" }, "date": func(e *Entry) { e.Date = time.Time{} },
	} {
		e := entry("sim", 1, 0)
		spoil(&e)
		if err := Append(path, e); err == nil {
			t.Errorf("without %s it was written", what)
		}
	}
	if err := Append(path, entry("sim", 1, 0)); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("{\n"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("a damaged line: %v", err)
	}
	if _, err := Read(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a missing file is no error")
	}
}
