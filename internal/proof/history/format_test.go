package history

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
)

// encoded is a history as a file.
func encoded(t testing.TB, header Header, txs []Tx) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b, header)
	if err != nil {
		t.Fatal(err)
	}
	for i := range txs {
		if err := w.Tx(&txs[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestRoundTrip: what is written is read again, the same as if it had been built in memory.
func TestRoundTrip(t *testing.T) {
	for _, workload := range []Workload{ListAppend, Register} {
		txs := simulate(3, workload, 2000)
		header := NewHeader(workload)
		h, err := Decode(bytes.NewReader(encoded(t, header, txs)))
		if err != nil {
			t.Fatal(err)
		}
		if want := plain(header, txs); !reflect.DeepEqual(h, want) {
			t.Errorf("a %s history has changed on its way through a file", workload)
		}
	}
}

// TestLinesAreJSON: other programs can read the format, whatever the names of keys are.
func TestLinesAreJSON(t *testing.T) {
	names := []string{"x", `a "quoted" one`, `back\slash`, "line\nend", "Ümlaut", "\x00\x7f", "", "日本"}
	var tx Tx
	for _, name := range names {
		tx.Ops = append(tx.Ops, Op{Kind: Append, Key: name, Value: -5}, Op{Kind: Read, Key: name, List: []int64{-5}})
	}
	data := encoded(t, NewHeader(ListAppend), []Tx{tx})
	for line := range bytes.Lines(data) {
		if !json.Valid(line) {
			t.Errorf("not JSON: %s", line)
		}
	}
	h, err := Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(h.keys, names) {
		t.Errorf("the keys are %q", h.keys)
	}
	if r := Check(h); !r.OK() {
		t.Error(reportText(t, r))
	}
}

// TestWriterIsShared: many goroutines write, and every line arrives whole.
func TestWriterIsShared(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shared.jsonl.gz")
	w, err := Create(path, NewHeader(ListAppend))
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	const writers, each = 8, 500
	for p := range writers {
		group.Go(func() {
			for i := range each {
				key := fmt.Sprintf("key-%d", p)
				tx := Tx{Process: int32(p), Start: int64(2 * i), End: int64(2*i + 1), Ops: []Op{{Kind: Append, Key: key, Value: int64(i)}}}
				if err := w.Tx(&tx); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	h, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if h.Transactions() != writers*each || len(h.keys) != writers {
		t.Errorf("%d transactions on %d keys", h.Transactions(), len(h.keys))
	}
}

// failingFile fails after some bytes.
type failingFile struct{ room int }

var errFull = errors.New("the disk is full")

func (f *failingFile) Write(p []byte) (int, error) {
	if f.room -= len(p); f.room < 0 {
		return 0, errFull
	}
	return len(p), nil
}

// TestWriterKeepsItsError: after the first error nothing is written any more, and everyone is told.
func TestWriterKeepsItsError(t *testing.T) {
	w, err := NewWriter(&failingFile{room: writerBytes}, NewHeader(ListAppend))
	if err != nil {
		t.Fatal(err)
	}
	tx := Tx{Ops: []Op{{Kind: Append, Key: strings.Repeat("k", 1000), Value: 1}}}
	failed := 0
	for range 2 * writerBytes / 1000 {
		if err := w.Tx(&tx); errors.Is(err, errFull) {
			failed++
		} else if failed > 0 {
			t.Fatalf("an error was forgotten: %v", err)
		}
	}
	if err := w.Close(); failed == 0 || !errors.Is(err, errFull) {
		t.Errorf("%d failures, and in the end: %v", failed, err)
	}
}

const listHeader = `{"format":"concordat-history","version":1,"workload":"list-append"}` + "\n"

// badFiles are files that are refused, and a part of the error.
var badFiles = []struct{ name, data, want string }{
	{"empty", "", "it is empty"},
	{"foreign text", "hello\n", "line 1: " + ErrFormat.Error()},
	{"foreign JSON", `{"name":"x"}` + "\n", "line 1: " + ErrFormat.Error()},
	{"another format", `{"format":"jepsen","version":1,"workload":"list-append"}` + "\n", `its format is "jepsen"`},
	{"another version", `{"format":"concordat-history","version":2,"workload":"list-append","more":1}` + "\n", "its version is 2"},
	{"unknown member in the header", `{"format":"concordat-history","version":1,"workload":"list-append","more":1}` + "\n", `unknown field "more"`},
	{"unknown workload", `{"format":"concordat-history","version":1,"workload":"queue"}` + "\n", `the workload is "queue"`},
	{"bank without accounts", `{"format":"concordat-history","version":1,"workload":"bank"}` + "\n", "needs accounts"},
	{"something behind the header", `{"format":"concordat-history","version":1,"workload":"list-append"} 7` + "\n", "something follows"},
	{"header cut off", listHeader[:30], "cut off"},
	{"cut off", listHeader + `{"process":0,"start":1,"end":2,"status":"ok","ops":[["app`, "line 2: the file is cut off"},
	{"cut off before the end of the line", listHeader + `{"process":0,"start":1,"end":2,"status":"ok","ops":[]}`, "line 2: the file is cut off"},
	{"garbage in the middle", listHeader + `{"process":0,"start":1,"end":2,"status":"ok","ops":[]}` + "\n\x00\x01\n", `line 3: column 1: '{' is missing`},
	{"empty line", listHeader + "\n", "line 2"},
	{"end before start", listHeader + `{"process":0,"start":5,"end":2,"status":"ok","ops":[]}` + "\n", "line 2: the end, 2, is before the start, 5"},
	{"negative start", listHeader + `{"process":0,"start":-5,"end":2,"status":"ok","ops":[]}` + "\n", "line 2: the start, -5, is negative"},
	{"no end", listHeader + `{"process":0,"start":5,"status":"ok","ops":[]}` + "\n", "line 2: the end is missing"},
	{"no status", listHeader + `{"process":0,"start":5,"end":6,"ops":[]}` + "\n", "line 2: neither a transaction"},
	{"unknown status", listHeader + `{"process":0,"start":5,"end":6,"status":"maybe","ops":[]}` + "\n", `the status is "maybe"`},
	{"unknown member", listHeader + `{"process":0,"begin":5}` + "\n", `there is no member "begin"`},
	{"member twice", listHeader + `{"process":0,"process":5}` + "\n", `the member "process" is there twice`},
	{"process too large", listHeader + `{"process":3000000000}` + "\n", "a process is 3000000000"},
	{"number too large", listHeader + `{"start":9223372036854775808}` + "\n", "the number is too large"},
	{"fraction", listHeader + `{"start":1.5}` + "\n", "is missing"},
	{"something behind", listHeader + `{"process":0,"start":1,"end":2,"status":"ok","ops":[]}x` + "\n", "something follows the record"},
	{"unknown operation", listHeader + `{"process":0,"start":1,"end":2,"status":"ok","ops":[["pop","x",1]]}` + "\n", `the operation is "pop"`},
	{"operation of another workload", listHeader + `{"process":0,"start":1,"end":2,"status":"ok","ops":[["write","x",1]]}` + "\n", `has no "write"`},
	{"read without result", listHeader + `{"process":0,"start":1,"end":2,"status":"ok","ops":[["read","x"]]}` + "\n", "has no result"},
	{"bad escape", listHeader + `{"process":0,"start":1,"end":2,"status":"ok","ops":[["read","\q",[]]]}` + "\n", "a string"},
	{"saga in a list history", listHeader + `{"saga":"s","outcome":"done","steps":1}` + "\n", "has no sagas"},
	{"value twice", listHeader + `{"process":0,"start":1,"end":2,"status":"ok","ops":[["append","x",1]]}` + "\n" +
		`{"process":1,"start":1,"end":2,"status":"fail","ops":[["append","y",1],["append","x",1]]}` + "\n",
		`line 3: the value 1 was written to "x" before, in line 2`},
	{"two things at a time", listHeader + `{"process":7,"start":1,"end":5,"status":"ok","ops":[]}` + "\n" +
		`{"process":7,"start":4,"end":6,"status":"ok","ops":[]}` + "\n",
		"line 3: process 7 began a transaction at 4 while another, in line 2, lasted until 5"},
	{"transfer out of nothing", `{"format":"concordat-history","version":1,"workload":"bank","accounts":2,"opening":5}` + "\n" +
		`{"process":0,"start":1,"end":2,"status":"ok","ops":[["add","x",1]]}` + "\n", "line 2: the transaction adds 1"},
	{"too many accounts", `{"format":"concordat-history","version":1,"workload":"bank","accounts":1,"opening":5}` + "\n" +
		`{"process":0,"start":1,"end":2,"status":"ok","ops":[["read","x",5],["read","y",5]]}` + "\n", `there are 2 accounts or more, such as "y"`},
	{"two outcomes", `{"format":"concordat-history","version":1,"workload":"saga","accounts":1}` + "\n" +
		strings.Repeat(`{"saga":"s","outcome":"done","steps":1}`+"\n", 2), `saga "s" has two outcomes`},
	{"one number for two steps", `{"format":"concordat-history","version":1,"workload":"saga","accounts":1}` + "\n" +
		strings.Repeat(`{"saga":"s","step":1,"kind":"do","instance":"a","amount":1,"seq":1}`+"\n", 2), "two steps have the number 1"},
}

func TestBadFiles(t *testing.T) {
	for _, bad := range badFiles {
		t.Run(bad.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "bad.jsonl")
			if err := os.WriteFile(path, []byte(bad.data), 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := Load(path)
			if err == nil || !strings.Contains(err.Error(), bad.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("the error is %v, want %q and the file in it", err, bad.want)
			}
		})
	}
}

// TestEveryCutIsAnError: a file that is cut off at any byte is never taken for a whole one, unless it ends with a line.
func TestEveryCutIsAnError(t *testing.T) {
	data := encoded(t, NewHeader(ListAppend), simulate(1, ListAppend, 8))
	for n := range len(data) {
		_, err := Decode(bytes.NewReader(data[:n]))
		if whole := n > 0 && data[n-1] == '\n'; whole != (err == nil) {
			t.Errorf("cut to %d of %d bytes: %v", n, len(data), err)
		}
	}
}

// TestCutGzip: a compressed file that is cut off is an error.
func TestCutGzip(t *testing.T) {
	dir := t.TempDir()
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	if _, err := zip.Write(encoded(t, NewHeader(ListAppend), simulate(1, ListAppend, 100))); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 5, 100, b.Len() / 2, b.Len() - 1} {
		path := filepath.Join(dir, fmt.Sprintf("cut-%d.gz", n))
		if err := os.WriteFile(path, b.Bytes()[:n], 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path); err == nil {
			t.Errorf("cut to %d of %d bytes: no error", n, b.Len())
		}
	}
}

// TestLongLines: a line may be longer than the buffer, but not than MaxLine.
func TestLongLines(t *testing.T) {
	tx := Tx{Ops: make([]Op, 200_000)}
	for i := range tx.Ops {
		tx.Ops[i] = Op{Kind: Append, Key: "x", Value: int64(i)}
	}
	h, err := Decode(bytes.NewReader(encoded(t, NewHeader(ListAppend), []Tx{tx})))
	if err != nil || len(h.ops) != len(tx.Ops) {
		t.Fatalf("a line of %d operations: %v", len(tx.Ops), err)
	}
	tooLong := listHeader + strings.Repeat(" ", MaxLine+1) + "\n"
	if _, err := Decode(strings.NewReader(tooLong)); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("a line that is too long: %v", err)
	}
}

// jsonTx is a transaction for encoding/json.
type jsonTx struct {
	Process    int32
	Start, End int64
	Status     string
	Ops        [][]json.RawMessage
}

// BenchmarkDecode compares the scanner with encoding/json, which would still have to take the operations apart.
func BenchmarkDecode(b *testing.B) {
	data := encoded(b, NewHeader(ListAppend), simulate(1, ListAppend, 10_000))
	b.Run("scanner", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if _, err := Decode(bytes.NewReader(data)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			for line := range bytes.Lines(data) {
				var tx jsonTx
				if err := json.Unmarshal(line, &tx); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

// FuzzDecode: no file makes the decoder or the checker panic, and one that is accepted is accepted again after a round trip.
func FuzzDecode(f *testing.F) {
	for _, bad := range badFiles {
		f.Add([]byte(bad.data))
	}
	f.Add(encoded(f, NewHeader(ListAppend), simulate(1, ListAppend, 5)))
	f.Add(encoded(f, NewHeader(Register), simulate(1, Register, 5)))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := Decode(bytes.NewReader(data))
		if err != nil {
			return
		}
		r := Check(h)
		var text bytes.Buffer
		if err := errors.Join(r.WriteText(&text), r.WriteSVG(&text), r.WriteDOT(&text)); err != nil {
			t.Fatal(err)
		}
	})
}
