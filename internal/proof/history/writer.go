package history

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
)

// Writer writes a history, one line for each record. It is safe for use by many goroutines: a record is encoded by its caller and
// only copied into a buffer under the lock. The first error of the file below stays, and every later call returns it.
type Writer struct {
	mu      sync.Mutex
	buffer  *bufio.Writer
	closers []io.Closer
	err     error
	lines   int
	lists   bool // what is read are lists
}

// writerBytes is the size of a writer's buffer.
const writerBytes = 1 << 18

// linePool has the buffers in which records are encoded.
var linePool = sync.Pool{New: func() any { return new([]byte) }}

// NewWriter writes the header. The records follow; Close must be called in the end.
func NewWriter(w io.Writer, h Header) (*Writer, error) {
	if err := h.Validate(); err != nil {
		return nil, fmt.Errorf("history: write: %w", err)
	}
	line, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("history: write: %w", err)
	}
	writer := &Writer{buffer: bufio.NewWriterSize(w, writerBytes), lines: 1, lists: h.Workload == ListAppend}
	_, writer.err = writer.buffer.Write(append(line, '\n'))
	return writer, writer.err
}

// Create makes the file, or replaces it, and writes the header. A name that ends in ".gz" is compressed, at the lowest level:
// that is about six times smaller and costs the recorder about a microsecond a transaction.
func Create(path string, h Header) (*Writer, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	var to io.Writer = file
	closers := []io.Closer{file}
	if strings.HasSuffix(path, gzipSuffix) {
		zip, err := gzip.NewWriterLevel(file, gzip.BestSpeed)
		if err != nil {
			panic("history: gzip does not know its own level: " + err.Error())
		}
		to, closers = zip, []io.Closer{zip, file}
	}
	w, err := NewWriter(to, h)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	w.closers = closers
	return w, nil
}

const gzipSuffix = ".gz"

// Tx writes a transaction. It blocks while the buffer is written to the file.
func (w *Writer) Tx(t *Tx) error {
	return w.write(func(line []byte) []byte { return appendTx(line, t, w.lists) })
}

// Step writes that a saga did or undid a step.
func (w *Writer) Step(s *Step) error {
	return w.write(func(line []byte) []byte { return appendStep(line, s) })
}

// Outcome writes the outcome of a saga.
func (w *Writer) Outcome(o *Outcome) error {
	return w.write(func(line []byte) []byte { return appendOutcome(line, o) })
}

func (w *Writer) write(encode func(line []byte) []byte) error {
	scratch := linePool.Get().(*[]byte)
	defer linePool.Put(scratch)
	line := append(encode((*scratch)[:0]), '\n')
	*scratch = line
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	w.lines++
	if _, err := w.buffer.Write(line); err != nil {
		w.err = fmt.Errorf("history: write line %d: %w", w.lines, err)
	}
	return w.err
}

// Flush hands what is buffered to the file. A reader that comes then may find a compressed file cut off.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.buffer.Flush(); err != nil && w.err == nil {
		w.err = fmt.Errorf("history: flush: %w", err)
	}
	return w.err
}

// Close writes what is buffered and closes the file that Create made. It returns the first error of the writer.
func (w *Writer) Close() error {
	err := w.Flush()
	for _, c := range w.closers {
		err = errors.Join(err, c.Close())
	}
	w.closers = nil
	return err
}

func appendTx(b []byte, t *Tx, lists bool) []byte {
	b = strconv.AppendInt(append(b, `{"process":`...), int64(t.Process), 10)
	b = strconv.AppendInt(append(b, `,"start":`...), t.Start, 10)
	if t.Status != Unknown {
		b = strconv.AppendInt(append(b, `,"end":`...), t.End, 10)
	}
	b = append(append(b, `,"status":"`...), t.Status.String()...)
	b = append(b, `","ops":[`...)
	for i := range t.Ops {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendOp(b, &t.Ops[i], t.Status == OK, lists)
	}
	return append(b, "]}"...)
}

func appendOp(b []byte, o *Op, withResult, lists bool) []byte {
	b = append(append(b, `["`...), o.Kind.String()...)
	b = appendString(append(b, `",`...), o.Key)
	switch {
	case o.Kind == Read && !withResult:
	case o.Kind == Read && lists:
		b = append(b, ",["...)
		for i, v := range o.List {
			if i > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendInt(b, v, 10)
		}
		b = append(b, ']')
	case o.Kind == Read && o.Absent:
		b = append(b, ",null"...)
	default:
		b = strconv.AppendInt(append(b, ','), o.Value, 10)
	}
	return append(b, ']')
}

// appendString appends a JSON string. Names that need no escapes, the usual ones, are copied.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			quoted, err := json.Marshal(s)
			if err != nil {
				panic("history: a string cannot be encoded: " + err.Error())
			}
			return append(b, quoted...)
		}
	}
	b = append(append(b, '"'), s...)
	return append(b, '"')
}
