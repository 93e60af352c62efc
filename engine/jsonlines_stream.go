package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// What JSONLines and JSONLinesSource are given need not be a regular file. A device or a pipe has no content to look at and nothing to
// cut: lines go there one Write at a time, and nobody knows what has arrived.

// lineStream is a device or a pipe that lines are written to.
type lineStream struct {
	path  string
	flags int
	file  *os.File // nil while there is nobody at the other end
	keep  bool     // it is the process's own output, which is not ours to close
}

// streamAt opens what is at a path if that is no regular file: then it returns a stream, or why there can be none.
func streamAt(path string) (*lineStream, error) {
	switch filepath.Clean(path) {
	case "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1":
		return &lineStream{path: path, file: os.Stdout, keep: true}, nil
	case "/dev/stderr", "/dev/fd/2", "/proc/self/fd/2":
		return &lineStream{path: path, file: os.Stderr, keep: true}, nil
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().IsRegular() {
		return nil, nil //nolint:nilerr // it has to be made, or opening it says why it cannot
	}
	switch mode := info.Mode(); {
	case mode.IsDir():
		return nil, &fs.PathError{Op: "open", Path: path, Err: errors.New("is a directory")}
	case mode&fs.ModeNamedPipe != 0:
		return &lineStream{path: path, flags: openNow}, nil // opened once there is a reader
	case mode&fs.ModeCharDevice == 0:
		return nil, &fs.PathError{Op: "open", Path: path, Err: fmt.Errorf("is no file, pipe or device that takes lines: %v", mode.Type())}
	}
	s := &lineStream{path: path}
	return s, s.open()
}

// open opens the stream. A pipe that nobody reads is an error.
func (s *lineStream) open() (err error) {
	if s.file == nil {
		s.file, err = os.OpenFile(s.path, os.O_WRONLY|s.flags, 0)
	}
	if errors.Is(err, syscall.ENXIO) {
		return fmt.Errorf("nobody reads the pipe: %w", err)
	}
	return err
}

// write writes whole lines, until ctx is over. After an error a pipe is opened anew: its next reader begins with a whole line.
func (s *lineStream) write(ctx context.Context, lines []byte) error {
	if err := s.open(); err != nil {
		return err
	}
	if file := s.file; !s.keep {
		defer context.AfterFunc(ctx, func() { _ = file.SetWriteDeadline(time.Unix(1, 0)) })() // a file without deadlines is given up
	}
	_, err := s.file.Write(lines)
	if err != nil {
		_ = s.close()
		err = errors.Join(err, context.Cause(ctx))
	}
	return err
}

func (s *lineStream) close() error {
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

// sameFile says whose file an egress cannot have, if that is one of others.
func sameFile(to Egress, others []*egress) string {
	mine, ok := to.(*jsonLines)
	if !ok {
		return ""
	}
	info, err := os.Stat(mine.path)
	if err != nil {
		return ""
	}
	var names []string
	for _, g := range others {
		if other, ok := g.to.(*jsonLines); ok && other.file != nil {
			if its, err := other.file.Stat(); err == nil && os.SameFile(info, its) {
				names = append(names, fmt.Sprintf("egress %q of this engine writes to it", g.name))
			}
		}
	}
	return strings.Join(names, ", ")
}
