// Command seats sells seats that are next to each other, in a transaction that reads first and then decides: it looks at one row
// after the other, takes the first that has room and that the buyer can pay for, and buys.
//
//	go run ./examples/seats
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"sync"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/twopc"
)

// Failures of the operations and the transaction.
const (
	ErrTaken   functions.Failure = "seats: taken"
	ErrSoldOut functions.Failure = "seats: no row that fits"
	ErrNoMoney functions.Failure = "seats: not enough money"
)

// Row is a row of seats.
type Row struct{ Free, Price int }

// Rows are the rows of a theatre.
var (
	Rows   = functions.NewType[Row]("seats/row")
	Build  = functions.Create(Rows, "build", func(_ *functions.Ctx, r *Row, row Row) error { *r = row; return nil })
	Look   = functions.View(Rows, "look", func(_ *functions.Ctx, r Row) (Row, error) { return r, nil })
	Occupy = functions.Update(Rows, "occupy", occupy)
)

func occupy(_ *functions.Ctx, r *Row, seats int) error {
	if r.Free < seats {
		return fmt.Errorf("%w: %d are free, need %d", ErrTaken, r.Free, seats)
	}
	r.Free -= seats
	return nil
}

// Purses hold the buyers' money.
var (
	Purses = functions.NewType[int]("seats/purse")
	Fill   = functions.Create(Purses, "fill", func(_ *functions.Ctx, money *int, amount int) error { *money = amount; return nil })
	Money  = functions.View(Purses, "money", func(_ *functions.Ctx, money int) (int, error) { return money, nil })
	Pay    = functions.Update(Purses, "pay", pay)
)

func pay(_ *functions.Ctx, money *int, amount int) error {
	if *money < amount {
		return fmt.Errorf("%w: have %d, need %d", ErrNoMoney, *money, amount)
	}
	*money -= amount
	return nil
}

// Order asks for seats next to each other, in the first of some rows that has them.
type Order struct {
	Buyer string
	Seats int
	Rows  []string
}

// Buy returns the row in which the seats are. What it reads stays as it is until it has decided: nobody can take the seats that
// it saw, and no two buyers get the same.
var Buy = twopc.NewReturning("seats/buy", func(tx *twopc.Tx, o Order) (string, error) {
	money, err := twopc.Ask(tx, Money.On(o.Buyer))
	if err != nil {
		return "", err
	}
	for _, id := range o.Rows {
		row, err := twopc.Ask(tx, Look.On(id))
		if err != nil {
			return "", err
		}
		if price := o.Seats * row.Price; row.Free >= o.Seats && price <= money {
			return id, tx.All(Occupy.On(id, o.Seats), Pay.On(o.Buyer, price))
		}
	}
	return "", fmt.Errorf("%w: %d seats for at most %d", ErrSoldOut, o.Seats, money)
})

func main() {
	dir, err := os.MkdirTemp("", "seats")
	if err == nil {
		err = errors.Join(run(context.Background(), dir, os.Stdout), os.RemoveAll(dir))
	}
	if err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, dir string, out io.Writer) error {
	eng, err := engine.Open(engine.Options{Dir: dir}, Rows, Purses, Buy)
	if err != nil {
		return err
	}
	defer eng.Close()
	rows := []string{"front", "middle", "back"}
	for i, id := range rows {
		if err := eng.Do(ctx, Build.On(id, Row{Free: 10, Price: 30 - 10*i})); err != nil {
			return err
		}
	}
	var group sync.WaitGroup
	var sold, refused [20]bool
	for i := range sold { // all at once
		group.Go(func() {
			buyer := fmt.Sprint("buyer ", i)
			if err := eng.Do(ctx, Fill.On(buyer, 60)); err != nil {
				return
			}
			_, err := engine.Ask(ctx, eng, Buy.With(Order{Buyer: buyer, Seats: 2, Rows: rows}))
			sold[i], refused[i] = err == nil, errors.Is(err, ErrSoldOut)
		})
	}
	group.Wait()
	fmt.Fprintf(out, "%d of %d pairs found seats, %d did not\n", count(sold[:]), len(sold), count(refused[:]))
	for _, id := range rows {
		row, err := engine.Ask(ctx, eng, Look.On(id))
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "the %s row has %d seats left\n", id, row.Free)
	}
	return nil
}

func count(facts []bool) (n int) {
	for _, fact := range facts {
		if fact {
			n++
		}
	}
	return n
}
