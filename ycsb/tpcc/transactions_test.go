package tpcc

import (
	"errors"
	"reflect"
	"testing"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/ycsb"
	"github.com/concordat-dev/concordat/ycsb/internal/bulk"
)

// place places an order.
func place(t *testing.T, w *Workload, p ycsb.Protocol, n NewOrder) (placed Placed, err error) {
	t.Helper()
	err = bulk.Do(t.Context(), w.Engine(), "", n.start(p, &placed))
	return placed, err
}

// twoLines is a new order of an own and a remote stock.
var twoLines = NewOrder{Warehouse: 1, District: 2, Customer: 5, Count: 2, Lines: [maxLines]Line{
	{Item: 7, Supplier: 1, Quantity: 3}, {Item: 8, Supplier: 2, Quantity: 10},
}}

// TestNewOrder: stock is taken, an order with all its lines is made under the next number, and the total is as in clause 2.4.2.2.
func TestNewOrder(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(protocol.String(), func(t *testing.T) {
			w := loaded(t, Options{})
			seven, eight := ask(t, w, ReadStock.On("1.7")), ask(t, w, ReadStock.On("2.8"))
			first, second := ask(t, w, ReadOffer.On("7")).Price, ask(t, w, ReadOffer.On("8")).Price
			placed, err := place(t, w, protocol, twoLines)
			if err != nil {
				t.Fatal(err)
			}
			tax := ask(t, w, ReadTax.On("1")) + ask(t, w, ReadCounter.On("1.2")).Tax
			discount := ask(t, w, ReadTerms.On("1.2.5")).Discount
			total := (3*first + 10*second) * int64(10_000-discount) * int64(10_000+tax) / 100_000_000
			if placed != (Placed{Number: 31, Total: total}) {
				t.Errorf("placed %+v, want number 31 and total %d", placed, total)
			}
			order := ask(t, w, ReadOrder.On("1.2.31"))
			want := Order{Customer: 5, At: order.At, Count: 2, Lines: []OrderLine{
				{Item: 7, Supplier: 1, Quantity: 3, Amount: 3 * first, Info: seven.Info[24:48]},
				{Item: 8, Supplier: 2, Quantity: 10, Amount: 10 * second, Info: eight.Info[24:48]},
			}}
			if !reflect.DeepEqual(order, want) || order.At == 0 {
				t.Errorf("order %+v, want %+v", order, want)
			}
			seven.Quantity, seven.Sold, seven.Orders = taken(seven.Quantity, 3), 3, 1
			eight.Quantity, eight.Sold, eight.Orders, eight.Remotes = taken(eight.Quantity, 10), 10, 1, 1
			if got := ask(t, w, ReadStock.On("1.7")); got != seven {
				t.Errorf("stock %+v, want %+v", got, seven)
			}
			if got := ask(t, w, ReadStock.On("2.8")); got != eight {
				t.Errorf("remote stock %+v, want %+v", got, eight)
			}
			ask(t, w, ReadNewOrder.On("1.2.31"))
		})
	}
}

// taken is the rule for the quantity of a stock in the words of clause 2.4.2.2.
func taken(quantity, ordered int) int {
	if quantity >= ordered+10 {
		return quantity - ordered
	}
	return quantity - ordered + 91
}

// TestUnusedItem: a new order for an unused item leaves no trace, though it had taken the stock of the lines before.
func TestUnusedItem(t *testing.T) {
	for _, protocol := range protocols {
		for line := range 3 {
			w := loaded(t, Options{})
			n := twoLines
			n.Count, n.Lines[2] = 3, Line{Item: 9, Supplier: 1, Quantity: 1}
			n.Lines[line].Item = 101
			before := ask(t, w, ReadStock.On("2.8"))
			if _, err := place(t, w, protocol, n); !errors.Is(err, ErrUnusedItem) {
				t.Errorf("%s: error %v, want ErrUnusedItem", protocol, err)
			}
			if after := ask(t, w, ReadStock.On("2.8")); after != before {
				t.Errorf("%s: stock %+v became %+v", protocol, before, after)
			}
			if next := ask(t, w, ReadCounter.On("1.2")).Next; next != 31 {
				t.Errorf("%s: the next number is %d, want 31", protocol, next)
			}
			mustBeRight(t, w)
		}
	}
}

// TestRefusedNewOrders: what cannot be done is refused, and leaves no trace.
func TestRefusedNewOrders(t *testing.T) {
	change := func(f func(*NewOrder)) NewOrder {
		n := twoLines
		f(&n)
		return n
	}
	for _, protocol := range protocols {
		w := loaded(t, Options{})
		for want, inputs := range map[functions.Failure][]NewOrder{
			functions.ErrBadArgument: {
				change(func(n *NewOrder) { n.Count = 0 }), change(func(n *NewOrder) { n.Count = 16 }),
				change(func(n *NewOrder) { n.Lines[1].Quantity = 11 }), change(func(n *NewOrder) { n.Lines[0].Quantity = 0 }),
			},
			functions.ErrNotFound: {
				change(func(n *NewOrder) { n.Warehouse = 3 }), change(func(n *NewOrder) { n.District = 3 }),
				change(func(n *NewOrder) { n.Customer = 31 }), change(func(n *NewOrder) { n.Lines[0].Supplier = 3 }),
				change(func(n *NewOrder) { n.Lines[1].Supplier = 3 }),
			},
		} {
			for _, input := range inputs {
				if _, err := place(t, w, protocol, input); !errors.Is(err, want) || errors.Is(err, ErrUnusedItem) {
					t.Errorf("%s: %+v: error %v, want %v", protocol, input, err, want)
				}
			}
		}
		mustBeRight(t, w)
	}
}

// TestPutBack: whatever others take in between, putting back leaves a stock as if the taking had never been.
func TestPutBack(t *testing.T) {
	for quantity := minQuantity; quantity <= 100; quantity++ {
		for taking := 1; taking <= maxPerLine; taking++ {
			for other := 1; other <= maxPerLine; other++ {
				with, without := Stock{Quantity: quantity, Info: randomInfo}, Stock{Quantity: quantity, Info: randomInfo}
				_, err1 := takeStock(nil, &with, Taking{District: 1, Quantity: taking, Remote: true})
				_, err2 := takeStock(nil, &with, Taking{District: 2, Quantity: other})
				err3 := putBack(nil, &with, Taking{District: 1, Quantity: taking, Remote: true})
				_, err4 := takeStock(nil, &without, Taking{District: 2, Quantity: other})
				if err := errors.Join(err1, err2, err3, err4); err != nil || with != without {
					t.Fatalf("%d, take %d, other %d: %+v, want %+v, %v", quantity, taking, other, with, without, err)
				}
				if without.Quantity != taken(quantity, other) {
					t.Fatalf("%d less %d is %d", quantity, other, without.Quantity)
				}
			}
		}
	}
}

const randomInfo = "abcdefghijklmnopqrstuvwxABCDEFGHIJKLMNOPQRSTUVWX"

// payAt makes a payment.
func payAt(t *testing.T, w *Workload, protocol ycsb.Protocol, p Payment) (paid Paid, err error) {
	t.Helper()
	err = bulk.Do(t.Context(), w.Engine(), "", p.start(protocol, &paid))
	return paid, err
}

// TestPayment: a payment to one warehouse by a customer of another is on all accounts and in the history.
func TestPayment(t *testing.T) {
	for _, protocol := range protocols {
		w := loaded(t, Options{})
		before := ask(t, w, ReadCustomer.On("2.1.5"))
		p := Payment{Warehouse: 1, District: 2, CustomerWarehouse: 2, CustomerDistrict: 1, Customer: 5, Amount: 12_34}
		paid, err := payAt(t, w, protocol, p)
		if err != nil || paid.Customer != 5 || paid.Balance != -22_34 || paid.Credit != before.Credit {
			t.Errorf("%s: %+v, %v", protocol, paid, err)
		}
		after := ask(t, w, ReadCustomer.On("2.1.5"))
		before.Balance, before.Paid, before.Payments, before.Data = -22_34, 22_34, 2, after.Data
		if after != before {
			t.Errorf("%s: customer %+v, want %+v", protocol, after, before)
		}
		warehouse, district := ask(t, w, ReadWarehouse.On("1")), ask(t, w, ReadDistrict.On("1.2"))
		if warehouse.Taken != 600_00+12_34 || district.Taken != 300_00+12_34 {
			t.Errorf("%s: takings %d and %d", protocol, warehouse.Taken, district.Taken)
		}
		entry := ask(t, w, ReadEntry.On("2.1.5.2"))
		want := Entry{Warehouse: 1, District: 2, At: entry.At, Amount: 12_34, Data: warehouse.Place.Name + "    " + district.Place.Name}
		if entry != want || entry.At == 0 {
			t.Errorf("%s: entry %+v, want %+v", protocol, entry, want)
		}
	}
}

// TestPaymentByLastName: it is the customer in the middle of those of the name, by first name.
func TestPaymentByLastName(t *testing.T) {
	w := loaded(t, Options{Scale: Scale{Warehouses: 1, Districts: 1, Customers: 1100, Items: 10}})
	byName := map[string][]int{}
	first := map[int]string{}
	for number := 1; number <= 1100; number++ {
		c := ask(t, w, ReadCustomer.On(ID(1, 1, number)))
		byName[c.Last] = append(byName[c.Last], number)
		first[number] = c.First
	}
	shared := 0
	for name := range 1000 {
		numbers := byName[lastName(name)]
		if len(numbers) < 2 && name > 20 {
			continue
		}
		paid, err := payAt(t, w, protocols[name%2], Payment{
			Warehouse: 1, District: 1, CustomerWarehouse: 1, CustomerDistrict: 1, Name: name, Amount: 1,
		})
		before := 0
		for _, number := range numbers {
			if first[number] < first[paid.Customer] {
				before++
			}
		}
		if err != nil || before != (len(numbers)+1)/2-1 {
			t.Errorf("%s: %d of %d come before customer %d, %v", lastName(name), before, len(numbers), paid.Customer, err)
		}
		if len(numbers) > 1 {
			shared++
		}
	}
	if shared < 30 {
		t.Errorf("only %d names are shared", shared)
	}
}

// TestBadCredit: the payments of customers with bad credit are noted in front of their data, of which 500 characters are kept.
func TestBadCredit(t *testing.T) {
	c := Customer{Credit: badCredit, Data: string(make([]byte, 495))}
	p := Payment{Warehouse: 1, District: 2, CustomerWarehouse: 3, CustomerDistrict: 4, Customer: 5, Amount: 6}
	r, err := payCustomer(nil, &c, p)
	if err != nil || len(c.Data) != 500 || c.Data[:12] != "5.4.3.2.1 6|" || r.Data != c.Data[:200] {
		t.Errorf("data %q, receipt %+v, %v", c.Data, r, err)
	}
	good := Customer{Credit: "GC", Data: "data"}
	if r, err := payCustomer(nil, &good, p); err != nil || good.Data != "data" || r.Data != "" {
		t.Errorf("data %q, receipt %+v, %v", good.Data, r, err)
	}
}

// TestRefusedPayments: what cannot be done is refused, and takings are given back.
func TestRefusedPayments(t *testing.T) {
	good := Payment{Warehouse: 1, District: 1, CustomerWarehouse: 1, CustomerDistrict: 1, Customer: 1, Amount: 1}
	change := func(f func(*Payment)) Payment {
		p := good
		f(&p)
		return p
	}
	for _, protocol := range protocols {
		w := loaded(t, Options{})
		for want, inputs := range map[functions.Failure][]Payment{
			functions.ErrBadArgument: {
				change(func(p *Payment) { p.Amount = 0 }), change(func(p *Payment) { p.Amount = -1 }),
				change(func(p *Payment) { p.Customer, p.Name = 0, 1000 }), change(func(p *Payment) { p.Customer, p.Name = 0, -1 }),
			},
			functions.ErrNotFound: {
				change(func(p *Payment) { p.Warehouse = 3 }), change(func(p *Payment) { p.District = 3 }),
				change(func(p *Payment) { p.Customer = 31 }), change(func(p *Payment) { p.CustomerWarehouse = 3 }),
				change(func(p *Payment) { p.Customer, p.Name = 0, 30 }),
			},
		} {
			for _, input := range inputs {
				if _, err := payAt(t, w, protocol, input); !errors.Is(err, want) {
					t.Errorf("%s: %+v: error %v, want %v", protocol, input, err, want)
				}
			}
		}
		mustBeRight(t, w)
	}
}

// TestRepeat: a client that asks again under the same id changes nothing, also after reopening.
func TestRepeat(t *testing.T) {
	for _, protocol := range protocols {
		dir := t.TempDir()
		for range 2 {
			w, err := Open(Options{Dir: dir, Scale: Tiny(2), Protocol: protocol})
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				var placed Placed
				var paid Paid
				err := errors.Join(w.Load(t.Context(), noProgress),
					bulk.Do(t.Context(), w.Engine(), "order", twoLines.start(protocol, &placed)),
					bulk.Do(t.Context(), w.Engine(), "pay", Payment{
						Warehouse: 1, District: 1, CustomerWarehouse: 1, CustomerDistrict: 1, Customer: 1, Amount: 5,
					}.start(protocol, &paid)))
				if err != nil || placed.Number != 31 || paid.Balance != -10_05 {
					t.Errorf("%s: %+v, %+v, %v", protocol, placed, paid, err)
				}
			}
			if next, err := engine.Ask(t.Context(), w.Engine(), ReadCounter.On("1.2")); err != nil || next.Next != 32 {
				t.Errorf("%s: %+v, %v", protocol, next, err)
			}
			mustBeRight(t, w)
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
