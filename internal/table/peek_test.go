package table_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/concordat-dev/concordat/internal/store"
	"github.com/concordat-dev/concordat/internal/table"
)

// TestStranger: what a table makes, open or closed, is no stranger in its directory, and what nobody has made there is.
func TestStranger(t *testing.T) {
	dir := t.TempDir()
	if name, err := table.Stranger(dir); name != "" || err != nil {
		t.Errorf("in an empty directory: %q, %v", name, err)
	}
	tab, err := table.Open(small(t, nil, dir))
	must(t, err)
	for n := range 200 {
		var b table.Batch
		b.Set([]byte(key(n%60)), make([]byte, 100))
		must(t, tab.Seal(&b))
		if n%50 != 0 {
			continue
		}
		if name, err := table.Stranger(dir); name != "" || err != nil {
			t.Errorf("after %d batches: %q, %v", n, name, err)
		}
		must(t, tab.Apply())
	}
	must(t, tab.Close())
	if name, err := table.Stranger(dir); name != "" || err != nil {
		t.Errorf("closed: %q, %v", name, err)
	}
	if found, err := store.Exists(dir); !found || err != nil {
		t.Errorf("there is a store: %v, %v", found, err)
	}
	for _, name := range []string{
		"letter", "log/letter", "log/0000000000000001", "log/0000000000000001.txt", "log/1.log", "log/000000000000000g.old",
	} {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, nil, 0o600))
		if got, err := table.Stranger(dir); got != name || err != nil {
			t.Errorf("%q instead of %s, %v", got, name, err)
		}
		must(t, os.Remove(path))
	}
	below := filepath.Join(dir, "log", "0000000000000001.log") // as a directory
	must(t, os.RemoveAll(below))
	must(t, os.Mkdir(below, 0o700))
	if got, err := table.Stranger(dir); got != "log/0000000000000001.log" || err != nil {
		t.Errorf("a directory with a segment's name: %q, %v", got, err)
	}
	if _, err := table.Stranger(filepath.Join(dir, "missing")); err == nil {
		t.Error("in a directory that is missing there is no stranger")
	}
}
