package jsonlines

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"math"
	"math/big"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/values"
)

var boxed = functions.Update(functions.NewType[int]("fuzz/box"), "put", func(_ *functions.Ctx, box *int, n int) error { *box = n; return nil })

func encoded(f *testing.F, v any) []byte {
	data, err := values.Encode(v)
	if err != nil {
		f.Fatal(err)
	}
	return data
}

// FuzzJSONValue: a record with any bytes for its value becomes a line that is JSON and that the egress knows as its own, or is refused
// with an error.
func FuzzJSONValue(f *testing.F) {
	for _, v := range []any{
		nil, 7, -1.5, math.NaN(), math.Inf(1), "é", []byte{1, 2}, []int{1}, map[string]any{"a": nil}, map[int]string{1: "x", -2: "y"},
		time.Unix(1, 5).UTC(), new(big.Int).Lsh(big.NewInt(1), 80), map[float64]int{math.NaN(): 1},
	} {
		f.Add("key", encoded(f, v))
	}
	f.Add("key", []byte{0xc1, 0x1b, 0, 0, 1, 0, 0, 0, 0, 0}) // a time long after the year 9999
	f.Fuzz(func(t *testing.T, key string, data []byte) {
		j := &egress{}
		last, err := j.encode([]engine.Record{{Seq: 7, Key: key, Value: data}})
		if err != nil {
			if len(j.lines.Bytes()) > 0 && last != 0 {
				t.Fatalf("an error and a record: %v", err)
			}
			return
		}
		line := j.lines.Bytes()
		if last != 7 || !json.Valid(line) || bytes.IndexByte(line, '\n') != len(line)-1 {
			t.Fatalf("%x became the line %q", data, line)
		}
		if seq, ok := lineNumber(line); !ok || seq != 7 {
			t.Fatalf("the egress does not know its own line %q", line)
		}
	})
}

// memFile is a file of lines in memory, for reading.
type memFile struct {
	linesFile
	*bytes.Reader
}

func (m memFile) ReadAt(p []byte, off int64) (int, error) { return m.Reader.ReadAt(p, off) }

func (m memFile) Stat() (fs.FileInfo, error) { return memInfo{size: m.Reader.Size()}, nil }

type memInfo struct {
	fs.FileInfo
	size int64
}

func (i memInfo) Size() int64 { return i.size }

func tailOf(data []byte) (linesTail, error) { return readTail(memFile{Reader: bytes.NewReader(data)}) }

// FuzzTail: the end of any file is refused as foreign or damaged, or it is whole lines with a torn rest: cut there, the file has the
// same last record, and takes the next one.
func FuzzTail(f *testing.F) {
	const one, two = "{\"seq\":1,\"key\":\"a\",\"value\":null}\n", "{\"seq\":2,\"key\":\"\",\"value\":[1]}\n"
	for _, s := range []string{"", one, one + two, one + two[:9], one + "\x00\x00\x00", one + two + "{\"seq\":\x00\x00\n\x00", two + one, "other", "\x00\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		tail, err := tailOf(data)
		if err != nil {
			return
		}
		if tail.cut < 0 || tail.cut > tail.size || tail.size != int64(len(data)) {
			t.Fatalf("%q is cut at %d of %d", data, tail.cut, tail.size)
		}
		kept := data[:tail.cut:tail.cut]
		if len(kept) > 0 && kept[len(kept)-1] != '\n' {
			t.Fatalf("%q is cut at %d, within a line", data, tail.cut)
		}
		if again, err := tailOf(kept); err != nil || again.last != tail.last || again.cut != tail.cut {
			t.Fatalf("%q has record %d last, and %q record %d (%v)", data, tail.last, kept, again.last, err)
		}
		if tail.last == math.MaxUint64 {
			return
		}
		longer := fmt.Appendf(kept, `{"seq":%d,"key":"k","value":0}`+"\n", tail.last+1)
		if next, err := tailOf(longer); err != nil || next.last != tail.last+1 || next.cut != int64(len(longer)) {
			t.Fatalf("after %q: record %d, then %d (%v)", kept, tail.last, next.last, err)
		}
	})
}

// FuzzLines: a source gives each whole line that is not blank, once, at the byte behind it, whatever the file holds; it stops at one that
// is too long; and started again behind any of them it gives the others.
func FuzzLines(f *testing.F) {
	f.Add([]byte("one\ntwo\r\n\n  \nthree"), uint16(64))
	f.Add([]byte("a line that is too long\n"), uint16(4))
	f.Add([]byte("a line of more than one buffer\ny\n"), uint16(40))
	f.Fuzz(func(t *testing.T, data []byte, maxLine uint16) {
		want, wantErr := linesOf(data, int(maxLine)+1)
		all, err := readFrom(data, 0, int(maxLine)+1)
		compareLines(t, all, want)
		if (err != nil) != wantErr {
			t.Fatalf("%q: error %v, want one: %v", data, err, wantErr)
		}
		if len(want) > 0 {
			half := len(want) / 2
			rest, _ := readFrom(data, want[half].end, int(maxLine)+1)
			compareLines(t, rest, want[half+1:])
		}
	})
}

type givenLine struct {
	end  int64
	text string
}

// linesOf is what a source has to give of a file.
func linesOf(data []byte, maxLine int) (lines []givenLine, tooLong bool) {
	end := 0
	for line := range bytes.SplitAfterSeq(data, []byte("\n")) {
		if len(line) > maxLine {
			return lines, true
		}
		end += len(line)
		text := bytes.TrimRight(line, "\r\n")
		if bytes.HasSuffix(line, []byte("\n")) && len(bytes.TrimSpace(text)) > 0 {
			lines = append(lines, givenLine{int64(end), string(text)})
		}
	}
	return lines, false
}

func readFrom(data []byte, position int64, maxLine int) (lines []givenLine, err error) {
	text := ""
	source := &ingress{path: "fuzz", options: IngressOptions{MaxLine: maxLine}.withDefaults()}
	source.toMessage = func(line []byte) (functions.Message, error) {
		text = string(line)
		return boxed.On("a", 0), nil
	}
	r := &linesReader{source: source, position: position, deliver: func(end uint64, _ functions.Message) error {
		lines = append(lines, givenLine{int64(end), text})
		return nil
	}}
	err = r.readLines(context.Background(), bufio.NewReaderSize(bytes.NewReader(data[position:]), 16))
	return lines, err
}

func compareLines(t *testing.T, got, want []givenLine) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("the source gives %+v, want %+v", got, want)
	}
}
