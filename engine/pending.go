package engine

import (
	"context"
	"errors"
	"sync"

	"github.com/concordat-dev/concordat/functions"
)

// Pending is a request that was submitted. It can be copied, and used from anywhere, also after the engine was closed. The zero
// Pending is of no request.
type Pending struct{ s *submitted }

// submitted is a request whose outcome may be asked for many times.
type submitted struct {
	request
	once sync.Once
	told error // what result returned: it stores the result, which must be done once
}

// Submit begins a request and does not wait for it. It never blocks. An error means that nothing happened.
func (e *Engine) Submit(r functions.Request) (Pending, error) {
	if r == nil {
		return Pending{}, errNoRequest
	}
	s := &submitted{request: request{env: r.RequestEnvelope(), closes: true}}
	if err := e.submit(&s.request); err != nil {
		return Pending{}, err
	}
	return Pending{s}, nil
}

// Wait waits for the outcome, and returns the same as [Engine.Do] would. It may be called any number of times, from many
// goroutines, with contexts that end: an outcome that is there is told in any case. A result goes where the request said (Into)
// before the first Wait that tells it returns.
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
	p.s.once.Do(func() { p.s.told = p.s.result() })
	return p.s.told
}

var errNotSubmitted = errors.New("engine: the zero Pending is of no request: nothing was submitted")

// Done reports whether Wait would return at once: the outcome is there, or the engine has come to its end without it. Once true it
// stays true.
func (p Pending) Done() bool {
	if p.s == nil || p.s.isDone() {
		return true
	}
	select {
	case <-p.s.engine.dead[p.s.shard%deadChannels]:
		return true
	default:
		return false
	}
}
