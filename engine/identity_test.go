package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/coordinator"
	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/seams"
	"github.com/concordat-dev/concordat/internal/values"
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
	pay  functions.CommandReturning[P, int]
	tx   *coordinator.FunctionReturning[P, int]
	saga *coordinator.Function[P]
	paid functions.ViewOf[int]
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
			o := engine.Options{Dir: t.TempDir(), Seams: seams.Set{Clock: newHandClock()}}
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

// TestIDsBelongToTargets: requests for different instances, or coordinator functions, are different ones, whatever their ids; also where an
// instance's id and an argument were made to look like another id and argument when they are put one behind the other. Each has its own
// outcome, under way and over a restart.
func TestIDsBelongToTargets(t *testing.T) {
	o := engine.Options{Dir: t.TempDir()}
	copied := func(name string) *coordinator.Function[string] {
		return twopc.New(name, func(tx *twopc.Tx, to string) error { return tx.Do(write.On(to, []byte(name))) })
	}
	left, right := copied("test/left"), copied("test/right")
	parts := []functions.Part{texts, left, right}
	e := open(t, o, parts...)
	second, err := values.Encode([]byte("paid"))
	must(t, err)
	first := append([]byte("hello\x00"), second...)
	whole, err := values.Encode(first)
	must(t, err)
	a, b := "a", "a\x00"+string(whole[:bytes.IndexByte(whole, 0)])
	for _, id := range []string{a, b, "left", "right"} {
		must(t, e.Do(ctx, newText.On(id, nil).As("r1")))
	}
	for range 2 {
		must(t, e.Do(ctx, write.On(a, first).As("r2")))
		must(t, e.Do(ctx, write.On(b, []byte("paid")).As("r2")))
		must(t, e.Do(ctx, left.As("r2", "left")))
		must(t, e.Do(ctx, right.As("r2", "right")))
		wantErr(t, e.Do(ctx, left.As("r2", "right")), engine.ErrReusedID, "another argument")
		wantErr(t, e.Do(ctx, write.On(a, first).As("r1")), engine.ErrReusedID, "another operation")
		for id, want := range map[string]string{a: string(first), b: "paid", "left": "test/left", "right": "test/right"} {
			if got := ask(t, e, read.On(id)); string(got) != want {
				t.Errorf("%q has %q, want %q", id, got, want)
			}
		}
		for _, of := range []functions.Address{{Type: "test/text", ID: a}, {Type: "test/text", ID: b}, {Type: "test/left"}, {Type: "test/right"}} {
			if got, err := e.Outcome(ctx, of, "r2"); err != nil || got.State != engine.Succeeded {
				t.Errorf("r2 of %v: %v, %v", of, got, err)
			}
		}
		if got, err := e.Outcome(ctx, functions.Address{Type: "test/text", ID: "left"}, "r2"); err != nil || got.State != engine.NotKnown {
			t.Errorf("r2, which was used for another instance: %v, %v", got, err)
		}
		e = reopen(t, e, o, parts...)
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
	o := engine.Options{Dir: t.TempDir(), MaxUndoTries: 1, Seams: seams.Set{Clock: clock}}
	e := open(t, o, requestParts()...)
	must(t, e.Do(ctx, newDesk.On("a", false)))
	must(t, e.Do(ctx, newDesk.On("b", true)))
	desk := functions.Address{Type: "test/desk", ID: "a"}
	of := func(id string) functions.Address {
		switch id {
		case "slow", "stuck":
			return functions.Address{Type: "test/errand"}
		case "bad":
			return functions.Address{Type: "test/desk", ID: "missing"}
		}
		return desk
	}
	look := func(id string, want engine.OutcomeState) engine.Outcome {
		t.Helper()
		got, err := e.Outcome(ctx, of(id), id)
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
		if _, err := e.Outcome(ctx, desk, id); !errors.Is(err, functions.ErrBadCall) && !errors.Is(err, functions.ErrTooLarge) {
			t.Errorf("an id of %d bytes: %v", len(id), err)
		}
	}
	for name, of := range map[string]functions.Address{"errand": {Type: "test/errand", ID: "a"}, "desk": {Type: "test/desk"}, "nothing": {}} {
		if _, err := e.Outcome(ctx, of, "never"); !errors.Is(err, engine.ErrUnknownType) && !errors.Is(err, engine.ErrUnknownCoordinator) {
			t.Errorf("of %v, a %s of which there are none: %v", of, name, err)
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
	if _, err := e.Outcome(short, desk, "good"); err == nil {
		t.Error("a context that has ended is no error")
	}
	must(t, e.Close())
	if _, err := e.Outcome(ctx, desk, "good"); !errors.Is(err, engine.ErrClosed) {
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
	if got, err := e.Outcome(ctx, functions.Address{Type: "test/desk", ID: "a"}, "id"); err != nil || got.State != engine.Succeeded {
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

// TestResultsUnderAnID: whatever returns a result can be asked under a request id, with its result, and happens once.
func TestResultsUnderAnID(t *testing.T) {
	jars := functions.NewType[int]("test/jar")
	add := functions.UpsertReturning(jars, "add", func(_ *functions.Ctx, jar *int, n int) (int, error) { *jar += n; return *jar, nil })
	look := functions.View(jars, "look", func(_ *functions.Ctx, jar int) (int, error) { return jar, nil })
	tx := twopc.NewReturning("test/add-tx", func(tx *twopc.Tx, n int) (sum int, err error) {
		err = tx.Do(add.On("tx", n).Into(&sum))
		return sum, err
	})
	sg := saga.NewReturning("test/add-saga", func(s *saga.Run, n int) (sum int, err error) {
		err = s.Do(add.On("saga", n).Into(&sum), saga.NoUndo)
		return sum, err
	})
	e := open(t, engine.Options{}, jars, tx, sg)
	for name, request := range map[string]functions.RequestReturning[int]{
		"tx":      tx.As("1", 7),
		"saga":    sg.As("2", 7),
		"started": sg.With(7).As("2"),
		"call":    add.On("call", 7).As("3"),
		"query":   look.On("call").As("4"),
	} {
		if name == "query" {
			must(t, e.Do(ctx, add.On("call", 7).Drop().As("3"))) // in whatever order of the map
		}
		for range 2 {
			if sum, err := engine.Ask(ctx, e, request); err != nil || sum != 7 {
				t.Errorf("%s: %d, %v", name, sum, err)
			}
		}
	}
	for _, id := range []string{"tx", "saga", "call"} {
		if sum, err := engine.Ask(ctx, e, look.On(id)); err != nil || sum != 7 {
			t.Errorf("%s was added to more than once: %d, %v", id, sum, err)
		}
	}
	if _, err := engine.Ask(ctx, e, tx.As("1", 8)); !errors.Is(err, engine.ErrReusedID) {
		t.Errorf("another input under the same id: %v", err)
	}
}
