package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/examples/bank"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/locks"
)

func open(t testing.TB, o engine.Options, parts ...functions.Part) *engine.Engine {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	o.ReserveBytes = -1
	if len(parts) == 0 {
		parts = bank.Parts()
	}
	e, err := engine.Open(o, parts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		closed := engine.IsClosed(e) // then the test has seen what Close says
		if err := e.Close(); err != nil && !closed {
			t.Error(err)
		}
	})
	return e
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func account(i int) string { return fmt.Sprintf("account-%d", i) }

// TestBank moves money between few accounts from many goroutines, under every protocol, policy and number of workers. The sum
// stays, also as seen by a transaction in the middle of it, and no transfer is lost.
func TestBank(t *testing.T) {
	for _, workers := range []int{1, 2, 3} {
		for _, policy := range []locks.Policy{locks.Detect, locks.WaitDie, locks.WoundWait, locks.NoWait} {
			t.Run(fmt.Sprintf("%v-%d", policy, workers), func(t *testing.T) {
				t.Parallel()
				e := open(t, engine.Options{Workers: workers, Policy: policy})
				runBank(t, e, 8, 32, 60)
			})
		}
	}
}

func runBank(t *testing.T, e *engine.Engine, accounts, clients, each int) {
	ctx := context.Background()
	names := make([]string, accounts)
	for i := range accounts {
		names[i] = account(i)
		must(t, e.Do(ctx, bank.Open.On(names[i], 1000)))
	}
	var group sync.WaitGroup
	for c := range clients {
		group.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(c)))
			for i := range each {
				from, to := rng.IntN(accounts), rng.IntN(accounts)
				transfer := bank.Transfer{From: names[from], To: names[to], Amount: int64(1 + rng.IntN(300))}
				var err error
				id := fmt.Sprintf("%d-%d", c, i)
				switch rng.IntN(5) {
				case 0, 1, 2:
					err = e.Do(ctx, bank.TransferTx.As(id, transfer))
				case 3:
					err = e.Do(ctx, bank.TransferSaga.As(id, transfer))
				default:
					var total int64
					if total, err = engine.Ask(ctx, e, bank.Total.With(names)); err == nil && total > int64(accounts)*1000 {
						t.Errorf("a transaction saw %d, more than there is", total)
					}
				}
				if err != nil && !errors.Is(err, bank.ErrInsufficientFunds) {
					t.Errorf("transfer %s: %v", id, err)
				}
			}
		})
	}
	group.Wait()
	total, err := engine.Ask(ctx, e, bank.Total.With(names))
	must(t, err)
	if total != int64(accounts)*1000 {
		t.Errorf("the accounts hold %d, not %d", total, accounts*1000)
	}
	t.Logf("%+v", e.Stats())
}
