package client_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/client"
	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/server"
)

// TestSubmit: one goroutine has many requests under way, and hears of each what Do would have returned, as often as it asks.
func TestSubmit(t *testing.T) {
	w := newWorld(t, server.Options{})
	c := open(t, w, client.Options{MaxInFlight: 300})
	results := make([]int, 200)
	var all []client.Pending
	for i := range results {
		p, err := c.Submit(add.On(fmt.Sprint("s", i), i).Into(&results[i]))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	for i, p := range all {
		for range 2 {
			if err := p.Wait(ctx); err != nil || results[i] != i || !p.Done() {
				t.Errorf("%d: %v, the result is %d, done %v", i, err, results[i], p.Done())
			}
		}
	}
	failing, err := c.Submit(add.On("x", -1).Drop())
	if err := errors.Join(err, failing.Wait(ctx)); !errors.Is(err, errNo) {
		t.Error(err)
	}
	if _, err := c.Submit(nil); !errors.Is(err, functions.ErrBadCall) {
		t.Error(err)
	}
	if err := (client.Pending{}).Wait(ctx); err == nil || !(client.Pending{}).Done() {
		t.Error("the zero Pending waits for something")
	}

	long, err := c.Submit(sleepy.With(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	if err := long.Wait(short); !errors.Is(err, client.ErrUnknown) || !errors.Is(err, context.DeadlineExceeded) || long.Done() {
		t.Errorf("what waits for an hour: %v, done %v", err, long.Done())
	}
	for i := 1; ; i++ {
		if _, err := c.Submit(sleepy.With(time.Hour)); errors.Is(err, client.ErrOverloaded) {
			break
		} else if err != nil || i > 300 {
			t.Fatalf("request %d over Options.MaxInFlight: %v", i, err)
		}
	}
	c.Close()
	if err := long.Wait(ctx); !errors.Is(err, client.ErrUnknown) {
		t.Errorf("after Close: %v", err)
	}
}

// TestAwaitOutcome: whoever has only an id waits for the end of a request, also over the end of a server; nobody waits for what is not known.
func TestAwaitOutcome(t *testing.T) {
	w := newWorld(t, server.Options{WaitTimeout: 300 * time.Millisecond}) // less than a client wants to wait for
	c := open(t, w, client.Options{})
	of := functions.Address{Type: "test/sleepy"}
	if o, err := c.AwaitOutcome(ctx, of, "nap"); err != nil || o.State != client.NotKnown {
		t.Errorf("of nothing: %+v, %v", o, err)
	}
	if _, err := w.engine.Submit(sleepy.As("nap", 1500*time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	for { // it is known once it has begun
		if o, err := c.Outcome(ctx, of, "nap"); err != nil || o.State == client.Running {
			break
		}
	}
	short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	if _, err := c.AwaitOutcome(short, of, "nap"); !errors.Is(err, client.ErrUnknown) {
		t.Errorf("until ctx was over: %v", err)
	}
	ended := make(chan error, 1)
	go func() {
		o, err := c.AwaitOutcome(ctx, of, "nap")
		if err == nil && o.State != client.Succeeded {
			err = fmt.Errorf("%+v", o)
		}
		ended <- err
	}()
	w.stop()
	w.start(t)
	if err := <-ended; err != nil {
		t.Errorf("over the end of a server: %v", err)
	}
}

// TestAwaitOutcomeIsPatient: a server that does not wait, as one that is closing, is not asked in a loop.
func TestAwaitOutcomeIsPatient(t *testing.T) {
	w := newWorld(t, server.Options{WaitTimeout: 5 * time.Millisecond})
	c := open(t, w, client.Options{})
	if _, err := w.engine.Submit(sleepy.As("nap", time.Hour)); err != nil {
		t.Fatal(err)
	}
	asked := client.CountLookUps(c)
	bounded, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	if _, err := c.AwaitOutcome(bounded, functions.Address{Type: "test/sleepy"}, "nap"); !errors.Is(err, client.ErrUnknown) {
		t.Error(err)
	}
	if n := asked(); n == 0 || n > 30 { // in a loop some ninety; one that fails is asked again sooner, see firstWait
		t.Errorf("in half a second it has asked %d times", n)
	}
}

// TestAskedAgain: what changes nothing is asked again while the server is away; for no longer than Options.RetryFor.
func TestAskedAgain(t *testing.T) {
	w := newWorld(t, server.Options{})
	c := open(t, w, client.Options{})
	if err := c.Do(ctx, add.On("x", 7).Drop().As("good")); err != nil {
		t.Fatal(err)
	}
	x := functions.Address{Type: "test/counter", ID: "x"}
	w.stop()
	type told struct {
		what string
		err  error
	}
	all := make(chan told)
	go func() {
		o, err := c.Outcome(ctx, x, "good")
		if err == nil && o.State != client.Succeeded {
			err = fmt.Errorf("%+v", o)
		}
		all <- told{"a look-up", err}
	}()
	go func() {
		page, _, err := client.Page(ctx, c, counters, "", 10)
		if err == nil && len(page) != 1 {
			err = fmt.Errorf("%+v", page)
		}
		all <- told{"a page", err}
	}()
	select {
	case one := <-all:
		t.Fatalf("%s without a server: %v", one.what, one.err)
	case <-time.After(100 * time.Millisecond):
	}
	w.start(t)
	for range 2 {
		if one := <-all; one.err != nil {
			t.Errorf("%s: %v", one.what, one.err)
		}
	}
	impatient := open(t, w, client.Options{RetryFor: 50 * time.Millisecond})
	w.stop()
	if _, err := impatient.Outcome(ctx, x, "good"); !errors.Is(err, client.ErrUnreachable) {
		t.Error(err)
	}
}

var _ engine.Doer = (*client.Client)(nil)
