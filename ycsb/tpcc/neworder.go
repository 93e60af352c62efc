package tpcc

import (
	"errors"
	"fmt"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/saga"
	"github.com/concordat-dev/concordat/twopc"
)

// ErrUnusedItem: a line of a new order is for an item that does not exist. It is rolled back, as one in a hundred is meant to be.
const ErrUnusedItem functions.Failure = "tpcc: item number is not valid"

// Line is a line of a new order: some of an item, from the stock of the warehouse Supplier.
type Line struct {
	_                        struct{} `cbor:",toarray"`
	Item, Supplier, Quantity int
}

// NewOrder is the input of the new-order transaction, clause 2.4: Count lines, the first ones of Lines.
type NewOrder struct {
	_                             struct{} `cbor:",toarray"`
	Warehouse, District, Customer int
	Count                         int
	Lines                         [maxLines]Line
}

// Placed is its result.
type Placed struct {
	_      struct{} `cbor:",toarray"`
	Number int
	Total  int64 // cents, with discount and taxes
}

// NewOrderTx is new-order as a serializable transaction.
//
// Items are read first and never change; then come the stocks; and only then the district's counter, which all its new orders
// want: it is held for two rounds of calls. The last line is looked up after the stocks of the others were taken, whether its item
// exists or not: so a rollback has something to roll back (clause 2.4.2.3).
var NewOrderTx = twopc.NewReturning("tpcc/new-order", func(tx *twopc.Tx, n NewOrder) (Placed, error) {
	d, err := newDraft(n)
	if err != nil {
		return Placed{}, err
	}
	last := n.Count - 1
	if err := tx.All(d.readOffers(0, last)...); err != nil {
		return Placed{}, unusedItem(err)
	}
	if err := tx.All(append(d.readTerms(), d.takeStocks(0, last)...)...); err != nil {
		return Placed{}, err
	}
	if err := tx.All(d.readOffers(last, n.Count)...); err != nil {
		return Placed{}, unusedItem(err)
	}
	if err := tx.All(append(d.takeStocks(last, n.Count), d.takeNumber())...); err != nil {
		return Placed{}, err
	}
	return d.placed(), tx.All(d.addOrder(), d.addNewOrder())
})

// NewOrderSaga is new-order as a saga. Stocks that were taken are put back if an item does not exist. The number comes when nothing
// can fail any more: it cannot be given back, as later orders have the numbers after it.
var NewOrderSaga = saga.NewReturning("tpcc/new-order-saga", func(s *saga.Run, n NewOrder) (Placed, error) {
	d, err := newDraft(n)
	if err != nil {
		return Placed{}, err
	}
	last := n.Count - 1
	if err := s.All(withoutUndo(d.readOffers(0, last))...); err != nil {
		return Placed{}, unusedItem(err)
	}
	if err := s.All(append(withoutUndo(d.readTerms()), d.stockSteps(0, last)...)...); err != nil {
		return Placed{}, err
	}
	if err := s.All(withoutUndo(d.readOffers(last, n.Count))...); err != nil {
		return Placed{}, unusedItem(err)
	}
	if err := s.All(d.stockSteps(last, n.Count)...); err != nil {
		return Placed{}, err
	}
	if err := s.Do(d.takeNumber(), saga.NoUndo); err != nil {
		return Placed{}, err
	}
	return d.placed(), s.All(withoutUndo([]functions.Call{d.addOrder(), d.addNewOrder()})...)
})

// withoutUndo makes steps without a compensation.
func withoutUndo(calls []functions.Call) []saga.Step {
	steps := make([]saga.Step, len(calls))
	for i, call := range calls {
		steps[i] = saga.Step{Do: call, Undo: saga.NoUndo}
	}
	return steps
}

// unusedItem names the failure to look up an item.
func unusedItem(err error) error {
	if errors.Is(err, functions.ErrNotFound) {
		return fmt.Errorf("%w: %w", ErrUnusedItem, err)
	}
	return err
}

// draft is a new order while it is made: the input, and the answers to the calls so far.
type draft struct {
	NewOrder
	tax     int // the warehouse's
	terms   Terms
	offers  [maxLines]Offer
	taken   [maxLines]Taken
	counter Counter
}

func newDraft(n NewOrder) (*draft, error) {
	if n.Count < 1 || n.Count > maxLines {
		return nil, fmt.Errorf("%w: a new order of %d lines", functions.ErrBadArgument, n.Count)
	}
	return &draft{NewOrder: n}, nil
}

func (d *draft) readTerms() []functions.Call {
	return append(make([]functions.Call, 0, 2+maxLines), // room for those that go along
		ReadTax.On(ID(d.Warehouse)).Into(&d.tax),
		ReadTerms.On(ID(d.Warehouse, d.District, d.Customer)).Into(&d.terms))
}

// readOffers looks up the items of the lines from one to before another.
func (d *draft) readOffers(from, to int) []functions.Call {
	calls := make([]functions.Call, 0, maxLines)
	for i := from; i < to; i++ {
		calls = append(calls, ReadOffer.On(ID(d.Lines[i].Item)).Into(&d.offers[i]))
	}
	return calls
}

// stock returns the stock of a line and what it takes of it.
func (d *draft) stock(line int) (string, Taking) {
	l := d.Lines[line]
	return ID(l.Supplier, l.Item), Taking{District: d.District, Quantity: l.Quantity, Remote: l.Supplier != d.Warehouse}
}

func (d *draft) takeStocks(from, to int) []functions.Call {
	calls := make([]functions.Call, 0, maxLines)
	for i := from; i < to; i++ {
		id, taking := d.stock(i)
		calls = append(calls, TakeStock.On(id, taking).Into(&d.taken[i]))
	}
	return calls
}

// stockSteps are takeStocks with their compensations.
func (d *draft) stockSteps(from, to int) []saga.Step {
	steps := make([]saga.Step, 0, maxLines)
	for i, call := range d.takeStocks(from, to) {
		id, taking := d.stock(from + i)
		steps = append(steps, saga.Step{Do: call, Undo: PutBack.On(id, taking)})
	}
	return steps
}

func (d *draft) takeNumber() functions.Call {
	return TakeNumber.On(ID(d.Warehouse, d.District), struct{}{}).Into(&d.counter)
}

func (d *draft) addOrder() functions.Call {
	o := Order{Customer: d.Customer, Count: d.Count, AllLocal: true, Lines: make([]OrderLine, d.Count)}
	for i, l := range d.Lines[:d.Count] {
		o.AllLocal = o.AllLocal && l.Supplier == d.Warehouse
		o.Lines[i] = OrderLine{Item: l.Item, Supplier: l.Supplier, Quantity: l.Quantity, Amount: d.amount(i), Info: d.taken[i].Info}
	}
	return AddOrder.On(ID(d.Warehouse, d.District, d.counter.Next), o)
}

func (d *draft) addNewOrder() functions.Call {
	return AddNewOrder.On(ID(d.Warehouse, d.District, d.counter.Next), struct{}{})
}

// amount is a line's price.
func (d *draft) amount(line int) int64 { return int64(d.Lines[line].Quantity) * d.offers[line].Price }

// placed is the result: the total is the sum of all lines, less the discount, plus both taxes.
func (d *draft) placed() Placed {
	total := int64(0)
	for i := range d.Count {
		total += d.amount(i)
	}
	const whole = 10_000 // hundredths of a percent
	total = total * int64(whole-d.terms.Discount) * int64(whole+d.tax+d.counter.Tax) / (whole * whole)
	return Placed{Number: d.counter.Next, Total: total}
}
