package tpcc

import (
	"math/rand/v2"
	"testing"
)

// drawn returns n operations of a client.
func drawn(w *Workload, number, n int) (orders []NewOrder, payments []Payment) {
	c := w.Client(number, rand.New(rand.NewPCG(9, uint64(number)))).(*client)
	for range n {
		if c.Next() == KindPayment {
			payments = append(payments, c.payment)
		} else {
			orders = append(orders, c.newOrder)
		}
	}
	return orders, payments
}

// near fails unless a share is within a fifth, or a hundredth of all.
func near(t *testing.T, what string, got, of int, want float64) {
	t.Helper()
	share := float64(got) / float64(of)
	if diff := max(share-want, want-share); diff > want/5 && diff > 0.01 || got == 0 {
		t.Errorf("%s: %d of %d, want a share of %g", what, got, of, want)
	}
}

// TestNewOrderInputs: shares and ranges are those of clause 2.4.1.
func TestNewOrderInputs(t *testing.T) {
	w := opened(t, Options{Scale: Full(5)})
	orders, payments := drawn(w, 7, 20_000)
	near(t, "new orders", len(orders), len(orders)+len(payments), 45.0/88)
	lines, remote, unused := 0, 0, 0
	others := map[int]bool{}
	for _, o := range orders {
		if o.Warehouse != 3 || o.District < 1 || o.District > 10 || o.Customer < 1 || o.Customer > 3000 || o.Count < 5 || o.Count > 15 {
			t.Fatalf("%+v", o)
		}
		lines += o.Count
		for i, l := range o.Lines[:o.Count] {
			if l.Quantity < 1 || l.Quantity > 10 || l.Item < 1 || l.Item > 100_000 && i < o.Count-1 || l.Item > 100_001 {
				t.Fatalf("%+v", o)
			}
			if l.Supplier != 3 {
				remote++
				others[l.Supplier] = true
			}
		}
		if o.Lines[o.Count-1].Item == 100_001 {
			unused++
		}
	}
	near(t, "lines", lines, len(orders)*10, 1)
	near(t, "remote lines", remote, lines, 0.01)
	near(t, "unused items", unused, len(orders), 0.01)
	if len(others) != 4 || others[3] || others[0] || others[6] {
		t.Errorf("remote warehouses %v", others)
	}
}

// TestPaymentInputs: shares and ranges are those of clause 2.5.1.
func TestPaymentInputs(t *testing.T) {
	w := opened(t, Options{Scale: Full(5)})
	_, payments := drawn(w, 2, 20_000)
	remote, byName := 0, 0
	for _, p := range payments {
		if p.Warehouse != 3 || p.District < 1 || p.District > 10 || p.Amount < 1_00 || p.Amount > 5000_00 || p.Customer > 3000 || p.Name > 999 {
			t.Fatalf("%+v", p)
		}
		if p.CustomerWarehouse != 3 {
			remote++
		} else if p.CustomerDistrict != p.District {
			t.Fatalf("a customer of the warehouse pays in another district: %+v", p)
		}
		if p.Customer == 0 {
			byName++
		}
	}
	near(t, "remote customers", remote, len(payments), 0.15)
	near(t, "by last name", byName, len(payments), 0.6)
}

// TestOneWarehouse: a company of one warehouse has no remote lines or customers.
func TestOneWarehouse(t *testing.T) {
	orders, payments := drawn(opened(t, Options{Scale: Tiny(1)}), 5, 2000)
	for _, o := range orders {
		for _, l := range o.Lines[:o.Count] {
			if l.Supplier != 1 {
				t.Fatalf("%+v", o)
			}
		}
	}
	for _, p := range payments {
		if p.CustomerWarehouse != 1 {
			t.Fatalf("%+v", p)
		}
	}
}

// TestClientsRepeat: a client's choices come from its random numbers only.
func TestClientsRepeat(t *testing.T) {
	w := opened(t, Options{})
	orders, payments := drawn(w, 1, 500)
	again, paymentsAgain := drawn(w, 1, 500)
	for i := range orders {
		if orders[i] != again[i] {
			t.Fatalf("%+v, then %+v", orders[i], again[i])
		}
	}
	for i := range payments {
		if payments[i] != paymentsAgain[i] {
			t.Fatalf("%+v, then %+v", payments[i], paymentsAgain[i])
		}
	}
}

// TestMixWeights: a weight of zero is a transaction that is never drawn.
func TestMixWeights(t *testing.T) {
	if orders, _ := drawn(opened(t, Options{Mix: Mix{Payment: 3}}), 0, 500); len(orders) > 0 {
		t.Errorf("%d new orders", len(orders))
	}
	if _, payments := drawn(opened(t, Options{Mix: Mix{NewOrder: 0.1}}), 0, 500); len(payments) > 0 {
		t.Errorf("%d payments", len(payments))
	}
}
