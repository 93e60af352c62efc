package routines

import (
	"fmt"

	"github.com/concordat-dev/concordat/functions"
)

// Checker tells which effects can be carried out. A routine asks it when its body attaches one, not when the run is over and nothing
// can be done about it any more.
type Checker struct {
	// Check reports why effects cannot be carried out, or nil. It is called on the body's goroutine.
	Check func(*functions.Effects) error
	// Bytes is about how many bytes effects take.
	Bytes func(*functions.Effects) int
	// MaxBytes bounds the effects of one outcome. functions.MaxEffects bounds their number.
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

// AddSuccess attaches effects to success. One that cannot be carried out dooms the run.
func (r *Routine) AddSuccess(effects ...functions.Effect) {
	r.attachAll(&r.OnSuccess, &r.successBytes, effects)
}

// AddFailure attaches effects to failure. One that cannot be carried out dooms the run; the others happen.
func (r *Routine) AddFailure(effects ...functions.Effect) {
	r.attachAll(&r.OnFailure, &r.failureBytes, effects)
}

func (r *Routine) attachAll(to **functions.Effects, bytes *int, effects []functions.Effect) {
	if *to == nil {
		*to = &functions.Effects{}
	}
	for _, e := range effects {
		if err := r.attach(*to, bytes, e); err != nil && r.badEffect == nil {
			r.badEffect = fmt.Errorf("an effect of the outcome of %s: %w", r.function.Name, functions.Plain(err))
		}
	}
}

// attach adds one effect to an outcome's, whose size is bytes.
func (r *Routine) attach(to *functions.Effects, bytes *int, e functions.Effect) error {
	if e == nil {
		return fmt.Errorf("%w: it is nil", functions.ErrBadCall)
	}
	var added functions.Effects
	if err := e.AddTo(&added); err != nil {
		return err
	}
	if len(added.Timers)+len(added.Cancels) > 0 {
		return fmt.Errorf("%w: an outcome sets and cancels no timers", functions.ErrBadCall)
	}
	if to.Len()+added.Len() > functions.MaxEffects {
		return fmt.Errorf("%w: more than %d for one outcome", functions.ErrTooLarge, functions.MaxEffects)
	}
	if r.checker.Check != nil {
		if err := r.checker.Check(&added); err != nil {
			return err
		}
		more := r.checker.Bytes(&added)
		if *bytes+more > r.checker.MaxBytes {
			return fmt.Errorf("%w: with it there are %d bytes for one outcome, at most %d", functions.ErrTooLarge, *bytes+more, r.checker.MaxBytes)
		}
		if all := r.successBytes + r.failureBytes + more; all > r.room {
			return fmt.Errorf("%w: with it there are %d bytes for both outcomes, and the journal has room for %d: Options.MaxJournalBytes", functions.ErrTooLarge, all, r.room)
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
