package client

import (
	"context"
	"errors"
	"fmt"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/failures"
)

// Pending is a request that was submitted, as engine.Pending is. It can be copied, and used from anywhere, also after the client was closed.
// The zero Pending is of no request.
type Pending struct{ s *submitted }

// submitted is a request whose outcome may be asked for many times.
type submitted struct {
	over chan struct{} // closed when there is an outcome
	err  error
}

// Submit begins a request and does not wait for it. It never blocks: a goroutine sends it, and sends it again, as [Client.Do] would. An error
// means that nothing happened. A result is where the request said (Into) once Wait has told that it is there.
func (c *Client) Submit(r functions.Request) (Pending, error) {
	e, err := c.begin(r)
	if err != nil {
		return Pending{}, err
	}
	s := &submitted{over: make(chan struct{})}
	go func() {
		defer close(s.over)
		s.err = errEndedSubmit // stays if code of the program's ends the goroutine
		s.err = c.finish(context.Background(), &e)
	}()
	return Pending{s}, nil
}

// Wait waits for the outcome, and returns the same as [Client.Do] would. It may be called any number of times, from many goroutines, with
// contexts that end: an outcome that is there is told in any case. If ctx ends first it is [ErrUnknown], and the request goes on.
func (p Pending) Wait(ctx context.Context) error {
	if p.s == nil {
		return errNotSubmitted
	}
	if ctx == nil {
		ctx = context.Background()
	}
	select {
	case <-p.s.over:
		return p.s.err
	case <-ctx.Done():
	}
	if p.Done() {
		return p.s.err
	}
	return unknown(context.Cause(ctx))
}

// Done reports whether Wait would return at once. Once true it stays true.
func (p Pending) Done() bool {
	if p.s == nil {
		return true
	}
	select {
	case <-p.s.over:
		return true
	default:
		return false
	}
}

// errEndedSubmit is what stays told if a codec method of the result's type ends the goroutine.
var errEndedSubmit = fmt.Errorf("%w: %w", ErrResult, failures.NewGoexitError())

var errNotSubmitted = errors.New("client: the zero Pending is of no request: nothing was submitted")
