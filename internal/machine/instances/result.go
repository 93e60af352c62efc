package instances

import (
	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/failures"
	"github.com/concordat-dev/concordat/internal/values"
)

// Result is what an operation or a coordinator function returned; nil is that of one that returns nothing.
type Result struct {
	data  []byte // encoded
	value any    // the same, where it can be handed on as it is within a process; see values.Type.Faithful
}

// EncodedResult is a result of which there are only the bytes, such as one that was read from a row; nil if there are none.
func EncodedResult(data []byte) *Result {
	if len(data) == 0 {
		return nil
	}
	return &Result{data: data}
}

// NewResult encodes a value of a type as a result; see values.Type.Encode. Whoever asked for it need not decode it, if it is faithful.
func NewResult(of *values.Type, v any) (*Result, error) {
	data, err := of.Encode(v)
	switch {
	case err != nil:
		return nil, err
	case of.Faithful():
		return &Result{data, v}, nil
	}
	return &Result{data: data}, nil
}

// Encoded is the encoded result; nil of nil.
func (r *Result) Encoded() []byte {
	if r == nil {
		return nil
	}
	return r.data
}

// Handed tells the result that whoever asked has it: what is kept of it from then on is its bytes.
func (r *Result) Handed() {
	if r != nil {
		r.value = nil
	}
}

// ResultAs gives a result as an R, which need not be the type that it was returned as. A panic of a codec method is an error.
func ResultAs[R any](r *Result) (R, error) {
	if r != nil {
		if value, ok := r.value.(R); ok {
			return value, nil
		}
	}
	return decodeAs[R](r.Encoded())
}

// decodeAs is a function of its own, so that memory for what is decoded is taken only where something is.
func decodeAs[R any](data []byte) (value R, err error) {
	err = decodeGuarded(data, &value)
	return value, err
}

// decodeGuarded is [Decode] where a panic of a codec method would reach code that did not call it.
func decodeGuarded(data []byte, v any) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = failures.NewPanicError(r)
		}
	}()
	return codec.Decode(data, v)
}
