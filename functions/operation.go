package functions

// Command is an operation that returns no result, made with [Create], [Update] or [Upsert].
type Command[A any] struct{ op *Operation }

// On makes the call of this operation on instance id.
func (c Command[A]) On(id string, arg A) Call { return newCall(c.op, id, arg) }

// Command0 is a [Command] without an argument.
type Command0 struct{ op *Operation }

// On makes the call of this operation on instance id.
func (c Command0) On(id string) Call { return newCall0(c.op, id) }

// Exchange is an operation that changes the state and returns a result.
type Exchange[A, R any] struct{ op *Operation }

// On makes the call of this operation on instance id.
func (x Exchange[A, R]) On(id string, arg A) Returning[R] {
	return Returning[R]{call: newCall(x.op, id, arg)}
}

// Reader is an operation that reads the state and takes an argument.
type Reader[A, R any] struct{ op *Operation }

// On makes the question to instance id.
func (r Reader[A, R]) On(id string, arg A) Query[R] { return Query[R]{call: newCall(r.op, id, arg)} }

// Reader0 is a [Reader] without an argument.
type Reader0[R any] struct{ op *Operation }

// On makes the question to instance id.
func (r Reader0[R]) On(id string) Query[R] { return Query[R]{call: newCall0(r.op, id)} }

// Create makes an operation that brings an instance into being: f gets the zero state. On an instance that exists it fails
// with [ErrExists].
func Create[S, A any](t *Type[S], name string, f func(ctx *Ctx, state *S, arg A) error) Command[A] {
	return Command[A]{t.info.add(name, KindCreate, command(f)).takes(ValuesOf[A]())}
}

// Update makes an operation that changes an instance; it takes the exclusive lock. On an instance that does not exist it
// fails with [ErrNotFound]. After an error or a panic of f the state is exactly as before.
func Update[S, A any](t *Type[S], name string, f func(ctx *Ctx, state *S, arg A) error) Command[A] {
	return Command[A]{t.info.add(name, KindUpdate, command(f)).takes(ValuesOf[A]())}
}

// UpdateReturning is [Update] with a result.
func UpdateReturning[S, A, R any](t *Type[S], name string, f func(ctx *Ctx, state *S, arg A) (R, error)) Exchange[A, R] {
	results := ValuesOf[R]()
	return Exchange[A, R]{t.info.add(name, KindUpdate, exchange(f, results)).takes(ValuesOf[A]()).gives(results)}
}

// Upsert makes an operation that changes an instance, or brings it into being: f gets the state, which is the zero state if there
// is no instance yet; [Ctx.Exists] tells. It takes the exclusive lock, in a transaction also that of an absent instance. After an
// error or a panic of f all is exactly as before. On a state that does not decode it fails with [ErrBadState].
func Upsert[S, A any](t *Type[S], name string, f func(ctx *Ctx, state *S, arg A) error) Command[A] {
	return Command[A]{t.info.add(name, KindUpsert, command(f)).takes(ValuesOf[A]())}
}

// UpsertReturning is [Upsert] with a result.
func UpsertReturning[S, A, R any](t *Type[S], name string, f func(ctx *Ctx, state *S, arg A) (R, error)) Exchange[A, R] {
	results := ValuesOf[R]()
	return Exchange[A, R]{t.info.add(name, KindUpsert, exchange(f, results)).takes(ValuesOf[A]()).gives(results)}
}

// View makes an operation that reads an instance; it takes the shared lock. The state is passed by value. A state type with
// slices, maps or pointers is decoded anew for every view, so that nothing f does to it lasts. It has no effects either: one that
// sends, emits, sets or cancels a timer fails with [ErrBadCall]. On an instance that does not exist it fails with [ErrNotFound].
func View[S, R any](t *Type[S], name string, f func(ctx *Ctx, state S) (R, error)) Reader0[R] {
	if f == nil {
		return Reader0[R]{t.info.add(name, KindView, nil)}
	}
	results := ValuesOf[R]()
	return Reader0[R]{t.info.add(name, KindView, func(ctx *Ctx, cell *Cell, _ []byte) (*Result, error) {
		result, err := f(ctx, *cell.value.(*S))
		if err != nil {
			return nil, err
		}
		return newResult(results, result)
	}).gives(results)}
}

// ViewWith is [View] with an argument.
func ViewWith[S, A, R any](t *Type[S], name string, f func(ctx *Ctx, state S, arg A) (R, error)) Reader[A, R] {
	if f == nil {
		return Reader[A, R]{t.info.add(name, KindView, nil)}
	}
	results := ValuesOf[R]()
	return Reader[A, R]{t.info.add(name, KindView, exchange(func(ctx *Ctx, state *S, arg A) (R, error) {
		return f(ctx, *state, arg)
	}, results)).takes(ValuesOf[A]()).gives(results)}
}

// Delete makes an operation that removes an instance if f returns nil. On an instance that does not exist it fails with
// [ErrNotFound]. An instance whose state does not decode can be deleted too: f gets the zero state then, and [Ctx.BadState] tells it
// apart, so that f can refuse.
func Delete[S any](t *Type[S], name string, f func(ctx *Ctx, state *S) error) Command0 {
	if f == nil {
		return Command0{t.info.add(name, KindDelete, nil)}
	}
	return Command0{t.info.add(name, KindDelete, func(ctx *Ctx, cell *Cell, _ []byte) (*Result, error) {
		return nil, f(ctx, cell.value.(*S))
	})}
}

// command is the body of an operation without a result; nil if there is no f.
func command[S, A any](f func(*Ctx, *S, A) error) body {
	if f == nil {
		return nil
	}
	return func(ctx *Ctx, cell *Cell, data []byte) (*Result, error) {
		arg, err := decodeArg[A](ctx, data)
		if err != nil {
			return nil, err
		}
		return nil, f(ctx, cell.value.(*S), arg)
	}
}

// exchange is the body of an operation with a result; nil if there is no f.
func exchange[S, A, R any](f func(*Ctx, *S, A) (R, error), results *Values) body {
	if f == nil {
		return nil
	}
	return func(ctx *Ctx, cell *Cell, data []byte) (*Result, error) {
		arg, err := decodeArg[A](ctx, data)
		if err != nil {
			return nil, err
		}
		result, err := f(ctx, cell.value.(*S), arg)
		if err != nil {
			return nil, err
		}
		return newResult(results, result)
	}
}

func decodeArg[A any](ctx *Ctx, data []byte) (arg A, err error) {
	if value, ok := ctx.frame.arg.(A); ok {
		return value, nil
	}
	return decodeBytes[A](data)
}

func decodeBytes[A any](data []byte) (arg A, err error) {
	if err := Decode(data, &arg); err != nil {
		return arg, asFailure(ErrBadArgument, err)
	}
	return arg, nil
}
