package engine

import (
	"context"
	"fmt"
	"sync"

	"github.com/concordat-dev/concordat/functions"
)

// Answers collects the outcomes of many requests for one goroutine, which takes all that are there at once. A server needs no goroutine
// and no channel for each request then, and writes the answers of a whole epoch together. Make it with [Engine.NewAnswers].
//
// [Engine.SubmitTo] may be called from many goroutines, [Answers.Take] from one at a time.
type Answers struct {
	engine *Engine
	mu     sync.Mutex
	ready  []Answer
	signal chan struct{} // has a token if something was added since the last Take
}

// Answer is what became of a request.
type Answer struct {
	Tag    uint64 // that it was submitted with
	Result []byte // the encoded result, which is not to be changed; nil if there is none
	Err    error  // what Engine.Do would have returned
}

// NewAnswers makes an empty collection.
func (e *Engine) NewAnswers() *Answers {
	return &Answers{engine: e, signal: make(chan struct{}, 1)}
}

// SubmitTo begins a request and does not wait for it: its outcome, with the tag, is added to answers once it is durable. It never blocks. An
// error means that nothing happened, and nothing is added. Where the request says that its result is to go (Into) is left as it is.
//
// If the engine comes to its end first, nothing is added either: see [Answers.Take].
func (e *Engine) SubmitTo(r functions.Request, answers *Answers, tag uint64) error {
	if r == nil {
		return errNoRequest
	}
	q := &request{env: r.RequestEnvelope(), answers: answers, tag: tag}
	q.noteContext(e, r)
	return e.submit(q)
}

// add adds the outcome of a request.
func (a *Answers) add(q *request) {
	answer := Answer{Tag: q.tag, Err: q.err}
	if answer.Err == nil {
		answer.Result, answer.Err = q.outcome.result.Encoded(), q.outcome.err()
	}
	a.Add(answer)
}

// Add adds an answer that does not come from the engine, such as the error of [Engine.SubmitTo].
func (a *Answers) Add(answer Answer) {
	a.mu.Lock()
	first := len(a.ready) == 0
	a.ready = append(a.ready, answer)
	a.mu.Unlock()
	if first {
		select {
		case a.signal <- struct{}{}:
		default: // from when what was there had been taken, and nobody has waited since
		}
	}
}

// Take waits until there is an outcome, and appends all that are there to into, which may be nil. An error comes without outcomes: that of
// ctx, or [ErrUnknown] once the engine has come to its end and there will be none any more.
func (a *Answers) Take(ctx context.Context, into []Answer) ([]Answer, error) {
	for {
		if taken := a.take(into); len(taken) > len(into) {
			return taken, nil
		}
		select {
		case <-a.signal:
		case <-ctx.Done():
			return into, ctx.Err()
		case <-a.engine.dead[0]:
			if taken := a.take(into); len(taken) > len(into) {
				return taken, nil
			}
			return into, fmt.Errorf("%w: the engine was closed", ErrUnknown)
		}
	}
}

func (a *Answers) take(into []Answer) []Answer {
	a.mu.Lock()
	defer a.mu.Unlock()
	into = append(into, a.ready...)
	clear(a.ready)
	a.ready = a.ready[:0]
	return into
}
