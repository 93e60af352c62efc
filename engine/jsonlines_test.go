package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/values"
)

func record(t testing.TB, seq int, key string, value any) engine.Record {
	t.Helper()
	data, err := values.Encode(value)
	must(t, err)
	return engine.Record{Seq: uint64(seq), Key: key, Value: data}
}

func records(t testing.TB, first, n int) (all []engine.Record) {
	for i := range n {
		all = append(all, record(t, first+i, fmt.Sprint("key-", first+i), news{"text\n", first + i}))
	}
	return all
}

// position opens the file as an engine does.
func position(t testing.TB, g engine.Egress, want uint64) {
	t.Helper()
	got, err := g.Position()
	must(t, err)
	if got != want {
		t.Fatalf("the position is %d, want %d", got, want)
	}
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	return string(data)
}

func writeFile(t testing.TB, path, content string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(content), 0o644))
}

// TestJSONLinesMapping: each line is an object with seq, key and value, as the comment of JSONLines describes it.
func TestJSONLinesMapping(t *testing.T) {
	type inner struct {
		B     []byte
		Named string `json:"other_name"`
	}
	big1 := new(big.Int).Lsh(big.NewInt(1), 100)
	for _, c := range []struct {
		value any
		want  string
	}{
		{nil, `null`},
		{struct{}{}, `{}`},
		{news{"<a> & b", -5}, `{"N":-5,"Text":"<a> & b"}`},
		{inner{[]byte{1, 2, 255}, "x"}, `{"B":"AQL/","other_name":"x"}`},
		{[]any{1, "two", true, nil, 2.5, []int{}}, `[1,"two",true,null,2.5,[]]`},
		{uint64(math.MaxUint64), `18446744073709551615`},
		{int64(math.MinInt64), `-9223372036854775808`},
		{big1, `1267650600228229401496703205376`},
		{1e300, `1e+300`},
		{float32(0.5), `0.5`},
		{[]float64{math.NaN(), math.Inf(1), math.Inf(-1)}, `["NaN","+Inf","-Inf"]`},
		{map[int]string{10: "a", -2: "b"}, `{"-2":"b","10":"a"}`},
		{map[bool]int{true: 1}, `{"true":1}`},
		{map[float64]int{1.5: 1}, `{"1.5":1}`},
		{map[string]any{"n": map[string]any{"m": []byte("hi")}}, `{"n":{"m":"aGk="}}`},
		{map[[2]byte]int{{1, 2}: 3}, `{"AQI=":3}`},
		{time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), `"2026-01-02T03:04:05.000000006Z"`},
		{"line\nend \u2028", `"line\nend \u2028"`},
		{"bad \xff", `"bad \ufffd"`},
	} {
		path := filepath.Join(t.TempDir(), "out")
		g := engine.JSONLines(path)
		position(t, g, 0)
		if err := g.Write(ctx, []engine.Record{record(t, 1, "k\"", c.value)}); err != nil {
			t.Errorf("%v: %v", c.value, err)
			continue
		}
		must(t, g.Close())
		if got, want := readFile(t, path), `{"seq":1,"key":"k\"","value":`+c.want+"}\n"; got != want {
			t.Errorf("%v is written as\n%swant\n%s", c.value, got, want)
		}
	}
	g := engine.JSONLines(filepath.Join(t.TempDir(), "out"))
	position(t, g, 0)
	defer g.Close()
	if err := g.Write(ctx, []engine.Record{record(t, 1, "", map[any]int{1: 1, "1": 2})}); err == nil || !strings.Contains(err.Error(), `"1"`) {
		t.Errorf("two keys with one name: error %v", err)
	}
}

// TestJSONLinesDropsRepeats and refuses gaps.
func TestJSONLinesDropsRepeats(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	g := engine.JSONLines(path)
	position(t, g, 0)
	must(t, g.Write(ctx, records(t, 1, 3)))
	must(t, g.Write(ctx, records(t, 1, 3)))
	must(t, g.Write(ctx, records(t, 2, 4)))
	must(t, g.Close())
	g = engine.JSONLines(path)
	position(t, g, 5)
	must(t, g.Write(ctx, records(t, 1, 6)))
	before := readFile(t, path)
	if err := g.Write(ctx, records(t, 8, 1)); err == nil || !strings.Contains(err.Error(), "record 8 comes after record 6") {
		t.Errorf("a gap is not refused: %v", err)
	}
	must(t, g.Close())
	if got := strings.Count(before, "\n"); got != 6 || readFile(t, path) != before {
		t.Errorf("the file has %d lines, want 6: %s", got, before)
	}
}

// TestJSONLinesHealsWhatACrashLeft cuts the last Write short at every byte, and punches a hole of zeros into it at every byte, as
// a power failure can. What was written before it is still known, and the file ends up as if nothing had happened.
func TestJSONLinesHealsWhatACrashLeft(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	g := engine.JSONLines(path)
	position(t, g, 0)
	must(t, g.Write(ctx, records(t, 1, 2)))
	synced := len(readFile(t, path))
	must(t, g.Write(ctx, records(t, 3, 3)))
	must(t, g.Close())
	whole := readFile(t, path)
	heal := func(what, left string) {
		writeFile(t, path, left)
		g := engine.JSONLines(path)
		got, err := g.Position()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if got < 2 || got > 5 {
			t.Fatalf("%s: the position is %d", what, got)
		}
		must(t, g.Write(ctx, records(t, int(got)+1, 5-int(got))))
		must(t, g.Close())
		if now := readFile(t, path); got < 5 && now != whole {
			t.Fatalf("%s: the file is\n%q, want\n%q", what, now, whole)
		}
	}
	for at := synced; at < len(whole); at++ {
		heal(fmt.Sprintf("cut at byte %d", at), whole[:at])
		heal(fmt.Sprintf("zeros from byte %d", at), whole[:at]+strings.Repeat("\x00", len(whole)-at))
		heal(fmt.Sprintf("zeros up to byte %d", at), whole[:synced]+strings.Repeat("\x00", at-synced)+whole[at:])
		heal(fmt.Sprintf("a zero at byte %d", at), whole[:at]+"\x00"+whole[at+1:])
	}
	heal("nothing is wrong", whole)
}

// TestJSONLinesRefusesForeignFiles, and leaves them as they are.
func TestJSONLinesRefusesForeignFiles(t *testing.T) {
	line := `{"seq":1,"key":"","value":1}` + "\n"
	for _, content := range []string{
		"hello", "hello\n", "{}\n", "[1]\n", `{"seq":0,"key":"","value":1}` + "\n", `{"seq":1}` + "\n", line + "\n", line + line,
		line + `{"seq":3,"key":"","value":1}` + "\n", line + "hello\n", line + "hello", line[:10] + "\n" + line, "SQLite format 3\x00\x00\x10",
		"\x00\x00\x00data", line[:len(line)-1] + "x\n",
	} {
		path := filepath.Join(t.TempDir(), "out")
		writeFile(t, path, content)
		_, err := engine.JSONLines(path).Position()
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%q: error %v", content, err)
		}
		if readFile(t, path) != content {
			t.Errorf("%q was changed", content)
		}
	}
	_, err := engine.JSONLines(filepath.Join(t.TempDir(), "missing", "out")).Position()
	wantErr(t, err, os.ErrNotExist)
}

// TestJSONLinesKeepsAcknowledgedLines: a file whose end is missing is not cut further, and says so at each Write.
func TestJSONLinesKeepsAcknowledgedLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	g := engine.JSONLines(path)
	position(t, g, 0)
	must(t, g.Write(ctx, records(t, 1, 5)))
	must(t, g.Close())
	damaged := strings.Replace(readFile(t, path), `"seq":4`, `"seq"`+"\x00\x00", 1)
	writeFile(t, path, damaged)
	g = engine.JSONLines(path)
	position(t, g, 3)
	for range 2 {
		if err := g.Write(ctx, records(t, 6, 1)); err == nil || !strings.Contains(err.Error(), "missing") {
			t.Errorf("error %v", err)
		}
	}
	must(t, g.Close())
	if readFile(t, path) != damaged {
		t.Error("the file was changed")
	}
}

// TestJSONLinesReadsOnlyTheEnd of a large file; a file that was moved away starts anew behind what it had.
func TestJSONLinesReadsOnlyTheEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	g := engine.JSONLines(path)
	position(t, g, 0)
	for i := range 10 {
		must(t, g.Write(ctx, records(t, 1+1000*i, 1000)))
	}
	must(t, g.Close())
	content := readFile(t, path)
	writeFile(t, path, "garbage\n"+content[8:])
	g = engine.JSONLines(path)
	position(t, g, 10_000)
	must(t, g.Close())
	must(t, os.Rename(path, path+".1"))
	position(t, g, 0)
	must(t, g.Write(ctx, records(t, 10_001, 1)))
	must(t, g.Close())
	position(t, g, 10_001)
	must(t, g.Close())
}

// frailFile fails on demand.
type frailFile struct {
	engine.LinesFile
	plan *frailPlan
}

type frailPlan struct{ failWrite, failSync, failTruncate int }

var errDisk = errors.New("test: the disk fails")

func fails(n *int) bool {
	*n--
	return *n == 0
}

func (f frailFile) WriteAt(p []byte, at int64) (int, error) {
	if fails(&f.plan.failWrite) {
		n, _ := f.LinesFile.WriteAt(p[:len(p)/2], at)
		return n, errDisk
	}
	return f.LinesFile.WriteAt(p, at)
}

func (f frailFile) Sync() error {
	if fails(&f.plan.failSync) {
		return errDisk
	}
	return f.LinesFile.Sync()
}

func (f frailFile) Truncate(size int64) error {
	if fails(&f.plan.failTruncate) {
		return errDisk
	}
	return f.LinesFile.Truncate(size)
}

// TestJSONLinesAfterAnError: a write, sync or truncation that fails is an error of Write, and the next Write puts it right.
func TestJSONLinesAfterAnError(t *testing.T) {
	for _, plan := range []frailPlan{{failWrite: 2}, {failSync: 2}, {failWrite: 2, failTruncate: 1}, {failSync: 2, failTruncate: 1}} {
		path := filepath.Join(t.TempDir(), "out")
		left := plan
		g := engine.JSONLinesOn(path, func(f engine.LinesFile) engine.LinesFile { return frailFile{f, &left} })
		position(t, g, 0)
		must(t, g.Write(ctx, records(t, 1, 2)))
		wantErr(t, g.Write(ctx, records(t, 3, 2)), errDisk, path)
		if plan.failTruncate > 0 {
			wantErr(t, g.Write(ctx, records(t, 3, 2)), errDisk, path)
		}
		must(t, g.Write(ctx, records(t, 3, 1)))
		must(t, g.Write(ctx, records(t, 4, 1)))
		must(t, g.Close())
		again := engine.JSONLines(path)
		position(t, again, 4)
		must(t, again.Close())
		if got := strings.Count(readFile(t, path), "\n"); got != 4 {
			t.Errorf("%+v: %d lines", plan, got)
		}
	}
}

// lostAnswer is an egress whose receiver takes everything, but whose answer gets lost now and then.
type lostAnswer struct {
	engine.Egress
	n int
}

func (l *lostAnswer) Write(ctx context.Context, records []engine.Record) error {
	err := l.Egress.Write(ctx, records)
	if l.n++; l.n%2 == 0 {
		return errors.Join(err, errDisk)
	}
	return err
}

// TestJSONLinesExactlyOnce: each record of an engine is in its file once, in order, over restarts, and when the egress fails
// between writing and saying so.
func TestJSONLinesExactlyOnce(t *testing.T) {
	dir, path := t.TempDir(), filepath.Join(t.TempDir(), "out")
	total := 0
	for round := range 8 {
		o := engine.Options{Dir: dir, Logger: new(logLines).logger()}
		o.Egresses = map[string]engine.Egress{"wire": &lostAnswer{Egress: engine.JSONLines(path), n: round}}
		e := open(t, o, tellers)
		if round == 0 {
			must(t, e.Do(ctx, newTeller.On("a", 0)))
		}
		for range 10 {
			must(t, e.Do(ctx, tell.On("a", 3)))
			total += 3
		}
		if round == 7 {
			eventually(t, "all lines are written", func() bool { return strings.Count(readFile(t, path), "\n") >= total })
		}
		must(t, e.Close())
	}
	wantLines(t, path, total)
}

func wantLines(t *testing.T, path string, n int) {
	t.Helper()
	all := strings.Split(strings.TrimSuffix(readFile(t, path), "\n"), "\n")
	if len(all) != n {
		t.Fatalf("the file has %d lines, want %d", len(all), n)
	}
	for i, line := range all {
		var got struct {
			Seq   int
			Value news
		}
		must(t, json.Unmarshal([]byte(line), &got))
		if got.Seq != i+1 || got.Value.N != i+1 {
			t.Fatalf("line %d is %s", i+1, line)
		}
	}
}

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

var echoes = functions.Update(notes, "echo", func(*functions.Ctx, *noteState, string) error { return nil })

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

// TestJSONLinesSource reads lines with the byte behind them as position; blank ones and comments lead to nothing, and a last line
// without end is left out. It goes on where it was.
func TestJSONLinesSource(t *testing.T) {
	path := filepath.Join(t.TempDir(), "in")
	long := strings.Repeat("x", 200_000)
	writeFile(t, path, "one\r\n\n  \n# two\n"+long+"\nthree\nfour")
	var log logLines
	s := engine.JSONLinesSource(path, toEcho, engine.JSONLinesOptions{Logger: log.logger()})
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
	wantErr(t, engine.JSONLinesSource(path+"-missing", toEcho, engine.JSONLinesOptions{}).Run(ctx, 0, g.deliver), os.ErrNotExist)
}

// TestJSONLinesSourceBadLines: it stops at a bad line, and names it, or skips it with a log.
func TestJSONLinesSourceBadLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "in")
	writeFile(t, path, "one\nbad\ntwo\npanic\nrefused\nthree\n")
	refuse := func(line string) error {
		if line == "refused" {
			return functions.ErrTooLarge
		}
		return nil
	}
	g := gathered{refuse: refuse}
	err := engine.JSONLinesSource(path, toEcho, engine.JSONLinesOptions{}).Run(ctx, 0, g.deliver)
	wantErr(t, err, errRude, path, "byte 4")
	if fmt.Sprint(g.lines) != "[one]" {
		t.Errorf("before the bad line %v was delivered", g.lines)
	}
	var log logLines
	g = gathered{refuse: refuse}
	must(t, engine.JSONLinesSource(path, toEcho, engine.JSONLinesOptions{SkipBad: true, Logger: log.logger()}).Run(ctx, 0, g.deliver))
	if fmt.Sprint(g.lines) != "[one two three]" {
		t.Errorf("%v was delivered", g.lines)
	}
	if log.line("byte=4", "rude") == "" || log.line("byte=12", "panic") == "" || log.line("byte=18", "size limit") == "" {
		t.Errorf("skipped lines are not in the log: %s", log.String())
	}
	g = gathered{refuse: func(string) error { return engine.ErrClosed }}
	wantErr(t, engine.JSONLinesSource(path, toEcho, engine.JSONLinesOptions{SkipBad: true}).Run(ctx, 0, g.deliver), engine.ErrClosed)
	err = engine.JSONLinesSource(path, toEcho, engine.JSONLinesOptions{MaxLine: 3}).Run(ctx, 0, g.deliver)
	if err == nil || !strings.Contains(err.Error(), "MaxLine") {
		t.Errorf("a line over the bound gives %v", err)
	}
}

// TestJSONLinesSourceFollows a file that grows, also by half lines, until its context ends.
func TestJSONLinesSourceFollows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "in")
	writeFile(t, path, "0\n")
	came := make(chan string, 100)
	g := gathered{refuse: func(line string) error { came <- line; return nil }}
	following, stop := context.WithCancel(ctx)
	over := make(chan error)
	s := engine.JSONLinesSource(path, toEcho, engine.JSONLinesOptions{Follow: true, Poll: time.Millisecond})
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
