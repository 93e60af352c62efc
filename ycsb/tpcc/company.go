package tpcc

import (
	"fmt"

	"github.com/concordat-dev/concordat/functions"
)

// Everything is one instance, "all", that says what was loaded and whether the load is complete.
var (
	Everything = functions.NewType[company]("tpcc/everything")
	begin      = functions.Create(Everything, "begin", func(_ *functions.Ctx, c *company, as company) error { *c = as; return nil })
	complete   = functions.Update(Everything, "complete", func(_ *functions.Ctx, c *company, _ bool) error { c.Loaded = true; return nil })
	describe   = functions.View(Everything, "describe", func(_ *functions.Ctx, c company) (company, error) { return c, nil })
)

const everythingID = "all"

// company is what was loaded.
type company struct {
	_         struct{} `cbor:",toarray"`
	Scale     Scale
	Seed      uint64
	Constants constants
	Loaded    bool
}

// Place is a name and an address.
type Place struct {
	_                                        struct{} `cbor:",toarray"`
	Name, Street1, Street2, City, State, Zip string
}

// Taker is what a payment needs of a warehouse or a district: its name and address, and its takings of this year in cents.
type Taker struct {
	_     struct{} `cbor:",toarray"`
	Place Place
	Taken int64 // W_YTD, D_YTD
}

// Warehouses and Districts take the money of payments.
var (
	Warehouses    = functions.NewType[Taker]("tpcc/warehouse")
	OpenWarehouse = functions.Create(Warehouses, "open", open)
	PayWarehouse  = functions.UpdateReturning(Warehouses, "pay", pay)
	TakeBackW     = functions.Update(Warehouses, "take back", takeBack)
	ReadWarehouse = functions.View(Warehouses, "read", readTaker)

	Districts    = functions.NewType[Taker]("tpcc/district")
	OpenDistrict = functions.Create(Districts, "open", open)
	PayDistrict  = functions.UpdateReturning(Districts, "pay", pay)
	TakeBackD    = functions.Update(Districts, "take back", takeBack)
	ReadDistrict = functions.View(Districts, "read", readTaker)
)

func open(_ *functions.Ctx, t *Taker, as Taker) error {
	*t = as
	return nil
}

// pay adds an amount to the takings and returns name and address, for the receipt.
func pay(_ *functions.Ctx, t *Taker, amount int64) (Place, error) {
	if amount <= 0 {
		return Place{}, fmt.Errorf("%w: an amount of %d is not positive", functions.ErrBadArgument, amount)
	}
	t.Taken += amount
	return t.Place, nil
}

// takeBack is the compensation of pay.
func takeBack(_ *functions.Ctx, t *Taker, amount int64) error {
	t.Taken -= amount
	return nil
}

func readTaker(_ *functions.Ctx, t Taker) (Taker, error) { return t, nil }

// Taxes are the warehouses' sales taxes, in hundredths of a percent: what a new order needs of a warehouse. They never change.
var (
	Taxes   = functions.NewType[int]("tpcc/warehouse-tax")
	SetTax  = functions.Create(Taxes, "set", func(_ *functions.Ctx, tax *int, as int) error { *tax = as; return nil })
	ReadTax = functions.View(Taxes, "read", func(_ *functions.Ctx, tax int) (int, error) { return tax, nil })
)

// Counter is what a new order needs of a district: its sales tax, in hundredths of a percent, and the number of its next order.
type Counter struct {
	_    struct{} `cbor:",toarray"`
	Tax  int
	Next int // D_NEXT_O_ID
}

// Counters hand out the order numbers of districts.
var (
	Counters    = functions.NewType[Counter]("tpcc/order-counter")
	OpenCounter = functions.Create(Counters, "open", func(_ *functions.Ctx, c *Counter, as Counter) error { *c = as; return nil })
	TakeNumber  = functions.UpdateReturning(Counters, "take", takeNumber)
	ReadCounter = functions.View(Counters, "read", func(_ *functions.Ctx, c Counter) (Counter, error) { return c, nil })
)

// takeNumber returns the counter as it was: its Next is the number that was taken.
func takeNumber(_ *functions.Ctx, c *Counter, _ struct{}) (Counter, error) {
	taken := *c
	c.Next++
	return taken, nil
}
