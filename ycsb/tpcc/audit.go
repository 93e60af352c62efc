package tpcc

import (
	"context"
	"fmt"
	"iter"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/ycsb"
	"github.com/concordat-dev/concordat/ycsb/internal/bulk"
)

// snapshot is what an audit saw, and what the clients had been told by then.
type snapshot struct {
	orders, entries int64
	newOrders, paid bulk.Counts
}

// Audit implements [ycsb.Workload]: it reads all tables and checks the conditions of clause 3.3.2 and those that
// [books.check] adds. Besides: "settled", that no saga stands as stuck or is still running, and, from the second audit on, "acknowledged": since the
// first one as many orders and payments were added as the clients were told of, plus at most those of unknown outcome.
func (w *Workload) Audit(ctx context.Context, progress func(done, total int)) (ycsb.Audit, error) {
	b, err := w.readBooks(ctx, progress)
	if err != nil {
		return ycsb.Audit{}, fmt.Errorf("tpcc: audit: %w", err)
	}
	sagas, err := w.engine.Sagas(ctx)
	if err != nil {
		return ycsb.Audit{}, fmt.Errorf("tpcc: audit: %w", err)
	}
	var v ycsb.Violations
	v.Differ("settled", "all warehouses", "number of sagas that have not ended", int64(len(sagas)), "what it should be", 0)
	now := w.snapshot(b)
	if w.audited == nil {
		w.audited = now
	}
	now.compare(&v, w.audited)
	return ycsb.Audit{Constant: b.constants(), Wrong: append(v.Errors(), b.check()...)}, nil
}

func (w *Workload) snapshot(b *books) *snapshot {
	return &snapshot{orders: b.orders, entries: b.entries, newOrders: w.newOrders.Load(), paid: w.paid.Load()}
}

// compare checks "acknowledged" against an earlier snapshot.
func (s *snapshot) compare(v *ycsb.Violations, before *snapshot) {
	newOrders, paid := s.newOrders.Since(before.newOrders), s.paid.Since(before.paid)
	v.Acknowledged("all warehouses", "orders added", s.orders-before.orders, newOrders.Committed, newOrders.Unknown)
	v.Acknowledged("all warehouses", "history entries added", s.entries-before.entries, paid.Committed, paid.Unknown)
}

// constants are sums that neither transaction changes.
func (b *books) constants() []ycsb.Figure {
	var owed, takings int64
	for _, w := range b.warehouses {
		takings += w.taken - w.history
		for _, d := range w.districts {
			for _, c := range d.customers {
				owed += c.balance + c.paid
			}
		}
	}
	return []ycsb.Figure{
		{Name: "sum of C_BALANCE + C_YTD_PAYMENT", Value: owed},
		{Name: "sum of W_YTD less H_AMOUNT", Value: takings},
		{Name: "number of delivered orders", Value: b.orders - b.newOrders},
	}
}

// readBooks reads all tables, those first that say how long the others are.
func (w *Workload) readBooks(ctx context.Context, progress func(done, total int)) (*books, error) {
	b := newBooks(w.scale)
	r := &reader{Workload: w, ctx: ctx, books: b, total: w.scale.rows(), progress: progress}
	read(r, 1, r.warehouseIDs(), ReadWarehouse, b.addWarehouse)
	read(r, 2, r.districtIDs(), ReadDistrict, b.addDistrict)
	read(r, 2, r.districtIDs(), ReadCounter, b.addCounter)
	read(r, 3, r.customerIDs(), ReadCustomer, b.addCustomer)
	read(r, 4, r.entryIDs(), ReadEntry, b.addEntry)
	read(r, 3, r.orderIDs(), ReadOrder, b.addOrder)
	read(r, 3, r.orderIDs(), ReadNewOrder, b.addNewOrder)
	read(r, 2, r.stockIDs(), ReadStock, b.addStock)
	return b, r.err
}

// reader reads the tables of an audit, one after the other; after an error it reads no more.
type reader struct {
	*Workload
	ctx         context.Context
	books       *books
	done, total int
	progress    func(done, total int)
	err         error
}

// read adds the instances of these ids, each of n numbers, to the books.
func read[S any](r *reader, n int, ids iter.Seq[string], view functions.Reader0[S], add func(id []int, state S) error) {
	if r.err != nil {
		return
	}
	for instance, err := range bulk.Each(r.ctx, r.engine, ids, view) {
		var id []int
		if err == nil {
			id, err = parseID(instance.ID, n)
		}
		if err == nil {
			err = add(id, instance.State)
		}
		if err != nil {
			r.err = err
			return
		}
		if r.done++; r.done%1024 == 0 {
			r.progress(min(r.done, r.total), r.total)
		}
	}
}

// beyond is how many numbers are looked up behind the last that a counter or a customer knows of.
const beyond = 2

func (r *reader) warehouseIDs() iter.Seq[string] {
	return func(yield func(string) bool) {
		for w := range r.books.warehouses {
			if !yield(ID(w + 1)) {
				return
			}
		}
	}
}

// eachDistrict calls f for each district until it returns false.
func (r *reader) eachDistrict(f func(w, d int, books *districtBooks) bool) {
	for w := range r.books.warehouses {
		for d := range r.books.warehouses[w].districts {
			if !f(w+1, d+1, &r.books.warehouses[w].districts[d]) {
				return
			}
		}
	}
}

func (r *reader) districtIDs() iter.Seq[string] {
	return func(yield func(string) bool) {
		r.eachDistrict(func(w, d int, _ *districtBooks) bool { return yield(ID(w, d)) })
	}
}

func (r *reader) customerIDs() iter.Seq[string] {
	return func(yield func(string) bool) {
		r.eachDistrict(func(w, d int, _ *districtBooks) bool { return numbered(yield, r.scale.Customers, w, d) })
	}
}

func (r *reader) entryIDs() iter.Seq[string] {
	return func(yield func(string) bool) {
		r.eachDistrict(func(w, d int, books *districtBooks) bool {
			for c := range books.customers {
				if !numbered(yield, int(books.customers[c].payments)+beyond, w, d, c+1) {
					return false
				}
			}
			return true
		})
	}
}

func (r *reader) orderIDs() iter.Seq[string] {
	return func(yield func(string) bool) {
		r.eachDistrict(func(w, d int, books *districtBooks) bool { return numbered(yield, books.next+beyond, w, d) })
	}
}

func (r *reader) stockIDs() iter.Seq[string] {
	return func(yield func(string) bool) {
		for w := range r.books.warehouses {
			if !numbered(yield, r.scale.Items, w+1) {
				return
			}
		}
	}
}

// numbered yields the ids with these numbers and then 1 to last.
func numbered(yield func(string) bool, last int, numbers ...int) bool {
	for n := 1; n <= last; n++ {
		if !yield(ID(append(numbers[:len(numbers):len(numbers)], n)...)) {
			return false
		}
	}
	return true
}
