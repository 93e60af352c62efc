package functions

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/concordat-dev/concordat/internal/plant"
)

// Cell is the state of one instance and runs operations on it. Its bytes are the truth: after each operation that changes the
// state it is encoded anew, and after a failure the decoded value is dropped, so that whatever a failed operation did to it is
// gone. The zero Cell with a Type is an instance that does not exist.
type Cell struct {
	Type   *TypeInfo
	Exists bool
	Bytes  []byte // never written in place: whoever holds the slice may keep it

	value any // the decoded state, a *S; nil if not decoded
}

// Image is the state of a cell at one moment.
type Image struct {
	Exists bool
	Bytes  []byte
}

// Image returns the state to go back to with [Cell.Restore].
func (c *Cell) Image() Image { return Image{c.Exists, c.Bytes} }

// Restore sets the state back to an earlier image.
func (c *Cell) Restore(i Image) { c.Exists, c.Bytes, c.value = i.Exists, i.Bytes, nil }

// PanicError is the error of user code that panicked: it is [ErrPanic], with the stack for the log.
type PanicError struct {
	Value string
	Stack []byte
}

// Error names the panic's value, without the stack.
func (p *PanicError) Error() string { return string(ErrPanic) + ": " + p.Value }

// Unwrap returns [ErrPanic].
func (p *PanicError) Unwrap() error { return ErrPanic }

// NewPanicError describes a recovered panic; call it while the panic's stack is still there.
func NewPanicError(recovered any) *PanicError {
	return &PanicError{Value: fmt.Sprint(recovered), Stack: debug.Stack()}
}

// Run runs an operation. On success the state is encoded anew and the result, if the operation has one, returned encoded. On
// failure the cell is exactly as before; the caller then drops what ctx collected. maxBytes bounds the encoded state and the
// result each.
func (c *Cell) Run(op *Operation, ctx *Ctx, arg []byte, maxBytes int) (result []byte, err error) {
	defer func() {
		if r := recover(); r != nil { // of the operation, or of a codec method of its types
			if !plant.PanicKeepsState {
				c.value = nil
			}
			result, err = nil, NewPanicError(r)
		}
	}()
	if err := c.ready(op.Kind); err != nil {
		return nil, fmt.Errorf("%w: %s on %q", err, op.FullName(), ctx.self.ID)
	}
	result, err = op.body(ctx, c, arg)
	if err == nil {
		err = ctx.err
	}
	if err == nil && len(result) > maxBytes {
		err = fmt.Errorf("%w: the result of %s has %d bytes, at most %d", ErrTooLarge, op.FullName(), len(result), maxBytes)
	}
	if err == nil {
		err = c.keep(op.Kind, maxBytes)
	}
	if err != nil {
		c.forget(op.Kind)
		return nil, err
	}
	return result, nil
}

// forget drops the decoded value after an operation that may have changed it without success.
func (c *Cell) forget(kind Kind) {
	if !kind.Reads() || !c.Type.flat {
		c.value = nil
	}
}

// ready checks that the instance is there (or not there, for a create) and decodes its state.
func (c *Cell) ready(kind Kind) error {
	switch {
	case kind == KindProbe:
		return nil
	case kind == KindCreate && c.Exists:
		return ErrExists
	case kind == KindCreate:
		c.value = c.Type.newState()
		return nil
	case !c.Exists:
		return ErrNotFound
	case c.value != nil:
		return nil
	}
	return c.decode(c.Bytes)
}

// keep makes the state that a successful operation left the cell's state. What the state's bytes may not tell in full is decoded
// again at once: then the next operation finds what it would find after a restart, and bytes that do not decode are refused
// while the operation can still fail.
func (c *Cell) keep(kind Kind, maxBytes int) error {
	switch kind {
	case KindProbe, KindView:
		c.forget(kind)
		return nil
	case KindDelete:
		c.Restore(Image{})
		return nil
	}
	data, err := Encode(c.value)
	if err != nil {
		return fmt.Errorf("encode the state: %w", err)
	}
	if len(data) > maxBytes {
		return fmt.Errorf("%w: the state has %d bytes, at most %d", ErrTooLarge, len(data), maxBytes)
	}
	if !c.Type.faithful {
		if err := c.decode(data); err != nil {
			return fmt.Errorf("the new state: %w", err)
		}
	}
	c.Exists, c.Bytes = true, data
	return nil
}

// decode sets the decoded value.
func (c *Cell) decode(data []byte) error {
	value := c.Type.newState()
	if err := Decode(data, value); err != nil {
		c.value = nil
		return asFailure(ErrBadState, err)
	}
	c.value = value
	return nil
}

// Handle runs the type's failure handler for a message whose operation failed. It changes no state. Without a handler it
// returns the failure.
func (t *TypeInfo) Handle(ctx *Ctx, failed Failed) (err error) {
	if t.onFailure == nil {
		return failed.Err
	}
	defer func() {
		if r := recover(); r != nil {
			err = NewPanicError(r)
		}
	}()
	return errors.Join(t.onFailure(ctx, failed), ctx.err)
}
