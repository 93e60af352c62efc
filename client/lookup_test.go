package client_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/client"
	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/examples/bank"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/saga"
	"github.com/concordat-dev/concordat/server"
)

// looker is what a program looks requests up with, whether its engine is here or elsewhere.
type looker interface {
	Outcome(ctx context.Context, of functions.Address, requestID string) (client.Outcome, error)
}

// TestOutcome: a client tells of requests what the engine tells, in the same types.
func TestOutcome(t *testing.T) {
	w := newWorld(t, server.Options{})
	c := open(t, w, client.Options{})
	if _, err := client.Ask(ctx, c, add.On("x", 7).As("good")); err != nil {
		t.Fatal(err)
	}
	if err := c.Do(ctx, bank.Open.On("a", 5)); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Ask(ctx, c, add.On("x", -1).As("bad")); !errors.Is(err, errNo) {
		t.Fatal(err)
	}
	transfer := bank.TransferTx.As("poor", bank.Transfer{From: "a", To: "nobody", Amount: 30})
	if err := c.Do(ctx, transfer); err == nil {
		t.Fatal("a transfer without money succeeded")
	}
	x := functions.Address{Type: "test/counter", ID: "x"}
	for name, l := range map[string]looker{"client": c, "engine": w.engine} {
		var count int
		if o, err := l.Outcome(ctx, x, "good"); err != nil || o.State != client.Succeeded || o.Decode(&count) != nil || count != 7 {
			t.Errorf("%s: %+v, %v: the count is %d", name, o, err, count)
		}
		if o, err := l.Outcome(ctx, x, "bad"); err != nil || o.State != client.Failed || !errors.Is(o.Decode(nil), errNo) {
			t.Errorf("%s: %+v, %v", name, o, err)
		}
		if o, err := l.Outcome(ctx, x, "never"); err != nil || o.State != client.NotKnown || !errors.Is(o.Decode(nil), client.ErrUnknown) {
			t.Errorf("%s: %+v, %v", name, o, err)
		}
		if o, err := l.Outcome(ctx, functions.Address{Type: transfer.RequestEnvelope().Coordinator}, "poor"); err != nil || o.State != client.Failed {
			t.Errorf("%s: %+v, %v", name, o, err)
		}
	}
	if _, err := c.Outcome(ctx, functions.Address{Type: "test/none", ID: "x"}, "good"); !errors.Is(err, functions.ErrBadCall) {
		t.Errorf("of a type that there is not: %v", err)
	}
	if _, err := c.Outcome(ctx, x, ""); !errors.Is(err, functions.ErrBadCall) {
		t.Errorf("without an id: %v", err)
	}
	c.Close()
	if _, err := c.Outcome(ctx, x, "good"); !errors.Is(err, client.ErrClosed) {
		t.Errorf("of a closed client: %v", err)
	}
}

// TestWalkOfCounters: a walk comes by each instance once and in order, over the ends of pages, and ends when it is left.
func TestWalkOfCounters(t *testing.T) {
	w := newWorld(t, server.Options{})
	c := open(t, w, client.Options{})
	const count = 1000 + 2 // more than a page
	pending := make([]engine.Pending, count)
	for i := range pending {
		var err error
		if pending[i], err = w.engine.Submit(add.On(fmt.Sprintf("i%04d", i), i).Drop()); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range pending {
		if err := p.Wait(ctx); err != nil {
			t.Fatal(err)
		}
	}
	next := 1
	for i, err := range client.Walk(c, counters, "i0001") {
		if err != nil || i.ID != fmt.Sprintf("i%04d", next) || i.State.Count != next {
			t.Fatalf("%d: %+v, %v", next, i, err)
		}
		next++
	}
	if next != count {
		t.Errorf("it ended before %d of %d", next, count)
	}
	for range client.Walk(c, counters, "") {
		break
	}
	stranger := functions.NewType[counter]("test/counter")
	for _, err := range client.Walk(c, stranger, "") {
		if !errors.Is(err, client.ErrUnknownType) {
			t.Errorf("of another type of that name: %v", err)
		}
	}
}

// TestCancelRequest: a saga is cancelled through the client as it is in the engine, once and again; what cannot be cancelled, whoever may not,
// and whoever does not reach the server, are told so.
func TestCancelRequest(t *testing.T) {
	w := newWorld(t, server.Options{})
	c := open(t, w, client.Options{})
	done := make(chan error, 1)
	go func() { done <- c.Do(ctx, sleepy.As("nap", time.Hour)) }()
	of := functions.Address{Type: "test/sleepy"}
	for {
		if o, err := c.Outcome(ctx, of, "nap"); err != nil || o.State == client.Running {
			break
		}
	}
	for range 2 {
		if err := c.CancelRequest(ctx, of, "nap"); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-done; !errors.Is(err, saga.ErrCancelled) {
		t.Errorf("the saga ended with %v", err)
	}
	if _, err := client.Ask(ctx, c, add.On("x", 7).As("good")); err != nil {
		t.Fatal(err)
	}
	x := functions.Address{Type: "test/counter", ID: "x"}
	if err := c.CancelRequest(ctx, x, "good"); !errors.Is(err, client.ErrNotRunning) || errors.Is(err, client.ErrDiffers) {
		t.Errorf("what has succeeded: %v", err)
	}
	if err := c.CancelRequest(ctx, functions.Address{Type: "test/none"}, "good"); !errors.Is(err, functions.ErrBadCall) {
		t.Errorf("of a function that there is not: %v", err)
	}
	w.stop()
	if err := c.CancelRequest(ctx, x, "good"); !errors.Is(err, client.ErrUnknown) {
		t.Errorf("without a server: %v", err)
	}
}
