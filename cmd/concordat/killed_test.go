package main

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// TestKilledInABackup: what a server leaves that is killed while it makes a backup is removed by the next one, and nothing else is.
func TestKilledInABackup(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	beside := dir + ".backups"
	half := func() []string {
		found, err := filepath.Glob(filepath.Join(beside, "concordat-backup-*", "data"))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	for round := 0; len(half()) == 0; round++ {
		if round == 50 {
			t.Fatal("no server was killed in a backup")
		}
		url, kill := servedByChild(t, dir)
		go func() {
			if answer, err := http.Get(url + "/v1/backup"); err == nil {
				_, _ = io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
			}
		}()
		for until := time.Now().Add(5 * time.Second); len(half()) == 0 && time.Now().Before(until); {
			time.Sleep(100 * time.Microsecond)
		}
		kill()
	}
	kept := filepath.Join(beside, "mine", "file")
	if err := os.MkdirAll(filepath.Dir(kept), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(kept, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, kill := servedByChild(t, dir)
	defer kill()
	if left, err := os.ReadDir(beside); err != nil || len(left) != 1 || left[0].Name() != "mine" {
		t.Errorf("%v, %v", left, err)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Error(err)
	}
}

// servedByChild serves a directory by a process of its own, until that is killed with SIGKILL.
func servedByChild(t *testing.T, dir string) (url string, kill func()) {
	t.Helper()
	c := newChild(t, "serve --address 127.0.0.1:0 "+dir)
	c.Stdout = nil
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	kill = func() {
		_ = c.Process.Kill()
		_ = c.Wait() // it was killed
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if url = regexp.MustCompile(`http://[0-9.:]+`).FindString(line); err != nil || url == "" {
		kill()
		t.Fatalf("%q, %v, %s", line, err, c.errs.String())
	}
	return url, kill
}
