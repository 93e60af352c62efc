package enginetest_test

import (
	"context"
	"testing"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/enginetest"
	"github.com/concordat-dev/concordat/examples/bank"
)

// A test of the bank, as it stands in a file of tests.
func ExampleOpen() {
	testTransfer := func(t *testing.T) {
		ctx := context.Background()
		e := enginetest.Open(t, engine.Options{}, bank.Parts()...)
		for _, name := range []string{"alice", "bob"} {
			if err := e.Do(ctx, bank.Open.On(name, 100)); err != nil {
				t.Fatal(err)
			}
		}
		if err := e.Do(ctx, bank.TransferTx.With(bank.Transfer{From: "alice", To: "bob", Amount: 30})); err != nil {
			t.Fatal(err)
		}
		if balance, err := engine.Ask(ctx, e, bank.Balance.On("bob")); balance != 130 || err != nil {
			t.Errorf("Bob has %d, %v", balance, err)
		}
	}
	_ = testTransfer // func TestTransfer(t *testing.T)
}

// A test of what is there after a restart.
func ExampleDisk() {
	testRestart := func(t *testing.T) {
		ctx := context.Background()
		var disk enginetest.Disk
		e := disk.Open(t, engine.Options{}, bank.Parts()...)
		if err := e.Do(ctx, bank.Open.On("alice", 100)); err != nil {
			t.Fatal(err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		e = disk.Open(t, engine.Options{}, bank.Parts()...)
		if balance, err := engine.Ask(ctx, e, bank.Balance.On("alice")); balance != 100 || err != nil {
			t.Errorf("Alice has %d, %v", balance, err)
		}
	}
	_ = testRestart // func TestRestart(t *testing.T)
}
