package engine

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/concordat-dev/concordat/functions"
)

// JSONLinesOptions say how a file of lines is read. The zero value reads it to its end and stops at the first bad line.
type JSONLinesOptions struct {
	// Follow goes on reading when the file grows. Without it the ingress is over at the end of the file; what is appended later
	// is read when the engine is opened again.
	Follow bool

	// Poll is how often a followed file is looked at. Default: 100 ms.
	Poll time.Duration

	// SkipBad logs a line that can not be made a message, and goes on. It is not looked at again once a later line is sealed.
	// Default: the ingress stops there, which the engine logs, and tries the line again every second, so that nothing is lost
	// while somebody corrects the program or the line (by one of the same length: positions are bytes).
	SkipBad bool

	// MaxLine bounds a line, in bytes. A longer one is a bad line at which the ingress stops, also under SkipBad. Default: 16 MiB.
	MaxLine int

	// Logger takes the lines that are skipped. Default: slog.Default().
	Logger *slog.Logger
}

func (o JSONLinesOptions) withDefaults() JSONLinesOptions {
	setDefault(&o.Poll, 100*time.Millisecond)
	setDefault(&o.MaxLine, 16<<20)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// JSONLinesSource makes an ingress of a file to which lines are appended: toMessage makes a message of each line, of which it
// gets the bytes without the line end, valid during the call; a nil message, like a blank line, leads to nothing. Lines need not
// be JSON. A last line without a line end is taken to be half-written: it is left until it has one.
//
// The position is the byte behind the line. So each line leads to its message exactly once, over restarts and crashes, as long
// as the file is only appended to. One that is shorter than the position was replaced, which is an error.
func JSONLinesSource(path string, toMessage func(line []byte) (functions.Message, error), o JSONLinesOptions) Ingress {
	return &linesSource{path: path, toMessage: toMessage, options: o.withDefaults()}
}

type linesSource struct {
	path      string
	toMessage func(line []byte) (functions.Message, error)
	options   JSONLinesOptions
}

// check reports what is wrong with the ingress, before anything is opened.
func (s *linesSource) check() error {
	switch {
	case s.path == "":
		return errors.New("JSON lines: the path is empty")
	case s.toMessage == nil:
		return errors.New("JSON lines: toMessage is nil")
	case s.options.Poll < 0:
		return errors.New("JSONLinesOptions.Poll is negative")
	case s.options.MaxLine < 0:
		return errors.New("JSONLinesOptions.MaxLine is negative")
	}
	return nil
}

// Run implements [Ingress].
func (s *linesSource) Run(ctx context.Context, after uint64, deliver func(uint64, functions.Message) error) error {
	file, err := os.Open(s.path)
	if err != nil {
		return fmt.Errorf("JSON lines: %w", err)
	}
	defer file.Close()
	r := &linesReader{source: s, file: file, position: int64(after), deliver: deliver}
	for {
		if err := r.readOn(ctx); err != nil {
			return err
		}
		if !s.options.Follow {
			r.warnOfRest()
			return nil
		}
		select {
		case <-time.After(s.options.Poll):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// message calls toMessage; a panic is an error of the line.
func (s *linesSource) message(line []byte) (m functions.Message, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = functions.NewPanicError(p)
		}
	}()
	return s.toMessage(line)
}

// linesReader is one run of a linesSource.
type linesReader struct {
	source   *linesSource
	file     *os.File
	deliver  func(uint64, functions.Message) error
	position int64 // behind the last whole line
	rest     int64 // bytes behind that: a line that has no end yet
}

// readOn delivers the whole lines behind the position.
func (r *linesReader) readOn(ctx context.Context) error {
	info, err := r.file.Stat()
	if err != nil {
		return fmt.Errorf("JSON lines: %w", err)
	}
	size := info.Size()
	if size < r.position {
		return fmt.Errorf("JSON lines: %s has %d bytes, but was read up to byte %d: it was replaced", r.source.path, size, r.position)
	}
	if size == r.position+r.rest {
		return nil
	}
	return r.readLines(ctx, bufio.NewReaderSize(io.NewSectionReader(r.file, r.position, size-r.position), 1<<16))
}

// readLines delivers the whole lines up to the end, and notes how long the rest is.
func (r *linesReader) readLines(ctx context.Context, lines *bufio.Reader) error {
	for {
		line, err := r.readLine(lines)
		if errors.Is(err, io.EOF) {
			r.rest = int64(len(line))
			return nil
		}
		if err != nil {
			return fmt.Errorf("JSON lines: %s: %w", r.source.path, err)
		}
		end := r.position + int64(len(line))
		if err := r.give(ctx, end, line); err != nil {
			return err
		}
		r.position = end
	}
}

// readLine reads a line with its end. It returns io.EOF with a line that has none.
func (r *linesReader) readLine(lines *bufio.Reader) (line []byte, err error) {
	for {
		part, err := lines.ReadSlice('\n')
		if len(line)+len(part) > r.source.options.MaxLine {
			return nil, fmt.Errorf("the line at byte %d is longer than JSONLinesOptions.MaxLine, which is %d bytes", r.position, r.source.options.MaxLine)
		}
		if err == nil && line == nil {
			return part, nil // the usual case, without a copy
		}
		line = append(line, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

// give delivers the message of a line.
func (r *linesReader) give(ctx context.Context, end int64, line []byte) error {
	line = bytes.TrimRight(line, "\r\n")
	if len(bytes.TrimSpace(line)) == 0 {
		return nil
	}
	m, err := r.source.message(line)
	if err == nil && m != nil {
		err = r.deliver(uint64(end), m)
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, ErrClosed):
		return err
	case r.source.options.SkipBad:
		r.source.options.Logger.Warn("a line is skipped", "file", r.source.path, "byte", r.position, "error", err)
		return nil
	}
	return fmt.Errorf("JSON lines: %s: the line at byte %d: %w", r.source.path, r.position, err)
}

// warnOfRest says that a file's last line was left out.
func (r *linesReader) warnOfRest() {
	if r.rest > 0 {
		r.source.options.Logger.Warn("the last line has no end and is left out", "file", r.source.path, "byte", r.position)
	}
}
