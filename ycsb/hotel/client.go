package hotel

import (
	"context"
	"math/rand/v2"

	"github.com/concordat-dev/concordat/coordinator"
	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/ycsb"
)

// Failures of a client.
const (
	// ErrNothingToCancel: the client knows of no reservation of its own. Nothing was asked of the engine.
	ErrNothingToCancel functions.Failure = "hotel: nothing to cancel"
	// ErrWrongPassword: the customer's password is another. It never is in the workload.
	ErrWrongPassword functions.Failure = "hotel: wrong password"
)

// maxKnown is how many reservations a client remembers, to cancel them; the oldest are forgotten, and stay.
const maxKnown = 1024

// client draws operations and remembers the reservations that it made.
type client struct {
	workload *Workload
	rng      *rand.Rand
	upTo     [numKinds]float64 // sums of the shares of the mix
	last     int               // the last kind that has a share

	kind    int
	region  int
	taste   Taste
	journey Journey
	known   []Made
}

// Next implements ycsb.Client.
func (c *client) Next() int {
	draw := c.rng.Float64()
	c.kind = 0
	for c.kind < c.last && c.upTo[c.kind] <= draw {
		c.kind++
	}
	o := &c.workload.options
	switch c.kind {
	case KindSearch:
		c.region = c.rng.IntN(numRegions)
	case KindRecommend:
		c.taste = Taste{By: By(c.rng.IntN(3)), Region: c.rng.IntN(numRegions)}
	case KindLogin:
		c.journey.Customer = c.rng.IntN(o.Scale.Customers)
	case KindReserve:
		c.journey = Journey{
			Customer: c.rng.IntN(o.Scale.Customers), Hotel: o.draw(c.rng, o.Scale.Hotels), Flight: o.draw(c.rng, o.Scale.Flights),
		}
	}
	return c.kind
}

// Do implements ycsb.Client. Reservations fail with [ErrBookedUp], cancellations with [ErrNothingToCancel].
func (c *client) Do(ctx context.Context, requestID string) error {
	switch c.kind {
	case KindReserve:
		return c.reserve(ctx, requestID)
	case KindCancel:
		return c.cancel(ctx, requestID)
	case KindLogin:
		return c.login(ctx)
	}
	return c.look(ctx)
}

func (c *client) reserve(ctx context.Context, requestID string) error {
	var number int
	err := c.workload.health.Do(ctx, c.workload.engine, requestID, c.journey.start(c.workload.options.Protocol, &number))
	c.workload.told[c.journey.Customer].made.Count(err)
	if err != nil {
		return err
	}
	if len(c.known) == maxKnown {
		c.known = append(c.known[:0], c.known[maxKnown/2:]...)
	}
	c.known = append(c.known, Made{Customer: c.journey.Customer, Number: number})
	return nil
}

// cancel cancels the last reservation of the client. One whose cancellation fails or has an unknown outcome is not tried again.
func (c *client) cancel(ctx context.Context, requestID string) error {
	if len(c.known) == 0 {
		return ErrNothingToCancel
	}
	made := c.known[len(c.known)-1]
	c.known = c.known[:len(c.known)-1]
	err := c.workload.health.Do(ctx, c.workload.engine, requestID, made.start(c.workload.options.Protocol))
	c.workload.told[made.Customer].cancelled.Count(err)
	return err
}

func (c *client) login(ctx context.Context) error {
	customer := c.journey.Customer
	right, err := engine.Ask(ctx, c.workload.engine, CheckPassword.On(ID(customer), passwordOf(customer)))
	if err == nil && !right {
		err = ErrWrongPassword
	}
	return c.workload.health.Classify(err)
}

// look searches or recommends. Reads have no effect, so they need no request id.
func (c *client) look(ctx context.Context) (err error) {
	saga, search := c.workload.options.Protocol == ycsb.Saga, c.kind == KindSearch
	switch {
	case saga && search:
		_, err = engine.Ask(ctx, c.workload.engine, SearchSaga.With(c.region))
	case search:
		_, err = engine.Ask(ctx, c.workload.engine, SearchTx.With(c.region))
	case saga:
		_, err = engine.Ask(ctx, c.workload.engine, RecommendSaga.With(c.taste))
	default:
		_, err = engine.Ask(ctx, c.workload.engine, RecommendTx.With(c.taste))
	}
	return c.workload.health.Classify(err)
}

func (j Journey) start(p ycsb.Protocol, number *int) coordinator.Start {
	if p == ycsb.Saga {
		return ReserveSaga.With(j).Into(number)
	}
	return ReserveTx.With(j).Into(number)
}

func (m Made) start(p ycsb.Protocol) coordinator.Start {
	if p == ycsb.Saga {
		return CancelSaga.With(m)
	}
	return CancelTx.With(m)
}
