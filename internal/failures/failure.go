// Package failures has the errors that code of users chooses or causes, and what becomes of them when they are encoded.
//
// A [Failure] is an outcome that code chose. A [FarError] is an error on the far side of an encoding, a [PanicError] what is left of a
// panic, and [Plain] takes the code of users out of an error. The package is pure.
package failures

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"unicode/utf8"

	"github.com/concordat-dev/concordat/internal/codec"
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
	// ErrCancelled: somebody has cancelled the request for the call before it was run: see engine.Engine.CancelRequest.
	ErrCancelled Failure = "concordat: call was cancelled"
	// ErrBadState: the stored bytes of an instance do not decode into its state type, or not in full, and no functions.Migrate reads them.
	ErrBadState Failure = "concordat: state does not decode"
	// ErrBadResult: a call of a coordinator function succeeded, and its result does not decode into the variable that is to have
	// it, as happens when a later version of the program waits for another type. The run fails, whatever its body does about it.
	ErrBadResult Failure = "concordat: result does not decode"
	// ErrBadValue: a state, argument, result, input or record would not come back from its encoding as it was; see functions.NewType.
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

// FarError is an error as it is on the far side of an encoding: its text, and the [Failure] values that it matches. It never changes.
// A nil one stands for no error; do not convert it to an error.
type FarError struct {
	stored storedError
	data   []byte // its encoding, if it came from one
}

type storedError struct {
	Text  string    `cbor:"1,keyasint"`
	Codes []Failure `cbor:"2,keyasint"`
}

// Error returns the text.
func (f *FarError) Error() string { return f.stored.Text }

// Is reports whether target is one of the Failure values that the original error wrapped.
func (f *FarError) Is(target error) bool {
	want, ok := target.(Failure)
	return ok && slices.Contains(f.stored.Codes, want)
}

// Far is an error as it would be if it were encoded and decoded: with its text, of which what is over 4,096 bytes is cut, and of the
// [Failure] values that it wraps with the first 16 in depth-first order. A nil error panics.
func Far(err error) *FarError {
	switch e := err.(type) {
	case nil:
		panic("failures: a failure that is encoded is not nil")
	case *FarError:
		return e
	case *plain:
		return e.FarError
	}
	return &FarError{stored: storedError{cutText(textOf(err)), In(err)}}
}

// FarOf makes an error of the text of one that is far away, and of the [Failure] values that it matches.
func FarOf(text string, codes []Failure) *FarError {
	return &FarError{stored: storedError{cutText(text), codes[:min(len(codes), maxFailureCodes)]}}
}

// Encoded is the encoding, which is not to be changed; nil of nil.
func (f *FarError) Encoded() []byte {
	switch {
	case f == nil:
		return nil
	case f.data != nil:
		return f.data
	}
	data, err := codec.Encode(&f.stored)
	if err != nil {
		panic(fmt.Sprintf("failures: a failure always encodes: %v", err))
	}
	return data
}

// Size is about how many bytes the encoding has, which need not be made for that; 0 of nil.
func (f *FarError) Size() int {
	if f == nil {
		return 0
	}
	const each = 5 // a text with its length, at most
	size := 2*each + len(f.stored.Text)
	for _, code := range f.stored.Codes {
		size += each + len(code)
	}
	return size
}

// Encode encodes an error as [Far] has it.
func Encode(err error) []byte { return Far(err).Encoded() }

// plain is an error that code of users returned, without their code; see [Plain].
type plain struct {
	*FarError
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
	case nil, Failure, *FarError, *plain, *PanicError:
		return err
	}
	p := &plain{FarError: Far(err), cause: err}
	for inner := range errorsIn(err) {
		if panicked, ok := inner.(*PanicError); ok {
			p.panicked = panicked
			break
		}
	}
	return p
}

// Cause is the error that [Plain] was given, or err itself.
func Cause(err error) error {
	if p, ok := err.(*plain); ok {
		return p.cause
	}
	return err
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

// Decode is the inverse of [Encode], and keeps data. Bytes that are no encoded failure give an error that says so.
func Decode(data []byte) *FarError {
	var stored storedError
	if err := codec.Decode(data, &stored); err != nil {
		return Far(fmt.Errorf("functions: not an encoded failure: %w", err))
	}
	if len(stored.Text) > maxFailureText || len(stored.Codes) > maxFailureCodes {
		return FarOf(stored.Text, stored.Codes)
	}
	return &FarError{stored, data}
}

// In are the [Failure] values that err matches, depth first, at most 16.
func In(err error) (codes []Failure) {
	for inner := range errorsIn(err) {
		switch e := inner.(type) {
		case Failure:
			codes = append(codes, e)
		case *FarError:
			codes = append(codes, e.stored.Codes...)
		case *plain:
			codes = append(codes, e.stored.Codes...)
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
		var open []error // what is still to come, the next one last
		next := err
		for range maxTree {
			if next != nil && !yield(next) {
				return
			}
			several, inner := unwrap(next)
			for _, one := range slices.Backward(several) {
				open = append(open, one)
			}
			if next = inner; next != nil {
				continue
			}
			if len(open) == 0 {
				return
			}
			next, open = open[len(open)-1], open[:len(open)-1]
		}
	}
}

// unwrap returns what err wraps, several errors or one: nothing, if its method panics; see textOf.
func unwrap(err error) (several []error, one error) {
	defer func() {
		if recover() != nil {
			several, one = nil, nil
		}
	}()
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return nil, e.Unwrap()
	case interface{ Unwrap() []error }:
		return e.Unwrap(), nil
	}
	return nil, nil
}

// Match makes err matchable by fallback if it wraps no Failure of its own.
func Match(fallback Failure, err error) error {
	if errors.Is(err, fallback) {
		return err
	}
	return fmt.Errorf("%w: %w", fallback, err)
}
