package routines

import (
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/petermattis/goid"

	"github.com/concordat-dev/concordat/internal/failures"
)

// What bodies do that they should not, and how a routine outlives it.
//
//   - They make calls on another goroutine than their own, which waits for it or has gone on. Such a call fails, and so does the run:
//     it may have meant the call to be part of it. To switch to the worker from there would tear both apart. If the run is over the
//     call fails and nothing else: the routine may be at somebody else's run.
//   - They try again, forever, what fails at once for that. So after MaxSteps of such calls the body is unwound that makes
//     them on this goroutine; another goroutine ends.
//   - They catch the panic that unwinds them, and try again, forever. After maxUnwinds times the routine is lost: control goes back to
//     the worker, and the body stands where it is until Close ends its goroutine.
//   - They end their goroutine (runtime.Goexit, which testing.T.Fatal calls). Nothing can stop that, but a deferred function can hand
//     control back before it goes on; that routine is lost too.

// maxUnwinds bounds how often a body is unwound that catches what unwinds it. Each of a few deferred functions may make a call, and each
// of a few layers may catch what that does. A body that pauses between two tries holds its worker for so many pauses.
const maxUnwinds = 8

// Number tells the routine's runs apart. It is for [Routine.Enter].
func (r *Routine) Number() uint64 { return r.number }

// Enter reports why a body may not make a call now, or nil: it is called before all else that a body does with its run, with the number
// of that run. A body may have given away what it makes calls with. So a call can come from another goroutine, and then nothing may be
// touched here; the run fails if it is not over yet. Or from a later body on this one, to which the run does not belong: that one fails.
//
// Whoever makes such calls again and again does not get an error forever: after MaxSteps Enter does not return.
func (r *Routine) Enter(number uint64) error {
	if here := goid.Get(); here != r.goroutine {
		r.enterForeign(here, number)
		return errForeign
	}
	if number != r.number {
		r.stepErr = errOver // of the body that makes the call
		if r.stale++; r.stale > MaxSteps {
			r.unwind()
		}
		return errOver
	}
	return nil
}

// enterForeign notes the misuse of a run, and ends a goroutine that does not stop with that.
func (r *Routine) enterForeign(here int64, number uint64) {
	for last := r.misused.Load(); last < number; last = r.misused.Load() {
		if r.misused.CompareAndSwap(last, number) {
			r.foreign.Store(&foreign{}) // those of earlier runs have stopped: else they would have been counted to the end
		}
	}
	calls := r.foreign.Load()
	for calls == nil { // whoever noted the misuse has not come to that yet
		r.foreign.CompareAndSwap(nil, &foreign{})
		calls = r.foreign.Load()
	}
	if count := &calls[here%int64(len(calls))]; count.Add(1) > MaxSteps {
		count.Store(0)
		runtime.Goexit()
	}
}

// foreign counts by goroutine, some of them together, the calls that others make for a run.
type foreign [16]atomic.Uint32

var (
	errForeign = fmt.Errorf("%w: it was made on another goroutine than the coordinator function's", failures.ErrBadCall)
	errOver    = fmt.Errorf("%w: it was made for a coordinator function that is over", failures.ErrBadCall)
)

// unwind unwinds the body, or gives it up if it has caught that too often.
func (r *Routine) unwind() {
	if r.unwinds++; r.unwinds <= maxUnwinds {
		panic(stopped{})
	}
	if !r.lost {
		r.end(stopped{})
		r.lose()
	}
	runtime.Goexit() // this cannot be caught
}

// leaveGoroutine is called while the body's goroutine ends, though the body has not returned.
func (r *Routine) leaveGoroutine() {
	if r.lost {
		return // it was given up
	}
	r.end(nil)
	r.Err = failures.NewGoexitError()
	r.lose()
}

// lose hands control back to the worker for good. It returns when the routine is closed.
func (r *Routine) lose() {
	r.lost, r.returned = true, true
	r.yield(struct{}{})
}

// IsLost reports whether the routine has returned and cannot begin again: its body has ended its goroutine, or did not let itself be
// unwound. See [Routine.Close].
func (r *Routine) IsLost() bool { return r.lost }
