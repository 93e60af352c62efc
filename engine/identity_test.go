package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/saga"
	"github.com/concordat-dev/concordat/twopc"
)

// Versions of what a till is told to pay in.
type (
	payment      struct{ Amount int }
	paymentAdded struct {
		Amount int
		Memo   string
	}
	paymentRenamed struct{ Sum int }
	paymentRetyped struct{ Amount string }
	paymentRemoved struct{}
)

// tillsOf is a version of a program in which tills take a P.
type tillsOf[P any] struct {
	till *functions.Type[desk]
	open functions.Command[bool]
	pay  functions.Exchange[P, int]
	tx   *twopc.TransactionReturning[P, int]
	saga *saga.Saga[P]
	paid functions.Reader0[int]
}

func tillVersion[P any]() tillsOf[P] {
	v := tillsOf[P]{till: functions.NewType[desk]("test/version-till")}
	v.open = functions.Create(v.till, "open", func(*functions.Ctx, *desk, bool) error { return nil })
	v.pay = functions.UpdateReturning(v.till, "pay", func(_ *functions.Ctx, d *desk, _ P) (int, error) { d.Taken++; return d.Taken, nil })
	v.paid = functions.View(v.till, "paid", func(_ *functions.Ctx, d desk) (int, error) { return d.Taken, nil })
	v.tx = twopc.NewReturning("test/version-tx", func(tx *twopc.Tx, p P) (n int, err error) {
		err = tx.Do(v.pay.On("t", p).Into(&n))
		return n, err
	})
	v.saga = saga.New("test/version-saga", func(s *saga.Run, p P) error {
		if err := s.Do(v.pay.On("t", p).Drop(), saga.NoUndo); err != nil {
			return err
		}
		return s.Sleep(time.Hour)
	})
	return v
}

func (v tillsOf[P]) parts() []functions.Part { return []functions.Part{v.till, v.tx, v.saga} }

// requests are one of each kind, each under an id of its own.
func (v tillsOf[P]) requests(p P) map[string]functions.Request {
	return map[string]functions.Request{
		"call": v.pay.On("t", p).Into(new(int)).As("call"),
		"tx":   v.tx.With(p).Into(new(int)).As("tx"),
		"saga": v.saga.As("saga", p),
	}
}

// repeatIn asks for the requests again in another version of the program, and demands that nothing runs twice.
func repeatIn[P any](p P) func(t *testing.T, o engine.Options) {
	return func(t *testing.T, o engine.Options) {
		t.Helper()
		v := tillVersion[P]()
		var log logLines
		o.Logger = log.logger()
		e := open(t, o, v.parts()...)
		requests := v.requests(p)
		for _, kind := range []string{"call", "tx"} {
			if err := e.Do(ctx, requests[kind]); err != nil {
				t.Errorf("%s, repeated by another version: %v", kind, err)
			}
		}
		again, err := e.Submit(requests["saga"])
		must(t, err)
		o.Seams.Clock.(*handClock).move(2 * time.Hour)
		if err := again.Wait(ctx); errors.Is(err, engine.ErrReusedID) {
			t.Errorf("the saga, repeated by another version: %v", err)
		}
		if n := ask(t, e, v.paid.On("t")); n != 3 {
			t.Errorf("three requests were paid %d times", n)
		}
		if s := e.Stats(); s.Changed != 3 || log.line("another shape", "test/version-tx") == "" {
			t.Errorf("%d changes are counted, the log says: %s", s.Changed, log.String())
		}
		must(t, e.Close())
	}
}

// TestRequestsOutliveVersions: a client that repeats a request under its id after the program has changed, so that the argument has
// another shape, gets the outcome of the first; nothing runs twice. (What becomes of a saga that is under way is for the saga to say.)
func TestRequestsOutliveVersions(t *testing.T) {
	for name, repeat := range map[string]func(*testing.T, engine.Options){
		"field added":   repeatIn(paymentAdded{7, ""}),
		"field renamed": repeatIn(paymentRenamed{7}),
		"field retyped": repeatIn(paymentRetyped{"7"}),
		"field removed": repeatIn(paymentRemoved{}),
		"other type":    repeatIn(7),
	} {
		t.Run(name, func(t *testing.T) {
			o := engine.Options{Dir: t.TempDir(), Seams: engine.Seams{Clock: newHandClock()}}
			v := tillVersion[payment]()
			e := open(t, o, v.parts()...)
			must(t, e.Do(ctx, v.open.On("t", false)))
			requests := v.requests(payment{7})
			must(t, e.Do(ctx, requests["call"]))
			must(t, e.Do(ctx, requests["tx"]))
			_, err := e.Submit(requests["saga"])
			must(t, err)
			eventually(t, "the saga sleeps", func() bool { return ask(t, e, v.paid.On("t")) == 3 })
			must(t, e.Close())
			repeat(t, o)
		})
	}
}

// TestResultOfAnotherVersion: a result that does not decode into what another version asks for is told as that, and not as a failure.
func TestResultOfAnotherVersion(t *testing.T) {
	o := engine.Options{Dir: t.TempDir()}
	v := tillVersion[payment]()
	e := open(t, o, v.parts()...)
	must(t, e.Do(ctx, v.open.On("t", false)))
	must(t, e.Do(ctx, v.requests(payment{7})["tx"]))
	must(t, e.Close())

	texts := twopc.NewReturning("test/version-tx", func(*twopc.Tx, payment) (string, error) { return "", nil })
	e = open(t, o, v.till, texts, v.saga)
	err := e.Do(ctx, texts.With(payment{7}).Into(new(string)).As("tx"))
	wantErr(t, err, engine.ErrResult)
	if errors.Is(err, engine.ErrUnknown) || errors.Is(err, engine.ErrReusedID) {
		t.Errorf("the error is %v", err)
	}
}

// TestFingerprintsDoNotRunTogether: an instance's id and an argument that were made to look like another id and argument, when they
// are put one behind the other, are another request.
func TestFingerprintsDoNotRunTogether(t *testing.T) {
	e := open(t, engine.Options{}, crates, texts)
	second, err := functions.Encode([]byte("paid"))
	must(t, err)
	first := append([]byte("hello\x00"), second...)
	whole, err := functions.Encode(first)
	must(t, err)
	a, b := "a", "a\x00"+string(whole[:bytes.IndexByte(whole, 0)])
	must(t, e.Do(ctx, newText.On(a, nil)))
	must(t, e.Do(ctx, newText.On(b, nil)))
	must(t, e.Do(ctx, write.On(a, first).As("r1")))
	wantErr(t, e.Do(ctx, write.On(b, []byte("paid")).As("r1")), engine.ErrReusedID, "was not run")
	if got := ask(t, e, read.On(b)); len(got) > 0 {
		t.Errorf("%q has %q", b, got)
	}
}

// A text is what was written last.
type text struct{ Bytes []byte }

var (
	texts   = functions.NewType[text]("test/text")
	newText = functions.Create(texts, "new", func(_ *functions.Ctx, x *text, b []byte) error { x.Bytes = b; return nil })
	write   = functions.Update(texts, "write", func(_ *functions.Ctx, x *text, b []byte) error { x.Bytes = b; return nil })
	read    = functions.View(texts, "read", func(_ *functions.Ctx, x text) ([]byte, error) { return x.Bytes, nil })
)

// TestOutcome: a request is looked up by its id at each stage of its life, without being made; also over a restart, and after it has
// expired.
func TestOutcome(t *testing.T) {
	clock := newPassingClock()
	o := engine.Options{Dir: t.TempDir(), MaxUndoTries: 1, Seams: engine.Seams{Clock: clock}}
	e := open(t, o, requestParts()...)
	must(t, e.Do(ctx, newDesk.On("a", false)))
	must(t, e.Do(ctx, newDesk.On("b", true)))
	look := func(id string, want engine.OutcomeState) engine.Outcome {
		t.Helper()
		got, err := e.Outcome(ctx, id)
		must(t, err)
		if got.State != want {
			t.Errorf("%q is %v (%v), want %v", id, got.State, got.Err, want)
		}
		return got
	}
	look("never", engine.NotKnown)
	var n int
	wantErr(t, look("never", engine.NotKnown).Decode(&n), engine.ErrUnknown)
	for _, id := range []string{"", string(make([]byte, functions.MaxID+1))} {
		if _, err := e.Outcome(ctx, id); !errors.Is(err, functions.ErrBadCall) && !errors.Is(err, functions.ErrTooLarge) {
			t.Errorf("an id of %d bytes: %v", len(id), err)
		}
	}

	must(t, e.Do(ctx, addTaken.On("a", 4).Into(new(int)).As("good")))
	must(t, e.Do(ctx, take.On("a", 0).As("no result")))
	wantErr(t, e.Do(ctx, take.On("missing", 1).As("bad")), functions.ErrNotFound)
	_, err := e.Submit(errandSaga.As("slow", errand{Desks: []string{"a"}, Wait: time.Hour}))
	must(t, err)
	wantErr(t, e.Do(ctx, errandSaga.As("stuck", errand{Desks: []string{"b"}, Fail: true})), saga.ErrStuck)
	for range 2 {
		must(t, look("good", engine.Succeeded).Decode(&n))
		if n != 4 {
			t.Errorf("the result is %d, want 4", n)
		}
		wantErr(t, look("good", engine.Succeeded).Decode(new(string)), engine.ErrResult)
		wantErr(t, look("good", engine.Succeeded).Decode(new(unreadable)), engine.ErrResult, "panic")
		if must(t, look("no result", engine.Succeeded).Decode(&n)); n != 4 {
			t.Errorf("where there is no result %d was stored", n)
		}
		wantErr(t, look("bad", engine.Failed).Err, functions.ErrNotFound)
		wantErr(t, look("bad", engine.Failed).Decode(&n), functions.ErrNotFound)
		wantErr(t, look("slow", engine.Running).Decode(&n), engine.ErrUnknown, "running")
		wantErr(t, look("stuck", engine.Stuck).Err, saga.ErrStuck)
		e = reopen(t, e, o, requestParts()...)
	}
	clock.pass(2 * time.Hour)
	must(t, e.Do(ctx, stubborn.On("a", false)))
	look("good", engine.NotKnown)
	look("bad", engine.NotKnown)
	look("slow", engine.Succeeded)
	look("stuck", engine.Stuck)
	if n := ask(t, e, taken.On("a")); n != 5 {
		t.Errorf("looking has changed something: %d", n)
	}
	short, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := e.Outcome(short, "good"); err == nil {
		t.Error("a context that has ended is no error")
	}
	must(t, e.Close())
	if _, err := e.Outcome(ctx, "good"); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestOutcomeWhileOverloaded: whoever looks after the engine can look while no request is admitted.
func TestOutcomeWhileOverloaded(t *testing.T) {
	e := open(t, engine.Options{MaxInFlight: 1}, requestParts()...)
	must(t, e.Do(ctx, newDesk.On("a", false)))
	must(t, e.Do(ctx, take.On("a", 1).As("id")))
	_, err := e.Submit(errandSaga.With(errand{Desks: []string{"a"}, Wait: time.Hour}))
	must(t, err)
	wantErr(t, e.Do(ctx, take.On("a", 1)), engine.ErrOverloaded)
	if got, err := e.Outcome(ctx, "id"); err != nil || got.State != engine.Succeeded {
		t.Errorf("%v, %v", got, err)
	}
}

func ExampleEngine_Outcome() {
	fmt.Println(engine.NotKnown, engine.Running, engine.Stuck, engine.Succeeded, engine.Failed)
	// Output: not known running stuck succeeded failed
}

// unreadable panics where it is decoded.
type unreadable struct{}

func (*unreadable) UnmarshalCBOR([]byte) error { panic("unreadable") }
