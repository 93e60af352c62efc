package jsonlines_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/jsonlines"
)

// gathered is the far end of an ingress: it keeps what was delivered, and refuses what has a bad operation.
type gathered struct {
	lines     []string
	positions []uint64
	refuse    func(line string) error
}

func (g *gathered) deliver(position uint64, m functions.Message) error {
	var line string
	if err := codec.Decode(m.Envelope().Arg, &line); err != nil {
		return err
	}
	if g.refuse != nil {
		if err := g.refuse(line); err != nil {
			return err
		}
	}
	g.lines, g.positions = append(g.lines, line), append(g.positions, position)
	return nil
}

var echoes = functions.Update(tellers, "echo", func(*functions.Ctx, *talker, string) error { return nil })

func toEcho(line []byte) (functions.Message, error) {
	switch {
	case bytes.HasPrefix(line, []byte("bad")):
		return nil, errRude
	case bytes.HasPrefix(line, []byte("panic")):
		panic("test")
	case bytes.HasPrefix(line, []byte("#")):
		return nil, nil
	}
	return echoes.On("n", string(line)), nil
}

// TestIngress reads lines with the byte behind them as position; blank ones and comments lead to nothing, and a last line
// without end is left out. It goes on where it was.
func TestIngress(t *testing.T) {
	path := filepath.Join(t.TempDir(), "in")
	long := strings.Repeat("x", 200_000)
	writeFile(t, path, "one\r\n\n  \n# two\n"+long+"\nthree\nfour")
	var log logLines
	s := jsonlines.Ingress(path, toEcho, jsonlines.IngressOptions{Logger: log.logger()})
	var g gathered
	must(t, s.Run(ctx, 0, g.deliver))
	if want := []string{"one", long, "three"}; fmt.Sprint(g.lines) != fmt.Sprint(want) {
		t.Errorf("delivered %.100q", g.lines)
	}
	if log.line("four") == "" && log.line("has no end", path) == "" {
		t.Errorf("the line without end is not in the log: %s", log.String())
	}
	writeFile(t, path, readFile(t, path)+" and a half\nfive\n")
	must(t, s.Run(ctx, g.positions[2], g.deliver))
	if want := []string{"four and a half", "five"}; fmt.Sprint(g.lines[3:]) != fmt.Sprint(want) {
		t.Errorf("then delivered %q", g.lines[3:])
	}
	if end := g.positions[4]; end != uint64(len(readFile(t, path))) {
		t.Errorf("the last position is %d, want the file's end", end)
	}
	writeFile(t, path, "new\n")
	if err := s.Run(ctx, g.positions[4], g.deliver); err == nil || !strings.Contains(err.Error(), "replaced") {
		t.Errorf("a file that shrank gives %v", err)
	}
	wantErr(t, jsonlines.Ingress(path+"-missing", toEcho, jsonlines.IngressOptions{}).Run(ctx, 0, g.deliver), os.ErrNotExist)
}

// TestIngressBadLines: it stops at a bad line, and names it, or skips it with a log.
func TestIngressBadLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "in")
	writeFile(t, path, "one\nbad\ntwo\npanic\nrefused\nthree\n")
	refuse := func(line string) error {
		if line == "refused" {
			return functions.ErrTooLarge
		}
		return nil
	}
	g := gathered{refuse: refuse}
	err := jsonlines.Ingress(path, toEcho, jsonlines.IngressOptions{}).Run(ctx, 0, g.deliver)
	wantErr(t, err, errRude, path, "byte 4")
	if fmt.Sprint(g.lines) != "[one]" {
		t.Errorf("before the bad line %v was delivered", g.lines)
	}
	var log logLines
	g = gathered{refuse: refuse}
	must(t, jsonlines.Ingress(path, toEcho, jsonlines.IngressOptions{SkipBad: true, Logger: log.logger()}).Run(ctx, 0, g.deliver))
	if fmt.Sprint(g.lines) != "[one two three]" {
		t.Errorf("%v was delivered", g.lines)
	}
	if log.line("byte=4", "rude") == "" || log.line("byte=12", "panic") == "" || log.line("byte=18", "size limit") == "" {
		t.Errorf("skipped lines are not in the log: %s", log.String())
	}
	g = gathered{refuse: func(string) error { return engine.ErrClosed }}
	wantErr(t, jsonlines.Ingress(path, toEcho, jsonlines.IngressOptions{SkipBad: true}).Run(ctx, 0, g.deliver), engine.ErrClosed)
	err = jsonlines.Ingress(path, toEcho, jsonlines.IngressOptions{MaxLine: 3}).Run(ctx, 0, g.deliver)
	if err == nil || !strings.Contains(err.Error(), "MaxLine") {
		t.Errorf("a line over the bound gives %v", err)
	}
}

// TestIngressFollows a file that grows, also by half lines, until its context ends.
func TestIngressFollows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "in")
	writeFile(t, path, "0\n")
	came := make(chan string, 100)
	g := gathered{refuse: func(line string) error { came <- line; return nil }}
	following, stop := context.WithCancel(ctx)
	over := make(chan error)
	s := jsonlines.Ingress(path, toEcho, jsonlines.IngressOptions{Follow: true, Poll: time.Millisecond})
	go func() { over <- s.Run(following, 0, g.deliver) }()
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	defer file.Close()
	for i := range 20 {
		if line := <-came; line != fmt.Sprint(i) {
			t.Fatalf("line %d is %q", i, line)
		}
		for _, half := range []string{fmt.Sprint(i + 1)[:1], fmt.Sprint(i + 1)[1:], "\n"} {
			_, err := file.WriteString(half)
			must(t, err)
		}
	}
	stop()
	wantErr(t, <-over, context.Canceled)
}

// TestFileToFileExactlyOnce: lines of one file become lines of another through an engine, exactly once and in order, over restarts
// at any moment and with an egress whose answers get lost.
func TestFileToFileExactlyOnce(t *testing.T) {
	in, out := filepath.Join(t.TempDir(), "in"), filepath.Join(t.TempDir(), "out")
	toTell := func(line []byte) (functions.Message, error) {
		n, err := strconv.Atoi(string(line))
		return tell.On("a", n), err
	}
	dir := t.TempDir()
	e := open(t, engine.Options{Dir: dir, Egresses: map[string]engine.Egress{"wire": jsonlines.Egress(out)}})
	must(t, e.Do(ctx, newTeller.On("a", 0)))
	must(t, e.Close())
	file, err := os.Create(in)
	must(t, err)
	defer file.Close()
	total := 0
	for round := range 10 {
		for i := range 50 {
			_, err := fmt.Fprintln(file, i%4)
			must(t, err)
			total += i % 4
		}
		e := open(t, engine.Options{
			Dir: dir, Workers: 2, Logger: new(logLines).logger(),
			Egresses:  map[string]engine.Egress{"wire": &lostAnswer{Egress: jsonlines.Egress(out), n: round}},
			Ingresses: map[string]engine.Ingress{"in": jsonlines.Ingress(in, toTell, jsonlines.IngressOptions{Follow: true, Poll: time.Millisecond})},
		})
		enough := total - 75 + 7*round // somewhere in the midst
		if round == 9 {
			enough = total
		}
		eventually(t, "lines come out", func() bool { return strings.Count(readFile(t, out), "\n") >= enough })
		must(t, e.Close())
	}
	wantLines(t, out, total)
}

// TestEndsThatCannotBe: what can be seen to be wrong with an egress or an ingress is an error of Open that names it.
func TestEndsThatCannotBe(t *testing.T) {
	toMessage := func([]byte) (functions.Message, error) { return nil, nil }
	refuses(t, engine.Options{Egresses: map[string]engine.Egress{"wire": jsonlines.Egress("")}}, `egress "wire"`, "path is empty")
	for name, from := range map[string]engine.Ingress{
		"path":      jsonlines.Ingress("", toMessage, jsonlines.IngressOptions{}),
		"toMessage": jsonlines.Ingress("in", nil, jsonlines.IngressOptions{}),
		"Poll":      jsonlines.Ingress("in", toMessage, jsonlines.IngressOptions{Poll: -1}),
		"MaxLine":   jsonlines.Ingress("in", toMessage, jsonlines.IngressOptions{MaxLine: -1}),
	} {
		refuses(t, engine.Options{Ingresses: map[string]engine.Ingress{name: from}}, `ingress "`+name+`"`, name+" is")
	}
}
