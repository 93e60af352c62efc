package client_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/concordat-dev/concordat/client"
	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/examples/bank"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/server"
)

// TestWalk: a walk sees each instance once, in order, over more than a page; pages go on where the one before has ended.
func TestWalk(t *testing.T) {
	w := newWorld(t, server.Options{})
	c := open(t, w, client.Options{})
	const n = 2100
	var pending []engine.Pending
	for i := range n {
		p, err := w.engine.Submit(bank.Open.On(fmt.Sprintf("a%04d", i), int64(i)))
		if err != nil {
			t.Fatal(err)
		}
		pending = append(pending, p)
	}
	for _, p := range pending {
		if err := p.Wait(ctx); err != nil {
			t.Fatal(err)
		}
	}
	next := 100
	for i, err := range client.Walk(c, bank.Accounts, "a0100") {
		if err != nil || i.ID != fmt.Sprintf("a%04d", next) || i.State.Balance != int64(next) {
			t.Fatalf("%+v, %v, want number %d", i, err, next)
		}
		next++
	}
	if next != n {
		t.Errorf("the walk has ended before %d", next)
	}
	page, from, err := client.Page(ctx, c, bank.Accounts, "a0007", 3)
	if err != nil || len(page) != 3 || page[2].ID != "a0009" || from != "a0010" {
		t.Errorf("%v, %q, %v", page, from, err)
	}
	if page, from, err := client.Page(ctx, c, bank.Accounts, "b", 3); err != nil || len(page) > 0 || from != "" {
		t.Errorf("%v, %q, %v", page, from, err)
	}
	for range client.Walk(c, bank.Accounts, "") {
		break
	}
}

// TestBadWalks: what cannot be listed is an error, and the walk ends there.
func TestBadWalks(t *testing.T) {
	w := newWorld(t, server.Options{})
	c := open(t, w, client.Options{RetryFor: -1})
	other := functions.NewType[int]("test/other")
	for name, walk := range map[string]struct {
		err, want error
	}{
		"unknown type": {first(client.Walk(c, other, "")), client.ErrUnknownType},
		"nil":          {first(client.Walk[int](c, nil, "")), client.ErrUnknownType},
	} {
		if !errors.Is(walk.err, walk.want) {
			t.Errorf("%s: %v", name, walk.err)
		}
	}
	for _, limit := range []int{0, -1, client.MaxPage + 1} {
		if _, _, err := client.Page(ctx, c, bank.Accounts, "", limit); !errors.Is(err, functions.ErrBadCall) {
			t.Errorf("%d: %v", limit, err)
		}
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	if _, _, err := client.Page(over, c, bank.Accounts, "", 1); !errors.Is(err, client.ErrNotBegun) {
		t.Errorf("in a context that is over: %v", err)
	}
	w.stop()
	if err := first(client.Walk(c, bank.Accounts, "")); !errors.Is(err, client.ErrUnreachable) {
		t.Error(err)
	}
	c.Close()
	if err := first(client.Walk(c, bank.Accounts, "")); !errors.Is(err, client.ErrClosed) {
		t.Error(err)
	}
}

// first is the error that a walk begins with.
func first[S any](walk func(func(client.Instance[S], error) bool)) (err error) {
	walk(func(_ client.Instance[S], e error) bool {
		err = e
		return false
	})
	return err
}
