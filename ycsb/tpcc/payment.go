package tpcc

import (
	"fmt"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/saga"
	"github.com/concordat-dev/concordat/twopc"
)

// Payment is the input of the payment transaction, clause 2.5: an amount in cents that a customer pays to a district. The
// customer is named by number, or, if that is 0, by last name.
type Payment struct {
	_                                   struct{} `cbor:",toarray"`
	Warehouse, District                 int
	CustomerWarehouse, CustomerDistrict int
	Customer, Name                      int // Name is the number of the last name, from 0
	Amount                              int64
}

// Paid is its result.
type Paid struct {
	_        struct{} `cbor:",toarray"`
	Customer int
	Balance  int64
	Credit   string
	Data     string // for bad credit only
}

// PaymentTx is payment as a serializable transaction.
//
// The warehouse, which all its payments want, comes before district and customer: who holds it waits for nobody who waits for it,
// so payments have no deadlocks.
var PaymentTx = twopc.NewReturning("tpcc/payment", func(tx *twopc.Tx, p Payment) (Paid, error) {
	err := p.check()
	if err == nil && p.Customer == 0 {
		p.Customer, err = twopc.Ask(tx, p.findCustomer())
	}
	if err != nil {
		return Paid{}, err
	}
	var warehouse, district Place
	var receipt Receipt
	if err := tx.Do(PayWarehouse.On(ID(p.Warehouse), p.Amount).Into(&warehouse)); err != nil {
		return Paid{}, err
	}
	if err := tx.All(
		PayDistrict.On(ID(p.Warehouse, p.District), p.Amount).Into(&district),
		PayCustomer.On(p.customerID(), p).Into(&receipt),
	); err != nil {
		return Paid{}, err
	}
	return p.paid(receipt), tx.Do(p.addEntry(receipt, warehouse, district))
})

// PaymentSaga is payment as a saga. The customer comes when only the entry is left, which cannot fail: other payments count on
// the customer's number of payments.
var PaymentSaga = saga.NewReturning("tpcc/payment-saga", func(s *saga.Run, p Payment) (Paid, error) {
	err := p.check()
	if err == nil && p.Customer == 0 {
		p.Customer, err = saga.Ask(s, p.findCustomer())
	}
	if err != nil {
		return Paid{}, err
	}
	var warehouse, district Place
	var receipt Receipt
	if err := s.All(
		saga.Step{
			Do:   PayWarehouse.On(ID(p.Warehouse), p.Amount).Into(&warehouse),
			Undo: TakeBackW.On(ID(p.Warehouse), p.Amount),
		},
		saga.Step{
			Do:   PayDistrict.On(ID(p.Warehouse, p.District), p.Amount).Into(&district),
			Undo: TakeBackD.On(ID(p.Warehouse, p.District), p.Amount),
		},
	); err != nil {
		return Paid{}, err
	}
	if err := s.Do(PayCustomer.On(p.customerID(), p).Into(&receipt), saga.NoUndo); err != nil {
		return Paid{}, err
	}
	return p.paid(receipt), s.Do(p.addEntry(receipt, warehouse, district), saga.NoUndo)
})

// check reports a last name that there is not.
func (p Payment) check() error {
	if p.Name < 0 || p.Name >= fullNames {
		return fmt.Errorf("%w: there is no last name %d", functions.ErrBadArgument, p.Name)
	}
	return nil
}

func (p Payment) findCustomer() functions.Query[int] {
	return FindName.On(nameID(p.CustomerWarehouse, p.CustomerDistrict, lastName(p.Name)))
}

func (p Payment) customerID() string { return ID(p.CustomerWarehouse, p.CustomerDistrict, p.Customer) }

func (p Payment) addEntry(r Receipt, warehouse, district Place) functions.Call {
	return AddEntry.On(ID(p.CustomerWarehouse, p.CustomerDistrict, p.Customer, r.Payments), Entry{
		Warehouse: p.Warehouse, District: p.District, Amount: p.Amount, Data: warehouse.Name + "    " + district.Name,
	})
}

func (p Payment) paid(r Receipt) Paid {
	return Paid{Customer: p.Customer, Balance: r.Balance, Credit: r.Credit, Data: r.Data}
}
