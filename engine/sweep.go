package engine

import (
	"errors"

	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/store"
)

// sweeper walks over all rows of outcomes, shard by shard, deletes those that have expired, and makes the workers' filters of
// seen request ids anew from the others.
//
// It works off the sealer, in portions: for each outcome that is written it looks at two old ones. So the number of rows stays
// within twice what is to be kept, and an engine at rest does nothing. It walks only if there is something to do: filters that
// were not made yet, or a row that may have expired. Its deletions come first in a batch: an id that expired and was used again
// is written after them.
//
// A filter has every id whose row exists. One that is sealed after the walk has passed its shard is added when the worker forgets
// the request (reclaim), which is after the walk began; one that was sealed before is found by the walk.
type sweeper struct {
	engine  *Engine
	written int    // outcomes since the last portion
	walking bool   // in the middle of a walk
	shard   uint16 // where the walk stands
	next    []byte // the next key there; nil for the shard's first
	oldest  int64  // of what this walk has left, in engine time
	bound   int64  // no row is older: from the last walk
}

const (
	// sweepEvery is the default of Seams.SweepEvery.
	sweepEvery = 2048
	// sweepAtOpen bounds the rows that are looked at when an engine is opened, so that the filters of a small directory are
	// there at once. It takes about 0.2 s.
	sweepAtOpen = 200_000
)

func (s *sweeper) work(batch store.Batch, now int64) {
	if s.written < s.engine.options.Seams.SweepEvery {
		return
	}
	looks := 2 * s.written
	s.written = 0
	if s.walking || !s.engine.workers[0].seen.Ready() || s.engine.expired(s.bound, now) {
		if err := s.walk(batch, now, looks); err != nil {
			s.engine.fatal(err)
		}
	}
}

// walk looks at some rows.
func (s *sweeper) walk(batch store.Batch, now int64, looks int) error {
	e := s.engine
	if !s.walking {
		s.walking, s.shard, s.next, s.oldest = true, 0, nil, now
		for _, w := range e.workers {
			w.seen.Begin()
		}
	}
	for looks > 0 && s.walking {
		prefix := format.Prefix(nil, s.shard, format.KindOutcome)
		lower := s.next
		if lower == nil {
			lower = prefix
		}
		s.next = nil
		err := e.store.Scan(lower, format.Upper(prefix), func(key, value []byte) error {
			if looks == 0 {
				s.next = append([]byte(nil), key...)
				return errEnough
			}
			looks--
			s.look(batch, key, value, now)
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			return err
		}
		if s.next == nil {
			s.nextShard()
		}
	}
	return nil
}

func (s *sweeper) look(batch store.Batch, key, value []byte, now int64) {
	e := s.engine
	row := format.Outcome(value)
	if row.IsDamaged() {
		return // whoever asks for it is told
	}
	settled := row.Settled()
	if e.expired(settled, now) {
		batch.Delete(key)
		e.stats.swept.Add(1)
		return
	}
	s.oldest = min(s.oldest, settled)
	id := key[len(format.Prefix(nil, s.shard, format.KindOutcome)):]
	e.workerOf(s.shard).seen.Keep(format.RequestHash(string(id)))
}

func (s *sweeper) nextShard() {
	e := s.engine
	if s.shard++; int(s.shard) < e.options.Shards {
		return
	}
	s.walking, s.bound = false, s.oldest
	for _, w := range e.workers {
		w.seen.End()
	}
}

var errEnough = errors.New("engine: enough rows")
