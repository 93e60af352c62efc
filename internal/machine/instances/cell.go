package instances

import (
	"errors"
	"fmt"

	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/failures"
)

// Cell is the state of one instance and runs operations on it. After each operation that changes the state it is encoded anew,
// and after a failure the decoded value is dropped, so that whatever a failed operation did to it is gone. Where that gives the
// same, operations change a copy of the decoded value instead, and it is encoded late; see [Image]. The zero Cell with a Type is
// an instance that does not exist.
type Cell struct {
	Type   *Type
	Exists bool
	whole  bool // nothing is lost when bytes are decoded: they were written by this process, or looked at; see values.Type.CheckWhole

	bytes []byte // the encoded state, never written in place; nil if only value has it
	value any    // the decoded state, a *S; nil if not decoded. Of a type that is encoded late it is never written in place.
	bound int    // without bytes: how long they would be at most

	reading reading
}

// reading is how far the decoding of a cell's stored state is, which may run code of users: migrations and codec methods.
type reading uint8

const (
	notReading  reading = iota
	readingNow          // it runs, or has ended its goroutine
	neverReadIt         // it has ended its goroutine, and is not tried again
)

// GaveUpReading is asked after an operation has ended its goroutine. It reports whether that was in the decoding of the state, before
// anything of the operation was run. From then on the state counts as one that does not decode: the operation can be run again, and fails
// with failures.ErrBadState unless it is a Delete.
func (c *Cell) GaveUpReading() bool {
	if c.reading != readingNow {
		return false
	}
	c.reading = neverReadIt
	return true
}

// read decodes the stored state.
func (c *Cell) read() (err error) {
	if c.reading != notReading {
		return fmt.Errorf("%w: %w", failures.ErrBadState, failures.NewGoexitError())
	}
	c.reading = readingNow
	c.value, c.whole, err = c.Type.decodeState(c.bytes, c.whole)
	c.reading = notReading
	return err
}

// State is the decoded state, a pointer to it, for the body of an operation that runs on it.
func (c *Cell) State() any { return c.value }

// Image returns the state to go back to with [Cell.Restore].
func (c *Cell) Image() Image {
	if c.Type.late == nil {
		return Image{Exists: c.Exists, whole: c.whole, bytes: c.bytes}
	}
	return Image{c.Exists, c.whole, c.bytes, c.value, c.bound}
}

// Restore sets the state back to an earlier image.
func (c *Cell) Restore(i Image) {
	c.Exists, c.whole, c.bytes, c.value, c.bound = i.Exists, i.whole, i.bytes, i.value, i.bound
}

// Size is about how many bytes the encoded state has.
func (c *Cell) Size() int {
	if c.bytes == nil {
		return c.bound
	}
	return len(c.bytes)
}

// Run runs an operation. On success the state is encoded anew and the result, if the operation has one, returned encoded. On
// failure the cell is exactly as before; the caller then drops what ctx collected. maxBytes bounds the encoded state and the
// result each.
func (c *Cell) Run(op *Operation, ctx *Ctx, arg []byte, maxBytes int) (result *Result, err error) {
	before, ended := c.Image(), false
	defer func() {
		if ended {
			return
		}
		c.Restore(before)
		if r := recover(); r != nil { // of the operation, or of a codec method of its types; nil: it ends its goroutine
			result, err = nil, failures.NewPanicError(r)
		}
	}()
	result, err = c.run(op, ctx, arg, maxBytes, &before)
	err = failures.Plain(err)
	ended = true
	return result, err
}

// run is Run without what catches panics.
func (c *Cell) run(op *Operation, ctx *Ctx, arg []byte, maxBytes int, before *Image) (result *Result, err error) {
	f := ctx.frame
	f.kind, f.exists = op.Kind, c.Exists
	err = c.ready(op.Kind)
	before.whole = c.whole
	if op.Kind == KindDelete && errors.Is(err, failures.ErrBadState) {
		c.value, f.bad, err = c.Type.newState(), err, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s on %q", err, op.FullName(), f.self.ID)
	}
	result, err = op.body(ctx, c, arg)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil && len(result.Encoded()) > maxBytes {
		err = fmt.Errorf("%w: the result of %s has %d bytes, at most %d", failures.ErrTooLarge, op.FullName(), len(result.Encoded()), maxBytes)
	}
	if err == nil && !op.Kind.Reads() {
		err = c.keep(op.Kind, maxBytes)
	}
	if !c.Type.flat && op.Kind.Reads() || !op.Kind.Reads() && err != nil {
		c.Restore(*before) // the operation may have changed the value
	}
	if err != nil {
		return nil, err
	}
	return result, nil
}

// ready checks that the instance is there (or not there, for a create) and decodes its state, for operations that change it
// into a value of their own.
func (c *Cell) ready(kind Kind) error {
	switch {
	case kind == KindProbe:
		return nil
	case kind == KindCreate && c.Exists:
		return failures.ErrExists
	case kind == KindCreate, kind == KindUpsert && !c.Exists:
		c.value = c.Type.newState()
		return nil
	case !c.Exists:
		return failures.ErrNotFound
	case c.value == nil:
		return c.read()
	case c.Type.late != nil && !kind.Reads():
		c.value = c.Type.late.copy(c.value)
	}
	return nil
}

// keep makes the state that a successful operation left the cell's state. What the state's bytes may not tell in full is decoded
// again at once: then the next operation finds what it would find after a restart, and bytes that do not decode are refused
// while the operation can still fail.
func (c *Cell) keep(kind Kind, maxBytes int) error {
	c.reading = notReading // the new state is another
	if kind == KindDelete {
		c.Restore(Image{})
		return nil
	}
	if late := c.Type.late; late != nil {
		if bound := late.bound(c.value); bound <= maxBytes {
			c.Exists, c.whole, c.bytes, c.bound = true, true, nil, bound
			return nil
		}
	}
	if err := c.Type.states.Look(c.value); err != nil {
		return fmt.Errorf("the new state: %w", err)
	}
	data, err := codec.Encode(c.value)
	if err != nil {
		return fmt.Errorf("the new state: %w: %w", failures.ErrBadValue, err)
	}
	if len(data) > maxBytes {
		return fmt.Errorf("%w: the state has %d bytes, at most %d", failures.ErrTooLarge, len(data), maxBytes)
	}
	if c.Type.late == nil {
		if c.value, err = c.Type.decodeOwn(data); err != nil {
			return fmt.Errorf("the new state: %w: %w", failures.ErrBadValue, err)
		}
	}
	c.Exists, c.whole, c.bytes = true, true, data
	return nil
}
