package jsonlines

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/failures"
)

// IngressOptions say how a file of lines is read. The zero value reads it to its end and stops at the first bad line.
type IngressOptions struct {
	// Follow goes on reading when the file grows, and waits for a file that is not there yet. Without it the ingress is over at the end of the file; what is appended later
	// is read when the engine is opened again.
	Follow bool

	// Poll is how often a followed file is looked at. Default: 100 ms.
	Poll time.Duration

	// SkipBad logs a line that cannot be made a message, and goes on. It is not looked at again once a later line is sealed.
	// Default: the ingress stops there, which the engine logs, and tries the line again after 10 ms to 5 s, so that nothing is lost
	// while somebody corrects the program or the line (by one of the same length: positions are bytes).
	SkipBad bool

	// MaxLine bounds a line, in bytes. A longer one is a bad line at which the ingress stops, also under SkipBad. Default: 16 MiB.
	MaxLine int

	// Logger takes the lines that are skipped. Default: slog.Default().
	Logger *slog.Logger
}

func (o IngressOptions) withDefaults() IngressOptions {
	o.Poll = cmp.Or(o.Poll, 100*time.Millisecond)
	o.MaxLine = cmp.Or(o.MaxLine, 16<<20)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// Ingress makes an ingress of a file to which lines are appended: toMessage makes a message of each line, of which it
// gets the bytes without the line end, valid during the call; a nil message, like a blank line, leads to nothing. Lines need not
// be JSON. A last line without a line end is taken to be half-written: it is left until it has one.
//
// The position is the byte behind the line. So each line leads to its message exactly once, over restarts and crashes, as long
// as the file is only appended to. One that is shorter than the position, or has other bytes before it than were read (the last 256 are
// looked at), is an error, which the ingress repeats until the engine is opened without it: the new file needs an ingress with another
// name. That is so also for a file that is rotated by cutting it. What was still appended to a file that was moved away is read first.
// A change in place without a change of size, such as of a last line without end, is not noticed until the file grows.
//
// What it makes is one ingress of one engine at a time: two names need two of them.
//
// What is at path may also be a device or a named pipe, such as /dev/stdin. The position counts its bytes then, and what was read and
// not sealed when the process ends is lost. A pipe that nobody writes to is waited for; it is over when its writers have closed it,
// unless it is followed. One ingress of a process reads it at a time; for another one that is an error until it is over.
func Ingress(path string, toMessage func(line []byte) (functions.Message, error), o IngressOptions) engine.Ingress {
	return &ingress{path: path, toMessage: toMessage, options: o.withDefaults()}
}

// ingress is what Ingress makes.
type ingress struct {
	path      string
	toMessage func(line []byte) (functions.Message, error)
	options   IngressOptions

	runs atomic.Bool // what follows belongs to one Run at a time

	pipe *pipeReader // instead of a file that can be read again
	seen seenBytes   // before the position at which the next Run begins
	lost error       // the file that had them is no more
}

// Validate reports what is wrong with the ingress, before anything is opened.
func (s *ingress) Validate() error {
	switch {
	case s.path == "":
		return errors.New("JSON lines: the path is empty")
	case s.toMessage == nil:
		return errors.New("JSON lines: toMessage is nil")
	case s.options.Poll < 0:
		return errors.New("IngressOptions.Poll is negative")
	case s.options.MaxLine < 0:
		return errors.New("IngressOptions.MaxLine is negative")
	}
	return nil
}

// errTwice: what Egress or Ingress made knows one position.
var errTwice = errors.New("it is in use already, under another name or in another engine: each needs one of its own")

// Run implements [engine.Ingress].
func (s *ingress) Run(ctx context.Context, after uint64, deliver func(uint64, functions.Message) error) error {
	if !s.runs.CompareAndSwap(false, true) {
		return fmt.Errorf("JSON lines: %s: %w", s.path, errTwice)
	}
	defer s.runs.Store(false)
	if after == 0 || s.seen.at != int64(after) {
		s.lost = nil // that was another position's
	}
	if s.lost != nil {
		return s.lost
	}
	err := s.run(ctx, after, deliver)
	if err == nil || ctx.Err() != nil {
		return err
	}
	err = fmt.Errorf("JSON lines: %s: %w", s.path, err)
	if errors.Is(err, errReplaced) {
		s.lost = err // the new content may grow over the position, and must not be taken for the old
	}
	return err
}

func (s *ingress) run(ctx context.Context, after uint64, deliver func(uint64, functions.Message) error) error {
	if s.pipe != nil {
		return s.pipe.run(ctx, after, deliver)
	}
	file, err := s.open(ctx)
	if err != nil {
		return err
	}
	stream, err := isStream(file)
	switch {
	case err != nil:
		return errors.Join(err, file.Close())
	case stream:
		s.pipe = newPipeReader(s, file)
		return s.pipe.run(ctx, after, deliver)
	}
	r := &linesReader{source: s, file: file, position: int64(after), deliver: deliver}
	defer func() { _ = r.file.Close() }()
	if err := r.begin(); err != nil {
		return err
	}
	return r.follow(ctx)
}

// open opens the file. If it is to be followed and is not there, it is waited for.
func (s *ingress) open(ctx context.Context) (*os.File, error) {
	for {
		file, err := os.OpenFile(s.path, os.O_RDONLY|openNow, 0)
		if err == nil || !s.options.Follow || !errors.Is(err, fs.ErrNotExist) {
			return file, err
		}
		if err := s.pause(ctx); err != nil {
			return nil, err
		}
	}
}

// pause waits until it is time to look again.
func (s *ingress) pause(ctx context.Context) error {
	timer := time.NewTimer(s.options.Poll)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// message calls toMessage; a panic is an error of the line.
func (s *ingress) message(line []byte) (m functions.Message, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = failures.NewPanicError(p)
		}
	}()
	return s.toMessage(line)
}

// linesReader is one run of a ingress.
type linesReader struct {
	source   *ingress
	file     *os.File
	deliver  func(uint64, functions.Message) error
	position int64     // behind the last whole line
	seen     seenBytes // before that
	rest     int64     // bytes behind that: a line that has no end yet
	given    int64     // behind the last line that was delivered
}

// moved reports whether the path is another file's by now. A path that is nobody's may be given to it again.
func (r *linesReader) moved() bool {
	named, err := os.Stat(r.source.path)
	if err != nil {
		return false
	}
	mine, err := r.file.Stat()
	return err == nil && !os.SameFile(mine, named)
}

// begin finds out what the file has before the position at which the run begins, or makes sure that it has what an earlier one saw.
func (r *linesReader) begin() error {
	s := r.source
	if s.seen.at == r.position && (len(s.seen.bytes) > 0 || r.position == 0) {
		r.seen.set(&s.seen)
		return r.seen.check(r.file)
	}
	s.seen = seenBytes{at: r.position}
	if _, err := r.checkSize(); err != nil {
		return err
	}
	err := r.seen.take(r.file, r.position)
	if err == nil {
		s.seen.set(&r.seen)
	}
	return err
}

// follow reads to the end of the file, and what is appended, if it is to be followed.
func (r *linesReader) follow(ctx context.Context) error {
	for {
		moved := r.moved()
		if err := r.readOn(ctx); err != nil {
			return err
		}
		if !r.source.options.Follow {
			r.warnOfRest()
			return nil
		}
		next := r.source.pause
		if moved { // what was left of the old one has been read
			next = r.reopen
		}
		if err := next(ctx); err != nil {
			return err
		}
	}
}

// reopen goes on with the file that has the path now.
func (r *linesReader) reopen(ctx context.Context) error {
	file, err := r.source.open(ctx)
	if err != nil {
		return err
	}
	stream, err := isStream(file)
	if err == nil && stream {
		err = fmt.Errorf("it is a pipe or a device now: %w", errReplaced)
	}
	if err != nil {
		return errors.Join(err, file.Close())
	}
	_, r.file, r.rest = r.file.Close(), file, 0
	return nil
}

// checkSize makes sure that the file has all bytes before the position.
func (r *linesReader) checkSize() (size int64, err error) {
	info, err := r.file.Stat()
	if err != nil {
		return 0, err
	}
	if size = info.Size(); size < r.position {
		err = fmt.Errorf("it has %d bytes, but was read up to byte %d: it was cut or replaced: %w", size, r.position, errReplaced)
	}
	return size, err
}

// ReadAt reads on, and makes sure that the file is still the one that had the bytes before the position: so not after that, when it may
// have been written anew just before the read. A copy with a line behind the position corrected, as editors make, is as good as the file.
func (r *linesReader) ReadAt(p []byte, at int64) (n int, err error) {
	n, err = r.file.ReadAt(p, at)
	if changed := r.seen.check(r.file); changed != nil {
		return 0, changed
	}
	return n, err
}

// readOn delivers the whole lines behind the position.
func (r *linesReader) readOn(ctx context.Context) error {
	size, err := r.checkSize()
	if err != nil {
		return err
	}
	if size == r.position+r.rest {
		return nil
	}
	return r.readLines(ctx, bufio.NewReaderSize(io.NewSectionReader(r, r.position, size-r.position), 1<<16))
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
			return err
		}
		end := r.position + int64(len(line))
		if err := r.give(ctx, end, line); err != nil {
			return err
		}
		r.position = end
		r.seen.add(line)
		if r.given == end {
			r.source.seen.set(&r.seen) // the next Run begins here
		}
	}
}

// readLine reads a line with its end. It returns io.EOF with a line that has none.
func (r *linesReader) readLine(lines *bufio.Reader) (line []byte, err error) {
	for {
		part, err := lines.ReadSlice('\n')
		if len(line)+len(part) > r.source.options.MaxLine {
			return nil, errTooLong(r.position, r.source.options.MaxLine)
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

func errTooLong(position int64, most int) error {
	return fmt.Errorf("the line at byte %d is longer than IngressOptions.MaxLine, which is %d bytes", position, most)
}

// give delivers the message of a line.
func (r *linesReader) give(ctx context.Context, end int64, line []byte) error {
	line = bytes.TrimRight(line, "\r\n")
	if len(bytes.TrimSpace(line)) == 0 {
		return nil
	}
	m, err := r.source.message(line)
	if err == nil && m != nil {
		if err = r.deliver(uint64(end), m); err == nil {
			r.given = end
		}
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, engine.ErrClosed):
		return err
	case r.source.options.SkipBad:
		r.source.options.Logger.Warn("a line is skipped", "file", r.source.path, "byte", r.position, "error", err)
		return nil
	}
	return fmt.Errorf("the line at byte %d: %w", r.position, err)
}

// warnOfRest says that a file's last line was left out.
func (r *linesReader) warnOfRest() {
	if r.rest > 0 {
		r.source.options.Logger.Warn("the last line has no end and is left out", "file", r.source.path, "byte", r.position)
	}
}
