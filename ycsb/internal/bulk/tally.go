package bulk

import (
	"errors"
	"sync/atomic"

	"github.com/concordat-dev/concordat/ycsb"
)

// Tally counts what the clients of a workload were told of one kind of operation. It is safe for use by many goroutines.
type Tally struct{ committed, unknown atomic.Int64 }

// Count adds an outcome, an error as of [Do]; failures are not counted.
func (t *Tally) Count(err error) {
	switch {
	case err == nil:
		t.committed.Add(1)
	case errors.Is(err, ycsb.ErrUnknown):
		t.unknown.Add(1)
	}
}

// Load returns the counts so far.
func (t *Tally) Load() Counts { return Counts{t.committed.Load(), t.unknown.Load()} }

// Counts are a tally at one moment.
type Counts struct{ Committed, Unknown int64 }

// Since is what was counted since an earlier moment.
func (c Counts) Since(before Counts) Counts {
	return Counts{c.Committed - before.Committed, c.Unknown - before.Unknown}
}
