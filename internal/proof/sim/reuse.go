package sim

import (
	"errors"
	"fmt"
	"time"

	"github.com/concordat-dev/concordat/engine"
)

// standing says whether an order may be asked again now.
func (d *Driver) standing(o Order) standing { return d.ledger.outcomes.standing(o, d.Clock.Elapsed()) }

// Ask submits an order that was given before, and reports whether it does: not if its outcome may have expired, since then it would
// run again under the same name, nor if its id has been used again. That it is refused is counted.
func (d *Driver) Ask(o Order) bool {
	if d.userOf(o.RequestID()) != o.ID || d.standing(o) != mayBeAsked {
		return false
	}
	_ = d.submit(o)
	return true
}

// Reuse gives an order under the id of an earlier one whose outcome has expired, and reports whether there is one. It is the
// very same request if that was a tally, mostly.
func (d *Driver) Reuse(next Order) (Order, bool) {
	var old []Order
	for _, o := range d.Orders {
		if o.Asked && d.userOf(o.RequestID()) == o.ID && d.standing(o) == hasExpired {
			old = append(old, o)
		}
	}
	if len(old) == 0 {
		return next, false
	}
	first := old[d.rng.IntN(len(old))]
	next.Asked, next.Fed, next.Reuses, next.After = true, false, first.RequestID(), d.ledger.outcomes.rows[first.RequestID()].settled
	if first.Kind == "tally" && d.rng.IntN(4) > 0 {
		next.Kind, next.To = first.Kind, first.To
	}
	return next, d.Give(next)
}

// Age lets time pass in an engine that has nothing to do.
func (d *Driver) Age(by time.Duration) error {
	if err := d.Rest(); err != nil || d.dead() {
		return err
	}
	d.Clock.Advance(by)
	return nil
}

// lateOrders is how many ids are used again at the end.
const lateOrders = 5

// useAgain lets all outcomes expire, of an engine that has settled, uses some of their ids again, and asks that again within its time.
// Then also those get their outcomes whose ids could not be used again before.
func (d *Driver) useAgain() error {
	if !d.ledger.outcomes.judged {
		return nil
	}
	if err := errors.Join(d.Age(untilExpired), d.Settle()); err != nil || d.dead() {
		return err
	}
	d.askOpen()
	var late []Order
	for i := range lateOrders {
		next := d.World.calm(d.rng, 0)
		next.ID = fmt.Sprintf("%s:late-%d-%d", d.World.Prefix, len(d.Orders), i)
		if o, ok := d.Reuse(next); ok {
			late = append(late, o)
		}
		for range d.rng.IntN(20) {
			d.Step()
		}
	}
	for range 2 {
		if err := errors.Join(d.Settle(), d.Decide()); err != nil || d.dead() {
			return err
		}
		for _, o := range late {
			d.Ask(o)
		}
	}
	if err := d.askUnanswered(); err != nil || d.dead() || len(late) == 0 {
		return err
	}
	return d.intrude(late[0])
}

// intrude makes another request, for the same coordinator function or instance, under the id of an order that has its outcome, within its
// time. It must be refused, and leave nothing: the auditor knows nothing of it.
func (d *Driver) intrude(o Order) error {
	if d.Outcomes[o.ID] == "" || d.standing(o) != mayBeAsked {
		return nil
	}
	other := o
	switch env := o.Request(new(int64)).RequestEnvelope(); {
	case o.isTx() || o.isSaga():
		other.Amount++
	case env.Op.Type == moveTill.On("", TillLine{}).Envelope().Op.Type:
		other = Order{Kind: "deposit", To: env.ID, Amount: o.Amount + 1}
	default:
		return nil
	}
	other.ID, other.Asked, other.Reuses = o.ID+" intrudes", true, o.RequestID()
	if err := (settledAsker{d}).Do(other.Request(new(int64))); !errors.Is(err, engine.ErrReusedID) && !d.dead() {
		return fmt.Errorf("%s has its outcome, and another request under its id is answered with %v", o.ID, err)
	}
	return nil
}
