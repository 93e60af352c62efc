package figures

import (
	"context"
	"errors"

	"github.com/concordat-dev/concordat/ycsb/topics"
)

// SharedBroker lets cells over Kafka that are measured one after the other share a broker, whose start takes longer than a cell. It runs
// from the first of them until another cell comes, whose time it is not to take, or Close.
type SharedBroker struct {
	measure func(context.Context, Order) (Measurement, error)
	start   func(context.Context) (runningBroker, error)
	running runningBroker // nil: none
}

type runningBroker interface {
	Address() string
	Close() error
}

// ShareBroker makes a SharedBroker of a way to measure. It must be closed.
func ShareBroker(measure func(context.Context, Order) (Measurement, error)) *SharedBroker {
	return &SharedBroker{measure: measure, start: func(ctx context.Context) (runningBroker, error) { return topics.StartBroker(ctx) }}
}

// Measure measures once. Its errors are those of the measurement, and those of a broker that does not start or end.
func (s *SharedBroker) Measure(ctx context.Context, o Order) (Measurement, error) {
	switch {
	case !o.Cell.Kafka:
		if err := s.Close(); err != nil {
			return Measurement{}, err
		}
		return s.measure(ctx, o)
	case s.running == nil:
		b, err := s.start(ctx)
		if err != nil {
			return Measurement{}, errors.Join(ctx.Err(), err)
		}
		s.running = b
	}
	o.Brokers = []string{s.running.Address()}
	return s.measure(ctx, o)
}

// Close ends the broker, if one runs.
func (s *SharedBroker) Close() error {
	b := s.running
	if b == nil {
		return nil
	}
	s.running = nil
	return b.Close()
}
