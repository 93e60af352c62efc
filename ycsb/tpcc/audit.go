package tpcc

import (
	"context"
	"fmt"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/ycsb"
	"github.com/concordat-dev/concordat/ycsb/internal/bulk"
)

// snapshot is what an audit saw, and what the clients had been told by then.
type snapshot struct {
	orders, entries int64
	newOrders, paid bulk.Counts
}

// Audit implements [ycsb.Workload]: it reads all tables and checks
//
//   - "1" to "12": the conditions of clause 3.3.2;
//   - "payments": each customer's C_PAYMENT_CNT is the number of their history entries;
//   - "stock": S_YTD, S_ORDER_CNT and S_REMOTE_CNT are those of the order lines since the load, and S_QUANTITY is 10 to 100;
//   - "settled": no saga stands as stuck or is still running;
//   - "acknowledged": since the first audit as many orders and payments were added as the clients of this workload were told
//     of, plus at most those of unknown outcome. What is done besides its clients counts as too much.
func (w *Workload) Audit(ctx context.Context, progress func(done, total int)) (ycsb.Audit, error) {
	b, err := w.readBooks(ctx, progress)
	if err != nil {
		return ycsb.Audit{}, fmt.Errorf("tpcc: audit: %w", w.health.Classify(err))
	}
	sagas, err := w.engine.Sagas(ctx)
	if err != nil {
		return ycsb.Audit{}, fmt.Errorf("tpcc: audit: %w", w.health.Classify(err))
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

// readBooks reads all tables.
func (w *Workload) readBooks(ctx context.Context, progress func(done, total int)) (*books, error) {
	b := newBooks(w.scale)
	r := &reader{ctx: ctx, engine: w.engine, total: w.scale.rows(), progress: progress}
	read(r, Warehouses, 1, b.addWarehouse)
	read(r, Districts, 2, b.addDistrict)
	read(r, Counters, 2, b.addCounter)
	read(r, Customers, 3, b.addCustomer)
	read(r, History, 4, b.addEntry)
	read(r, Orders, 3, b.addOrder)
	read(r, NewOrders, 3, b.addNewOrder)
	read(r, Stocks, 2, b.addStock)
	return b, w.health.Classify(r.err)
}

// reader reads the tables of an audit, one after the other; after an error it reads no more.
type reader struct {
	ctx         context.Context
	engine      *engine.Engine
	done, total int
	progress    func(done, total int)
	err         error
}

// read adds the instances of a type, whose ids are of n numbers, to the books.
func read[S any](r *reader, t *functions.Type[S], n int, add func(id []int, state S) error) {
	if r.err != nil {
		return
	}
	for instance, err := range engine.Walk(r.engine, t, "") {
		if err == nil {
			err = r.next()
		}
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
	}
}

// next counts an instance; its error is that of the context.
func (r *reader) next() error {
	if r.done++; r.done%1024 == 0 {
		r.progress(min(r.done, r.total), r.total)
	}
	return r.ctx.Err()
}
