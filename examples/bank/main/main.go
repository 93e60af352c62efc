// Command main runs the bank of package bank: transfers as a serializable transaction and as a saga. Run it twice with the same
// directory: the accounts are still there, and a transfer whose id was used before is not made again.
//
//	go run ./examples/bank/main DIR
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/examples/bank"
	"github.com/concordat-dev/concordat/functions"
)

func main() {
	dir := "bank-data"
	if len(os.Args) > 1 {
		dir = os.Args[1]
	}
	if err := run(context.Background(), dir, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, dir string, out io.Writer) error {
	eng, err := engine.Open(engine.Options{Dir: dir}, bank.Parts()...)
	if err != nil {
		return err
	}
	defer eng.Close()
	names := []string{"Alice", "Bob"}
	for _, name := range names {
		if err := eng.Do(ctx, bank.Open.On(name, 100)); err != nil && !errors.Is(err, functions.ErrExists) {
			return err
		}
	}
	for _, transfer := range []functions.Request{
		bank.TransferTx.As("1", bank.Transfer{From: "Alice", To: "Bob", Amount: 30}),
		bank.TransferSaga.As("2", bank.Transfer{From: "Bob", To: "Alice", Amount: 5}),
		bank.TransferTx.As("3", bank.Transfer{From: "Alice", To: "Bob", Amount: 1000}),
	} {
		err := eng.Do(ctx, transfer)
		if err != nil && !errors.Is(err, bank.ErrInsufficientFunds) {
			return err
		}
		fmt.Fprintln(out, "transfer:", err)
	}
	for _, name := range names {
		balance, err := engine.Ask(ctx, eng, bank.Balance.On(name))
		if err != nil {
			return err
		}
		fmt.Fprintln(out, name, "has", balance)
	}
	total, err := engine.Ask(ctx, eng, bank.Total.With(names))
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "all together:", total)
	return nil
}
