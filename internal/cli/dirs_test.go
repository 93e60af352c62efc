package cli

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCheckDir: what cannot be written into is told before anything is run, by its flag; what can is left as it was.
func TestCheckDir(t *testing.T) {
	dir := t.TempDir()
	file, link, closed := filepath.Join(dir, "file"), filepath.Join(dir, "link"), filepath.Join(dir, "closed")
	err := errors.Join(os.WriteFile(file, nil, 0o600), os.Symlink(filepath.Join(dir, "nowhere"), link), os.Mkdir(closed, 0o500))
	if err != nil {
		t.Fatal(err)
	}
	bad := map[string]string{"": "empty", file: "no directory", filepath.Join(file, "below"): "not a directory", link: "no such file"}
	if os.Getuid() != 0 {
		bad[closed], bad[filepath.Join(closed, "a", "b")] = "permission denied", "permission denied"
	}
	if _, err := os.Stat("/proc/self"); err == nil {
		bad["/proc/results"] = "cannot be written into"
	}
	for path, want := range bad {
		if err := CheckDir("out", path); !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), "out: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", path, err, want)
		}
	}
	for _, path := range []string{dir, filepath.Join(dir, "a", "b", "c")} {
		if err := CheckDir("out", path); err != nil {
			t.Error(err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 3 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// TestCheckRewritten: so for files that are going to be rewritten.
func TestCheckRewritten(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(file, []byte("text"), 0o600), os.Symlink(file, link)); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none"): "no such file", dir: "no regular file", os.DevNull: "no regular file", "": "no such file",
	} {
		if err := CheckRewritten("quote", path); !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", path, err, want)
		}
	}
	for _, path := range []string{file, link} {
		if err := CheckRewritten("quote", path); err != nil {
			t.Error(err)
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "text" {
		t.Errorf("%q, %v", text, err)
	}
}
