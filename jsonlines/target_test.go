//go:build unix

package jsonlines_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/jsonlines"
)

// keptPipe makes a pipe with a reader that never goes away.
func keptPipe(t *testing.T) (path string, reader *os.File) {
	t.Helper()
	path = mkfifo(t)
	reader, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	t.Cleanup(func() { _ = reader.Close() })
	return path, reader
}

// asChild reports whether this is the process that runChild has started, and for what path.
func asChild() (path string, is bool) { return os.LookupEnv("CONCORDAT_TEST_TARGET") }

// runChild runs a test in another process.
func runChild(t *testing.T, test, path string, set func(*exec.Cmd)) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^"+test+"$")
	child.Env = append(os.Environ(), "CONCORDAT_TEST_TARGET="+path)
	set(child)
	must(t, child.Run())
}

// openTwo opens an engine with two egresses of lines.
func openTwo(dir, wire, other string) (*engine.Engine, error) {
	o := engine.Options{Dir: dir, ReserveBytes: -1, Egresses: map[string]engine.Egress{"wire": jsonlines.Egress(wire), "other": jsonlines.Egress(other)}}
	return engine.Open(o)
}

// TestOnePipeForOneEgress, by whatever name it is known: of this engine, of another one, and of another process.
func TestOnePipeForOneEgress(t *testing.T) {
	if path, is := asChild(); is {
		g := jsonlines.Egress(path)
		_, err := g.Position()
		fmt.Println("it says:", err, g.Write(ctx, records(t, 1, 1)))
		return
	}
	path, reader := keptPipe(t)
	must(t, os.Symlink(path, path+"-symlink"))
	must(t, os.Link(path, path+"-hardlink"))
	for _, name := range []string{path, path + "-symlink", path + "-hardlink"} {
		_, err := openTwo(t.TempDir(), path, name)
		wantErr(t, err, err, `egress "wire"`, "another egress writes to the file: one of this process, as "+name)
	}
	e := open(t, engine.Options{Egresses: map[string]engine.Egress{"wire": jsonlines.Egress(path)}})
	refuses(t, engine.Options{Egresses: map[string]engine.Egress{"wire": jsonlines.Egress(path + "-symlink")}}, `"wire"`, "another egress")
	must(t, e.Do(ctx, newTeller.On("a", 0)))
	must(t, e.Do(ctx, tell.On("a", 1)))
	lines := bufio.NewScanner(reader)
	lines.Scan() // it has the pipe open
	var out bytes.Buffer
	runChild(t, "TestOnePipeForOneEgress", path, func(c *exec.Cmd) { c.Stdout = &out })
	if !strings.Contains(out.String(), "another egress writes to the file") {
		t.Errorf("the other process: %s", out.String())
	}
	must(t, e.Do(ctx, tell.On("a", 1)))
	if lines.Scan(); !strings.HasPrefix(lines.Text(), `{"seq":2,`) {
		t.Errorf("the next line is %s", lines.Text())
	}
	must(t, e.Close())
	must(t, open(t, engine.Options{Egresses: map[string]engine.Egress{"wire": jsonlines.Egress(path)}}).Close())
}

// TestOutputIsAFile: the process's output that goes to a file is the file of no other egress.
func TestOutputIsAFile(t *testing.T) {
	if path, is := asChild(); is {
		for _, to := range [][2]string{{"/dev/stdout", path}, {path, "/dev/stdout"}, {"/dev/fd/1", path + "-symlink"}} {
			_, err := openTwo(t.TempDir(), to[0], to[1])
			wantErr(t, err, err, `egress "wire"`, "another egress writes to the file: one of this process, as "+to[1])
		}
		e, err := openTwo(t.TempDir(), "/dev/stdout", "/dev/fd/1")
		must(t, err)
		must(t, e.Close())
		return
	}
	path := filepath.Join(t.TempDir(), "out")
	must(t, os.Symlink(path, path+"-symlink"))
	file, err := os.Create(path)
	must(t, err)
	defer file.Close()
	runChild(t, "TestOutputIsAFile", path, func(c *exec.Cmd) { c.Stdout, c.Stderr = file, os.Stderr })
}

// TestOutputsOnOnePipe: two egresses to the two outputs of a process, which go to one pipe, write whole lines.
func TestOutputsOnOnePipe(t *testing.T) {
	const count, long = 40, 200_000
	if _, is := asChild(); is {
		for _, path := range []string{"/dev/stdout", "/dev/stderr"} {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				g := jsonlines.Egress(path)
				position(t, g, 0)
				for n := range count {
					must(t, g.Write(ctx, []engine.Record{record(t, n+1, "", strings.Repeat("x", long))}))
				}
				must(t, g.Close())
			})
		}
		return
	}
	reader, writer, err := os.Pipe()
	must(t, err)
	whole := make(chan int)
	go func() {
		n := 0
		for lines := bufio.NewReader(reader); ; {
			line, err := lines.ReadBytes('\n')
			if len(line) > long && json.Valid(line) {
				n++
			}
			if err != nil {
				whole <- n
				return
			}
		}
	}()
	runChild(t, "TestOutputsOnOnePipe", "", func(c *exec.Cmd) { c.Stdout, c.Stderr = writer, writer })
	must(t, writer.Close())
	if n := <-whole; n != 2*count {
		t.Errorf("%d lines came whole, want %d", n, 2*count)
	}
}

// TestTornLineGetsAnEnd: after a line that Close has cut short, on a pipe whose reader stays, the next begins on a line of its own, also of
// another engine of the process.
func TestTornLineGetsAnEnd(t *testing.T) {
	path, reader := keptPipe(t)
	large := record(t, 1, "", strings.Repeat("x", 1<<20))
	tear(t, path, reader, large)
	read := make(chan []string)
	go func() {
		lines := bufio.NewReader(reader)
		var got []string
		for range 3 {
			line, _ := lines.ReadString('\n')
			got = append(got, line)
		}
		read <- got
	}()
	g := jsonlines.Egress(path)
	position(t, g, 0)
	must(t, g.Write(ctx, []engine.Record{large}))
	must(t, g.Write(ctx, records(t, 2, 1)))
	got := <-read
	if json.Valid([]byte(got[0])) || !json.Valid([]byte(got[1])) || !strings.HasPrefix(got[2], `{"seq":2,`) {
		t.Errorf("the lines are %.40q", got)
	}
	must(t, g.Close())
}

// tear writes a part of a large record.
func tear(t *testing.T, path string, reader *os.File, large engine.Record) {
	t.Helper()
	g := jsonlines.Egress(path)
	position(t, g, 0)
	over, cancel := context.WithCancel(ctx)
	go func() {
		_, _ = reader.Read(make([]byte, 1)) // something has arrived
		cancel()
	}()
	wantErr(t, g.Write(over, []engine.Record{large}), context.Canceled, path)
	must(t, g.Close())
}

// TestTornLineOfAnotherPipe: a new pipe that got the place of a torn one on the disk begins with a line.
func TestTornLineOfAnotherPipe(t *testing.T) {
	path, reader := keptPipe(t)
	tear(t, path, reader, record(t, 1, "", strings.Repeat("x", 1<<20)))
	must(t, reader.Close())
	was, err := os.Stat(path)
	must(t, err)
	must(t, os.Remove(path))
	time.Sleep(20 * time.Millisecond) // file systems do not tell times that are closer
	must(t, syscall.Mkfifo(path, 0o600))
	if is, err := os.Stat(path); err != nil || !os.SameFile(was, is) {
		t.Skip("the file system has given it another place", err)
	}
	reader, err = os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	defer reader.Close()
	g := jsonlines.Egress(path)
	position(t, g, 0)
	must(t, g.Write(ctx, records(t, 1, 1)))
	if line, err := bufio.NewReader(reader).ReadString('\n'); err != nil || !json.Valid([]byte(line)) {
		t.Errorf("it begins with %q, %v", line, err)
	}
	must(t, g.Close())
}

// TestPipeBecomesAFile: what has got the path of a pipe is not written over.
func TestPipeBecomesAFile(t *testing.T) {
	path := mkfifo(t)
	g := jsonlines.Egress(path)
	position(t, g, 0)
	err := g.Write(ctx, records(t, 1, 1))
	wantErr(t, err, syscall.ENXIO)
	must(t, os.Remove(path))
	writeFile(t, path, "somebody's data")
	err = g.Write(ctx, records(t, 1, 1))
	wantErr(t, err, err, path, "regular file now")
	must(t, g.Close())
	if got := readFile(t, path); got != "somebody's data" {
		t.Errorf("the file has %q", got)
	}
}

// TestOnePipeForOneIngress: a second source of a pipe gets nothing of it, and says so, until the first is over.
func TestOnePipeForOneIngress(t *testing.T) {
	path, writer := keptPipe(t)
	came, over, stop := follow(t, path, jsonlines.IngressOptions{Follow: true})
	_, err := writer.WriteString("one\n")
	must(t, err)
	wantNext(t, came, over, "one")
	second := jsonlines.Ingress(path, toEcho, jsonlines.IngressOptions{})
	err = second.Run(ctx, 0, new(gathered).deliver)
	wantErr(t, err, err, path, "another ingress reads the pipe")
	stop()
	wantErr(t, <-over, context.Canceled)
	_, err = writer.WriteString("two\n")
	must(t, err)
	came, over, _ = follow(t, path, jsonlines.IngressOptions{Follow: true})
	wantNext(t, came, over, "two")
}
