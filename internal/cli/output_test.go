package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func newOutputs(t *testing.T) (o *Outputs, stdout *bytes.Buffer) {
	t.Helper()
	stdout = new(bytes.Buffer)
	return NewOutputs(t.Context(), NewStdout(stdout), io.Discard), stdout
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestFilesAreReplacedAtTheEnd: an output that nothing was written to leaves everything as it was; others replace what was there, or
// are added to it.
func TestFilesAreReplacedAtTheEnd(t *testing.T) {
	dir := t.TempDir()
	old, untouched, fresh, unused := filepath.Join(dir, "old"), filepath.Join(dir, "untouched"), filepath.Join(dir, "fresh"), filepath.Join(dir, "unused")
	dangling, ledger := filepath.Join(dir, "dangling"), filepath.Join(dir, "ledger")
	write(t, old, strings.Repeat("old", 100))
	write(t, untouched, "untouched")
	write(t, ledger, "one\n")
	if err := os.Symlink(filepath.Join(dir, "target"), dangling); err != nil {
		t.Fatal(err)
	}
	o, _ := newOutputs(t)
	var outs []*Output
	for _, path := range []string{old, untouched, fresh, unused, dangling} {
		out, err := o.Open("json", path)
		if err != nil {
			t.Fatal(err)
		}
		outs = append(outs, out)
	}
	log, err := o.OpenToAppend("ledger", ledger)
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range []*Output{outs[0], outs[2], log} {
		_, _ = out.Write([]byte("new")) // never fails
	}
	if content(t, old)[:3] != "old" || !o.Elsewhere() {
		t.Error("a file was touched before the end")
	}
	if err := errors.Join(o.Close(), o.Close()); err != nil {
		t.Error(err)
	}
	if content(t, old) != "new" || content(t, untouched) != "untouched" || content(t, fresh) != "new" || content(t, ledger) != "one\nnew" {
		t.Errorf("%q, %q, %q", content(t, old), content(t, untouched), content(t, fresh))
	}
	for _, path := range []string{unused, filepath.Join(dir, "target")} {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := os.Lstat(dangling); err != nil {
		t.Error(err)
	}
}

// TestOneFileOnce: a file has one flag, whatever it is called, and is not read and written.
func TestOneFileOnce(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	write(t, "there", "")
	write(t, "read", "")
	if err := errors.Join(os.Symlink("there", "link"), os.Link("there", "hard"), os.Symlink("new", "newlink")); err != nil {
		t.Fatal(err)
	}
	for _, pair := range [][2]string{
		{"there", "there"}, {"there", "./there"}, {"there", filepath.Join(dir, "there")}, {"there", "link"}, {"hard", "link"},
		{"new", "new"}, {"new", "newlink"}, {"newlink", "./new"}, {"-", "-"}, {"read", ""}, {"./read", ""},
	} {
		o, _ := newOutputs(t)
		o.Input("properties", "read")
		_, first := o.Open("json", pair[0])
		_, second := o.Open("html", pair[1])
		if err := errors.Join(first, second); !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), ", too") {
			t.Errorf("%v: error %v", pair, err)
		}
		if err := o.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat("new"); err == nil {
			t.Fatalf("%v: a file was made", pair)
		}
	}
	o, _ := newOutputs(t)
	for _, path := range []string{os.DevNull, os.DevNull, "", "", "a", "b", "-"} {
		if _, err := o.Open("json", path); err != nil {
			t.Error(err)
		}
	}
	if err := o.Close(); err != nil {
		t.Error(err)
	}
}

// TestStandardOutputByItsOtherNames is the standard output, also when that is a file.
func TestStandardOutputByItsOtherNames(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	stdout := NewStdout(file)
	o := NewOutputs(t.Context(), stdout, io.Discard)
	out, err := o.Open("json", path)
	if err != nil || !out.ToStdout() || out.Path() != "" || o.Elsewhere() {
		t.Fatalf("%+v, %v", out, err)
	}
	if _, err := o.Open("html", "-"); !errors.Is(err, ErrUsage) {
		t.Errorf("error %v", err)
	}
	for other, want := range map[string]bool{path: false, "-": false, "/dev/fd/1": false, filepath.Dir(path): false, path + ".svg": true} {
		if o.HasName(other) != want {
			t.Errorf("%s: that it has a name of its own is %v", other, !want)
		}
	}
	_, _ = stdout.Write([]byte("before "))
	_, _ = out.Write([]byte("report"))
	if err := o.Close(); err != nil || content(t, path) != "before report" {
		t.Errorf("%q, %v", content(t, path), err)
	}
}

// TestPipesAndDevices are written as they are.
func TestPipesAndDevices(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	read := make(chan string, 1)
	go func() {
		data, err := os.ReadFile(fifo)
		if err != nil {
			t.Error(err)
		}
		read <- string(data)
	}()
	o, _ := newOutputs(t)
	pipe, errPipe := o.Open("json", fifo)
	null, errNull := o.Open("html", os.DevNull)
	if err := errors.Join(errPipe, errNull); err != nil {
		t.Fatal(err)
	}
	report := strings.Repeat("report", 100_000) // more than a pipe holds
	_, _ = pipe.Write([]byte(report))
	_, _ = null.Write([]byte(report))
	if err := o.Close(); err != nil || <-read != report || pipe.Regular() {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(fifo); err != nil {
		t.Errorf("the pipe is gone: %v", err)
	}
}

// TestPipeWithoutReader is waited for, until an interrupt.
func TestPipeWithoutReader(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	var told bytes.Buffer
	o := NewOutputs(ctx, NewStdout(io.Discard), &told)
	if _, err := o.Open("json", fifo); !errors.Is(err, ErrInterrupted) || errors.Is(err, ErrUsage) || !strings.Contains(told.String(), "nobody reads yet") {
		t.Errorf("error %v, %q", err, told.String())
	}
	reader, err := os.OpenFile(fifo, os.O_RDONLY|syscall.O_NONBLOCK, 0) // lets what waits in open go
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(100*time.Millisecond, func() { _ = reader.Close() })
}

// TestNoRoom: a report that there is no room for leaves the file as it was.
func TestNoRoom(t *testing.T) {
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=1m"); errors.Is(err, syscall.EPERM) {
		t.Skip("a file system of its own needs the right to mount one")
	} else if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	}()
	path := filepath.Join(disk, "out")
	write(t, path, "old")
	o, _ := newOutputs(t)
	out, err := o.Open("json", path)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = out.Write(make([]byte, 2<<20))
	if err := o.Close(); !errors.Is(err, syscall.ENOSPC) || content(t, path) != "old" {
		t.Errorf("%v; it holds %d bytes", err, len(content(t, path)))
	}
	if left, err := os.ReadDir(disk); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestBeside: a file that is written by its name takes the output's place, with its permissions, or is gone.
func TestBeside(t *testing.T) {
	for _, replaced := range []bool{true, false} {
		dir := t.TempDir()
		for name, there := range map[string]bool{"old.gz": true, "new.gz": false} {
			path := filepath.Join(dir, name)
			if there {
				write(t, path, "old")
				if err := os.Chmod(path, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			o, _ := newOutputs(t)
			out, err := o.Open("out", path)
			if err != nil {
				t.Fatal(err)
			}
			beside, err := out.Beside()
			if err != nil || filepath.Dir(beside) != dir || filepath.Ext(beside) != ".gz" {
				t.Fatalf("%s, %v", beside, err)
			}
			write(t, beside, "new")
			if replaced {
				err = out.Replace()
			}
			if err := errors.Join(err, o.Close()); err != nil {
				t.Error(err)
			}
			info, err := os.Stat(path)
			switch {
			case replaced && (content(t, path) != "new" || there && info.Mode() != 0o600):
				t.Errorf("%s is %v with %q", name, info, content(t, path))
			case !replaced && there && content(t, path) != "old", !replaced && !there && err == nil:
				t.Errorf("%s is %v, %v", name, info, err)
			}
		}
		if left, err := filepath.Glob(filepath.Join(dir, ".*")); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
}

// TestUnwritable: the error names the flag, before anything was done; a file that cannot be written as a whole is not left behind.
func TestUnwritable(t *testing.T) {
	for _, path := range []string{"/nowhere/at/all", t.TempDir()} {
		o, _ := newOutputs(t)
		if _, err := o.Open("json", path); !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), "json: ") {
			t.Errorf("%s: error %v", path, err)
		}
	}
	o, _ := newOutputs(t)
	out, err := o.Open("json", "/dev/full")
	if err != nil {
		t.Skip(err)
	}
	_, _ = out.Write([]byte("report"))
	if err := o.Close(); !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "json: ") {
		t.Errorf("error %v", err)
	}
}
