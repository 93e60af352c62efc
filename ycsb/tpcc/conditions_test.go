package tpcc

import (
	"math/rand/v2"
	"testing"

	"github.com/concordat-dev/concordat/functions"
)

// Operations that do what no transaction may: they tamper with one instance.
var (
	tamperWarehouse = functions.Update(Warehouses, "tamper", func(_ *functions.Ctx, t *Taker, by int64) error { t.Taken += by; return nil })
	tamperDistrict  = functions.Update(Districts, "tamper", func(_ *functions.Ctx, t *Taker, by int64) error { t.Taken += by; return nil })
	tamperCounter   = functions.Update(Counters, "tamper", func(_ *functions.Ctx, c *Counter, by int) error { c.Next += by; return nil })
	removeOrder     = functions.Delete(Orders, "remove", func(*functions.Ctx, *Order) error { return nil })
	removeNewOrder  = functions.Delete(NewOrders, "remove", func(*functions.Ctx, *struct{}) error { return nil })
	removeEntry     = functions.Delete(History, "remove", func(*functions.Ctx, *Entry) error { return nil })
	removeStock     = functions.Delete(Stocks, "remove", func(*functions.Ctx, *Stock) error { return nil })
	removeCustomer  = functions.Delete(Customers, "remove", func(*functions.Ctx, *Customer) error { return nil })
	tamperEntry     = functions.Update(History, "tamper", func(_ *functions.Ctx, e *Entry, by int64) error { e.Amount += by; return nil })
	tamperStock     = functions.Update(Stocks, "tamper", func(_ *functions.Ctx, s *Stock, by Stock) error {
		s.Quantity += by.Quantity
		s.Sold += by.Sold
		s.Orders += by.Orders
		s.Remotes += by.Remotes
		return nil
	})
	tamperCustomer = functions.Update(Customers, "tamper", func(_ *functions.Ctx, c *Customer, by Customer) error {
		c.Balance += by.Balance
		c.Paid += by.Paid
		c.Payments += by.Payments
		return nil
	})
	tamperOrder = functions.Update(Orders, "tamper", func(_ *functions.Ctx, o *Order, how string) error {
		switch how {
		case "count":
			o.Count++
		case "carrier":
			o.Carrier = 0
		case "line not delivered":
			o.Lines[0].Delivered = 0
		case "line lost":
			o.Lines = o.Lines[1:]
		case "amount":
			o.Lines[0].Amount++
		case "quantity":
			o.Lines[0].Quantity++
		case "other customer":
			o.Customer = o.Customer%30 + 1
		}
		return nil
	})
)

// TestEachConditionCanFail: with one row tampered with, the audit names the condition, the place and both values.
func TestEachConditionCanFail(t *testing.T) {
	const delivered, waiting, placed = "2.1.1", "2.1.30", "2.1.31" // orders: the first two are loaded, the last is new
	for _, tampering := range []struct {
		name  string
		call  functions.Call
		wrong map[string]string // condition to place
	}{
		{"W_YTD", tamperWarehouse.On("2", 1), map[string]string{"1": "warehouse 2", "8": "warehouse 2"}},
		{"D_YTD", tamperDistrict.On("2.1", 1), map[string]string{"1": "warehouse 2", "9": "warehouse 2, district 1"}},
		{"number skipped", tamperCounter.On("2.1", 1), map[string]string{"2": "warehouse 2, district 1"}},
		{"number given twice", tamperCounter.On("2.1", -1), map[string]string{"2": "warehouse 2, district 1"}},
		{"order lost", removeOrder.On(waiting), map[string]string{"11": "warehouse 2, district 1"}},
		{"last order lost", removeOrder.On(placed), map[string]string{
			"2": "warehouse 2, district 1", "11": "warehouse 2, district 1", "stock": "warehouse", "acknowledged": "all"}},
		{"new order lost", removeNewOrder.On(waiting), map[string]string{
			"3": "warehouse 2, district 1", "5": "warehouse 2, district 1, order 30", "11": "warehouse 2, district 1"}},
		{"last new order lost", removeNewOrder.On(placed), map[string]string{
			"2": "warehouse 2, district 1", "5": "warehouse 2, district 1, order 31"}},
		{"delivered order lost", removeOrder.On(delivered), map[string]string{"11": "warehouse 2, district 1"}},
		{"order far beyond", AddOrder.On("2.1.500", Order{Customer: 1}), map[string]string{
			"2": "warehouse 2, district 1", "5": "warehouse 2, district 1, order 500", "acknowledged": "all"}},
		{"O_OL_CNT", tamperOrder.On(waiting, "count"), map[string]string{
			"4": "warehouse 2, district 1", "6": "warehouse 2, district 1, order 30"}},
		{"line lost", tamperOrder.On(placed, "line lost"), map[string]string{
			"4": "warehouse 2, district 1", "6": "warehouse 2, district 1, order 31", "stock": "warehouse"}},
		{"carrier", tamperOrder.On(delivered, "carrier"), map[string]string{
			"5": "warehouse 2, district 1, order 1", "7": "warehouse 2, district 1, order 1"}},
		{"delivery date", tamperOrder.On(delivered, "line not delivered"), map[string]string{"7": "warehouse 2, district 1, order 1"}},
		{"price of what is delivered", tamperOrder.On(delivered, "amount"), map[string]string{
			"10": "warehouse 2, district 1, customer", "12": "warehouse 2, district 1, customer"}},
		{"quantity ordered", tamperOrder.On(placed, "quantity"), map[string]string{"stock": "warehouse"}},
		{"H_AMOUNT", tamperEntry.On("2.1.3.1", 1), map[string]string{
			"8": "warehouse 2", "9": "warehouse 2, district 1", "10": "warehouse 2, district 1, customer 3"}},
		{"history lost", removeEntry.On("2.1.3.1"), map[string]string{
			"8": "warehouse 2", "payments": "warehouse 2, district 1, customer 3", "acknowledged": "all"}},
		{"C_BALANCE", tamperCustomer.On("2.1.3", Customer{Balance: 1}), map[string]string{
			"10": "warehouse 2, district 1, customer 3", "12": "warehouse 2, district 1, customer 3"}},
		{"C_YTD_PAYMENT", tamperCustomer.On("2.1.3", Customer{Paid: 1}), map[string]string{"12": "warehouse 2, district 1, customer 3"}},
		{"C_PAYMENT_CNT", tamperCustomer.On("2.1.3", Customer{Payments: 1}), map[string]string{"payments": "warehouse 2, district 1, customer 3"}},
		{"customer lost", removeCustomer.On("2.1.3"), map[string]string{"payments": "warehouse 2, district 1, customer 3"}},
		{"S_YTD", tamperStock.On("2.9", Stock{Sold: 1}), map[string]string{"stock": "warehouse 2, item 9"}},
		{"S_ORDER_CNT", tamperStock.On("2.9", Stock{Orders: 1}), map[string]string{"stock": "warehouse 2, item 9"}},
		{"S_REMOTE_CNT", tamperStock.On("2.9", Stock{Remotes: 1}), map[string]string{"stock": "warehouse 2, item 9"}},
		{"S_QUANTITY", tamperStock.On("2.9", Stock{Quantity: 91}), map[string]string{"stock": "warehouse 2, item 9"}},
		{"stock lost", removeStock.On("2.9"), map[string]string{"stock": "warehouse 2, item 9"}},
	} {
		t.Run(tampering.name, func(t *testing.T) {
			t.Parallel()
			w := loaded(t, Options{})
			mustBeRight(t, w)
			placeOne(t, w)
			mustBeRight(t, w)
			if err := w.Engine().Do(t.Context(), tampering.call); err != nil {
				t.Fatal(err)
			}
			wrong := audited(t, w).Wrong
			for condition, where := range tampering.wrong {
				if !mentions(wrong, condition, where) {
					t.Errorf("condition %s in %s is not among %v", condition, where, wrong)
				}
			}
		})
	}
}

// placeOne places the order 2.1.31 through a client.
func placeOne(t *testing.T, w *Workload) {
	t.Helper()
	c := w.Client(1, rand.New(rand.NewPCG(1, 1))).(*client)
	c.kind, c.newOrder = KindNewOrder, NewOrder{Warehouse: 2, District: 1, Customer: 4, Count: 2, Lines: [maxLines]Line{{Item: 7, Supplier: 2, Quantity: 3}, {Item: 8, Supplier: 1, Quantity: 4}}}
	if err := c.Do(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
}

// TestFiguresAreSums: the figures that the mix must not change do change when money is made.
func TestFiguresAreSums(t *testing.T) {
	w := loaded(t, Options{Scale: Tiny(1)})
	before := audited(t, w).Constant
	for i, call := range []functions.Call{
		tamperCustomer.On("1.1.1", Customer{Balance: 5}), tamperWarehouse.On("1", 7), removeNewOrder.On("1.1.30"),
	} {
		if err := w.Engine().Do(t.Context(), call); err != nil {
			t.Fatal(err)
		}
		after := audited(t, w).Constant
		if want := []int64{5, 7, 1}[i]; after[i].Value-before[i].Value != want {
			t.Errorf("%s changed from %d to %d, want by %d", after[i].Name, before[i].Value, after[i].Value, want)
		}
	}
}

// TestSwappedCustomerOfFreeOrder documents a limit: delivered orders of the load are free of charge, so no condition tells whose they are.
func TestSwappedCustomerOfFreeOrder(t *testing.T) {
	w := loaded(t, Options{Scale: Tiny(1)})
	if err := w.Engine().Do(t.Context(), tamperOrder.On("1.1.1", "other customer")); err != nil {
		t.Fatal(err)
	}
	mustBeRight(t, w)
}

// TestRowsOutOfPlace: rows that belong to nothing are an error of the audit.
func TestRowsOutOfPlace(t *testing.T) {
	for _, call := range []functions.Call{
		AddOrder.On("1.1.31", Order{Customer: 31}),
		AddOrder.On("1.1.31", Order{Customer: 1, Lines: []OrderLine{{Item: 101, Supplier: 1}}}),
		AddOrder.On("1.1.31", Order{Customer: 1, Lines: []OrderLine{{Item: 1, Supplier: 2}}}),
		AddEntry.On("1.1.1.2", Entry{Warehouse: 2, District: 1}),
		AddEntry.On("1.1.1.2", Entry{Warehouse: 1, District: 3}),
	} {
		w := loaded(t, Options{Scale: Tiny(1)})
		if err := w.Engine().Do(t.Context(), call); err != nil {
			t.Fatal(err)
		}
		if a, err := w.Audit(t.Context(), noProgress); err == nil {
			t.Errorf("%s: no error, but %v", call.Envelope().ID, a)
		}
	}
}
