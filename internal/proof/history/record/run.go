package record

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
)

// Run makes requests from a number of clients until there are as many as Options.Requests or ctx ends, and settles. The engine
// behind do must have been opened with [Parts]. It blocks until the last outcome is recorded; the writer stays open.
//
// Errors: accounts that cannot be opened or read, a writer that fails, and a request that failed as none should.
func (r *Recorder) Run(ctx context.Context, do Doer, clients int) error {
	if clients < 1 {
		return fmt.Errorf("record: %d clients", clients)
	}
	whole := context.WithoutCancel(ctx) // outcomes are wanted, also after the end
	if err := r.Prepare(whole, do); err != nil {
		return err
	}
	var left atomic.Int64
	left.Store(int64(r.options.Requests))
	errs := make([]error, clients)
	var group sync.WaitGroup
	for i := range clients {
		group.Go(func() {
			c := r.Client(i)
			for errs[i] == nil && ctx.Err() == nil && left.Add(-1) >= 0 {
				errs[i] = c.Step(whole, do)
			}
		})
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	if err := r.Surprise(); err != nil {
		return err
	}
	return r.Settle(whole, do)
}
