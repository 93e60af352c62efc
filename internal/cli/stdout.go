package cli

import (
	"errors"
	"io"
	"sync"
	"syscall"
)

// Stdout is a program's standard output. After the first error of it what is written is dropped without one, so that a command whose
// reader has gone (`| head -1`) still writes its files and cleans up; [Ending] looks at the error. Its methods may be called at once.
type Stdout struct {
	// OnGone, if set, is called when the reader has gone, once.
	OnGone func()

	mu  sync.Mutex
	to  io.Writer
	err error
}

// NewStdout makes one.
func NewStdout(to io.Writer) *Stdout { return &Stdout{to: to} }

// Write implements io.Writer. It never fails.
func (s *Stdout) Write(data []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		if _, s.err = s.to.Write(data); s.gone() && s.OnGone != nil {
			s.OnGone()
		}
	}
	return len(data), nil
}

// Err is the first error.
func (s *Stdout) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// gone reports whether it is a pipe that nobody reads any more.
func (s *Stdout) gone() bool { return errors.Is(s.err, syscall.EPIPE) }
