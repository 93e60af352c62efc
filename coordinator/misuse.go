package coordinator

import (
	"fmt"
	"runtime"

	"github.com/petermattis/goid"

	"github.com/concordat-dev/concordat/functions"
)

// What bodies do that they should not, and how a routine outlives it.
//
//   - They make calls on another goroutine than their own, which waits for it or has gone on. Such a call fails, and so does the run:
//     it may have meant the call to be part of it. To switch to the worker from there would tear both apart.
//   - They catch the panic that unwinds them, and try again, for ever. After maxUnwinds times the routine is lost: control goes back to
//     the worker, and the body stands where it is until Close ends its goroutine.
//   - They end their goroutine (runtime.Goexit, which testing.T.Fatal calls). Nothing can stop that, but a deferred function can hand
//     control back before it goes on; that routine is lost too.

// maxUnwinds bounds how often a body is unwound that catches what unwinds it.
const maxUnwinds = 100

// isForeign reports whether it is called on another goroutine than the body's, and notes that.
func (r *Routine) isForeign() bool {
	if goid.Get() == r.goroutine {
		return false
	}
	r.misused.Store(true)
	return true
}

func (r *Routine) errMisused() error {
	return fmt.Errorf("%w: it was made on another goroutine than the coordinator function's", functions.ErrBadCall)
}

// unwind unwinds the body, or gives it up if it has caught that too often.
func (r *Routine) unwind() {
	if r.unwinds++; r.unwinds <= maxUnwinds {
		panic(stopped{})
	}
	if !r.lost {
		r.end(stopped{})
		r.lose()
	}
	runtime.Goexit() // this can not be caught
}

// leaveGoroutine is called while the body's goroutine ends, though the body has not returned.
func (r *Routine) leaveGoroutine() {
	if r.lost {
		return // it was given up
	}
	r.end(nil)
	r.Err = functions.NewGoexitError()
	r.lose()
}

// lose hands control back to the worker for good. It returns when the routine is closed.
func (r *Routine) lose() {
	r.lost, r.returned = true, true
	r.yield(struct{}{})
}

// IsLost reports whether the routine has returned and can not begin again: its body has ended its goroutine, or did not let itself be
// unwound. See [Routine.Close].
func (r *Routine) IsLost() bool { return r.lost }
