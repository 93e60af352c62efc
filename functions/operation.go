package functions

import (
	"fmt"

	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/failures"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/values"
)

// Command is an operation that changes its instance, made with [Create], [Update], [Upsert] or [Delete1].
type Command[A any] struct{ op *instances.Operation }

// On makes the call of this operation on instance id.
func (c Command[A]) On(id string, arg A) Call { return Call{instances.NewCall(c.op, id, arg)} }

// Command0 is a [Command] without an argument.
type Command0 struct{ op *instances.Operation }

// On makes the call of this operation on instance id.
func (c Command0) On(id string) Call { return Call{instances.NewCall0(c.op, id)} }

// CommandReturning is a [Command] that returns an R.
type CommandReturning[A, R any] struct{ op *instances.Operation }

// On makes the call of this operation on instance id.
func (c CommandReturning[A, R]) On(id string, arg A) CallReturning[R] {
	return CallReturning[R]{instances.CallReturning[R]{Called: instances.NewCall(c.op, id, arg)}}
}

// Command0Returning is a [CommandReturning] without an argument.
type Command0Returning[R any] struct{ op *instances.Operation }

// On makes the call of this operation on instance id.
func (c Command0Returning[R]) On(id string) CallReturning[R] {
	return CallReturning[R]{query0[R](c.op, id)}
}

// ViewOf is an operation that reads its instance and returns an R, made with [View].
type ViewOf[R any] struct{ op *instances.Operation }

// On makes the query to instance id.
func (v ViewOf[R]) On(id string) Query[R] { return Query[R]{query0[R](v.op, id)} }

// View1Of is a [ViewOf] with an argument, made with [View1].
type View1Of[A, R any] struct{ op *instances.Operation }

// On makes the query to instance id.
func (v View1Of[A, R]) On(id string, arg A) Query[R] {
	return Query[R]{instances.CallReturning[R]{Called: instances.NewCall(v.op, id, arg)}}
}

func query0[R any](op *instances.Operation, id string) instances.CallReturning[R] {
	return instances.CallReturning[R]{Called: instances.NewCall0(op, id)}
}

// Create makes an operation that brings an instance into being: f gets the zero state. On an instance that exists it fails
// with [ErrExists].
func Create[S, A any](t *Type[S], name string, f func(ctx *Ctx, state *S, arg A) error) Command[A] {
	return makeCommand(t, name, instances.KindCreate, f)
}

// Create0 is [Create] without an argument.
func Create0[S any](t *Type[S], name string, f func(ctx *Ctx, state *S) error) Command0 {
	return makeCommand0(t, name, instances.KindCreate, f)
}

// CreateReturning is [Create] with a result.
func CreateReturning[S, A, R any](t *Type[S], name string, f func(ctx *Ctx, state *S, arg A) (R, error)) CommandReturning[A, R] {
	return makeCommandReturning(t, name, instances.KindCreate, f)
}

// Create0Returning is [Create] without an argument and with a result.
func Create0Returning[S, R any](t *Type[S], name string, f func(ctx *Ctx, state *S) (R, error)) Command0Returning[R] {
	return makeCommand0Returning(t, name, instances.KindCreate, f)
}

// Update makes an operation that changes an instance; it takes the exclusive lock. On an instance that does not exist it
// fails with [ErrNotFound]. After an error or a panic of f the state is exactly as before.
func Update[S, A any](t *Type[S], name string, f func(ctx *Ctx, state *S, arg A) error) Command[A] {
	return makeCommand(t, name, instances.KindUpdate, f)
}

// Update0 is [Update] without an argument.
func Update0[S any](t *Type[S], name string, f func(ctx *Ctx, state *S) error) Command0 {
	return makeCommand0(t, name, instances.KindUpdate, f)
}

// UpdateReturning is [Update] with a result.
func UpdateReturning[S, A, R any](t *Type[S], name string, f func(ctx *Ctx, state *S, arg A) (R, error)) CommandReturning[A, R] {
	return makeCommandReturning(t, name, instances.KindUpdate, f)
}

// Update0Returning is [Update] without an argument and with a result.
func Update0Returning[S, R any](t *Type[S], name string, f func(ctx *Ctx, state *S) (R, error)) Command0Returning[R] {
	return makeCommand0Returning(t, name, instances.KindUpdate, f)
}

// Upsert makes an operation that changes an instance, or brings it into being: f gets the state, which is the zero state if there
// is no instance yet; [Ctx.Exists] tells. It takes the exclusive lock, in a transaction also that of an absent instance. After an
// error or a panic of f all is exactly as before. On a state that does not decode it fails with [ErrBadState].
func Upsert[S, A any](t *Type[S], name string, f func(ctx *Ctx, state *S, arg A) error) Command[A] {
	return makeCommand(t, name, instances.KindUpsert, f)
}

// Upsert0 is [Upsert] without an argument.
func Upsert0[S any](t *Type[S], name string, f func(ctx *Ctx, state *S) error) Command0 {
	return makeCommand0(t, name, instances.KindUpsert, f)
}

// UpsertReturning is [Upsert] with a result.
func UpsertReturning[S, A, R any](t *Type[S], name string, f func(ctx *Ctx, state *S, arg A) (R, error)) CommandReturning[A, R] {
	return makeCommandReturning(t, name, instances.KindUpsert, f)
}

// Upsert0Returning is [Upsert] without an argument and with a result.
func Upsert0Returning[S, R any](t *Type[S], name string, f func(ctx *Ctx, state *S) (R, error)) Command0Returning[R] {
	return makeCommand0Returning(t, name, instances.KindUpsert, f)
}

// Delete makes an operation that removes an instance if f returns nil. On an instance that does not exist it fails with
// [ErrNotFound]. An instance whose state does not decode can be deleted too: f gets the zero state then, and [Ctx.BadState] tells it
// apart, so that f can refuse.
func Delete[S any](t *Type[S], name string, f func(ctx *Ctx, state *S) error) Command0 {
	return makeCommand0(t, name, instances.KindDelete, f)
}

// Delete1 is [Delete] with an argument.
func Delete1[S, A any](t *Type[S], name string, f func(ctx *Ctx, state *S, arg A) error) Command[A] {
	return makeCommand(t, name, instances.KindDelete, f)
}

// DeleteReturning is [Delete] with a result.
func DeleteReturning[S, R any](t *Type[S], name string, f func(ctx *Ctx, state *S) (R, error)) Command0Returning[R] {
	return makeCommand0Returning(t, name, instances.KindDelete, f)
}

// Delete1Returning is [Delete] with an argument and a result.
func Delete1Returning[S, A, R any](t *Type[S], name string, f func(ctx *Ctx, state *S, arg A) (R, error)) CommandReturning[A, R] {
	return makeCommandReturning(t, name, instances.KindDelete, f)
}

// View makes an operation that reads an instance; it takes the shared lock. The state is passed by value. A state type with
// slices, maps or pointers is decoded anew for every view, so that nothing f does to it lasts. It has no effects either: one that
// sends, emits, sets or cancels a timer fails with [ErrBadCall]. On an instance that does not exist it fails with [ErrNotFound].
func View[S, R any](t *Type[S], name string, f func(ctx *Ctx, state S) (R, error)) ViewOf[R] {
	if f == nil {
		return ViewOf[R]{t.info().Add(name, instances.KindView, nil)}
	}
	results := values.Of[R]()
	body := func(ctx *instances.Ctx, cell *instances.Cell, _ []byte) (*instances.Result, error) {
		result, err := f((*Ctx)(ctx), *cell.State().(*S))
		if err != nil {
			return nil, err
		}
		return newResult(results, result)
	}
	return ViewOf[R]{t.info().Add(name, instances.KindView, body).Gives(results)}
}

// View1 is [View] with an argument.
func View1[S, A, R any](t *Type[S], name string, f func(ctx *Ctx, state S, arg A) (R, error)) View1Of[A, R] {
	if f == nil {
		return View1Of[A, R]{t.info().Add(name, instances.KindView, nil)}
	}
	made := makeCommandReturning(t, name, instances.KindView, func(ctx *Ctx, state *S, arg A) (R, error) { return f(ctx, *state, arg) })
	return View1Of[A, R](made)
}

func makeCommand[S, A any](t *Type[S], name string, kind instances.Kind, f func(*Ctx, *S, A) error) Command[A] {
	var body instances.Body
	if f != nil {
		body = func(ctx *instances.Ctx, cell *instances.Cell, data []byte) (*instances.Result, error) {
			arg, err := decodeArg[A](ctx, data)
			if err != nil {
				return nil, err
			}
			return nil, f((*Ctx)(ctx), cell.State().(*S), arg)
		}
	}
	return Command[A]{t.info().Add(name, kind, body).Takes(values.Of[A]())}
}

func makeCommand0[S any](t *Type[S], name string, kind instances.Kind, f func(*Ctx, *S) error) Command0 {
	var body instances.Body
	if f != nil {
		body = func(ctx *instances.Ctx, cell *instances.Cell, _ []byte) (*instances.Result, error) {
			return nil, f((*Ctx)(ctx), cell.State().(*S))
		}
	}
	return Command0{t.info().Add(name, kind, body)}
}

func makeCommandReturning[S, A, R any](
	t *Type[S], name string, kind instances.Kind, f func(*Ctx, *S, A) (R, error),
) CommandReturning[A, R] {
	var body instances.Body
	results := values.Of[R]()
	if f != nil {
		body = func(ctx *instances.Ctx, cell *instances.Cell, data []byte) (*instances.Result, error) {
			arg, err := decodeArg[A](ctx, data)
			if err != nil {
				return nil, err
			}
			result, err := f((*Ctx)(ctx), cell.State().(*S), arg)
			if err != nil {
				return nil, err
			}
			return newResult(results, result)
		}
	}
	return CommandReturning[A, R]{t.info().Add(name, kind, body).Takes(values.Of[A]()).Gives(results)}
}

func makeCommand0Returning[S, R any](t *Type[S], name string, kind instances.Kind, f func(*Ctx, *S) (R, error)) Command0Returning[R] {
	var body instances.Body
	results := values.Of[R]()
	if f != nil {
		body = func(ctx *instances.Ctx, cell *instances.Cell, _ []byte) (*instances.Result, error) {
			result, err := f((*Ctx)(ctx), cell.State().(*S))
			if err != nil {
				return nil, err
			}
			return newResult(results, result)
		}
	}
	return Command0Returning[R]{t.info().Add(name, kind, body).Gives(results)}
}

func newResult[R any](results *values.Type, result R) (*instances.Result, error) {
	r, err := instances.NewResult(results, result)
	if err != nil {
		return nil, fmt.Errorf("encode the result: %w", err)
	}
	return r, nil
}

func decodeArg[A any](ctx *instances.Ctx, data []byte) (arg A, err error) {
	if value, ok := ctx.Arg().(A); ok {
		return value, nil
	}
	return decodeBytes[A](data)
}

func decodeBytes[A any](data []byte) (arg A, err error) {
	if err := codec.Decode(data, &arg); err != nil {
		return arg, failures.Match(ErrBadArgument, err)
	}
	return arg, nil
}
