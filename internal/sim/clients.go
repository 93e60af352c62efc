package sim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/saga"
)

// Clients is what the world outside knows and remembers whatever happens to the engine.
type Clients struct {
	Orders    []Order                           // that were given
	Outcomes  map[string]string                 // by order, as told; absent if nobody knows
	Decided   map[string]map[saga.Decision]bool // by order: what a person may have decided about its saga; "*" for those without request id
	Cancelled map[string]bool                   // by order: its saga may have been cancelled
	Records   []engine.Record                   // that left through the egress

	ClockWentBack bool // so that a timer that was cancelled before it was due may have fired before that
}

// NewClients makes clients who have asked for nothing yet.
func NewClients() *Clients {
	return &Clients{Outcomes: map[string]string{}, Decided: map[string]map[saga.Decision]bool{}, Cancelled: map[string]bool{}}
}

// Clone returns what they know now.
func (c *Clients) Clone() *Clients {
	return &Clients{
		Orders: slices.Clip(c.Orders), Outcomes: maps.Clone(c.Outcomes), Decided: maps.Clone(c.Decided),
		Cancelled: maps.Clone(c.Cancelled), Records: slices.Clip(c.Records), ClockWentBack: c.ClockWentBack,
	}
}

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
	decided := maps.Clone(c.Decided[sagaOrder(info)])
	if decided == nil {
		decided = map[saga.Decision]bool{}
	}
	decided[d] = true
	c.Decided[sagaOrder(info)] = decided
}

// sagaOrder is the order that a saga belongs to; "*" if that can not be known.
func sagaOrder(info engine.SagaInfo) string {
	if info.RequestID == "" {
		return "*"
	}
	return info.RequestID
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
		return nil // nothing of this ever happened; an engine that is closing would try for ever
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
