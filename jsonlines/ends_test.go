//go:build unix

package jsonlines_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/jsonlines"
)

// mkfifo makes a named pipe.
func mkfifo(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fifo")
	must(t, syscall.Mkfifo(path, 0o600))
	return path
}

// TestEgressToDevices: lines go to what has no content to look at; they are delivered, and Close has nothing left.
func TestEgressToDevices(t *testing.T) {
	for _, path := range []string{"/dev/null", "/dev/stderr"} {
		o := engine.Options{Dir: t.TempDir(), Egresses: map[string]engine.Egress{"wire": jsonlines.Egress(path), "other": jsonlines.Egress(path)}}
		for range 2 {
			e := open(t, o)
			_ = e.Do(ctx, newTeller.On("a", 0))
			must(t, e.Do(ctx, tell.On("a", 2)))
			must(t, e.Close())
		}
	}
	refuses(t, engine.Options{Egresses: map[string]engine.Egress{"wire": jsonlines.Egress(t.TempDir())}}, "wire", "directory")
}

// TestEgressToPipe: a pipe that nobody reads holds up its egress, and neither Open nor operations nor, beyond its deadline, Close.
// Whoever reads it gets whole lines in order, and again after another reader.
func TestEgressToPipe(t *testing.T) {
	path := mkfifo(t)
	var log logLines
	o := engine.Options{Dir: t.TempDir(), Logger: log.logger(), Egresses: map[string]engine.Egress{"wire": jsonlines.Egress(path)}}
	e := open(t, o)
	must(t, e.Do(ctx, newTeller.On("a", 0)))
	must(t, e.Do(ctx, tell.On("a", 2)))
	eventually(t, "the log says why it waits", func() bool { return log.line("wire", "nobody reads the pipe") != "" })
	closeLeaving(t, e, 2)
	e = open(t, o)
	for round := range 2 {
		reader, err := os.Open(path)
		must(t, err)
		lines := bufio.NewScanner(reader)
		for i := range 2 {
			if want := fmt.Sprintf(`{"seq":%d,`, 2*round+i+1); !lines.Scan() || !strings.HasPrefix(lines.Text(), want) {
				t.Fatalf("a line is %s, want %s", lines.Text(), want)
			}
		}
		must(t, reader.Close())
		must(t, e.Do(ctx, tell.On("a", 2)))
	}
	closeLeaving(t, e, 2)
}

// TestEgressFullPipe: a reader that does not read holds up its egress only.
func TestEgressFullPipe(t *testing.T) {
	path := mkfifo(t)
	reader, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	defer reader.Close()
	o := engine.Options{Dir: t.TempDir(), CloseTimeout: 50 * time.Millisecond, Egresses: map[string]engine.Egress{"wire": jsonlines.Egress(path)}}
	e := open(t, o)
	must(t, e.Do(ctx, newTeller.On("a", 0)))
	must(t, e.Do(ctx, tell.On("a", 5000))) // more than a pipe holds
	err = e.Close()
	wantErr(t, err, err, `egress "wire"`, "not taken")
	if strings.Contains(err.Error(), "left behind") {
		t.Errorf("the write does not end with its context: %v", err)
	}
}

// TestOneFileForOneEgress: a second egress of the same engine, of another engine, or of another process is refused, by whatever name it
// knows the file; the first does not notice.
func TestOneFileForOneEgress(t *testing.T) {
	const env = "CONCORDAT_TEST_LINES"
	if path := os.Getenv(env); path != "" { // the other process
		_, err := jsonlines.Egress(path).Position()
		fmt.Println("it says:", err)
		return
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	writeFile(t, path, "")
	must(t, os.Symlink(path, filepath.Join(dir, "symlink")))
	must(t, os.Link(path, filepath.Join(dir, "hardlink")))
	t.Chdir(dir)
	for _, name := range []string{path, "out", "./out", "symlink", "hardlink"} {
		o := engine.Options{Dir: t.TempDir(), Egresses: map[string]engine.Egress{"paid": jsonlines.Egress(path), "shipped": jsonlines.Egress(name)}}
		refuses(t, o, `egress "shipped"`, "another egress writes to the file: one of this process, as "+path, name)
	}
	e := open(t, engine.Options{Egresses: map[string]engine.Egress{"wire": jsonlines.Egress(path)}})
	refuses(t, engine.Options{Egresses: map[string]engine.Egress{"wire": jsonlines.Egress("hardlink")}}, `"wire"`, "another egress")
	other := exec.Command(os.Args[0], "-test.run=^TestOneFileForOneEgress$", "-test.v")
	other.Env = append(os.Environ(), env+"="+path)
	if out, err := other.CombinedOutput(); err != nil || !strings.Contains(string(out), "another egress writes to the file") {
		t.Errorf("the other process: %v, %s", err, out)
	}
	must(t, e.Do(ctx, newTeller.On("a", 0)))
	must(t, e.Do(ctx, tell.On("a", 3)))
	must(t, e.Close())
	wantLines(t, path, 3)
}

// TestOneOwnerOfLines: an egress or a source of lines knows one position, so it is refused under a second name and in a second engine,
// and the first does not notice.
func TestOneOwnerOfLines(t *testing.T) {
	in, out := filepath.Join(t.TempDir(), "in"), filepath.Join(t.TempDir(), "out")
	writeFile(t, in, "1\n")
	toTell := func([]byte) (functions.Message, error) { return tell.On("a", 1), nil }
	lines := jsonlines.Egress(out)
	source := jsonlines.Ingress(in, toTell, jsonlines.IngressOptions{Follow: true, Poll: time.Millisecond})
	refuses(t, engine.Options{Egresses: map[string]engine.Egress{"paid": lines, "shipped": lines}}, `egress "shipped"`, `egress "paid"`, "one of its own")
	refuses(t, engine.Options{Ingresses: map[string]engine.Ingress{"paid": source, "shipped": source}}, `ingress "shipped"`, `ingress "paid"`)

	dir := t.TempDir()
	e := open(t, engine.Options{Dir: dir})
	must(t, e.Do(ctx, newTeller.On("a", 0)))
	must(t, e.Close())
	e = open(t, engine.Options{Dir: dir, Egresses: map[string]engine.Egress{"wire": lines}, Ingresses: map[string]engine.Ingress{"in": source}})
	refuses(t, engine.Options{Egresses: map[string]engine.Egress{"wire": lines}}, `egress "wire"`, "in another engine")
	eventually(t, "the first reads", func() bool { return saidBy(t, e, "a") == 1 })
	var log logLines
	second := open(t, engine.Options{Logger: log.logger(), Ingresses: map[string]engine.Ingress{"in": source}})
	eventually(t, "the second says why it does not read", func() bool { return log.line(in, "in another engine") != "" })
	must(t, second.Close())
	appendFile(t, in, "2\n")
	eventually(t, "the first goes on", func() bool { return saidBy(t, e, "a") == 2 })
	must(t, e.Close())
	wantLines(t, out, 2)
	e = open(t, engine.Options{Dir: dir, Egresses: map[string]engine.Egress{"wire": lines}, Ingresses: map[string]engine.Ingress{"in": source}})
	appendFile(t, in, "3\n")
	eventually(t, "another one may have them later", func() bool { return saidBy(t, e, "a") == 3 })
	must(t, e.Close())
	wantLines(t, out, 3)
}

// TestStreamOfASecondEngine: what an earlier engine wrote to a device is no reason to leave anything out.
func TestStreamOfASecondEngine(t *testing.T) {
	path := mkfifo(t)
	reader, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	defer reader.Close()
	scanner := bufio.NewScanner(reader)
	lines := jsonlines.Egress(path)
	for range 2 {
		e := open(t, engine.Options{Egresses: map[string]engine.Egress{"wire": lines}})
		must(t, e.Do(ctx, newTeller.On("a", 0)))
		must(t, e.Do(ctx, tell.On("a", 2)))
		for n := 1; n <= 2; n++ {
			if !scanner.Scan() || !strings.HasPrefix(scanner.Text(), fmt.Sprintf(`{"seq":%d,`, n)) {
				t.Errorf("line %d is %s", n, scanner.Text())
			}
		}
		must(t, e.Close())
	}
}

// TestEgressCutWhileOpen: a file that somebody cuts under its egress gets no hole: the egress says so and waits.
func TestEgressCutWhileOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	var log logLines
	e := open(t, engine.Options{Logger: log.logger(), Egresses: map[string]engine.Egress{"wire": jsonlines.Egress(path)}})
	must(t, e.Do(ctx, newTeller.On("a", 0)))
	must(t, e.Do(ctx, tell.On("a", 1)))
	eventually(t, "it is written", func() bool { return readFile(t, path) != "" })
	must(t, os.Truncate(path, 0))
	must(t, e.Do(ctx, tell.On("a", 1)))
	eventually(t, "the log says so", func() bool { return log.line("wire", "cut") != "" })
	if got := readFile(t, path); got != "" {
		t.Errorf("the file has %q", got)
	}
	closeLeaving(t, e, 1)
}

// follow runs a source that follows a file on a goroutine of its own.
func follow(t *testing.T, path string, o jsonlines.IngressOptions) (came <-chan string, over <-chan error, stop func()) {
	t.Helper()
	lines, ended := make(chan string, 100), make(chan error, 1)
	g := gathered{refuse: func(line string) error { lines <- line; return nil }}
	following, cancel := context.WithCancel(ctx)
	t.Cleanup(cancel)
	o.Poll, o.Logger = time.Millisecond, new(logLines).logger()
	s := jsonlines.Ingress(path, toEcho, o)
	go func() { ended <- s.Run(following, 0, g.deliver) }()
	return lines, ended, cancel
}

func wantNext(t *testing.T, came <-chan string, over <-chan error, want ...string) {
	t.Helper()
	for _, line := range want {
		select {
		case got := <-came:
			if got != line {
				t.Fatalf("the line is %q, want %q", got, line)
			}
		case err := <-over:
			t.Fatalf("it ended before %q: %v", line, err)
		case <-time.After(20 * time.Second):
			t.Fatalf("%q does not come", line)
		}
	}
}

// TestIngressIsReplaced: a followed file that is moved away is read to its end; the file that takes its place, or what is written over it,
// is an error that stays, and not taken for the rest of the old one.
func TestIngressIsReplaced(t *testing.T) {
	longer := strings.Repeat("another line\n", 10)
	for name, replace := range map[string]func(path string, readThree func()){
		"renamed": func(path string, readThree func()) {
			must(t, os.Rename(path, path+".1"))
			appendFile(t, path+".1", "three\n")
			writeFile(t, path, longer)
			readThree()
		},
		"cut": func(path string, readThree func()) {
			appendFile(t, path, "three\n")
			readThree()
			must(t, os.Truncate(path, 0))
		},
		"overwritten": func(path string, readThree func()) {
			appendFile(t, path, "three\n")
			readThree()
			file, err := os.OpenFile(path, os.O_WRONLY, 0)
			must(t, err)
			_, err = file.WriteString(longer) // at once longer than the position
			must(t, errors.Join(err, file.Close()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "in")
			writeFile(t, path, "one\ntwo\n")
			came, over, _ := follow(t, path, jsonlines.IngressOptions{Follow: true})
			wantNext(t, came, over, "one", "two")
			replace(path, func() { wantNext(t, came, over, "three") })
			err := <-over
			wantErr(t, err, err, "replaced", path)
			if len(came) > 0 {
				t.Errorf("then comes %q", <-came)
			}
		})
	}
}

// TestReplacedIngressStaysLost: also when the new file has grown over the position by the next run.
func TestReplacedIngressStaysLost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "in")
	writeFile(t, path, "one\ntwo\n")
	var g gathered
	s := jsonlines.Ingress(path, toEcho, jsonlines.IngressOptions{})
	must(t, s.Run(ctx, 0, g.deliver))
	writeFile(t, path, "1\n")
	for range 2 {
		err := s.Run(ctx, 8, g.deliver)
		wantErr(t, err, err, "replaced")
		writeFile(t, path, "another\nand another\n")
	}
	if len(g.lines) != 2 {
		t.Errorf("delivered are %v", g.lines)
	}
}

// TestIngressIsReplacedBeforeItIsRead: a run knows the file also if it has read nothing of it yet, and at each run that follows.
func TestIngressIsReplacedBeforeItIsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "in")
	another := "another line\nand another line\n"
	begin := func() (engine.Ingress, *gathered) {
		writeFile(t, path, "one\ntwo\n")
		return jsonlines.Ingress(path, toEcho, jsonlines.IngressOptions{}), new(gathered)
	}
	s, g := begin()
	must(t, s.Run(ctx, 8, g.deliver))
	writeFile(t, path+"~", another)
	must(t, os.Rename(path+"~", path))
	err := s.Run(ctx, 8, g.deliver)
	wantErr(t, err, err, "replaced", path)
	if len(g.lines) > 0 {
		t.Errorf("delivered are %v", g.lines)
	}
	must(t, s.Run(ctx, 0, g.deliver)) // an ingress that has read nothing may begin with any file
	if !slices.Equal(g.lines, []string{"another line", "and another line"}) {
		t.Errorf("delivered are %v", g.lines)
	}

	s, g = begin()
	g.refuse = func(string) error { return errRude }
	wantErr(t, s.Run(ctx, 4, g.deliver), errRude) // nothing of it was taken
	writeFile(t, path, another)
	err = s.Run(ctx, 4, g.deliver)
	wantErr(t, err, err, "replaced")
}

// TestIngressOfLikeLines: what a file is known by is more than its last line.
func TestIngressOfLikeLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "in")
	for name, lines := range map[string][2]string{
		"first":                  {"a\ntick\n", "b\ntick\ntick\n"},
		"many":                   {"a\n" + strings.Repeat("tick\n", 40), "b\n" + strings.Repeat("tick\n", 50)},
		"long":                   {strings.Repeat("a", 1000) + "\ntick\n", strings.Repeat("b", 1000) + "\ntick\ntick\n"},
		"that lead to nothing":   {"a\n#\n#\ntick\n", "a\n#\n!\ntick\n" + "tick\n"},
		"at which the file ends": {"a\n#\n", "b\n#\ntick\n"},
	} {
		writeFile(t, path, lines[0])
		var g gathered
		came := make(chan string, 100)
		g.refuse = func(line string) error { came <- line; return nil }
		following, stop := context.WithCancel(ctx)
		over := make(chan error, 1)
		s := jsonlines.Ingress(path, toEcho, jsonlines.IngressOptions{Follow: true, Poll: time.Millisecond})
		go func() { over <- s.Run(following, 0, g.deliver) }()
		for _, line := range strings.Fields(strings.ReplaceAll(lines[0], "#\n", "")) {
			wantNext(t, came, over, line)
		}
		writeFile(t, path+"~", lines[1])
		must(t, os.Rename(path+"~", path))
		err := <-over
		if err == nil || !strings.Contains(err.Error(), "replaced") {
			t.Errorf("lines %s: %v", name, err)
		}
		stop()
	}
}

// TestIngressIsReplacedWhileItIsRead: what is written over the file while its lines are delivered is not taken for their rest.
func TestIngressIsReplacedWhileItIsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "in")
	writeFile(t, path, strings.Repeat("old\n", 100_000))
	var g gathered
	g.refuse = func(line string) error {
		if len(g.lines) == 0 {
			file, err := os.OpenFile(path, os.O_WRONLY, 0)
			must(t, err)
			_, err = file.WriteString(strings.Repeat("new\n", 100_000))
			must(t, errors.Join(err, file.Close()))
		}
		return nil
	}
	err := jsonlines.Ingress(path, toEcho, jsonlines.IngressOptions{}).Run(ctx, 0, g.deliver)
	wantErr(t, err, err, "replaced")
	if n := len(g.lines); n == 0 || slices.Contains(g.lines, "new") {
		t.Errorf("%d lines came, the last %q", n, g.lines[n-1])
	}
}

// TestIngressBecomesSomethingElse: a directory or a pipe in the place of a followed file is an error that says so.
func TestIngressBecomesSomethingElse(t *testing.T) {
	for word, replace := range map[string]func(path string) error{
		"directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"pipe":      func(path string) error { return syscall.Mkfifo(path, 0o600) },
	} {
		path := filepath.Join(t.TempDir(), "in")
		writeFile(t, path, "one\n")
		came, over, _ := follow(t, path, jsonlines.IngressOptions{Follow: true})
		wantNext(t, came, over, "one")
		must(t, os.Remove(path))
		must(t, replace(path))
		err := <-over
		wantErr(t, err, err, word, path)
	}
}

// TestCorrectedIngress: a copy of the file with the bad line corrected, as an editor makes, is read on.
func TestCorrectedIngress(t *testing.T) {
	path := filepath.Join(t.TempDir(), "in")
	writeFile(t, path, "one\nbad\nthree\n")
	var g gathered
	s := jsonlines.Ingress(path, toEcho, jsonlines.IngressOptions{})
	wantErr(t, s.Run(ctx, 0, g.deliver), errRude)
	writeFile(t, path+"~", "one\ntwo\nthree\n")
	must(t, os.Rename(path+"~", path))
	must(t, s.Run(ctx, 4, g.deliver))
	if !slices.Equal(g.lines, []string{"one", "two", "three"}) {
		t.Errorf("delivered are %v", g.lines)
	}
}

// TestIngressThatIsNotThereYet: one that is followed is waited for, without an error.
func TestIngressThatIsNotThereYet(t *testing.T) {
	path := filepath.Join(t.TempDir(), "in")
	came, over, stop := follow(t, path, jsonlines.IngressOptions{Follow: true})
	time.Sleep(5 * time.Millisecond)
	writeFile(t, path, "one\n")
	wantNext(t, came, over, "one")
	stop()
	wantErr(t, <-over, context.Canceled)
	_, over, _ = follow(t, t.TempDir(), jsonlines.IngressOptions{Follow: true})
	err := <-over
	wantErr(t, err, err, "directory")
}

// TestIngressPipe: a pipe without a writer is waited for, and neither holds up Open nor Close. Its lines come once, also after a bad
// one, and from one writer after the other if it is followed; otherwise it is over with its writer.
func TestIngressPipe(t *testing.T) {
	path := mkfifo(t)
	write := func(text string) {
		t.Helper()
		w, err := os.OpenFile(path, os.O_WRONLY, 0)
		must(t, err)
		_, err = w.WriteString(text)
		must(t, errors.Join(err, w.Close()))
	}
	source := func(follow bool) engine.Ingress {
		return jsonlines.Ingress(path, toEcho, jsonlines.IngressOptions{Follow: follow, Poll: time.Millisecond})
	}
	for _, follow := range []bool{false, true} {
		o := engine.Options{CloseTimeout: 20 * time.Second, Ingresses: map[string]engine.Ingress{"in": source(follow)}}
		start := time.Now()
		e := open(t, o)
		must(t, e.Close())
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("Open and Close took %v", took)
		}
	}
	came, over, stop := follow(t, path, jsonlines.IngressOptions{Follow: true})
	write("one\ntwo\nhal")
	wantNext(t, came, over, "one", "two")
	write("f\n")
	wantNext(t, came, over, "half")
	stop()
	wantErr(t, <-over, context.Canceled)

	var g gathered
	refuse := errors.New("test: not now")
	g.refuse = func(line string) error {
		if line == "two" && refuse != nil {
			return refuse
		}
		return nil
	}
	s := source(false)
	go write("one\ntwo\nthree\n")
	wantErr(t, s.Run(ctx, 100, g.deliver), refuse, "byte 104")
	refuse = nil
	must(t, s.Run(ctx, 104, g.deliver))
	if !slices.Equal(g.lines, []string{"one", "two", "three"}) || !slices.Equal(g.positions, []uint64{104, 108, 114}) {
		t.Errorf("delivered are %v at %v", g.lines, g.positions)
	}
}

func appendFile(t *testing.T, path, text string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	_, err = file.WriteString(text)
	must(t, errors.Join(err, file.Close()))
}
