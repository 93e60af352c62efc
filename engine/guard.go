package engine

import (
	"errors"
	"reflect"

	"github.com/concordat-dev/concordat/functions"
)

// errGoexit: code of an egress or an ingress ended its goroutine.
var errGoexit = errors.New("engine: runtime.Goexit was called")

// guarded begins code of an egress or an ingress on a goroutine of its own. A panic of it is an error with the stack
// (functions.PanicError), and so is the end of its goroutine. The channel gets the one result, so whoever begins it can give it up.
func guarded(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() {
		err := errGoexit
		defer func() {
			if p := recover(); p != nil {
				err = functions.NewPanicError(p)
			}
			done <- err
		}()
		err = f()
	}()
	return done
}

// stackOf is the stack of a panic that guarded caught, for the log, or nothing.
func stackOf(err error) []any {
	var p *functions.PanicError
	if errors.As(err, &p) {
		return []any{"stack", string(p.Stack)}
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
