package functions

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"unicode/utf8"
)

// Failure is an outcome that code chose: nothing happened, or all was undone. Declare failures as constants and wrap them
// with %w to add detail: errors.Is holds on the far side of any encoding, also for several failures in one error.
//
//	const ErrInsufficientFunds functions.Failure = "bank: insufficient funds"
type Failure string

// Error returns the failure's text.
func (f Failure) Error() string { return string(f) }

// Failures that Concordat itself chooses for an operation. In all of them the instance is as it was before.
const (
	// ErrNotFound: the operation needs an instance that does not exist.
	ErrNotFound Failure = "concordat: instance not found"
	// ErrExists: a Create found that the instance exists already.
	ErrExists Failure = "concordat: instance exists already"
	// ErrPanic: the operation or coordinator function panicked. The stack is in the engine's log.
	ErrPanic Failure = "concordat: panic in user code"
	// ErrBadArgument: the bytes of an argument do not decode into the operation's argument type.
	ErrBadArgument Failure = "concordat: argument does not decode"
	// ErrBadState: the stored bytes of an instance do not decode into its state type, or not in full, and no [Migrate] reads them.
	ErrBadState Failure = "concordat: state does not decode"
	// ErrBadResult: a call of a coordinator function succeeded, and its result does not decode into the variable that is to have
	// it, as happens when a later version of the program waits for another type. The run fails, whatever its body does about it.
	ErrBadResult Failure = "concordat: result does not decode"
	// ErrBadValue: a state, argument, result, input or record would not come back from its encoding as it was; see [Values].
	ErrBadValue Failure = "concordat: value does not survive its encoding"
	// ErrTooLarge: an id, argument, state, result or list of effects is over its limit.
	ErrTooLarge Failure = "concordat: over the size limit"
	// ErrUnknownOperation: a call names an operation that the engine does not know.
	ErrUnknownOperation Failure = "concordat: unknown operation"
	// ErrBadCall: a call that cannot be made: an empty id, no operation, an argument that does not encode.
	ErrBadCall Failure = "concordat: malformed call"
)

// maxFailureText bounds the encoded text of a failure, in bytes; longer text is cut.
const maxFailureText = 4096

// maxFailureCodes bounds how many Failure values one encoded error keeps.
const maxFailureCodes = 16

// farFailure is a failure that was encoded and decoded: its text, and the Failure values it matches.
type farFailure struct {
	Text  string    `cbor:"1,keyasint"`
	Codes []Failure `cbor:"2,keyasint"`
}

func (f *farFailure) Error() string { return f.Text }

// Is reports whether target is one of the Failure values that the original error wrapped.
func (f *farFailure) Is(target error) bool {
	want, ok := target.(Failure)
	if !ok {
		return false
	}
	for _, code := range f.Codes {
		if code == want {
			return true
		}
	}
	return false
}

// EncodeFailure encodes an error with every [Failure] that it wraps. Text over 4,096 bytes is cut, and of more than 16
// failures the first 16 in depth-first order are kept. A nil error has no encoding: it panics.
func EncodeFailure(err error) []byte {
	if err == nil {
		panic("functions: a failure that is encoded is not nil")
	}
	far := farFailure{Text: cutText(textOf(err)), Codes: failuresIn(err, nil)}
	data, encodeErr := encode(&far)
	if encodeErr != nil {
		panic(fmt.Sprintf("functions: a failure always encodes: %v", encodeErr))
	}
	return data
}

// farFrom is err as it is on the far side of an encoding.
func farFrom(err error) *farFailure {
	switch e := err.(type) {
	case *farFailure:
		return e
	case *plain:
		return &e.farFailure
	}
	return &farFailure{Text: cutText(textOf(err)), Codes: failuresIn(err, nil)}
}

// plain is an error that code of users returned, without their code; see [Plain].
type plain struct {
	farFailure
	cause    error       // the error itself
	panicked *PanicError // in it, for the log
}

// Unwrap returns the panic in it, if there is one.
func (p *plain) Unwrap() error {
	if p.panicked == nil {
		return nil
	}
	return p.panicked
}

// Plain is an error with the text of err and the failures in it, whose methods are not those of users: these may do anything. It calls
// them, so it is called where code of users may run, and what it returns can be handled anywhere.
func Plain(err error) error {
	switch err.(type) {
	case nil, Failure, *farFailure, *plain, *PanicError:
		return err
	}
	p := &plain{farFailure: *farFrom(err), cause: err}
	for inner := range errorsIn(err) {
		if panicked, ok := inner.(*PanicError); ok {
			p.panicked = panicked
			break
		}
	}
	return p
}

// textOf is the error's text. User code makes errors that panic, for example a nil pointer in an error; they must not end the
// process.
func textOf(err error) (text string) {
	defer func() {
		if r := recover(); r != nil {
			text = fmt.Sprintf("a %T whose Error method panics: %v", err, r)
		}
	}()
	return err.Error()
}

// cutText cuts a text to maxFailureText bytes, between two letters.
func cutText(text string) string {
	if len(text) <= maxFailureText {
		return text
	}
	cut := maxFailureText
	for cut > maxFailureText-utf8.UTFMax && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut]
}

// DecodeFailure is the inverse of [EncodeFailure]. Bytes that are no encoded failure give an error that says so.
func DecodeFailure(data []byte) error {
	far := new(farFailure)
	if err := Decode(data, far); err != nil {
		return fmt.Errorf("functions: not an encoded failure: %w", err)
	}
	return far
}

// failuresIn appends the Failure values in err's tree to codes, depth first.
func failuresIn(err error, codes []Failure) []Failure {
	for inner := range errorsIn(err) {
		switch e := inner.(type) {
		case Failure:
			codes = append(codes, e)
		case *farFailure:
			codes = append(codes, e.Codes...)
		case *plain:
			codes = append(codes, e.Codes...)
		}
		if len(codes) >= maxFailureCodes {
			return codes[:maxFailureCodes]
		}
	}
	return codes
}

// Wraps reports whether err is target or wraps it, as the same value: no Is method is asked, and an Unwrap method that panics ends the
// search there. Target is a pointer.
func Wraps(err, target error) bool {
	for inner := range errorsIn(err) {
		if inner == target {
			return true
		}
	}
	return false
}

// maxTree bounds the errors that are looked at in a tree: users make some that wrap themselves.
const maxTree = 1 << 16

// errorsIn yields err and what it wraps, depth first.
func errorsIn(err error) iter.Seq[error] {
	return func(yield func(error) bool) {
		open := []error{err}
		for range maxTree {
			if len(open) == 0 {
				return
			}
			next := open[len(open)-1]
			open = open[:len(open)-1]
			if next == nil {
				continue
			}
			if !yield(next) {
				return
			}
			inner := unwrap(next)
			slices.Reverse(inner)
			open = append(open, inner...)
		}
	}
}

// unwrap returns what err wraps: nothing, if its method panics; see textOf.
func unwrap(err error) (inner []error) {
	defer func() {
		if recover() != nil {
			inner = nil
		}
	}()
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return []error{e.Unwrap()}
	case interface{ Unwrap() []error }:
		return slices.Clone(e.Unwrap())
	}
	return nil
}

// asFailure makes err matchable by fallback if it wraps no Failure of its own.
func asFailure(fallback Failure, err error) error {
	if errors.Is(err, fallback) {
		return err
	}
	return fmt.Errorf("%w: %w", fallback, err)
}
