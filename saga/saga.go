// Package saga is the saga protocol: steps that are visible at once, and compensations that undo them in reverse order.
//
// A saga is a coordinator function, made with [New]. Each step that it makes through its [Run] is an ordinary operation, done
// exactly once. When the function returns nil the saga is done; on an error the steps that succeeded are compensated, the last
// first. A compensation that keeps failing leaves the saga stuck: it stands in a list until a person retries it, skips the step
// or marks the saga done.
//
// What users write is here; the protocol is a machine of its own, in internal/machine/sagas. The idea of a saga is Garcia-Molina and
// Salem's ("Sagas", SIGMOD 1987).
package saga

import (
	"fmt"
	"time"

	"github.com/concordat-dev/concordat/coordinator"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/machine/routines"
)

// Failures that sagas end with, or report.
const (
	// ErrStuck: a compensation failed in all its tries. The saga is neither done nor undone: it is listed until somebody
	// decides. Asking again under the same request id tells what became of it.
	ErrStuck functions.Failure = "concordat: saga is stuck in a compensation"
	// ErrCancelled: the saga was cancelled; its steps are compensated.
	ErrCancelled functions.Failure = "concordat: saga was cancelled"
	// ErrDiverged: after a restart the saga's function made other calls than its journal records. Its steps are compensated.
	// Arguments may differ if their types do: docs/saga.md says what counts.
	ErrDiverged functions.Failure = "concordat: saga diverged from its journal"
)

// NoUndo is the compensation of a step that needs none. A step must say so: the zero Call in its place is taken for a compensation
// that was forgotten, and refused. It cannot be called.
var NoUndo = functions.Call{Call: instances.NoCall()}

// Step is a step of [Run.All]: a call and its compensation, which is [NoUndo] if it needs none; see [Run.Do].
type Step struct{ Do, Undo functions.Call }

// New makes a saga. After a restart the body is run again and gets the recorded results of its steps, so it must make the same
// calls for the same input and results: no clock, no random numbers, no I/O. A body that does not is stopped with
// [ErrDiverged]. If it returns an error, the steps that succeeded are compensated and the error is the saga's failure.
func New[A any](name string, body func(s *Run, input A) error) *coordinator.Function[A] {
	if body == nil {
		return &coordinator.Function[A]{Part: instances.PartOf(routines.New[A](name, routines.Saga, nil))}
	}
	return &coordinator.Function[A]{Part: instances.PartOf(routines.New(name, routines.Saga,
		func(r *routines.Routine, input A) (*instances.Result, error) {
			return nil, body(&Run{r, r.Number()}, input)
		}))}
}

// NewReturning is [New] for a saga with a result.
func NewReturning[A, R any](name string, body func(s *Run, input A) (R, error)) *coordinator.FunctionReturning[A, R] {
	if body == nil {
		return &coordinator.FunctionReturning[A, R]{Part: instances.PartOf(routines.New[A](name, routines.Saga, nil))}
	}
	return &coordinator.FunctionReturning[A, R]{Part: instances.PartOf(routines.NewReturning(name, routines.Saga,
		func(r *routines.Routine, input A) (R, error) { return body(&Run{r, r.Number()}, input) }))}
}

// Run is a running saga, for its body only and on its goroutine: a step that is made elsewhere, or later, fails with
// functions.ErrBadCall, and so does the saga if it is not over. A goroutine that tries it coordinator.MaxSteps times is ended
// (runtime.Goexit): its deferred functions run.
type Run struct {
	routine *routines.Routine
	run     uint64
}

// Do makes a step and waits for it. If the saga fails later, undo compensates it; a step without compensation says so with
// [NoUndo]. A step that fails has no effect and is not compensated; the body may go on and try something else.
//
// The compensation is checked before the step is made: one that is missing (the zero Call), changes nothing (a View) or cannot be
// delivered (an unknown type, an argument that is too large) fails the step and, whatever the body does about it, the saga.
// Queries need no compensation, and may leave it out.
func (s *Run) Do(step, undo functions.Call) error {
	if err := s.routine.Enter(s.run); err != nil {
		return err
	}
	issued := s.routine.Steps(1)
	setStep(&issued[0], &step, &undo)
	return s.routine.IssueAll(issued)
}

// All makes several steps at once and waits for all of them; their compensations run at once too. It returns the first
// failure; steps that succeeded beside it are compensated if the saga fails.
func (s *Run) All(steps ...Step) error {
	if err := s.routine.Enter(s.run); err != nil {
		return err
	}
	issued := s.routine.Steps(len(steps))
	for i := range steps {
		setStep(&issued[i], &steps[i].Do, &steps[i].Undo)
	}
	return s.routine.IssueAll(issued)
}

// Ask makes a query and waits for its result. Others may change what it tells right after.
func Ask[R any](s *Run, q functions.Query[R]) (result R, err error) {
	err = s.Do(q.Into(&result), NoUndo)
	return result, err
}

// Sleep waits until d has passed on the wall clock, also over restarts. It returns an error only if the saga is over its limits.
func (s *Run) Sleep(d time.Duration) error {
	if err := s.routine.Enter(s.run); err != nil {
		return err
	}
	steps := s.routine.Steps(1)
	steps[0].Sleep = max(d, 1)
	s.routine.Issue(steps)
	return steps[0].Err
}

// OnSuccess attaches effects (calls and starts to send, records to emit) that happen if and only if the saga succeeds. One that
// cannot be carried out (malformed, unknown to the engine, too large, over functions.MaxEffects) dooms the saga at once: further steps
// fail, and so does the saga, whatever the body returns.
func (s *Run) OnSuccess(effects ...functions.Effect) {
	if s.routine.Enter(s.run) != nil {
		return
	}
	for _, e := range effects {
		s.routine.AddSuccess(e)
	}
}

// OnFailure attaches effects that happen if and only if the saga fails, once its steps are compensated. They are checked
// like those of [Run.OnSuccess]; those that can be carried out happen then.
func (s *Run) OnFailure(effects ...functions.Effect) {
	if s.routine.Enter(s.run) != nil {
		return
	}
	for _, e := range effects {
		s.routine.AddFailure(e)
	}
}

// setStep makes a step in its place: it is large, and each saga makes some.
func setStep(issued *routines.Step, step, undo *functions.Call) {
	issued.Call = step.Envelope()
	switch {
	case undo.IsNoCall(), undo.IsZero() && issued.Call.Op != nil && issued.Call.Op.Kind.Reads():
	case undo.IsZero():
		issued.HasUndo = true
		issued.Undo.Err = fmt.Errorf("%w: the step %s has no Undo; one that needs none says saga.NoUndo", functions.ErrBadCall, issued.Call.Target())
	default:
		issued.Undo, issued.HasUndo = undo.Envelope(), true
		if issued.Undo.Op != nil && issued.Undo.Op.Kind.Reads() {
			issued.Undo.Err = fmt.Errorf("%w: the Undo of the step %s, %s, changes nothing", functions.ErrBadCall, issued.Call.Target(), issued.Undo.Target())
		}
	}
}
