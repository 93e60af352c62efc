package routines

import (
	"fmt"

	"github.com/concordat-dev/concordat/internal/failures"
	"github.com/concordat-dev/concordat/internal/machine/instances"
)

// Checker tells which effects can be carried out. A routine asks it when its body attaches one, not when the run is over and nothing
// can be done about it any more.
type Checker struct {
	// Check reports why effects cannot be carried out, or nil. It is called on the body's goroutine.
	Check func(*instances.Effects) error
	// Bytes is about how many bytes effects take.
	Bytes func(*instances.Effects) int
	// MaxBytes bounds the effects of one outcome. instances.MaxEffects bounds their number.
	MaxBytes int
}

// WithChecker lets this and all later runs of the routine have their effects checked.
func (r *Routine) WithChecker(c Checker) *Routine {
	r.checker = c
	return r
}

// Limit sets how many bytes of effects the run may have attached when it is resumed next, to both outcomes together.
func (r *Routine) Limit(room int) { r.room = room }

// Attached is about how many bytes the effects take that the body has attached to success, and to failure.
func (r *Routine) Attached() (success, failure int) { return r.successBytes, r.failureBytes }

// AddSuccess attaches an effect to success. One that cannot be carried out dooms the run.
func (r *Routine) AddSuccess(e instances.Effect) { r.attachTo(&r.OnSuccess, &r.successBytes, e) }

// AddFailure attaches an effect to failure. One that cannot be carried out dooms the run; the others happen.
func (r *Routine) AddFailure(e instances.Effect) { r.attachTo(&r.OnFailure, &r.failureBytes, e) }

func (r *Routine) attachTo(to **instances.Effects, bytes *int, e instances.Effect) {
	if *to == nil {
		*to = &instances.Effects{}
	}
	if err := r.attach(*to, bytes, e); err != nil && r.badEffect == nil {
		r.badEffect = fmt.Errorf("an effect of the outcome of %s: %w", r.function.Name, failures.Plain(err))
	}
}

// attach adds one effect to an outcome's, whose size is bytes.
func (r *Routine) attach(to *instances.Effects, bytes *int, e instances.Effect) error {
	if e == nil {
		return fmt.Errorf("%w: it is nil", failures.ErrBadCall)
	}
	var added instances.Effects
	if err := e.AddTo(&added); err != nil {
		return err
	}
	if len(added.Timers)+len(added.Cancels) > 0 {
		return fmt.Errorf("%w: an outcome sets and cancels no timers", failures.ErrBadCall)
	}
	if to.Len()+added.Len() > instances.MaxEffects {
		return fmt.Errorf("%w: more than %d for one outcome", failures.ErrTooLarge, instances.MaxEffects)
	}
	if r.checker.Check != nil {
		if err := r.checker.Check(&added); err != nil {
			return err
		}
		more := r.checker.Bytes(&added)
		if *bytes+more > r.checker.MaxBytes {
			return fmt.Errorf("%w: with it there are %d bytes for one outcome, at most %d", failures.ErrTooLarge, *bytes+more, r.checker.MaxBytes)
		}
		if all := r.successBytes + r.failureBytes + more; all > r.room {
			return fmt.Errorf("%w: with it there are %d bytes for both outcomes, and the journal has room for %d: Options.MaxJournalBytes", failures.ErrTooLarge, all, r.room)
		}
		*bytes += more
	}
	to.Append(&added)
	return nil
}

// doomed is the error of a body that failed after it had attached an effect that cannot be carried out. Neither is to be lost.
type doomed struct{ err, effect error }

// Error has the text of both. It is made when it is asked for: user code makes errors whose text panics.
func (d *doomed) Error() string { return d.err.Error() + "; and " + d.effect.Error() }

// Unwrap returns both.
func (d *doomed) Unwrap() []error { return []error{d.err, d.effect} }
