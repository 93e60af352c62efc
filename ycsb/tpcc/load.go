package tpcc

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/ycsb/internal/bulk"
)

// Streams of random numbers, apart from those of the load's units, which count up from 0.
const constantsStream = 1 << 63

const (
	loaders      = 4      // goroutines of a load
	rowsPerChunk = 10_000 // of items and stocks, which are loaded in chunks
)

// ErrOtherData: the directory holds data of another scale or seed.
var ErrOtherData = errors.New("tpcc: the directory holds other data")

// Load implements ycsb.Workload: it makes the initial database of clause 4.3.3. A load that was cut short is taken up; data of
// another scale or seed are [ErrOtherData].
func (w *Workload) Load(ctx context.Context, progress func(done, total int)) (err error) {
	defer func() { err = w.health.Classify(err) }()
	c, err := w.begin(ctx)
	if err != nil || c.Loaded {
		return err
	}
	l := &load{Workload: w, company: c, total: c.Scale.rows(), progress: progress}
	if err := bulk.Run(ctx, loaders, l.units()); err != nil {
		return fmt.Errorf("tpcc: load: %w", err)
	}
	return w.engine.Do(ctx, complete.On(everythingID, true))
}

// begin notes what is to be loaded, or reads what was.
func (w *Workload) begin(ctx context.Context) (company, error) {
	c := company{Scale: w.scale, Seed: w.seed, Constants: newConstants(rand.New(rand.NewPCG(w.seed, constantsStream)))}
	if err := w.engine.Do(ctx, begin.On(everythingID, c)); err != nil && !errors.Is(err, functions.ErrExists) {
		return c, fmt.Errorf("tpcc: load: %w", err)
	}
	there, err := engine.Ask(ctx, w.engine, describe.On(everythingID))
	if err != nil {
		return c, fmt.Errorf("tpcc: load: %w", err)
	}
	if there.Scale != c.Scale || there.Seed != c.Seed {
		return c, fmt.Errorf("%w: of scale %+v and seed %d, not of %+v and %d", ErrOtherData, there.Scale, there.Seed, c.Scale, c.Seed)
	}
	return there, nil
}

// load is a load under way.
type load struct {
	*Workload
	company  company
	done     atomic.Int64
	total    int
	progress func(done, total int)
}

// wrote counts a row; the progress is told of every 256th.
func (l *load) wrote() {
	if n := int(l.done.Add(1)); n%256 == 0 || n == l.total {
		l.progress(n, l.total)
	}
}

// units cut the load in parts, each with random numbers of its own, so that the data depend on the seed alone.
func (l *load) units() (units []func(context.Context) error) {
	add := func(rows func(p *population, to *bulk.Writer) error) {
		stream := uint64(len(units))
		units = append(units, func(ctx context.Context) error {
			p := &population{
				scale: l.scale, constants: l.company.Constants, rng: rand.New(rand.NewPCG(l.seed, stream)),
				now: time.Now().UnixNano(),
			}
			to := bulk.NewWriter(ctx, l.engine, l.wrote)
			if err := rows(p, to); err != nil {
				return err
			}
			return to.Flush()
		})
	}
	for first := 1; first <= l.scale.Items; first += rowsPerChunk {
		last := min(first+rowsPerChunk-1, l.scale.Items)
		add(func(p *population, to *bulk.Writer) error { return loadItems(p, to, first, last) })
		for w := range l.scale.Warehouses {
			add(func(p *population, to *bulk.Writer) error { return loadStocks(p, to, w+1, first, last) })
		}
	}
	for w := range l.scale.Warehouses {
		add(func(p *population, to *bulk.Writer) error { return loadWarehouse(p, to, w+1) })
		for d := range l.scale.Districts {
			add(func(p *population, to *bulk.Writer) error { return loadDistrict(p, to, w+1, d+1) })
		}
	}
	return units
}

func loadItems(p *population, to *bulk.Writer, first, last int) error {
	for i := first; i <= last; i++ {
		if err := to.Put(AddItem.On(ID(i), p.item())); err != nil {
			return err
		}
	}
	return nil
}

func loadStocks(p *population, to *bulk.Writer, warehouse, first, last int) error {
	for i := first; i <= last; i++ {
		if err := to.Put(AddStock.On(ID(warehouse, i), p.stock())); err != nil {
			return err
		}
	}
	return nil
}

func loadWarehouse(p *population, to *bulk.Writer, warehouse int) error {
	return errors.Join(
		to.Put(OpenWarehouse.On(ID(warehouse), p.warehouse())),
		to.Put(SetTax.On(ID(warehouse), p.tax())))
}

func loadDistrict(p *population, to *bulk.Writer, warehouse, district int) error {
	return errors.Join(
		to.Put(OpenDistrict.On(ID(warehouse, district), p.district())),
		to.Put(OpenCounter.On(ID(warehouse, district), Counter{Tax: p.tax(), Next: p.scale.Customers + 1})),
		loadCustomers(p, to, warehouse, district),
		loadOrders(p, to, warehouse, district))
}

// loadCustomers makes a district's customers, each with an opening payment, and the index of their names.
func loadCustomers(p *population, to *bulk.Writer, warehouse, district int) error {
	byName := index{}
	for number := 1; number <= p.scale.Customers; number++ {
		c := p.customer(number)
		byName.add(number, c)
		e := Entry{Warehouse: warehouse, District: district, At: p.now, Amount: openingPayment, Data: randomText(p.rng, letters, 12, 24)}
		if err := errors.Join(
			to.Put(AddCustomer.On(ID(warehouse, district, number), c)),
			to.Put(AddEntry.On(ID(warehouse, district, number, historyPerPerson), e)),
		); err != nil {
			return err
		}
	}
	for name := range p.scale.names() {
		last := lastName(name)
		if err := to.Put(AddName.On(nameID(warehouse, district, last), byName.numbers(last))); err != nil {
			return err
		}
	}
	return nil
}

// loadOrders makes a district's orders, one by each customer in random order.
func loadOrders(p *population, to *bulk.Writer, warehouse, district int) error {
	for i, customer := range p.rng.Perm(p.scale.Customers) {
		number := i + 1
		o := p.order(warehouse, number, customer+1)
		if err := to.Put(AddOrder.On(ID(warehouse, district, number), o)); err != nil {
			return err
		}
		if o.Carrier > 0 {
			continue
		}
		if err := to.Put(AddNewOrder.On(ID(warehouse, district, number), struct{}{})); err != nil {
			return err
		}
	}
	return nil
}
