//go:build unix

package cli

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// lockedDir, in the environment, makes the test's program lock a directory, say so, and wait to be killed.
const lockedDir = "CONCORDAT_TEST_LOCKED_DIR"

// TestMain lets the test's program be one that has a lock.
func TestMain(m *testing.M) {
	dir := os.Getenv(lockedDir)
	if dir == "" {
		os.Exit(m.Run())
	}
	if _, err := LockDir(dir); err != nil {
		os.Exit(1)
	}
	os.Stdout.WriteString("locked\n")
	select {}
}

// TestLockDir: a directory has one lock at a time, in this process or another; it is gone with its process, and leaves nothing.
func TestLockDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	unlock, err := LockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := LockDir(dir + "/"); !errors.Is(err, ErrLocked) {
		t.Errorf("twice: %v", err)
	}
	if err := unlock(); err != nil {
		t.Error(err)
	}
	other := exec.Command(os.Args[0])
	other.Env = append(os.Environ(), lockedDir+"="+dir)
	said, err := other.StdoutPipe()
	if err == nil {
		err = other.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(said).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if _, err := LockDir(dir); !errors.Is(err, ErrLocked) {
		t.Errorf("that of another process: %v", err)
	}
	if err := other.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = other.Wait() // it was killed
	if unlock, err = LockDir(dir); err != nil {
		t.Fatalf("that of a process that has ended: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if err := unlock(); err != nil {
		t.Error(err)
	}
}
