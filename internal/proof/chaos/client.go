package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/failures"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/proof/history/record"
)

// told is a request with the outcome that its client was told, if it was.
type told struct {
	request  ask
	answered bool
	result   []byte
	failure  []byte
}

// mostTold bounds the requests that were answered and are asked once more in the end.
const mostTold = 200_000

// giveUp is the share of requests whose client gives up when the child dies.
const giveUp = 0.15

// doer asks the children. With rng the client may give up when one dies; without it asks until it is told.
func (r *run) doer(rng *rand.Rand) record.Doer {
	return func(_ context.Context, q functions.Request) error {
		envelope := q.RequestEnvelope()
		a := ask{RequestID: envelope.RequestID, Message: envelope.Stored()}
		r.note(a)
		for {
			c, err := r.keeper.serving()
			if err != nil {
				return fmt.Errorf("%w: %w", engine.ErrUnknown, err)
			}
			got, err := c.ask(a)
			if err == nil {
				err = got.err()
				if !comesAgain(err) {
					return r.finish(a, &got, envelope.Into)
				}
			}
			if errors.Is(err, engine.ErrNoSpace) {
				r.count(func(c *Counts) { c.NoSpace++ })
				time.Sleep(10 * time.Millisecond)
				continue
			}
			if errors.Is(err, errDied) || errors.Is(err, engine.ErrUnknown) {
				r.count(func(c *Counts) { c.Lost++ })
				if rng != nil && rng.Float64() < giveUp {
					r.count(func(c *Counts) { c.GivenUp++ })
					return fmt.Errorf("%w: %w", engine.ErrUnknown, err)
				}
			}
			r.count(func(c *Counts) { c.Repeats++ })
		}
	}
}

// comesAgain reports whether the same request is to be asked again: its outcome is unknown, or it was not taken.
func comesAgain(err error) bool {
	return errors.Is(err, engine.ErrUnknown) || errors.Is(err, engine.ErrClosed) || errors.Is(err, engine.ErrNoSpace) ||
		errors.Is(err, engine.ErrOverloaded)
}

// note keeps a request with an id, to be asked again in the end.
func (r *run) note(a ask) {
	if a.RequestID == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told[a.RequestID] = told{request: a}
}

// finish keeps the outcome of a request and gives it to its client.
func (r *run) finish(a ask, got *answer, into func(*instances.Result) error) error {
	r.mu.Lock()
	r.counts.Answered++
	switch {
	case a.RequestID == "":
	case len(r.told) < mostTold:
		r.told[a.RequestID] = told{request: a, answered: true, result: got.Result, failure: got.Failure}
	default:
		delete(r.told, a.RequestID)
	}
	r.mu.Unlock()
	if err := got.err(); err != nil {
		return err
	}
	if into == nil {
		return nil
	}
	return into(instances.EncodedResult(got.Result))
}

// lastAskers is how many requests are asked at once in the end.
const lastAskers = 64

// askAll asks everything once more. What was answered has the same outcome; what was not gets one, so that nothing is under way.
func (r *run) askAll() error {
	todo := make(chan told)
	var group sync.WaitGroup
	errs := make([]error, lastAskers)
	for i := range lastAskers {
		group.Go(func() {
			for t := range todo {
				if err := r.askLast(t); err != nil {
					errs[i] = err
				}
			}
		})
	}
	for _, t := range r.told {
		todo <- t
	}
	close(todo)
	group.Wait()
	return errors.Join(errs...)
}

func (r *run) askLast(before told) error {
	c, err := r.keeper.serving()
	if err != nil {
		return err
	}
	now, err := c.ask(before.request)
	if err == nil && comesAgain(now.err()) {
		err = now.err()
	}
	if err != nil {
		return fmt.Errorf("ask %s once more: %w", before.request.RequestID, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts.AskedLast++
	if before.answered && (!bytes.Equal(before.result, now.Result) || !bytes.Equal(before.failure, now.Failure)) {
		r.changed = append(r.changed, fmt.Sprintf("%s was told %s, and now %s", before.request.RequestID,
			outcomeText(before.result, before.failure), outcomeText(now.Result, now.Failure)))
	}
	return nil
}

func outcomeText(result, failure []byte) string {
	if failure != nil {
		return fmt.Sprintf("the failure %q", failures.Decode(failure))
	}
	return fmt.Sprintf("the result %x", result)
}
