package history

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// MaxLine bounds a line of a file, in bytes.
const MaxLine = 16 << 20

// Load reads a file that a Writer made. A name that ends in ".gz" is a compressed one. Errors name the line: a file that is no
// history or has another version ([ErrFormat]), is cut off, or holds what no client can have seen, such as an end before its start
// or a value that was appended twice.
func Load(path string) (*History, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	defer file.Close()
	var from io.Reader = file
	if strings.HasSuffix(path, gzipSuffix) {
		zip, err := gzip.NewReader(bufio.NewReaderSize(file, writerBytes))
		if err != nil {
			return nil, fmt.Errorf("history: %s: %w: %w", path, ErrFormat, err)
		}
		defer zip.Close()
		from = zip
	}
	h, err := Decode(from)
	if err != nil {
		return nil, fmt.Errorf("history: %s: %w", path, err)
	}
	return h, nil
}

// Decode reads what a Writer wrote; see [Load].
func Decode(r io.Reader) (*History, error) {
	lines := lineReader{from: bufio.NewReaderSize(r, 1<<20)}
	header, err := decodeHeader(&lines)
	if err != nil {
		return nil, err
	}
	builder, err := NewBuilder(header)
	if err != nil {
		return nil, err
	}
	d := decoder{builder: builder, lists: header.Workload == ListAppend}
	for {
		line, err := lines.next()
		if errors.Is(err, io.EOF) {
			return builder.History()
		}
		if err == nil {
			err = d.line(lines.number, line)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", lines.number, err)
		}
	}
}

func decodeHeader(lines *lineReader) (h Header, err error) {
	line, err := lines.next()
	if errors.Is(err, io.EOF) {
		return h, fmt.Errorf("%w: it is empty", ErrFormat)
	}
	if err != nil {
		return h, fmt.Errorf("line 1: %w: %w", ErrFormat, err)
	}
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&h); err != nil && h.Format != Format {
		return h, fmt.Errorf("line 1: %w: the header: %w", ErrFormat, err)
	} else if err != nil && h.Version == Version {
		return h, fmt.Errorf("line 1: the header: %w", err)
	}
	if decoder.More() {
		return h, fmt.Errorf("line 1: %w: something follows the header", ErrFormat)
	}
	if err := h.Validate(); err != nil {
		return h, fmt.Errorf("line 1: %w", err)
	}
	return h, nil
}

// lineReader reads lines that end. A file whose last line does not end was cut off.
type lineReader struct {
	from   *bufio.Reader
	long   []byte
	number int
}

// next returns the next line without its end. It is good until the next call. The error after the last one is io.EOF itself.
func (r *lineReader) next() ([]byte, error) {
	r.number++
	line, err := r.from.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		line, err = r.gather(line)
	}
	switch {
	case err == nil:
		return line[:len(line)-1], nil
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) && len(line) > 0:
		return nil, fmt.Errorf("the file is cut off: its last line has no end")
	case errors.Is(err, io.EOF):
		return nil, io.EOF
	}
	return nil, fmt.Errorf("read: %w", err)
}

// gather reads the rest of a line that is longer than the buffer.
func (r *lineReader) gather(line []byte) ([]byte, error) {
	r.long = append(r.long[:0], line...)
	for {
		line, err := r.from.ReadSlice('\n')
		if len(r.long)+len(line) > MaxLine {
			return nil, fmt.Errorf("the line is longer than %d bytes", MaxLine)
		}
		r.long = append(r.long, line...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return r.long, err
		}
	}
}
