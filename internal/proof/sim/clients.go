package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/saga"
)

// Clients is what the world outside knows and remembers whatever happens to the engine.
type Clients struct {
	Orders    []Order                           // that were given
	Outcomes  map[string]string                 // by order, as told; absent if nobody knows
	Decided   map[string]map[saga.Decision]bool // by order: what a person may have decided about its saga; "*" for those without request id
	Cancelled map[string]bool                   // by order: its saga may have been cancelled
	Records   []engine.Record                   // that left through the egress
	Tape      []Order                           // the records of the ingress: the first has position 1
	Users     map[string]string                 // by request id that was used again: the order that used it last

	ClockWentBack bool // so that a timer that was cancelled before it was due may have fired before that
}

// NewClients makes clients who have asked for nothing yet.
func NewClients() *Clients {
	return &Clients{Outcomes: map[string]string{}, Decided: map[string]map[saga.Decision]bool{}, Cancelled: map[string]bool{}, Users: map[string]string{}}
}

// Clone returns what they know now.
func (c *Clients) Clone() *Clients {
	return &Clients{
		Users: maps.Clone(c.Users), Orders: slices.Clip(c.Orders), Outcomes: maps.Clone(c.Outcomes), Decided: maps.Clone(c.Decided),
		Cancelled: maps.Clone(c.Cancelled), Records: slices.Clip(c.Records), Tape: slices.Clip(c.Tape), ClockWentBack: c.ClockWentBack,
	}
}

// userOf is the order that has used a request id last.
func (c *Clients) userOf(requestID string) string { return cmp.Or(c.Users[requestID], requestID) }

// Learn notes an outcome. A second one for the same order must be the same.
func (c *Clients) Learn(id, out string) {
	if old := c.Outcomes[id]; old != "" && old != out {
		out = fmt.Sprintf("failed: told %q first and %q then", old, out)
	}
	if out != "" {
		c.Outcomes[id] = out
	}
}

// NoteDecision notes what a person is about to decide about a saga.
func (c *Clients) NoteDecision(info engine.SagaInfo, d saga.Decision) {
	order := c.sagaOrder(info)
	decided := maps.Clone(c.Decided[order])
	if decided == nil {
		decided = map[saga.Decision]bool{}
	}
	decided[d] = true
	c.Decided[order] = decided
}

// sagaOrder is the order that a saga belongs to; "*" if that cannot be known.
func (c *Clients) sagaOrder(info engine.SagaInfo) string {
	if info.RequestID == "" {
		return "*"
	}
	return c.userOf(info.RequestID)
}

// OutcomeText is what became of an order, as text: "ok 5", or "failed: ...", or "" if it is not known.
func OutcomeText(value int64, err error) string {
	switch {
	case err == nil:
		return fmt.Sprintf("ok %d", value)
	case errors.Is(err, engine.ErrUnknown):
		return ""
	}
	return "failed: " + err.Error()
}

// receiver is the clients' end of the egress: it has a durable position. It refuses some of the writes.
type receiver struct {
	driver *Driver
	calls  int
}

func (r *receiver) Position() (uint64, error) {
	r.driver.mu.Lock()
	defer r.driver.mu.Unlock()
	return uint64(len(r.driver.Records)), nil
}

func (r *receiver) Write(_ context.Context, records []engine.Record) error {
	if r.driver.dead() {
		return nil // nothing of this ever happened; an engine that is closing would try forever
	}
	if r.calls++; r.calls%5 == 0 {
		return errors.New("the receiver is busy")
	}
	r.driver.mu.Lock()
	defer r.driver.mu.Unlock()
	for _, record := range records {
		record.Value = slices.Clone(record.Value)
		r.driver.Records = append(r.driver.Records, record)
	}
	return nil
}

func (r *receiver) Close() error { return nil }

// feeder is the clients' end of the ingress: the driver delivers the records of their tape, one at a time.
type feeder struct {
	driver  *Driver
	next    int // index on the tape
	deliver func(position uint64, m functions.Message) error
}

// Run implements engine.Ingress, of a stepped engine.
func (f *feeder) Run(_ context.Context, after uint64, deliver func(uint64, functions.Message) error) error {
	f.next, f.deliver = int(after), deliver
	return nil
}

// feed delivers the next record, and reports whether there was one that the engine takes.
func (f *feeder) feed() bool {
	d := f.driver
	if f.deliver == nil || f.next >= len(d.Tape) {
		return false
	}
	switch err := f.deliver(uint64(f.next+1), d.Tape[f.next].message()); {
	case errors.Is(err, engine.ErrNoSpace):
		return false
	case err != nil:
		d.report(fmt.Errorf("record %d of the ingress: %w", f.next+1, err))
		return false
	}
	f.next++
	d.Fed++
	return true
}
