package tpcc

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/ycsb"
)

// TestLoadProgress: every row is counted, a second load makes none.
func TestLoadProgress(t *testing.T) {
	w := opened(t, Options{Scale: Tiny(2)})
	var mu sync.Mutex
	last, total := 0, 0
	count := func(done, of int) {
		mu.Lock()
		defer mu.Unlock()
		last, total = max(last, done), of
	}
	if err := w.Load(t.Context(), count); err != nil {
		t.Fatal(err)
	}
	if last != total || total != Tiny(2).rows() || total != 100+2*(2+100+2*(2+30+90+9)) {
		t.Errorf("%d of %d rows, want %d", last, total, Tiny(2).rows())
	}
	if err := w.Load(t.Context(), func(int, int) { t.Error("rows were loaded again") }); err != nil {
		t.Fatal(err)
	}
	mustBeRight(t, w)
}

// TestLoadIsResumed: a load that is cut short, wherever, is completed by the next, with the rows that it would have had.
func TestLoadIsResumed(t *testing.T) {
	want := ask(t, loaded(t, Options{Seed: 3}), ReadStock.On("2.50"))
	for _, rows := range []int{256, 512, 768} {
		w := opened(t, Options{Seed: 3})
		ctx, cancel := context.WithCancel(t.Context())
		err := w.Load(ctx, func(done, _ int) {
			if done >= rows {
				cancel()
			}
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want context.Canceled", err)
		}
		if err := w.Load(t.Context(), noProgress); err != nil {
			t.Fatal(err)
		}
		if got := ask(t, w, ReadStock.On("2.50")); got != want {
			t.Errorf("stock %+v, want %+v", got, want)
		}
		mustBeRight(t, w)
	}
}

// TestOtherData: a directory with another scale or seed is refused, and left as it is.
func TestOtherData(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct {
		options Options
		refused bool
	}{
		{Options{Scale: Tiny(1), Seed: 1}, false}, {Options{Scale: Tiny(2), Seed: 1}, true}, {Options{Scale: Tiny(1), Seed: 2}, true},
		{Options{Scale: Tiny(1), Seed: 1, Protocol: ycsb.Saga}, false},
	} {
		test.options.Dir = dir
		w, err := Open(test.options)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Load(t.Context(), noProgress); errors.Is(err, ErrOtherData) != test.refused {
			t.Errorf("%+v: error %v", test.options, err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFullPopulation: a district of full scale has what clause 4.3.3.1 asks for.
func TestFullPopulation(t *testing.T) {
	w := loaded(t, Options{Scale: Scale{Districts: 1, Items: 1000}})
	mustBeRight(t, w)
	names, bad := map[string]int{}, 0
	for number := 1; number <= fullCustomers; number++ {
		c := ask(t, w, ReadCustomer.On(ID(1, 1, number)))
		names[c.Last]++
		if c.Credit == badCredit {
			bad++
		}
		if number <= fullNames && c.Last != lastName(number-1) || len(c.Data) < 300 || c.Balance != -10_00 || c.Discount > 5000 {
			t.Errorf("customer %d: %+v", number, c)
		}
	}
	if len(names) != fullNames || bad < 200 || bad > 400 {
		t.Errorf("%d names, %d with bad credit", len(names), bad)
	}
	byCustomer := map[int]bool{}
	for number := 1; number <= fullCustomers; number++ {
		o := ask(t, w, ReadOrder.On(ID(1, 1, number)))
		byCustomer[o.Customer] = true
		delivered := o.Carrier != 0
		if o.Count < 5 || o.Count > 15 || delivered != (number <= 2100) || delivered == (o.Lines[0].Amount > 0) || o.Lines[0].Quantity != 5 {
			t.Errorf("order %d: %+v", number, o)
		}
	}
	if len(byCustomer) != fullCustomers {
		t.Errorf("orders of %d customers", len(byCustomer))
	}
	if s := ask(t, w, ReadStock.On("1.1000")); len(s.Info) != 240 || s.Quantity < 10 || s.Quantity > 100 || s.Sold != 0 {
		t.Errorf("stock %+v", s)
	}
	if _, err := engine.Ask(t.Context(), w.Engine(), ReadOffer.On("1001")); err == nil {
		t.Error("there is an item 1001")
	}
}

// TestSeeds: the same seed makes the same data, another other data.
func TestSeeds(t *testing.T) {
	one, two := loaded(t, Options{Seed: 1}), loaded(t, Options{Seed: 2})
	again := loaded(t, Options{Seed: 1})
	read := func(w *Workload) Customer {
		c := ask(t, w, ReadCustomer.On("2.2.30"))
		c.Since = 0
		return c
	}
	if read(one) != read(again) || read(one) == read(two) {
		t.Error("data do not depend on the seed alone")
	}
}

// TestBadOptions: everything that is wrong is told before anything is opened.
func TestBadOptions(t *testing.T) {
	for _, test := range []struct {
		options Options
		say     []string
	}{
		{Options{Scale: Scale{Warehouses: -1, Customers: 3001}}, []string{"-1 warehouses", "3001 customers"}},
		{Options{Scale: Scale{Warehouses: 10_001}}, []string{"10001 warehouses"}},
		{Options{Scale: Scale{Districts: 11, Items: 9}}, []string{"11 districts", "9 items"}},
		{Options{Mix: Mix{NewOrder: -1, Payment: 2}}, []string{"a mix of -1 new orders"}},
		{Options{Protocol: 9}, []string{"no protocol 9"}},
		{Options{}, []string{"Dir"}},
	} {
		w, err := Open(test.options)
		if err == nil {
			t.Errorf("%+v was opened", test.options)
			_ = w.Close()
			continue
		}
		for _, text := range test.say {
			if !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(text)) {
				t.Errorf("%+v: error %v does not say %q", test.options, err, text)
			}
		}
	}
}

// TestFull: the defaults are the standard's numbers.
func TestFull(t *testing.T) {
	if s := Full(7); s != (Scale{Warehouses: 7, Districts: 10, Customers: 3000, Items: 100_000}) || s.delivered() != 2100 || s.names() != 1000 {
		t.Errorf("%+v", s)
	}
}

// TestIDs: ids are read back as they were made, and others refused.
func TestIDs(t *testing.T) {
	if id := ID(1, 23, 4567); id != "1.23.4567" {
		t.Errorf("id %q", id)
	}
	if numbers, err := parseID("1.23.4567", 3); err != nil || !reflect.DeepEqual(numbers, []int{1, 23, 4567}) {
		t.Errorf("%v, %v", numbers, err)
	}
	for _, id := range []string{"", "1", "1.2.3", "1.x", "1."} {
		if numbers, err := parseID(id, 2); err == nil {
			t.Errorf("%q is %v", id, fmt.Sprint(numbers))
		}
	}
}
