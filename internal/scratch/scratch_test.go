package scratch

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestDir: the directory is new, has the prefix, and is in the usual place if that is on a disk.
func TestDir(t *testing.T) {
	parent := t.TempDir()
	t.Setenv("TMPDIR", parent)
	t.Chdir(t.TempDir())
	path, err := Dir("concordat-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(path)
	if info, err := os.Stat(path); err != nil || !info.IsDir() || !strings.HasPrefix(filepath.Base(path), "concordat-") {
		t.Errorf("%s: %v, %v", path, info, err)
	}
	if in := filepath.Dir(path) == parent; in == inMemory(parent) {
		t.Errorf("%s is in %s: %v; that is in memory: %v", path, parent, in, inMemory(parent))
	}
}

// TestMemoryIsAvoided: where the usual place is in memory, or cannot be written, the current directory is taken, and where that is in
// memory, too, another place on a disk; or, if there is none, memory after all.
func TestMemoryIsAvoided(t *testing.T) {
	const shared = "/dev/shm"
	if runtime.GOOS != "linux" || !inMemory(shared) {
		t.Skip("no directory here is known to be in memory")
	}
	disk := t.TempDir()
	if inMemory(disk) {
		t.Skip("there is no disk")
	}
	memory, err := os.MkdirTemp(shared, "concordat-test-")
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(memory) })
	dir := func() string {
		t.Helper()
		path, err := Dir("concordat-")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(path) })
		if path, err = filepath.Abs(path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, usual := range []string{memory, "/nowhere/at/all"} {
		t.Setenv("TMPDIR", usual)
		t.Chdir(disk)
		if path := dir(); filepath.Dir(path) != disk || InMemory(path) {
			t.Errorf("with TMPDIR=%s it is %s", usual, path)
		}
	}
	t.Setenv("XDG_CACHE_HOME", disk)
	t.Chdir(memory)
	if path := dir(); InMemory(path) {
		t.Errorf("it is %s, which is in memory", path)
	}
	if !InMemory(filepath.Join(memory, "not", "there")) || InMemory(filepath.Join(disk, "not", "there")) {
		t.Error("a directory that is not there yet is where the one above it is")
	}
}
