package jsonlines

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// What Egress and Ingress are given need not be a regular file. A device or a pipe has no content to look at and nothing to
// cut: lines go there one Write at a time, and nobody knows what has arrived.

// lineStream is a device or a pipe that lines are written to.
type lineStream struct {
	path  string
	flags int
	file  *os.File // nil while there is nobody at the other end
	keep  bool     // it is the process's own output, which is not ours to close
	hold  *targetHold
}

// streamAt opens what is at a path if that is no regular file: then it returns a stream, or why there can be none. The process's own
// output is a stream whatever it goes to.
func streamAt(path string) (*lineStream, error) {
	switch filepath.Clean(path) {
	case "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1":
		return ownStream(path, os.Stdout)
	case "/dev/stderr", "/dev/fd/2", "/proc/self/fd/2":
		return ownStream(path, os.Stderr)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().IsRegular() {
		return nil, nil //nolint:nilerr // it has to be made, or opening it says why it cannot
	}
	if err := takesLines(path, info.Mode()); err != nil {
		return nil, err
	}
	s := &lineStream{path: path}
	if err := s.take(info); err != nil {
		return nil, err
	}
	if info.Mode()&fs.ModeNamedPipe != 0 {
		s.flags = openNow // opened once there is a reader
		return s, nil
	}
	if err := s.open(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// ownStream is the process's own output.
func ownStream(path string, file *os.File) (*lineStream, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	s := &lineStream{path: path, file: file, keep: true}
	if err := s.take(info); err != nil {
		return nil, err
	}
	return s, nil
}

// takesLines says why a stream cannot be written to.
func takesLines(path string, mode fs.FileMode) error {
	switch {
	case mode.IsDir():
		return &fs.PathError{Op: "open", Path: path, Err: errors.New("is a directory")}
	case mode&(fs.ModeNamedPipe|fs.ModeCharDevice) == 0:
		return &fs.PathError{Op: "open", Path: path, Err: fmt.Errorf("is no file, pipe or device that takes lines: %v", mode.Type())}
	}
	return nil
}

// take makes what the stream is hold its place among those that are written to.
func (s *lineStream) take(info os.FileInfo) error {
	if s.hold.is(info) {
		return nil
	}
	s.hold.release()
	s.hold = nil
	var own *os.File
	if s.keep {
		own = s.file
	}
	hold, free := linesOut.hold(info, s.path, own)
	if !free {
		return fmt.Errorf("%s: %w", s.path, errTaken)
	}
	s.hold = hold
	return nil
}

// open opens the stream. A pipe that nobody reads is an error.
func (s *lineStream) open() error {
	if s.file != nil {
		return nil
	}
	file, err := os.OpenFile(s.path, os.O_WRONLY|s.flags, 0)
	if errors.Is(err, syscall.ENXIO) {
		return fmt.Errorf("nobody reads the pipe: %w", err)
	}
	if err != nil {
		return err
	}
	if err := s.check(file); err != nil {
		return errors.Join(err, file.Close())
	}
	s.file = file
	return nil
}

// check makes sure that what was opened is a stream, and nobody else's: since the engine was opened something else may have got the path.
func (s *lineStream) check(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if info.Mode().IsRegular() {
		return &fs.PathError{Op: "open", Path: s.path, Err: errors.New("is a regular file now, and was a pipe or a device")}
	}
	if err := takesLines(s.path, info.Mode()); err != nil {
		return err
	}
	if info.Mode()&fs.ModeNamedPipe != 0 && !lockFile(file) {
		return fmt.Errorf("%s: %w", s.path, errTaken) // in another process
	}
	return s.take(info)
}

// write writes whole lines, until ctx is over. After an error a pipe is opened anew: its next reader begins with a whole line.
func (s *lineStream) write(ctx context.Context, lines []byte) error {
	if err := s.open(); err != nil {
		return err
	}
	if file := s.file; !s.keep {
		defer context.AfterFunc(ctx, func() { _ = file.SetWriteDeadline(time.Unix(1, 0)) })() // a file without deadlines is given up
	}
	err := s.hold.write(ctx.Done(), s.file, lines)
	if err != nil {
		_ = s.closeFile()
		err = errors.Join(err, context.Cause(ctx))
	}
	return err
}

// close closes the stream for good.
func (s *lineStream) close() error {
	s.hold.release()
	s.hold = nil
	return s.closeFile()
}

func (s *lineStream) closeFile() error {
	if s.file == nil || s.keep {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	return err
}

// isStream reports whether an open file is a pipe or a device, which has no end and can be read once.
func isStream(file *os.File) (bool, error) {
	info, err := file.Stat()
	switch {
	case err != nil:
		return false, err
	case info.IsDir():
		return false, errors.New("is a directory")
	}
	return !info.Mode().IsRegular(), nil
}
