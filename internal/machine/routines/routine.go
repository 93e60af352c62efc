package routines

import (
	"cmp"
	"fmt"
	"iter"
	"math"
	"sync/atomic"

	"github.com/petermattis/goid"

	"github.com/concordat-dev/concordat/internal/failures"
	"github.com/concordat-dev/concordat/internal/machine/instances"
)

// Routine is the coroutine of a running coordinator function. [Routine.Begin] gives it a function; each [Routine.Resume] runs
// the body until it issues steps or returns. A routine that has returned can begin again: making one costs microseconds,
// switching to one about a hundred nanoseconds, so a worker keeps returned routines for reuse.
//
// Only one goroutine at a time may use a routine.
type Routine struct {
	next  func() (struct{}, bool)
	close func()
	yield func(struct{}) bool

	function *Function
	input    []byte
	value    any // the input itself, if it is at hand
	attempt  int

	issued   []Step
	buffer   []Step // what Steps hands out
	returned bool
	stopping bool
	lost     bool // see misuse.go
	steps    int
	unwinds  int // times that the body was unwound

	number    uint64                  // of the run
	goroutine int64                   // on which bodies run
	stale     int                     // calls that this body has made for a run that is over
	misused   atomic.Uint64           // the last run for which a call came from another one
	foreign   atomic.Pointer[foreign] // the calls that came from others since misused was set; nil if there were none ever

	// Result and Err are what the body returned; Err may be a *failures.PanicError.
	Result *instances.Result
	Err    error

	// OnSuccess and OnFailure are the effects that the body attached to its outcome; nil if it attached none.
	OnSuccess, OnFailure       *instances.Effects
	successBytes, failureBytes int
	room                       int // for both together
	checker                    Checker
	stepErr                    error // of a step that cannot be made: the run fails
	badEffect                  error // an effect that cannot be carried out: the run fails
}

// stopped is the panic that unwinds the body of a routine that is stopped, or has made MaxSteps calls, or as many for a run
// that is over.
type stopped struct{}

// NewRoutine makes a routine at rest. Close it when it is no longer needed.
func NewRoutine() *Routine {
	r := &Routine{returned: true}
	r.next, r.close = iter.Pull(func(yield func(struct{}) bool) {
		r.yield, r.goroutine = yield, goid.Get()
		for yield(struct{}{}) {
			r.run()
			r.returned = true
		}
	})
	r.next() // up to the first yield
	return r
}

// WithValue lets the next run have its input as it is, in the place of an encoded one.
func (r *Routine) WithValue(input any) *Routine {
	r.value = input
	return r
}

// Begin makes f with this input the routine's next run; attempt counts the runs for the same start, from 1. The routine must
// have returned.
func (r *Routine) Begin(f *Function, input []byte, attempt int) {
	if !r.returned {
		panic("coordinator: a routine begins only after it has returned")
	}
	r.function, r.input, r.attempt = f, input, attempt
	r.issued, r.returned, r.stopping, r.steps, r.unwinds, r.stale = nil, false, false, 0, 0, 0
	r.number++
	r.Result, r.Err, r.stepErr, r.badEffect = nil, nil, nil, nil
	r.OnSuccess, r.OnFailure = nil, nil
	r.successBytes, r.failureBytes, r.room = 0, 0, math.MaxInt
}

// Resume runs the body until it issues steps, which [Routine.Issued] then returns, or returns, which it reports. All issued
// steps must have their Result or Err by then.
func (r *Routine) Resume() (returned bool) {
	r.issued = nil
	r.next()
	return r.returned
}

// Issued returns the steps that the body waits for. Resume gives control back to it once they are filled in.
func (r *Routine) Issued() []Step { return r.issued }

// Returned reports whether the body has returned, or was unwound.
func (r *Routine) Returned() bool { return r.returned }

// Attempt counts the runs for the same start, from 1.
func (r *Routine) Attempt() int { return r.attempt }

// Stop unwinds a body that waits for steps: its defers run, but every further step it issues unwinds it again. The routine can
// begin anew afterwards, unless the body has caught that again and again: see [Routine.IsLost].
func (r *Routine) Stop() {
	if r.returned {
		return
	}
	r.stopping = true
	for !r.returned {
		r.next()
	}
}

// Close ends a routine that has returned. One that is lost ends the goroutine that calls Close: call it on one of its own.
func (r *Routine) Close() {
	r.Stop()
	r.close()
}

func (r *Routine) run() {
	ended := false
	defer func() {
		p := recover()
		if p == nil && !ended {
			r.leaveGoroutine()
			return
		}
		ended = false
		defer func() {
			if !ended {
				r.leaveGoroutine() // the text of what it panicked with did that
			}
		}()
		r.end(p)
		ended = true
	}()
	r.Result, r.Err = r.function.Body(r, r.input)
	r.Err = failures.Plain(r.reason(r.Err))
	ended = true
}

// end takes how the body ended: with a panic, or having returned.
func (r *Routine) end(panicked any) {
	r.value = nil // the next run has an input of its own
	switch p := panicked.(type) {
	case nil:
	case stopped:
		if r.stopping {
			r.Err = fmt.Errorf("coordinator: %s was stopped", r.function.Name)
		}
		r.Err = r.reason(r.Err)
	default:
		r.Err = r.reason(failures.NewPanicError(p))
	}
	if r.misused.Load() == r.number {
		r.Err = errForeign
	}
}

// reason is why a run fails whose body ended with err, or nil.
func (r *Routine) reason(err error) error {
	switch {
	case err == nil:
		return cmp.Or(r.stepErr, r.badEffect)
	case r.badEffect != nil && !r.stopping && !failures.Wraps(err, r.badEffect):
		return &doomed{err, r.badEffect}
	}
	return err
}

// Issue hands steps to the protocol and waits until each has its result or error. For the packages of the protocols; it is
// called by the body, after [Routine.Enter].
func (r *Routine) Issue(steps []Step) {
	if r.stopping {
		r.unwind()
	}
	if r.steps += len(steps); r.steps > MaxSteps {
		// An error would not do: a body that repeats what failed until it succeeds would do so forever.
		r.stepErr = fmt.Errorf("%w: %s makes more than %d calls", failures.ErrTooLarge, r.function.Name, MaxSteps)
		r.unwind()
	}
	if r.badEffect != nil {
		r.Refuse(steps, r.badEffect)
		return
	}
	for i := range steps {
		if err := steps[i].check(); err != nil {
			r.Refuse(steps, err)
			return
		}
	}
	r.issued = steps
	r.yield(struct{}{})
	if r.stopping {
		r.unwind()
	}
}

// Refuse fails issued steps that cannot be made, and with them the run, whatever the body does about it.
func (r *Routine) Refuse(steps []Step, err error) {
	r.stepErr = err
	for i := range steps {
		steps[i].Err = err
	}
}

// Steps returns n zero steps to fill in and issue. They are valid until the next call of Steps.
func (r *Routine) Steps(n int) []Step {
	clear(r.buffer)
	if cap(r.buffer) < n {
		r.buffer = make([]Step, n)
	}
	r.buffer = r.buffer[:n]
	return r.buffer
}

// check reports a step that cannot be made.
func (s *Step) check() error {
	if s.Call.Err != nil {
		return s.Call.Err
	}
	if s.HasUndo && s.Undo.Err != nil {
		return s.Undo.Err
	}
	if s.Call.Op == nil {
		return nil
	}
	if err := instances.CheckID("instance", s.Call.ID); err != nil {
		return err
	}
	if s.HasUndo {
		return instances.CheckID("instance", s.Undo.ID)
	}
	return nil
}

// IssueAll is [Routine.Issue] followed by storing all results. It returns the first failure in the order of the steps.
func (r *Routine) IssueAll(steps []Step) error {
	if len(steps) == 0 {
		return nil
	}
	r.Issue(steps)
	for i := range steps {
		if err := steps[i].Err; err != nil {
			return err
		}
	}
	for i := range steps {
		if err := steps[i].Finish(); err != nil {
			r.stepErr = fmt.Errorf("%w: %w", failures.ErrBadResult, err) // else a body that swallows it would go on without its answer
			return r.stepErr
		}
	}
	return nil
}
