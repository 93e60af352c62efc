package sim

import (
	"fmt"
	"slices"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/internal/format"
)

// takeStock compares, of an engine that has nothing to do, what it counts with what there is: requests in flight with clients that
// wait, timers and runs with their rows; and there are no messages, no locks and nothing that is not sealed.
func (d *Driver) takeStock() {
	if d.dead() {
		return
	}
	d.Stocks++
	d.collect()
	v := d.stepped.Inventory()
	d.report(v.Idle())
	d.forgotten = slices.DeleteFunc(d.forgotten, engine.Pending.Done)
	for _, c := range []struct {
		what        string
		have, wants int64
	}{
		{"requests in flight", v.InFlight.Kept, int64(len(d.waiting) + len(d.forgotten))},
		{"timers", v.Timers.Kept, int64(len(d.ledger.alive[format.KindTimer]))},
		{"coordinator functions", int64(v.Runs), int64(len(d.ledger.alive[format.KindCoordinator]))},
		{"carried messages", 0, int64(len(d.ledger.alive[format.KindMessage]))},
	} {
		if c.have != c.wants && (d.Options.Seams.Recovered != nil || c.what == "requests in flight") { // else its rows are not followed
			d.report(fmt.Errorf("at rest, the engine has %d %s, and there should be %d", c.have, c.what, c.wants))
		}
	}
}
