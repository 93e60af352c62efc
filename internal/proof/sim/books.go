package sim

import (
	"errors"
	"fmt"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/machine/instances"
)

// Books are the final states of a [World], when everything has settled.
type Books struct {
	Tills   map[string]TillState
	Sinks   []SinkState
	Gates   map[string]GateState
	Relays  []RelayState
	Slips   map[string]bool
	Tallies map[string]TallyState // those that exist
	Records []engine.Record       // that left through the egress
}

// Asker runs requests and waits for them.
type Asker interface {
	Do(r functions.Request) error
}

// auditQuestion makes a question a request.
type auditQuestion struct{ envelope instances.Envelope }

func (a auditQuestion) RequestEnvelope() instances.Envelope { return a.envelope }

func lookAt[R any](a Asker, q functions.RequestReturning[R], what string, errs *[]error) (answer R) {
	if err := a.Do(auditQuestion{q.EnvelopeInto(&answer)}); err != nil {
		*errs = append(*errs, fmt.Errorf("look at %s: %w", what, err))
	}
	return answer
}

// ReadBooks reads the states of a world that has settled. It also updates every till, so that a lock that was left is found.
func ReadBooks(w World, a Asker, records []engine.Record) (*Books, error) {
	b := &Books{Tills: map[string]TillState{}, Gates: map[string]GateState{}, Slips: map[string]bool{}, Tallies: map[string]TallyState{}, Records: records}
	var errs []error
	for i := range w.Tills {
		if err := a.Do(TouchTill.On(w.Till(i), 0)); err != nil {
			errs = append(errs, fmt.Errorf("update %s: %w", w.Till(i), err))
		}
		b.Tills[w.Till(i)] = lookAt(a, LookTill.On(w.Till(i)), w.Till(i), &errs)
	}
	for i := range sinks {
		b.Sinks = append(b.Sinks, lookAt(a, lookSink.On(w.sink(i)), w.sink(i), &errs))
	}
	for i := range Gates {
		if err := a.Do(SetGate.On(w.Gate(i), false)); err != nil {
			errs = append(errs, fmt.Errorf("update %s: %w", w.Gate(i), err))
		}
		b.Gates[w.Gate(i)] = lookAt(a, lookGate.On(w.Gate(i)), w.Gate(i), &errs)
	}
	for i := range relays {
		b.Relays = append(b.Relays, lookAt(a, lookRelay.On(w.relay(i)), w.relay(i), &errs))
	}
	for i := range tallies {
		if name := w.tally(i); lookAt(a, tallyType.Exists(name), name, &errs) {
			b.Tallies[name] = lookAt(a, lookTally.On(name), name, &errs)
		}
	}
	for i := range slips {
		b.Slips[w.slip(i)] = lookAt(a, slipType.Exists(w.slip(i)), w.slip(i), &errs)
	}
	return b, errors.Join(errs...)
}
