package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/failures"
)

// Pending is a request that was submitted. It can be copied, and used from anywhere, also after the engine was closed. The zero
// Pending is of no request.
type Pending struct{ s *submitted }

// submitted is a request whose outcome may be asked for many times.
type submitted struct {
	request
	once sync.Once
	told error // what result returned: it stores the result, which is done once, whatever the code of users does that decodes it
}

// Submit begins a request and does not wait for it. It never blocks. An error means that nothing happened.
func (e *Engine) Submit(r functions.Request) (Pending, error) {
	if r == nil {
		return Pending{}, errNoRequest
	}
	s := &submitted{request: request{env: r.RequestEnvelope(), closes: true}}
	s.noteContext(e, r)
	if err := e.submit(&s.request); err != nil {
		return Pending{}, err
	}
	return Pending{s}, nil
}

// Wait waits for the outcome, and returns the same as [Engine.Do] would. It may be called any number of times, from many
// goroutines, with contexts that end: an outcome that is there is told in any case. A result goes where the request said (Into)
// before the first Wait that tells it returns. Should a codec method of the result's type end the goroutine of that one
// (runtime.Goexit), the others return [ErrResult].
func (p Pending) Wait(ctx context.Context) error {
	if p.s == nil {
		return errNotSubmitted
	}
	if ctx == nil {
		ctx = context.Background()
	}
	if err := p.s.await(ctx); err != nil {
		return err
	}
	p.s.once.Do(func() {
		p.s.told = errEndedWait
		p.s.told = p.s.result()
	})
	return p.s.told
}

// errEndedWait is what stays told if the first Wait that has the outcome does not return.
var errEndedWait = fmt.Errorf("%w: %w", ErrResult, failures.NewGoexitError())

var errNotSubmitted = errors.New("engine: the zero Pending is of no request: nothing was submitted")

// Done reports whether Wait would return at once: the outcome is there, or the engine has come to its end without it. Once true it
// stays true.
func (p Pending) Done() bool {
	if p.s == nil || p.s.isDone() {
		return true
	}
	select {
	case <-p.s.dead():
		return true
	default:
		return false
	}
}
