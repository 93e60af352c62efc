package tpcc

import (
	"context"
	"math/rand/v2"

	"github.com/concordat-dev/concordat/coordinator"
	"github.com/concordat-dev/concordat/ycsb"
)

// client is a terminal: it draws the inputs of clauses 2.4.1 and 2.5.1.
type client struct {
	workload                *Workload
	rng                     *rand.Rand
	home                    int // its warehouse
	names, customers, items nuRand

	kind     int
	newOrder NewOrder
	payment  Payment
}

// Next implements ycsb.Client.
func (c *client) Next() int {
	if c.rng.Float64() < c.workload.payments {
		c.kind, c.payment = KindPayment, c.drawPayment()
	} else {
		c.kind, c.newOrder = KindNewOrder, c.drawNewOrder()
	}
	return c.kind
}

// Do implements ycsb.Client. A new order for an unused item fails with [ErrUnusedItem].
func (c *client) Do(ctx context.Context, requestID string) error {
	if c.kind == KindPayment {
		err := c.workload.health.Do(ctx, c.workload.engine, requestID, c.payment.start(c.workload.protocol, &Paid{}))
		c.workload.paid.Count(err)
		return err
	}
	err := c.workload.health.Do(ctx, c.workload.engine, requestID, c.newOrder.start(c.workload.protocol, &Placed{}))
	c.workload.newOrders.Count(err)
	return err
}

func (n NewOrder) start(p ycsb.Protocol, result *Placed) coordinator.Start {
	if p == ycsb.Saga {
		return NewOrderSaga.With(n).Into(result)
	}
	return NewOrderTx.With(n).Into(result)
}

func (p Payment) start(protocol ycsb.Protocol, result *Paid) coordinator.Start {
	if protocol == ycsb.Saga {
		return PaymentSaga.With(p).Into(result)
	}
	return PaymentTx.With(p).Into(result)
}

// drawNewOrder follows clause 2.4.1: 5 to 15 lines, one in a hundred from another warehouse, and one order in a hundred with an
// unused item in its last line.
func (c *client) drawNewOrder() NewOrder {
	n := NewOrder{
		Warehouse: c.home, District: between(c.rng, 1, c.workload.scale.Districts), Customer: c.customers.draw(c.rng),
		Count: between(c.rng, minLines, maxLines),
	}
	for i := range n.Count {
		l := Line{Item: c.items.draw(c.rng), Supplier: c.home, Quantity: between(c.rng, 1, maxPerLine)}
		if between(c.rng, 1, 100) == 1 {
			l.Supplier = c.otherWarehouse()
		}
		n.Lines[i] = l
	}
	if between(c.rng, 1, 100) == 1 {
		n.Lines[n.Count-1].Item = c.workload.scale.Items + 1
	}
	return n
}

// drawPayment follows clause 2.5.1: 15 in 100 are by a customer of another warehouse, 60 in 100 by last name.
func (c *client) drawPayment() Payment {
	p := Payment{Warehouse: c.home, District: between(c.rng, 1, c.workload.scale.Districts), Amount: int64(between(c.rng, 1_00, 5000_00))}
	p.CustomerWarehouse, p.CustomerDistrict = p.Warehouse, p.District
	if between(c.rng, 1, 100) > 85 {
		p.CustomerWarehouse, p.CustomerDistrict = c.otherWarehouse(), between(c.rng, 1, c.workload.scale.Districts)
	}
	if between(c.rng, 1, 100) <= 60 {
		p.Name = c.names.draw(c.rng)
	} else {
		p.Customer = c.customers.draw(c.rng)
	}
	return p
}

// otherWarehouse is any but the home warehouse; a company of one has no other.
func (c *client) otherWarehouse() int {
	others := c.workload.scale.Warehouses - 1
	if others == 0 {
		return c.home
	}
	return (c.home+c.rng.IntN(others))%c.workload.scale.Warehouses + 1
}
