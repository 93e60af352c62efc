package engine

import (
	"errors"
	"fmt"
	"math"
	"syscall"

	"github.com/concordat-dev/concordat/internal/machine/instances"
)

// class says who asks, for admission. Each has a little more room than the one before, so that an engine which refuses requests still
// answers questions, and one that refuses questions still obeys those who operate it.
type class uint8

const (
	changing  class = iota // a request that may change something
	asking                 // a question to an instance, without an id: it writes nothing
	operating              // Sagas, CancelSaga and DecideSaga, by which an operator gets an engine going again
	classes
)

const (
	// questionReserve is the room over Options.MaxInFlight that only questions without an id have.
	questionReserve = 1024
	// operatorReserve is the room above that, for those who operate the engine.
	operatorReserve = 64
)

// classOf is the class of a client's request.
func classOf(env *instances.Envelope) class {
	if env.Op != nil && env.Op.Kind.Reads() && env.RequestID == "" {
		return asking
	}
	return changing
}

// admission bounds what is under way.
type admission [classes]int64

func (a *admission) init(maxInFlight int) {
	most := min(int64(maxInFlight), math.MaxInt64-questionReserve-operatorReserve)
	*a = admission{changing: most, asking: most + questionReserve, operating: most + questionReserve + operatorReserve}
}

// placeBytes is the size of an argument up to which a request takes one place of those in flight; it takes one more for each further
// so many. So what waits is bounded in bytes too: by default to a GiB.
const placeBytes = 16 << 10

// placesFor is how many places a request takes.
func placesFor(env *instances.Envelope) int32 { return 1 + int32(len(env.Arg)/placeBytes) }

// admits reports why no request of a class can be taken now, or nil, and counts it as in flight.
func (e *Engine) admits(c class, places int32) error {
	if e.closed.Load() {
		return ErrClosed
	}
	if c == changing {
		if e.space.low() {
			return e.space.err()
		}
		if err := e.table.Stalled(); err != nil {
			return fmt.Errorf("%w: sealing waits for room: %w", reasonOf(err), err)
		}
	}
	if most := e.admission[c]; e.inFlight.Add(int64(places)) > most {
		e.inFlight.Add(-int64(places))
		return fmt.Errorf("%w: %d requests wait for their outcome", ErrOverloaded, most)
	}
	return nil
}

// reasonOf is what it means for a request that sealing waits for room: on the disk, or in memory.
func reasonOf(stalled error) error {
	if errors.Is(stalled, syscall.ENOSPC) {
		return ErrNoSpace
	}
	return ErrOverloaded
}
