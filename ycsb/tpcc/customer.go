package tpcc

import (
	"fmt"
	"strconv"

	"github.com/concordat-dev/concordat/functions"
)

// Customer is a row of the customer table. Money is in cents, the discount in hundredths of a percent.
type Customer struct {
	_                   struct{} `cbor:",toarray"`
	First, Middle, Last string
	Place               Place // without a name
	Phone               string
	Since               int64  // Unix seconds
	Credit              string // "GC" or "BC"
	Limit               int64
	Discount            int
	Balance             int64
	Paid                int64 // C_YTD_PAYMENT
	Payments            int   // C_PAYMENT_CNT
	Deliveries          int
	Data                string
}

// badCredit marks customers whose payments are noted in their data.
const badCredit = "BC"

// Customers order and pay.
var (
	Customers    = functions.NewType[Customer]("tpcc/customer")
	AddCustomer  = functions.Create(Customers, "add", func(_ *functions.Ctx, c *Customer, as Customer) error { *c = as; return nil })
	PayCustomer  = functions.UpdateReturning(Customers, "pay", payCustomer)
	ReadTerms    = functions.View(Customers, "terms", readTerms)
	ReadCustomer = functions.View(Customers, "read", func(_ *functions.Ctx, c Customer) (Customer, error) { return c, nil })
)

// Terms are what a new order needs of a customer.
type Terms struct {
	_            struct{} `cbor:",toarray"`
	Last, Credit string
	Discount     int
}

func readTerms(_ *functions.Ctx, c Customer) (Terms, error) {
	return Terms{Last: c.Last, Credit: c.Credit, Discount: c.Discount}, nil
}

// Receipt is what a payment shows of a customer.
type Receipt struct {
	_        struct{} `cbor:",toarray"`
	Payments int      // the number of this payment among the customer's
	Balance  int64
	Credit   string
	Data     string // the first 200 characters, for bad credit only
}

// payCustomer takes a payment off the customer's balance (clause 2.5.2.2).
func payCustomer(_ *functions.Ctx, c *Customer, p Payment) (Receipt, error) {
	if p.Amount <= 0 {
		return Receipt{}, fmt.Errorf("%w: an amount of %d is not positive", functions.ErrBadArgument, p.Amount)
	}
	c.Balance -= p.Amount
	c.Paid += p.Amount
	c.Payments++
	r := Receipt{Payments: c.Payments, Balance: c.Balance, Credit: c.Credit}
	if c.Credit == badCredit {
		c.Data = noted(p, c.Data)
		r.Data = c.Data[:min(200, len(c.Data))]
	}
	return r, nil
}

// noted puts a payment in front of a customer's data and cuts it to 500 characters.
func noted(p Payment, data string) string {
	note := ID(p.Customer, p.CustomerDistrict, p.CustomerWarehouse, p.District, p.Warehouse) + " " + strconv.FormatInt(p.Amount, 10) + "|"
	data = note + data
	return data[:min(500, len(data))]
}

// Names are the index of customers by last name: the instance "w.d.NAME" holds the numbers of a district's customers of that
// name in the order of their first names. No operation changes a name, so payments share its lock.
var (
	Names    = functions.NewType[[]int]("tpcc/name")
	AddName  = functions.Create(Names, "add", func(_ *functions.Ctx, n *[]int, customers []int) error { *n = customers; return nil })
	FindName = functions.View(Names, "find", findName)
)

func nameID(warehouse, district int, last string) string { return ID(warehouse, district) + "." + last }

// findName returns the customer in the middle, rounded up (clause 2.5.2.2).
func findName(_ *functions.Ctx, customers []int) (int, error) {
	if len(customers) == 0 {
		return 0, functions.ErrNotFound
	}
	return customers[(len(customers)+1)/2-1], nil
}

// Entry is a row of the history table. Its instance is named after the customer and the number of the payment.
type Entry struct {
	_                   struct{} `cbor:",toarray"`
	Warehouse, District int      // where it was paid
	At                  int64    // Unix nanoseconds
	Amount              int64
	Data                string // names of warehouse and district
}

// History has an entry for each payment.
var (
	History   = functions.NewType[Entry]("tpcc/history")
	AddEntry  = functions.Create(History, "add", addEntry)
	ReadEntry = functions.View(History, "read", func(_ *functions.Ctx, e Entry) (Entry, error) { return e, nil })
)

// addEntry dates the entry, unless it has a date.
func addEntry(ctx *functions.Ctx, e *Entry, as Entry) error {
	*e = as
	if e.At == 0 {
		e.At = ctx.Now().UnixNano()
	}
	return nil
}
