package engine

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/concordat-dev/concordat/internal/failures"
)

// errGoexit: code of an egress or an ingress ended its goroutine.
var errGoexit = errors.New("engine: runtime.Goexit was called")

// guarded begins code of an egress or an ingress on a goroutine of its own. What it returns as an error is a [*guardedError], and so is
// a panic of it, and the end of its goroutine. The channel gets the one result, so whoever begins it can give it up.
func guarded(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() {
		var err error = &guardedError{text: errGoexit.Error(), cause: errGoexit}
		defer func() {
			if p := recover(); p != nil {
				panicked := failures.NewPanicError(p)
				err = &guardedError{text: panicked.Error(), cause: panicked, panicked: panicked}
			}
			done <- err
		}()
		err = lookAt(f())
	}()
	return done
}

// guardedError is an error of an egress or an ingress. Its methods are those of users, who may do anything in them: so all that the
// engine wants to know of it was found out where their code may run. Who gets it from Close or Open can look into it as always.
type guardedError struct {
	text     string
	cause    error
	panicked *failures.PanicError // in it, for the log
	bad      *Unacceptable        // in it, with a reason that is plain
	part     *partlyTaken         // in it
}

func (g *guardedError) Error() string { return g.text }
func (g *guardedError) Unwrap() error { return g.cause }

// lookAt finds out what an error says. Panics of its methods are for guarded.
func lookAt(err error) error {
	if err == nil {
		return nil
	}
	g := &guardedError{text: err.Error(), cause: err}
	errors.As(err, &g.panicked)
	errors.As(err, &g.part)
	if errors.As(err, &g.bad) {
		g.bad = &Unacceptable{g.bad.Seq, errors.New(fmt.Sprint(g.bad.Reason))}
	}
	return g
}

// stackOf is the stack of a panic that guarded caught, for the log, or nothing.
func stackOf(err error) []any {
	if g, ok := err.(*guardedError); ok && g.panicked != nil {
		return []any{"stack", string(g.panicked.Stack)}
	}
	return nil
}

// isNil reports whether an interface holds nothing, or a nil pointer, function, map, slice or channel: a variable that nobody has set.
func isNil(part any) bool {
	if part == nil {
		return true
	}
	switch v := reflect.ValueOf(part); v.Kind() {
	case reflect.Pointer, reflect.Func, reflect.Map, reflect.Slice, reflect.Chan:
		return v.IsNil()
	}
	return false
}
