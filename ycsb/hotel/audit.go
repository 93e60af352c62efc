package hotel

import (
	"context"
	"fmt"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/ycsb"
	"github.com/concordat-dev/concordat/ycsb/internal/bulk"
)

// Audit implements [ycsb.Workload]. Its conditions are
//
//   - "overbooked": no hotel and no flight has more places taken than it has, or fewer than none;
//   - "pairs": as many rooms of each hotel and seats of each flight are taken as there are reservations of it, so that rooms,
//     seats and reservations are the same number;
//   - "customers": each customer has as many reservations as were made and not cancelled;
//   - "settled": no saga stands as stuck or is still running;
//   - "acknowledged": since the first audit as many reservations of each customer were made, and cancelled, as the clients were
//     told of, plus at most those of unknown outcome.
func (w *Workload) Audit(ctx context.Context, progress func(done, total int)) (ycsb.Audit, error) {
	b, err := w.readBooks(ctx, progress)
	if err != nil {
		return ycsb.Audit{}, fmt.Errorf("hotel: audit: %w", w.health.Classify(err))
	}
	sagas, err := w.engine.Sagas(ctx)
	if err != nil {
		return ycsb.Audit{}, fmt.Errorf("hotel: audit: %w", w.health.Classify(err))
	}
	if w.audited == nil {
		w.audited = b
	}
	var v ycsb.Violations
	v.Differ("settled", "everywhere", "number of sagas that have not ended", int64(len(sagas)), "what it should be", 0)
	checkPlaces(&v, "hotel", b.rooms)
	checkPlaces(&v, "flight", b.seats)
	b.checkCustomers(&v, w.audited)
	return ycsb.Audit{Constant: b.constants(), Wrong: v.Errors()}, nil
}

// books are what an audit has read.
type books struct {
	rooms, seats []placeBooks
	customers    []customerBooks
	reservations int64
}

type placeBooks struct {
	Places
	there    bool
	reserved int
}

type customerBooks struct {
	Customer
	there           bool
	reserved        int
	made, cancelled bulk.Counts // what the clients were told
}

func (w *Workload) readBooks(ctx context.Context, progress func(done, total int)) (*books, error) {
	s := w.options.Scale
	b := &books{
		rooms: make([]placeBooks, s.Hotels), seats: make([]placeBooks, s.Flights), customers: make([]customerBooks, s.Customers),
	}
	for i := range b.customers {
		b.customers[i].made, b.customers[i].cancelled = w.told[i].made.Load(), w.told[i].cancelled.Load()
	}
	r := &reader{ctx: ctx, engine: w.engine, total: s.Hotels + s.Flights + 2*s.Customers, progress: progress}
	read(r, Rooms, func(id string, p Places) error { return addPlaces(b.rooms, id, p) })
	read(r, Seats, func(id string, p Places) error { return addPlaces(b.seats, id, p) })
	read(r, Customers, b.addCustomer)
	read(r, Reservations, b.addReservation)
	return b, w.health.Classify(r.err)
}

// reader reads the instances of an audit, one type after the other; after an error it reads no more.
type reader struct {
	ctx         context.Context
	engine      *engine.Engine
	done, total int
	progress    func(done, total int)
	err         error
}

func read[S any](r *reader, t *functions.Type[S], add func(id string, state S) error) {
	if r.err != nil {
		return
	}
	for instance, err := range engine.Walk(r.engine, t, "") {
		if err == nil {
			err = r.next()
		}
		if err == nil {
			err = add(instance.ID, instance.State)
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

// at finds what an id counts in a list.
func at[T any](list []T, what string, number int) (*T, error) {
	if number < 0 || number >= len(list) {
		return nil, fmt.Errorf("hotel: there is no %s %d", what, number)
	}
	return &list[number], nil
}

func addPlaces(list []placeBooks, id string, p Places) error {
	var number int
	if _, err := fmt.Sscanf(id, "%d", &number); err != nil {
		return fmt.Errorf("hotel: the id %q: %w", id, err)
	}
	books, err := at(list, "place", number)
	if err == nil {
		books.Places, books.there = p, true
	}
	return err
}

func (b *books) addCustomer(id string, c Customer) error {
	var number int
	if _, err := fmt.Sscanf(id, "%d", &number); err != nil {
		return fmt.Errorf("hotel: the id %q: %w", id, err)
	}
	books, err := at(b.customers, "customer", number)
	if err == nil {
		books.Customer, books.there = c, true
	}
	return err
}

func (b *books) addReservation(id string, r Reservation) error {
	var customer, number int
	if _, err := fmt.Sscanf(id, "%d.%d", &customer, &number); err != nil {
		return fmt.Errorf("hotel: the id %q: %w", id, err)
	}
	of, err := at(b.customers, "customer", customer)
	if err != nil {
		return err
	}
	rooms, err := at(b.rooms, "hotel", r.Hotel)
	if err != nil {
		return err
	}
	seats, err := at(b.seats, "flight", r.Flight)
	if err != nil {
		return err
	}
	b.reservations++
	of.reserved++
	rooms.reserved++
	seats.reserved++
	return nil
}

// checkPlaces checks "overbooked" and "pairs".
func checkPlaces(v *ycsb.Violations, what string, all []placeBooks) {
	for i, p := range all {
		where := fmt.Sprintf("%s %d", what, i)
		if !p.there {
			v.Differ("pairs", where, "number of rows", 0, "what was loaded", 1)
			continue
		}
		v.Differ("overbooked", where, "number of places taken", int64(p.Taken), "the nearest allowed", int64(min(max(p.Taken, 0), p.Capacity)))
		v.Differ("pairs", where, "number of places taken", int64(p.Taken), "number of its reservations", int64(p.reserved))
	}
}

// checkCustomers checks "customers", and "acknowledged" against an earlier audit.
func (b *books) checkCustomers(v *ycsb.Violations, before *books) {
	for i, c := range b.customers {
		where := fmt.Sprintf("customer %d", i)
		if !c.there {
			v.Differ("customers", where, "number of rows", 0, "what was loaded", 1)
			continue
		}
		v.Differ("customers", where, "number made less cancelled", int64(c.Made-c.Cancelled), "number of reservations", int64(c.reserved))
		was := before.customers[i]
		made, cancelled := c.made.Since(was.made), c.cancelled.Since(was.cancelled)
		v.Acknowledged(where, "reservations made", int64(c.Made-was.Made), made.Committed, made.Unknown)
		v.Acknowledged(where, "reservations cancelled", int64(c.Cancelled-was.Cancelled), cancelled.Committed, cancelled.Unknown)
	}
}

// constants are sums that no operation changes.
func (b *books) constants() []ycsb.Figure {
	var capacity, rooms, seats int64
	for _, p := range b.rooms {
		capacity += int64(p.Capacity)
		rooms += int64(p.Taken)
	}
	for _, p := range b.seats {
		capacity += int64(p.Capacity)
		seats += int64(p.Taken)
	}
	return []ycsb.Figure{
		{Name: "number of all places", Value: capacity},
		{Name: "rooms taken less seats taken", Value: rooms - seats},
		{Name: "rooms taken less reservations", Value: rooms - b.reservations},
	}
}
