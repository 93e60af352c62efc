// Command trip books a hotel and a flight and pays for them, in a saga: each step is visible at once, and undone if a later one
// fails. Package ycsb/hotel has the same journey as a workload, also as a serializable transaction, with an audit.
//
//	go run ./examples/trip
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/saga"
)

// Failures of the operations.
const (
	ErrBookedUp functions.Failure = "trip: booked up"
	ErrNoMoney  functions.Failure = "trip: not enough money"
)

// Offer is something with a number of places: a hotel with rooms, a flight with seats.
type Offer struct {
	Places int
	Guests map[string]bool
}

// Offers are the hotels and flights.
var (
	Offers  = functions.NewType[Offer]("trip/offer")
	Publish = functions.Create(Offers, "publish", publish)
	Book    = functions.Update(Offers, "book", book)
	Cancel  = functions.Update(Offers, "cancel", cancel)
	Free    = functions.View(Offers, "free", free)
)

func publish(_ *functions.Ctx, o *Offer, places int) error {
	*o = Offer{Places: places, Guests: map[string]bool{}}
	return nil
}

func book(ctx *functions.Ctx, o *Offer, guest string) error {
	if len(o.Guests) == o.Places {
		return fmt.Errorf("%w: %s", ErrBookedUp, ctx.Self().ID)
	}
	o.Guests[guest] = true
	return nil
}

func cancel(_ *functions.Ctx, o *Offer, guest string) error {
	delete(o.Guests, guest)
	return nil
}

func free(_ *functions.Ctx, o Offer) (int, error) { return o.Places - len(o.Guests), nil }

// Purses hold the guests' money.
var (
	Purses = functions.NewType[int]("trip/purse")
	Fill   = functions.Create(Purses, "fill", func(_ *functions.Ctx, money *int, amount int) error { *money = amount; return nil })
	Pay    = functions.Update(Purses, "pay", pay)
	Refund = functions.Update(Purses, "refund", func(_ *functions.Ctx, money *int, amount int) error { *money += amount; return nil })
)

func pay(_ *functions.Ctx, money *int, amount int) error {
	if *money < amount {
		return fmt.Errorf("%w: have %d, need %d", ErrNoMoney, *money, amount)
	}
	*money -= amount
	return nil
}

// Trip is what a guest wants.
type Trip struct {
	Guest, Hotel, Flight string
	Price                int
}

// BookTrip books hotel and flight at once, then takes the money. Each step says how it is undone.
var BookTrip = saga.New("trip/book", func(s *saga.Run, t Trip) error {
	err := s.All(
		saga.Step{Do: Book.On(t.Hotel, t.Guest), Undo: Cancel.On(t.Hotel, t.Guest)},
		saga.Step{Do: Book.On(t.Flight, t.Guest), Undo: Cancel.On(t.Flight, t.Guest)},
	)
	if err != nil {
		return err
	}
	return s.Do(Pay.On(t.Guest, t.Price), Refund.On(t.Guest, t.Price))
})

func main() {
	dir, err := os.MkdirTemp("", "trip")
	if err == nil {
		err = errors.Join(run(context.Background(), dir, os.Stdout), os.RemoveAll(dir))
	}
	if err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, dir string, out io.Writer) error {
	eng, err := engine.Open(engine.Options{Dir: dir}, Offers, Purses, BookTrip)
	if err != nil {
		return err
	}
	defer eng.Close()
	for _, r := range []functions.Request{
		Publish.On("Hotel Bellevue", 2), Publish.On("LX 318", 1), Publish.On("LX 340", 9),
		Fill.On("Ann", 1000), Fill.On("Bob", 1000), Fill.On("Cid", 50),
	} {
		if err := eng.Do(ctx, r); err != nil {
			return err
		}
	}
	for i, trip := range []Trip{
		{"Ann", "Hotel Bellevue", "LX 318", 400},
		{"Bob", "Hotel Bellevue", "LX 318", 400}, // the flight is full: the room is given back
		{"Cid", "Hotel Bellevue", "LX 340", 400}, // no money: both are given back
		{"Bob", "Hotel Bellevue", "LX 340", 450},
	} {
		err := eng.Do(ctx, BookTrip.As(fmt.Sprint("trip-", i), trip))
		switch {
		case err == nil:
			fmt.Fprintf(out, "%s goes with %s\n", trip.Guest, trip.Flight)
		case errors.Is(err, ErrBookedUp) || errors.Is(err, ErrNoMoney):
			fmt.Fprintf(out, "%s stays at home: %v\n", trip.Guest, err)
		default:
			return err
		}
	}
	for _, offer := range []string{"Hotel Bellevue", "LX 318", "LX 340"} {
		n, err := engine.Ask(ctx, eng, Free.On(offer))
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s has %d places left\n", offer, n)
	}
	return nil
}
