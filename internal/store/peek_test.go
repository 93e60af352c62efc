package store

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestPeek: looking for a store makes nothing, and a store's own files, after any use of it, are no strangers.
func TestPeek(t *testing.T) {
	dir := t.TempDir()
	if found, err := Exists(dir); found || err != nil {
		t.Errorf("an empty directory: %v, %v", found, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("it made %v, %v", left, err)
	}
	for _, path := range []string{filepath.Join(dir, "missing"), "/dev/null"} {
		_, strangerErr := Stranger(path)
		if found, err := Exists(path); found || err == nil || strangerErr == nil {
			t.Errorf("%s: %v, %v, %v", path, found, err, strangerErr)
		}
	}
	for range 2 {
		s, err := Open(Options{Dir: dir, Fatal: func(err error) { t.Error(err) }})
		if err != nil {
			t.Fatal(err)
		}
		batch := s.NewBatch()
		batch.Set([]byte("key"), []byte("value"))
		open, openErr := Stranger(dir)
		if err := errors.Join(batch.Seal(), s.Mark(1), s.Flush(), s.Close()); err != nil || open != "" || openErr != nil {
			t.Errorf("%v; %q, %v", err, open, openErr)
		}
	}
	for _, left := range []string{newPrefix + "room", newPrefix + "0" + tableSuffix} { // by a crash
		if err := os.WriteFile(filepath.Join(dir, left), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	found, err := Exists(dir)
	stranger, strangerErr := Stranger(dir)
	if !found || stranger != "" || err != nil || strangerErr != nil {
		t.Errorf("a store: %v, %q, %v, %v", found, stranger, err, strangerErr)
	}
	for _, name := range []string{"letter", "000001.txt", "MANIFEST", "LOCK.old"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if stranger, err := Stranger(dir); stranger != name || err != nil {
			t.Errorf("%q instead of %s, %v", stranger, name, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}
