package figures

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
)

// noted notes what becomes of a broker.
type noted struct {
	name  string
	notes *[]string
}

func (n *noted) Address() string { return n.name }

func (n *noted) Close() error {
	*n.notes = append(*n.notes, "end "+n.name)
	return nil
}

// TestSharedBroker: cells over Kafka that follow each other have one broker, and no other cell is measured beside it.
func TestSharedBroker(t *testing.T) {
	var notes []string
	started, fails := 0, errors.New("no broker")
	s := ShareBroker(func(_ context.Context, o Order) (Measurement, error) {
		notes = append(notes, fmt.Sprint(o.Cell.Name, o.Brokers))
		return Measurement{}, nil
	})
	s.start = func(context.Context) (runningBroker, error) {
		if started++; started == 2 {
			return nil, fails
		}
		notes = append(notes, fmt.Sprint("start ", started))
		return &noted{fmt.Sprint(started), &notes}, nil
	}
	for _, name := range []string{"k1", "k2", "a", "b", "k3", "k4", "c", "k5"} {
		_, err := s.Measure(t.Context(), Order{Cell: Cell{Name: name, Kafka: name[0] == 'k'}})
		if wants := name == "k3"; errors.Is(err, fails) != wants || (err != nil) != wants {
			t.Errorf("%s: %v", name, err)
		}
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	want := []string{"start 1", "k1[1]", "k2[1]", "end 1", "a[]", "b[]", "start 3", "k4[3]", "end 3", "c[]", "start 4", "k5[4]", "end 4"}
	if !slices.Equal(notes, want) {
		t.Errorf("%q, want %q", notes, want)
	}
}
