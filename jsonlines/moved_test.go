//go:build unix

package jsonlines_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/jsonlines"
)

// numbersIn lists the records of a file of lines.
func numbersIn(t *testing.T, path string) (all []string) {
	t.Helper()
	for line := range strings.Lines(readFile(t, path)) {
		number, _, _ := strings.Cut(strings.TrimPrefix(line, `{"seq":`), ",")
		all = append(all, number)
	}
	return all
}

// TestEgressMovedWhileOpen: what has the path is what is written to. It goes on where it is, if it can be gone on with.
func TestEgressMovedWhileOpen(t *testing.T) {
	replace := func(path, content string) error {
		return errors.Join(os.WriteFile(path+"~", []byte(content), 0o600), os.Rename(path+"~", path))
	}
	for _, c := range []struct {
		name   string
		change func(path, content string) error
		wants  string // of the file after the next record, or of the error
	}{
		{"deleted", func(path, _ string) error { return os.Remove(path) }, "[3]"},
		{"moved", func(path, _ string) error { return os.Rename(path, path+".1") }, "[3]"},
		{"moved, with a new file", func(path, _ string) error { return errors.Join(os.Rename(path, path+".1"), replace(path, "")) }, "[3]"},
		{"copied", replace, "[1 2 3]"},
		{"copied, with a torn end", func(path, content string) error { return replace(path, content+`{"seq":3,"ke`) }, "[1 2 3]"},
		{"cut, in a copy", func(path, content string) error { return replace(path, content[strings.Index(content, "\n")+1:]) }, "[2 3]"},
		{"an old copy", func(path, content string) error { return replace(path, content[:strings.Index(content, "\n")+1]) }, "last line is record 1, and record 2"},
		{"ahead", func(path, content string) error {
			return replace(path, content+strings.Replace(content[strings.Index(content, "\n")+1:], "2", "3", 1))
		}, "last line is record 3, and record 2"},
		{"somebody else's", func(path, _ string) error { return replace(path, "hello\n") }, "somebody else's"},
		{"a directory", func(path, _ string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) }, "is none any more"},
		{"a pipe", func(path, _ string) error { return errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o600)) }, "is none any more"},
		{"without its directory", func(path, _ string) error { return os.RemoveAll(filepath.Dir(path)) }, "no such file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "dir")
			must(t, os.Mkdir(dir, 0o700))
			path := filepath.Join(dir, "out")
			g := jsonlines.Egress(path)
			position(t, g, 0)
			must(t, g.Write(ctx, records(t, 1, 2)))
			content := readFile(t, path)
			must(t, c.change(path, content))
			if c.wants[0] != '[' {
				for range 2 {
					err := g.Write(ctx, records(t, 3, 1))
					wantErr(t, err, err, path, c.wants)
				}
				must(t, errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700), replace(path, content))) // put back
				c.wants = "[1 2 3]"
			}
			must(t, g.Write(ctx, records(t, 3, 1)))
			if got := fmt.Sprint(numbersIn(t, path)); got != c.wants {
				t.Errorf("it has the records %v, want %s", got, c.wants)
			}
			if strings.HasPrefix(c.name, "moved") && readFile(t, path+".1") != content {
				t.Errorf("what was moved away has %q", readFile(t, path+".1"))
			}
			must(t, g.Write(ctx, records(t, 4, 1)))
			must(t, g.Close())
			position(t, g, 4)
			must(t, g.Close())
		})
	}
}

// movedFile is moved away at its next sync.
type movedFile struct {
	jsonlines.File
	move *func() error
}

func (f movedFile) Sync() error {
	move := *f.move
	*f.move = func() error { return nil }
	return errors.Join(f.File.Sync(), move())
}

// TestEgressMovedInTheMidst of a Write: nothing counts as written, and what was moved away has nothing of what is written again.
func TestEgressMovedInTheMidst(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	move := func() error { return nil }
	g := jsonlines.EgressOn(path, func(f jsonlines.File) jsonlines.File { return movedFile{f, &move} })
	position(t, g, 0)
	must(t, g.Write(ctx, records(t, 1, 2)))
	move = func() error { return os.Rename(path, path+".1") }
	err := g.Write(ctx, records(t, 3, 2))
	wantErr(t, err, err, path, "moved away")
	must(t, g.Write(ctx, records(t, 3, 2)))
	move = func() error { return os.Remove(path) }
	err = g.Write(ctx, records(t, 5, 1))
	wantErr(t, err, err, path, "deleted")
	must(t, g.Write(ctx, records(t, 5, 1)))
	must(t, g.Close())
	if got := fmt.Sprint(numbersIn(t, path+".1"), numbersIn(t, path)); got != "[1 2] [5]" {
		t.Errorf("the files have %s", got)
	}
}

// TestEgressFollowsALink that is given another target.
func TestEgressFollowsALink(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	must(t, os.Symlink(path+".1", path))
	g := jsonlines.Egress(path)
	position(t, g, 0)
	must(t, g.Write(ctx, records(t, 1, 2)))
	must(t, os.Symlink(path+".2", path+"~"))
	must(t, os.Rename(path+"~", path))
	must(t, g.Write(ctx, records(t, 3, 1)))
	must(t, g.Close())
	if got := fmt.Sprint(numbersIn(t, path+".1"), numbersIn(t, path+".2")); got != "[1 2] [3]" {
		t.Errorf("the files have %s", got)
	}
}

// TestEgressStaysInItsDirectory when the process changes to another one.
func TestEgressStaysInItsDirectory(t *testing.T) {
	first := t.TempDir()
	t.Chdir(first)
	g := jsonlines.Egress("out")
	position(t, g, 0)
	must(t, g.Write(ctx, records(t, 1, 1)))
	t.Chdir(t.TempDir())
	must(t, g.Write(ctx, records(t, 2, 1)))
	must(t, g.Close())
	if got := fmt.Sprint(numbersIn(t, filepath.Join(first, "out"))); got != "[1 2]" {
		t.Errorf("the file has %s", got)
	}
}

// TestEgressReplacedByATakenFile: what another egress writes to is not taken from it.
func TestEgressReplacedByATakenFile(t *testing.T) {
	path, theirs := filepath.Join(t.TempDir(), "out"), filepath.Join(t.TempDir(), "theirs")
	g, other := jsonlines.Egress(path), jsonlines.Egress(theirs)
	position(t, g, 0)
	position(t, other, 0)
	must(t, g.Write(ctx, records(t, 1, 1)))
	must(t, os.Remove(path))
	must(t, os.Symlink(theirs, path))
	err := g.Write(ctx, records(t, 2, 1))
	wantErr(t, err, err, path, "another egress")
	must(t, os.Remove(path))
	must(t, g.Write(ctx, records(t, 2, 1)))
	must(t, errors.Join(g.Close(), other.Close()))
}

// TestRotationLosesNothing: a file that is moved away again and again, under an engine that writes to it, leaves each record in one file.
func TestRotationLosesNothing(t *testing.T) {
	const rounds, each = 20, 30
	path := filepath.Join(t.TempDir(), "out")
	e := open(t, engine.Options{Logger: new(logLines).logger(), Egresses: map[string]engine.Egress{"wire": jsonlines.Egress(path)}})
	must(t, e.Do(ctx, newTeller.On("a", 0)))
	var files []string
	for round := range rounds {
		for i := range each {
			must(t, e.Do(ctx, tell.On("a", 1)))
			if i == each/2 {
				files = append(files, fmt.Sprint(path, ".", round))
				eventually(t, "it can be moved", func() bool { return os.Rename(path, files[round]) == nil })
			}
		}
	}
	must(t, e.Close())
	var all strings.Builder
	for _, file := range append(files, path) {
		all.WriteString(readFile(t, file))
	}
	writeFile(t, path, all.String())
	wantLines(t, path, rounds*each)
}
