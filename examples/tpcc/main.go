// Command tpcc runs a small company of TPC-C: it loads a warehouse, places orders and takes payments, as serializable
// transactions and as sagas, and then audits the books. The functions are in package ycsb/tpcc: stock.go and order.go show the
// operations, neworder.go and payment.go the same transaction under both protocols.
//
//	go run ./examples/tpcc
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"os"

	"github.com/concordat-dev/concordat/coordinator"
	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/ycsb/tpcc"
)

func main() {
	dir, err := os.MkdirTemp("", "tpcc")
	if err == nil {
		err = errors.Join(run(context.Background(), dir, os.Stdout), os.RemoveAll(dir))
	}
	if err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, dir string, out io.Writer) (err error) {
	company, err := tpcc.Open(tpcc.Options{Dir: dir, Scale: tpcc.Tiny(1)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, company.Close()) }()
	if err := company.Load(ctx, func(int, int) {}); err != nil {
		return err
	}
	if err := orders(ctx, company.Engine(), out); err != nil {
		return err
	}
	if err := payments(ctx, company.Engine(), out); err != nil {
		return err
	}
	if err := audit(ctx, company, out); err != nil {
		return err
	}
	if err := customers(ctx, company, out); err != nil {
		return err
	}
	return audit(ctx, company, out) // from the second on, also that what clients were told is what was done
}

// orders places the same order under both protocols, and one for an item that there is not.
func orders(ctx context.Context, eng *engine.Engine, out io.Writer) error {
	order := tpcc.NewOrder{Warehouse: 1, District: 2, Customer: 7, Count: 2}
	order.Lines[0] = tpcc.Line{Item: 11, Supplier: 1, Quantity: 5}
	order.Lines[1] = tpcc.Line{Item: 12, Supplier: 1, Quantity: 1}
	first, err := engine.Ask(ctx, eng, tpcc.NewOrderTx.With(order))
	if err != nil {
		return err
	}
	second, err := engine.Ask(ctx, eng, tpcc.NewOrderSaga.With(order))
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "orders %d and %d cost the same: %v\n", first.Number, second.Number, first.Total == second.Total)

	order.Lines[1].Item = 101 // the stock of item 11 is taken before this is found out, and put back
	for _, start := range []coordinator.StartReturning[tpcc.Placed]{tpcc.NewOrderTx.With(order), tpcc.NewOrderSaga.With(order)} {
		if _, err := engine.Ask(ctx, eng, start); !errors.Is(err, tpcc.ErrUnusedItem) {
			return fmt.Errorf("an order for an unused item: %w", err)
		}
	}
	stock, err := engine.Ask(ctx, eng, tpcc.ReadStock.On(tpcc.ID(1, 11)))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "item 11 was sold %d times, %d in all\n", stock.Orders, stock.Sold)
	return err
}

// payments makes a payment under both protocols, each under a request id: asked again, it is not made again.
func payments(ctx context.Context, eng *engine.Engine, out io.Writer) error {
	payment := tpcc.Payment{Warehouse: 1, District: 2, CustomerWarehouse: 1, CustomerDistrict: 2, Customer: 7, Amount: 20_00}
	for range 2 {
		var paid tpcc.Paid
		if err := eng.Do(ctx, tpcc.PaymentTx.With(payment).Into(&paid).As("payment 1")); err != nil {
			return err
		}
		fmt.Fprintf(out, "customer %d has a balance of %d cents\n", paid.Customer, paid.Balance)
	}
	paid, err := engine.Ask(ctx, eng, tpcc.PaymentSaga.With(payment))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "and after another payment of %d\n", paid.Balance)
	return err
}

// customers lets a client do what a benchmark's clients do.
func customers(ctx context.Context, company *tpcc.Workload, out io.Writer) error {
	client := company.Client(0, rand.New(rand.NewPCG(1, 2)))
	done := map[string]int{}
	for range 200 {
		kind := company.Kinds()[client.Next()]
		if err := client.Do(ctx, ""); errors.Is(err, tpcc.ErrUnusedItem) {
			kind = "unused item"
		} else if err != nil {
			return err
		}
		done[kind]++
	}
	_, err := fmt.Fprintf(out, "a client's operations: %v\n", done)
	return err
}

// audit checks the consistency conditions.
func audit(ctx context.Context, company *tpcc.Workload, out io.Writer) error {
	books, err := company.Audit(ctx, func(int, int) {})
	if err != nil {
		return err
	}
	if len(books.Wrong) > 0 {
		return errors.Join(books.Wrong...)
	}
	_, err = fmt.Fprintln(out, "the books are right")
	return err
}
