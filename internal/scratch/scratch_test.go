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

// TestMemoryIsAvoided: where the usual place is in memory, the current directory is taken.
func TestMemoryIsAvoided(t *testing.T) {
	const shared = "/dev/shm"
	if runtime.GOOS != "linux" || !inMemory(shared) {
		t.Skip("no directory here is known to be in memory")
	}
	t.Setenv("TMPDIR", shared)
	t.Chdir(t.TempDir())
	path, err := Dir("concordat-")
	if err != nil || filepath.IsAbs(path) {
		t.Errorf("%s, %v", path, err)
	}
}
