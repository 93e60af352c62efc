package engine_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/saga"
	"github.com/concordat-dev/concordat/twopc"
)

// spoiled is an error whose methods do something that an error's methods should not.
type spoiled struct{ do func() }

func (s *spoiled) Error() string  { s.do(); return "test: spoiled" }
func (s *spoiled) Unwrap() error  { s.do(); return errRude }
func (s *spoiled) Is(error) bool  { s.do(); return false }
func (s *spoiled) As(any) bool    { s.do(); return false }
func (s *spoiled) String() string { s.do(); return "test: spoiled" }

// spoiledErrors are such errors, by name.
var spoiledErrors = map[string]error{
	"nil pointer": (*spoiled)(nil),
	"panics":      &spoiled{func() { panic("test: spoiled") }},
	"goexit":      &spoiled{runtime.Goexit},
	"wrapped":     fmt.Errorf("%w, and %w", errRude, error(&spoiled{func() { panic("test: spoiled") }})),
	"joined exit": errors.Join(errRude, &spoiled{runtime.Goexit}),
}

// cursed is a value whose codec method fails with the error of its name.
type cursed struct{ Name string }

func (c cursed) MarshalCBOR() ([]byte, error)     { return nil, spoiledErrors[c.Name] }
func (c *cursed) UnmarshalCBOR(data []byte) error { return spoiledErrors["panics"] }

// TestErrorsThatDoNotBehave: whatever the methods of an error do that code of users returns, or panics with, it is a failure and
// nothing else: the engine goes on, and so does the worker.
func TestErrorsThatDoNotBehave(t *testing.T) {
	end := func(name string, panics bool) error {
		if panics {
			panic(spoiledErrors[name])
		}
		return spoiledErrors[name]
	}
	type how struct {
		Name   string
		Panics bool
	}
	spoil := functions.Update(desks, "spoil", func(_ *functions.Ctx, d *desk, h how) error { d.Taken++; return end(h.Name, h.Panics) })
	look := functions.View1(desks, "spoil-look", func(_ *functions.Ctx, _ desk, h how) (int, error) { return 0, end(h.Name, h.Panics) })
	fragile := functions.NewType[desk]("test/fragile")
	newFragile := functions.Create(fragile, "new", func(*functions.Ctx, *desk, int) error { return nil })
	fail := functions.Update(fragile, "fail", func(_ *functions.Ctx, _ *desk, h how) error { return end(h.Name, h.Panics) })
	tell := functions.Update(desks, "spoil-tell", func(ctx *functions.Ctx, _ *desk, h how) error { ctx.Send(fail.On("f", h)); return nil })
	functions.OnFailure(fragile, func(ctx *functions.Ctx, f functions.Failed) error {
		var h how
		if err := codec.Decode(f.Arg, &h); err != nil {
			return err
		}
		ctx.Send(take.On("a", 1))
		return end(h.Name, h.Panics)
	})
	tx := twopc.New("test/spoiled-tx", func(tx *twopc.Tx, h how) error {
		if err := tx.Do(take.On("a", 1)); err != nil {
			return err
		}
		return end(h.Name, h.Panics)
	})
	txCall := twopc.New("test/spoiled-tx-call", func(tx *twopc.Tx, h how) error {
		_ = tx.Try(spoil.On("a", h))
		return tx.Do(spoil.On("a", h))
	})
	sg := saga.New("test/spoiled-saga", func(s *saga.Run, h how) error {
		if err := s.Do(take.On("a", 1), give.On("a", 1)); err != nil {
			return err
		}
		return end(h.Name, h.Panics)
	})
	sgStep := saga.New("test/spoiled-saga-step", func(s *saga.Run, h how) error { return s.Do(spoil.On("a", h), give.On("a", 1)) })
	curse := functions.Update(desks, "curse", func(*functions.Ctx, *desk, cursed) error { return nil })
	cursing := functions.UpdateReturning(desks, "cursing", func(_ *functions.Ctx, _ *desk, h how) (cursed, error) { return cursed{h.Name}, nil })
	cursedTx := twopc.New("test/cursed-tx", func(tx *twopc.Tx, h how) error {
		_ = tx.Do(curse.On("a", cursed{h.Name}))
		tx.OnAbort(curse.On("a", cursed{h.Name}))
		return nil
	})
	cursedSaga := saga.New("test/cursed-saga", func(s *saga.Run, h how) error {
		s.OnFailure(curse.On("a", cursed{h.Name}))
		_ = s.Do(take.On("a", 1), curse.On("a", cursed{h.Name}))
		return nil
	})
	var log logLines
	e := open(t, engine.Options{Workers: 1, Logger: log.logger()}, desks, fragile, tx, txCall, sg, sgStep, cursedTx, cursedSaga)
	must(t, e.Do(ctx, newDesk.On("a", false)))
	must(t, e.Do(ctx, newFragile.On("f", 0)))
	for name := range spoiledErrors {
		for _, panics := range []bool{false, true} {
			h := how{name, panics}
			for what, r := range map[string]functions.Request{
				"update": spoil.On("a", h), "with id": spoil.On("a", h).As(fmt.Sprint(h)), "view": look.On("a", h).Into(new(int)),
				"transaction": tx.With(h), "call of a transaction": txCall.With(h), "saga": sg.With(h), "step of a saga": sgStep.With(h),
				"result": cursing.On("a", h).Drop(), "bad call of a transaction": cursedTx.With(h), "bad step of a saga": cursedSaga.With(h),
			} {
				if err := e.Do(ctx, r); err == nil || err.Error() == "" {
					t.Errorf("%s, error %+v: %v", what, h, err)
				}
			}
			must(t, e.Do(ctx, tell.On("a", h)))
		}
	}
	eventually(t, "the messages are handled", func() bool { return e.Queued() == 0 })
	if n := ask(t, e, taken.On("a")); n != 0 {
		t.Errorf("what failed has changed something: %d", n)
	}
	wantErr(t, e.Do(ctx, spoil.On("a", how{"wrapped", false})), errRude)
}

// TestErrorsOfEndsThatDoNotBehave: whatever the methods of an error do that an egress or an ingress returns, the error is one like others:
// it is tried again, and Close says it.
func TestErrorsOfEndsThatDoNotBehave(t *testing.T) {
	t.Parallel()
	for name, spoiled := range spoiledErrors {
		for what, err := range map[string]error{"plain": spoiled, "refusal": engine.Refuse(1, spoiled), "joined": errors.Join(errRude, spoiled)} {
			t.Run(what+" "+name, func(t *testing.T) {
				t.Parallel()
				var writes, runs atomic.Int64
				end := &headstrong{close: func() error { return err }}
				end.write = func() error {
					if writes.Add(1) < 3 {
						return err
					}
					return nil
				}
				end.run = func() error {
					if runs.Add(1) < 3 {
						return err
					}
					return nil
				}
				o := engine.Options{Egresses: map[string]engine.Egress{"wire": end}, Ingresses: map[string]engine.Ingress{"in": end}}
				e := open(t, o, tellers)
				must(t, e.Do(ctx, newTeller.On("a", 0)))
				must(t, e.Do(ctx, tell.On("a", 1)))
				must(t, e.Do(ctx, tell.On("a", 1)))
				eventually(t, "both go on", func() bool { return writes.Load() >= 3 && runs.Load() >= 3 })
				if err := e.Close(); err == nil || !strings.Contains(err.Error(), `close egress "wire"`) {
					t.Errorf("Close says %v", err)
				}
			})
		}
	}
}
