package tpcc

import (
	"fmt"

	"github.com/concordat-dev/concordat/functions"
)

// Order is a row of the order table with its rows of the order-line table.
type Order struct {
	_        struct{} `cbor:",toarray"`
	Customer int
	At       int64 // O_ENTRY_D, Unix nanoseconds
	Carrier  int   // 1 to 10; 0: it is not delivered
	Count    int   // O_OL_CNT
	AllLocal bool
	Lines    []OrderLine
}

// OrderLine is a row of the order-line table. Its number is its place in the order.
type OrderLine struct {
	_              struct{} `cbor:",toarray"`
	Item, Supplier int      // Supplier is the warehouse whose stock it is
	Quantity       int
	Amount         int64 // cents
	Delivered      int64 // OL_DELIVERY_D, Unix nanoseconds; 0: it is not delivered
	Info           string
}

// Orders are made whole and not changed afterwards. NewOrders are the orders that wait for delivery.
var (
	Orders    = functions.NewType[Order]("tpcc/order")
	AddOrder  = functions.Create(Orders, "add", addOrder)
	ReadOrder = functions.View(Orders, "read", func(_ *functions.Ctx, o Order) (Order, error) { return o, nil })

	NewOrders    = functions.NewType[struct{}]("tpcc/new-order")
	AddNewOrder  = functions.Create(NewOrders, "add", func(_ *functions.Ctx, _ *struct{}, _ struct{}) error { return nil })
	ReadNewOrder = functions.View(NewOrders, "read", func(_ *functions.Ctx, n struct{}) (struct{}, error) { return n, nil })
)

// addOrder dates the order, unless it has a date.
func addOrder(ctx *functions.Ctx, o *Order, as Order) error {
	if len(as.Lines) > maxLines {
		return fmt.Errorf("%w: an order of %d lines", functions.ErrTooLarge, len(as.Lines))
	}
	*o = as
	if o.At == 0 {
		o.At = ctx.Now().UnixNano()
	}
	return nil
}
