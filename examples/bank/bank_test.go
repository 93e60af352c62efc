package bank_test

import (
	"context"
	"errors"
	"testing"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/enginetest"
	"github.com/concordat-dev/concordat/examples/bank"
	"github.com/concordat-dev/concordat/functions"
)

// TestTransfers: under both protocols a transfer moves its money or leaves everything as it was, and says why.
func TestTransfers(t *testing.T) {
	ctx := context.Background()
	for name, transfer := range map[string]func(bank.Transfer) functions.Request{
		"transaction": func(t bank.Transfer) functions.Request { return bank.TransferTx.With(t) },
		"saga":        func(t bank.Transfer) functions.Request { return bank.TransferSaga.With(t) },
	} {
		t.Run(name, func(t *testing.T) {
			e := enginetest.Open(t, engine.Options{}, bank.Parts()...)
			for _, account := range []string{"alice", "bob"} {
				if err := e.Do(ctx, bank.Open.On(account, 100)); err != nil {
					t.Fatal(err)
				}
			}
			for _, c := range []struct {
				bank.Transfer
				want       error
				alice, bob int64
			}{
				{bank.Transfer{From: "alice", To: "bob", Amount: 30}, nil, 70, 130},
				{bank.Transfer{From: "alice", To: "bob", Amount: 71}, bank.ErrInsufficientFunds, 70, 130},
				{bank.Transfer{From: "bob", To: "alice", Amount: 0}, bank.ErrBadAmount, 70, 130},
				{bank.Transfer{From: "bob", To: "nobody", Amount: 130}, functions.ErrNotFound, 70, 130},
				{bank.Transfer{From: "bob", To: "alice", Amount: 130}, nil, 200, 0},
			} {
				if err := e.Do(ctx, transfer(c.Transfer)); !errors.Is(err, c.want) {
					t.Errorf("%+v: error %v, want %v", c.Transfer, err, c.want)
				}
				for account, want := range map[string]int64{"alice": c.alice, "bob": c.bob} {
					if balance, err := engine.Ask(ctx, e, bank.Balance.On(account)); balance != want || err != nil {
						t.Errorf("after %+v %s has %d, want %d; %v", c.Transfer, account, balance, want, err)
					}
				}
			}
		})
	}
}
