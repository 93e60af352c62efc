// Command bench measures the bank of package examples/bank, as an example of benchmarking one's own functions: package ycsb
// drives whatever has the four methods of a ycsb.Target, counts what was committed, and audits the money.
//
//	go run ./examples/bank/bench
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/examples/bank"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/ycsb"
)

func main() {
	config := ycsb.Config{
		Keys:    1000,
		Mix:     ycsb.Mix{Read: 0.5, Transfer: 0.5},
		Driving: ycsb.Driving{Clients: 128, Warmup: time.Second, Duration: 3 * time.Second, Seed: 1},
	}
	if err := compare(context.Background(), os.Stdout, config); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// compare measures both of the bank's protocols, each on an engine of its own.
func compare(ctx context.Context, w io.Writer, config ycsb.Config) error {
	for _, protocol := range []string{"saga", "serializable"} {
		result, err := measure(ctx, protocol, config)
		if err != nil {
			return fmt.Errorf("%s: %w", protocol, err)
		}
		transfers := result.Latency("transfer")
		fmt.Fprintf(w, "%-12s  %8.0f committed/s, %d failed; a transfer takes %.2f ms (p50), %.2f ms (p99)\n",
			protocol, result.PerSecond(), result.Failed, transfers.P50, transfers.P99)
	}
	return nil
}

// measure runs the mix under a protocol, in a directory that is removed afterwards.
func measure(ctx context.Context, protocol string, config ycsb.Config) (result ycsb.Result, err error) {
	dir, err := os.MkdirTemp(".", "bank-bench-")
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	e, err := engine.Open(engine.Options{Dir: dir}, bank.Parts()...)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	return ycsb.Run(ctx, config, accounts{e, protocol == "saga"})
}

// accounts are the bank's accounts as a ycsb.Target, one for each key.
type accounts struct {
	engine *engine.Engine
	saga   bool
}

func id(key int) string { return fmt.Sprintf("account-%06d", key) }

// Load opens an account; one that is open is left alone.
func (a accounts) Load(ctx context.Context, key int, row ycsb.Row) error {
	err := a.engine.Do(ctx, bank.Open.On(id(key), row.Balance))
	if errors.Is(err, functions.ErrExists) {
		return nil
	}
	return err
}

// Read asks for the balance: all that there is to read of an account.
func (a accounts) Read(ctx context.Context, key int) error {
	_, err := a.Balance(ctx, key)
	return classify(err)
}

// Balance asks for the balance.
func (a accounts) Balance(ctx context.Context, key int) (int64, error) {
	return engine.Ask(ctx, a.engine, bank.Balance.On(id(key)))
}

// Transfer moves money. The bank has nothing that refuses a credit, so a transfer that is to be refused is too large.
func (a accounts) Transfer(ctx context.Context, requestID string, t ycsb.Transfer) error {
	input := bank.Transfer{From: id(t.From), To: id(t.To), Amount: t.Amount}
	if t.Refuse {
		input.Amount = 1 << 60
	}
	if a.saga {
		return a.do(ctx, requestID, bank.TransferSaga.With(input))
	}
	return a.do(ctx, requestID, bank.TransferTx.With(input))
}

// request is what both kinds of transfers are.
type request interface {
	functions.Request
	As(requestID string) functions.Request
}

// do makes a request, once if it has an id.
func (a accounts) do(ctx context.Context, requestID string, r request) error {
	if requestID == "" {
		return classify(a.engine.Do(ctx, r))
	}
	return classify(a.engine.Do(ctx, r.As(requestID)))
}

// Counters implements ycsb.Counter, an ability that a target need not have.
func (a accounts) Counters() ycsb.Counters {
	s := a.engine.Stats()
	return ycsb.Counters{Retries: s.Retries, Deadlocks: s.Deadlocks, LockWaits: s.LockWaits, LockWaitTime: s.LockWaitTime}
}

// classify marks the one error after which it is not known what happened.
func classify(err error) error {
	if errors.Is(err, engine.ErrUnknown) {
		return fmt.Errorf("%w: %w", ycsb.ErrUnknown, err)
	}
	return err
}
