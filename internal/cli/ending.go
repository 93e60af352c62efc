package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Exit statuses.
const (
	OK          = 0
	Failed      = 1
	BadUsage    = 2
	Unknown     = 3
	Unavailable = 4
	Interrupted = 130 // as shells have it for SIGINT
	ReaderGone  = 141 // as shells have it for SIGPIPE
)

// Statuses is what help says of them.
const Statuses = `Exit status:
    0  all went well
    1  something is wrong, or failed: an audit, a run, a proof, a report that could not be written
    2  the command line or an input is bad; nothing was run
    3  of a request to a server it is not known what has become: ask again, under the same id if it changes something
    4  a request has not happened: the server cannot be reached, or has no room for it now
  130  interrupted by SIGINT, SIGTERM or SIGHUP: what was done until then is reported; a second signal ends it at once
  141  nobody reads the standard output any more
`

// ErrUsage marks errors of the command line: nothing was run.
var ErrUsage = errors.New("usage")

// ErrInput marks errors of files that were to be read: nothing was run.
var ErrInput = errors.New("input")

// ErrUnknown marks errors of requests of which it is not known what has become of them.
var ErrUnknown = errors.New("unknown outcome")

// ErrUnavailable marks errors of requests that a server has not taken, and may take later.
var ErrUnavailable = errors.New("unavailable")

// ErrInterrupted marks the error of a command that was ended early.
var ErrInterrupted = errors.New("interrupted")

// ErrTold is the error of a command that has found something wrong and has said so itself. It hides no other error, and none hides it.
var ErrTold = errors.New("told")

// Usage marks errors of the command line; nil if there are none.
func Usage(errs ...error) error {
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%w: %w", ErrUsage, err)
	}
	return nil
}

// Ending is how a program ends.
type Ending struct {
	Name   string // of the program
	Help   string // the command that shows its help
	Stdout *Stdout
	Stderr io.Writer
	// Usage and Interrupted are the marks of further errors of the command line, and of interruptions, besides those of this package.
	Usage, Interrupted []error
}

// Finish tells what went wrong and returns the exit status. An interruption hides no other error.
func (e Ending) Finish(ctx context.Context, err error) int {
	status := e.tell(err)
	switch out := e.Stdout.Err(); {
	case out == nil:
	case !e.Stdout.gone():
		fmt.Fprintln(e.Stderr, Red(e.Stderr, e.Name+": standard output: "+out.Error()))
		return Failed
	case status == OK, status == Interrupted && errors.Is(context.Cause(ctx), errReaderGone):
		return ReaderGone
	}
	return status
}

// errReaderGone is why a command ends early that nobody reads.
var errReaderGone = errors.New("cli: nobody reads the standard output any more")

// Reader makes a context that also ends when the reader of the standard output has gone and wanted says that there is nothing else
// to be written.
func (s *Stdout) Reader(ctx context.Context, wanted func() bool) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	s.OnGone = func() {
		if !wanted() {
			cancel(errReaderGone)
		}
	}
	return ctx, func() { cancel(nil) }
}

func (e Ending) tell(err error) int {
	interrupted := append([]error{ErrInterrupted}, e.Interrupted...)
	others, told := without(err, interrupted), errors.Is(err, ErrTold)
	switch {
	case err == nil:
		return OK
	case !told && is(err, append([]error{ErrUsage}, e.Usage...)):
		fmt.Fprintf(e.Stderr, "%s: %s\nTry: %s\n", e.Name, unmarked(err), e.Help)
		return BadUsage
	case !told && errors.Is(err, ErrInput):
		fmt.Fprintf(e.Stderr, "%s: %s\n", e.Name, unmarked(err))
		return BadUsage
	case others == nil:
		if e.Stdout.Err() == nil {
			fmt.Fprintln(e.Stderr, e.Name+": interrupted")
		}
		return Interrupted
	}
	if others = without(others, []error{ErrTold}); others != nil {
		fmt.Fprintln(e.Stderr, Red(e.Stderr, e.Name+": "+unmarked(others)))
	}
	switch {
	case errors.Is(err, ErrUnknown):
		return Unknown
	case errors.Is(err, ErrUnavailable):
		return Unavailable
	}
	return Failed
}

// unmarked is the text of an error without the marks that it, and each of the errors that it joins, begins with. What was marked may be
// marked again.
func unmarked(err error) string {
	all := parts(err)
	for _, mark := range []error{ErrUsage, ErrInput, ErrUnknown, ErrUnavailable} {
		if len(all) == 2 && all[0] == mark && err.Error() == mark.Error()+": "+all[1].Error() {
			return unmarked(all[1])
		}
	}
	if len(all) > 0 && err.Error() == errors.Join(all...).Error() {
		texts := make([]string, len(all))
		for i, part := range all {
			texts[i] = unmarked(part)
		}
		return strings.Join(texts, "\n")
	}
	return strings.TrimPrefix(strings.TrimPrefix(err.Error(), ErrUsage.Error()+": "), ErrInput.Error()+": ")
}

// parts are the errors that an error wraps, if it wraps several.
func parts(err error) []error {
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		return several.Unwrap()
	}
	return nil
}

func is(err error, marks []error) bool {
	for _, mark := range marks {
		if errors.Is(err, mark) {
			return true
		}
	}
	return false
}

// without are the parts of an error that have none of the marks; nil if there are none.
func without(err error, marks []error) error {
	if !is(err, marks) {
		return err
	}
	switch parts := err.(type) {
	case interface{ Unwrap() []error }:
		var rest []error
		for _, part := range parts.Unwrap() {
			rest = append(rest, without(part, marks))
		}
		return errors.Join(rest...)
	case interface{ Unwrap() error }:
		return without(parts.Unwrap(), marks)
	}
	return nil
}
