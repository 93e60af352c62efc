package engine

import (
	"fmt"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/failures"
)

// apart decodes the states of a walk where that may run code of users, migrations and codec methods, which may end their goroutine. So it
// has one of its own, not the walk's. When that ends the state is one that does not decode, and another goroutine takes the next.
type apart[S any] struct {
	of  func(state []byte) (S, error)
	in  chan []byte // nil while there is no goroutine
	out chan decoded[S]
}

type decoded[S any] struct {
	state S
	err   error
	ended bool // the goroutine has
}

func (a *apart[S]) decode(state []byte) (S, error) {
	if a.in == nil {
		a.in, a.out = make(chan []byte), make(chan decoded[S])
		go decodeStates(a.of, a.in, a.out)
	}
	a.in <- state
	d := <-a.out
	if d.ended {
		a.in = nil
	}
	return d.state, d.err
}

func (a *apart[S]) stop() {
	if a.in != nil {
		close(a.in)
	}
}

func decodeStates[S any](of func(state []byte) (S, error), in <-chan []byte, out chan<- decoded[S]) {
	over := false
	defer func() {
		if !over {
			out <- decoded[S]{err: fmt.Errorf("%w: %w", functions.ErrBadState, failures.NewGoexitError()), ended: true}
		}
	}()
	for state := range in {
		var d decoded[S]
		d.state, d.err = of(state)
		out <- d
	}
	over = true
}
