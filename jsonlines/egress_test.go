package jsonlines_test

import (
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
	"github.com/concordat-dev/concordat/jsonlines"
)

// TestEgressMapping: each line is an object with seq, key and value, as the comment of JSONLines describes it.
func TestEgressMapping(t *testing.T) {
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
		g := jsonlines.Egress(path)
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
	g := jsonlines.Egress(filepath.Join(t.TempDir(), "out"))
	position(t, g, 0)
	defer g.Close()
	if err := g.Write(ctx, []engine.Record{record(t, 1, "", map[any]int{1: 1, "1": 2})}); err == nil || !strings.Contains(err.Error(), `"1"`) {
		t.Errorf("two keys with one name: error %v", err)
	}
}

// TestEgressDropsRepeats and refuses gaps.
func TestEgressDropsRepeats(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	g := jsonlines.Egress(path)
	position(t, g, 0)
	must(t, g.Write(ctx, records(t, 1, 3)))
	must(t, g.Write(ctx, records(t, 1, 3)))
	must(t, g.Write(ctx, records(t, 2, 4)))
	must(t, g.Close())
	g = jsonlines.Egress(path)
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

// TestEgressHealsWhatACrashLeft cuts the last Write short at every byte, and punches a hole of zeros into it at every byte, as
// a power failure can. What was written before it is still known, and the file ends up as if nothing had happened.
func TestEgressHealsWhatACrashLeft(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	g := jsonlines.Egress(path)
	position(t, g, 0)
	must(t, g.Write(ctx, records(t, 1, 2)))
	synced := len(readFile(t, path))
	must(t, g.Write(ctx, records(t, 3, 3)))
	must(t, g.Close())
	whole := readFile(t, path)
	heal := func(what, left string) {
		writeFile(t, path, left)
		g := jsonlines.Egress(path)
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

// TestEgressRefusesForeignFiles, and leaves them as they are.
func TestEgressRefusesForeignFiles(t *testing.T) {
	line := `{"seq":1,"key":"","value":1}` + "\n"
	for _, content := range []string{
		"hello", "hello\n", "{}\n", "[1]\n", `{"seq":0,"key":"","value":1}` + "\n", `{"seq":1}` + "\n", line + "\n", line + line,
		line + `{"seq":3,"key":"","value":1}` + "\n", line + "hello\n", line + "hello", line[:10] + "\n" + line, "SQLite format 3\x00\x00\x10",
		"\x00\x00\x00data", line[:len(line)-1] + "x\n",
	} {
		path := filepath.Join(t.TempDir(), "out")
		writeFile(t, path, content)
		_, err := jsonlines.Egress(path).Position()
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%q: error %v", content, err)
		}
		if readFile(t, path) != content {
			t.Errorf("%q was changed", content)
		}
	}
	_, err := jsonlines.Egress(filepath.Join(t.TempDir(), "missing", "out")).Position()
	wantErr(t, err, os.ErrNotExist)
}

// TestEgressKeepsAcknowledgedLines: a file whose end is missing is not cut further, and says so at each Write.
func TestEgressKeepsAcknowledgedLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	g := jsonlines.Egress(path)
	position(t, g, 0)
	must(t, g.Write(ctx, records(t, 1, 5)))
	must(t, g.Close())
	damaged := strings.Replace(readFile(t, path), `"seq":4`, `"seq"`+"\x00\x00", 1)
	writeFile(t, path, damaged)
	g = jsonlines.Egress(path)
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

// TestEgressReadsOnlyTheEnd of a large file; a file that was moved away starts anew behind what it had.
func TestEgressReadsOnlyTheEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	g := jsonlines.Egress(path)
	position(t, g, 0)
	for i := range 10 {
		must(t, g.Write(ctx, records(t, 1+1000*i, 1000)))
	}
	must(t, g.Close())
	content := readFile(t, path)
	writeFile(t, path, "garbage\n"+content[8:])
	g = jsonlines.Egress(path)
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
	jsonlines.File
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
		n, _ := f.File.WriteAt(p[:len(p)/2], at)
		return n, errDisk
	}
	return f.File.WriteAt(p, at)
}

func (f frailFile) Sync() error {
	if fails(&f.plan.failSync) {
		return errDisk
	}
	return f.File.Sync()
}

func (f frailFile) Truncate(size int64) error {
	if fails(&f.plan.failTruncate) {
		return errDisk
	}
	return f.File.Truncate(size)
}

// TestEgressAfterAnError: a write, sync or truncation that fails is an error of Write, and the next Write puts it right.
func TestEgressAfterAnError(t *testing.T) {
	for _, plan := range []frailPlan{{failWrite: 2}, {failSync: 2}, {failWrite: 2, failTruncate: 1}, {failSync: 2, failTruncate: 1}} {
		path := filepath.Join(t.TempDir(), "out")
		left := plan
		g := jsonlines.EgressOn(path, func(f jsonlines.File) jsonlines.File { return frailFile{f, &left} })
		position(t, g, 0)
		must(t, g.Write(ctx, records(t, 1, 2)))
		wantErr(t, g.Write(ctx, records(t, 3, 2)), errDisk, path)
		if plan.failTruncate > 0 {
			wantErr(t, g.Write(ctx, records(t, 3, 2)), errDisk, path)
		}
		must(t, g.Write(ctx, records(t, 3, 1)))
		must(t, g.Write(ctx, records(t, 4, 1)))
		must(t, g.Close())
		again := jsonlines.Egress(path)
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

// TestEgressExactlyOnce: each record of an engine is in its file once, in order, over restarts, and when the egress fails
// between writing and saying so.
func TestEgressExactlyOnce(t *testing.T) {
	dir, path := t.TempDir(), filepath.Join(t.TempDir(), "out")
	total := 0
	for round := range 8 {
		o := engine.Options{Dir: dir, Logger: new(logLines).logger()}
		o.Egresses = map[string]engine.Egress{"wire": &lostAnswer{Egress: jsonlines.Egress(path), n: round}}
		e := open(t, o)
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

// TestEgressParksWhatItCannotExpress: a line in the record's place says why, the file goes on behind it, and over a restart.
func TestEgressParksWhatItCannotExpress(t *testing.T) {
	type point struct{ X, Y int }
	pins := functions.NewEgress[map[any]string]("wire")
	tellersOfAny := functions.NewType[int]("test/teller-of-any")
	pin := functions.Update(tellersOfAny, "pin", func(ctx *functions.Ctx, _ *int, n int) error {
		ctx.Emit(pins.Record("a", map[any]string{n: "x"}))
		return nil
	})
	clash := functions.Update(tellersOfAny, "clash", func(ctx *functions.Ctx, _ *int, _ int) error {
		ctx.Emit(pins.Record("a", map[any]string{1: "x", "1": "y"}))
		ctx.Emit(pins.Record("b", map[any]string{point{1, 2}: "x"}))
		return nil
	})
	made := functions.Create(tellersOfAny, "new", func(*functions.Ctx, *int, int) error { return nil })
	path := filepath.Join(t.TempDir(), "out")
	o := engine.Options{Dir: t.TempDir(), Logger: new(logLines).logger()}
	for range 2 {
		o.Egresses = map[string]engine.Egress{"wire": jsonlines.Egress(path)}
		e := open(t, o, tellersOfAny)
		_ = e.Do(ctx, made.On("x", 0))
		must(t, e.Do(ctx, pin.On("x", 7)))
		must(t, e.Do(ctx, clash.On("x", 0)))
		must(t, e.Do(ctx, pin.On("x", 8)))
		must(t, e.Close())
	}
	want := ""
	for i := range 2 {
		want += fmt.Sprintf(`{"seq":%d,"key":"a","value":{"7":"x"}}
{"seq":%d,"key":"a","parked":"two keys of a map are both \"1\" in JSON"}
{"seq":%d,"key":"b","parked":"cbor: invalid map key type: map[interface {}]interface {}"}
{"seq":%d,"key":"a","value":{"8":"x"}}
`, 4*i+1, 4*i+2, 4*i+3, 4*i+4)
	}
	if got := readFile(t, path); got != want {
		t.Errorf("the file has\n%swant\n%s", got, want)
	}
	parked, err := open(t, o, tellersOfAny).ParkedRecords(ctx, "wire")
	must(t, err)
	if len(parked) != 4 {
		t.Errorf("parked are %v", parked)
	}
}
