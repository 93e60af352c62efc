package engine

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/table"
)

// buckets are where the rows of outcomes are.
//
// A row's key begins with the engine time at which its bucket began. What is settled goes to the newest one; another begins when that
// has been it for a while; and the oldest is deleted, as a range, once all that is in it has expired. So no row is written anew for the sake
// of those that came much later, and nobody looks for what has expired. An id that is used again has rows in two buckets: that in
// the newer one counts, and the other one has expired.
//
// Whoever looks for the outcome of an id asks one bucket after the other, the newest first. A filter says of most ids that they are in none.
// It has generations as well, fewer than there are buckets, since each costs a look; the oldest of them has the ids that were there when the
// engine was opened. They are read then, and where there are many beside what else goes on; until that is done each id is looked for.
//
// Before format version 5 outcomes were under their shards, and an id belonged to no instance or coordinator function. Such rows count as the
// oldest bucket; one that turns out to be of a request for something else is none for whoever looks.
type buckets struct {
	engine *Engine
	list   atomic.Pointer[[]*bucket] // the oldest first; never empty. The conductor changes it.
	turns  []int64                   // the conductor's: when the filter's generations began, but for the oldest

	finding []keyRange // where ids are still to be read
	view    table.View // in which they are
	finder  sync.WaitGroup
	stop    atomic.Bool
}

// bucket is the outcomes that were settled in a stretch of time.
type bucket struct {
	start int64        // in engine time: 1 at least; 0 is that of before format version 5
	last  int64        // the conductor's: nothing in it was settled later
	rows  atomic.Int64 // that were written, or seen
}

func newBucket(start int64) *bucket { return &bucket{start: start, last: start} }

const (
	// bucketsKept is about how many buckets there are, if outcomes expire: so much more of them is kept than has to be.
	bucketsKept = 16
	// shortestBucket and longestBucket bound how long one is the newest.
	shortestBucket = int64(time.Second)
	longestBucket  = int64(30 * 24 * time.Hour)
	// turnsKept is about how many generations the filter has.
	turnsKept = 2
	// findAtOpen is the default of Seams.FindAtOpen. It takes about 0.2 s.
	findAtOpen = 200_000
)

// key appends the key of the outcome of a request, which is for something on a shard.
func (b *bucket) key(key []byte, shard uint16, of format.Request, shards uint64) []byte {
	if b.start == 0 {
		return format.OutcomeKey(key, format.RequestShard(of.ID, shards), of.ID)
	}
	return format.OutcomeIn(key, b.start, shard, of)
}

// ranges are where a bucket's rows are.
func (b *bucket) ranges(shards int) (all []keyRange) {
	if b.start > 0 {
		return []keyRange{{format.BucketPrefix(nil, b.start), format.BucketPrefix(nil, b.start+1)}}
	}
	for shard := range uint16(shards) {
		prefix := format.Prefix(nil, shard, format.KindOutcome)
		all = append(all, keyRange{prefix, format.Upper(prefix)})
	}
	return all
}

// bucketsIn are the buckets that a table has, the oldest first.
func bucketsIn(t *table.Table, shards int) (all []*bucket, err error) {
	old := newBucket(0)
	for _, r := range old.ranges(shards) {
		found, _, err := firstIn(t, r)
		if err != nil {
			return nil, err
		}
		if found {
			all = append(all, old)
			break
		}
	}
	upper := format.Upper(format.Prefix(nil, format.OutcomeShard, format.KindOutcome))
	for next := int64(1); ; next++ {
		found, key, err := firstIn(t, keyRange{format.BucketPrefix(nil, next), upper})
		if err != nil || !found {
			return all, err
		}
		if next, _, _, err = format.OutcomeOf(key); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		all = append(all, newBucket(next))
	}
}

// firstIn finds the first key in a range.
func firstIn(t *table.Table, r keyRange) (found bool, key []byte, err error) {
	err = t.Scan(r.lower, r.upper, func(k, _ []byte) error {
		key = slices.Clone(k)
		return errEnough
	})
	if errors.Is(err, errEnough) {
		return true, key, nil
	}
	return false, nil, err
}

var errEnough = errors.New("engine: enough rows")

// open finds the buckets of a directory.
func (b *buckets) open(e *Engine) error {
	b.engine = e
	all, err := bucketsIn(e.table, e.options.Shards)
	if err != nil {
		return err
	}
	now := e.clocks.Now()
	for i, one := range all { // the last may go on
		if one.last = now; i+1 < len(all) {
			one.last = all[i+1].start
		}
		b.finding = append(b.finding, one.ranges(e.options.Shards)...)
	}
	if len(all) == 0 || all[len(all)-1].start == 0 {
		all = append(all, newBucket(now))
	}
	b.list.Store(&all)
	b.turnFilters(now)
	b.view = e.table.View()
	if err := b.find(e.options.Seams.FindAtOpen, now); err != nil {
		return errors.Join(err, b.closeView())
	}
	if len(b.finding) == 0 {
		return b.closeView()
	}
	b.finder.Go(func() {
		for len(b.finding) > 0 && !b.stop.Load() {
			if err := b.find(findEach, now); err != nil {
				e.fatal(err)
			}
			runtime.Gosched()
		}
		if err := b.closeView(); err != nil {
			e.fatal(err)
		}
	})
	return nil
}

// closeView closes the view in which ids are found, and lets go what was in memory then.
func (b *buckets) closeView() error {
	view := b.view
	b.view = table.View{}
	return view.Close()
}

// findEach is how many ids are read before others have a turn.
const findEach = 1000

// close ends the reading of ids.
func (b *buckets) close() {
	b.stop.Store(true)
	b.finder.Wait()
}

// turn makes the buckets ready for the outcomes of an epoch that is cut at now. It returns the bucket that they go to, and where the rows are of
// those that have expired: it forgets them, and begins another bucket if it is time for that.
func (b *buckets) turn(now int64, outcomes int) (newest *bucket, expired []keyRange) {
	e := b.engine
	all := *b.list.Load()
	gone := 0
	for gone+1 < len(all) && e.expired(all[gone].last, now) {
		expired = append(expired, all[gone].ranges(e.options.Shards)...)
		e.stats.swept.Add(uint64(all[gone].rows.Load()))
		gone++
	}
	newest = all[len(all)-1]
	begins := outcomes > 0 && now-newest.start >= b.lasts()
	if begins {
		newest = newBucket(now)
		all = append(slices.Clip(all), newest)
	}
	if begins || gone > 0 {
		all = all[gone:]
		b.list.Store(&all)
	}
	if outcomes > 0 {
		newest.last = now
		newest.rows.Add(int64(outcomes))
	}
	b.forget(now)
	return newest, expired
}

// lasts is how long a bucket is the newest.
func (b *buckets) lasts() int64 {
	if keep := int64(b.engine.options.KeepOutcomes); keep >= 0 {
		return min(max(keep/bucketsKept, shortestBucket), longestBucket)
	}
	return longestBucket
}

// forget lets the filters forget what has expired.
func (b *buckets) forget(now int64) {
	e := b.engine
	keep := int64(e.options.KeepOutcomes)
	if keep >= 0 && now-b.turns[len(b.turns)-1] > keep/turnsKept {
		b.turnFilters(now)
	}
	for len(b.turns) > 1 && e.expired(b.turns[0], now) {
		b.turns = b.turns[1:]
		e.seen.Drop()
	}
}

// turnFilters lets the filters begin a new generation.
func (b *buckets) turnFilters(now int64) {
	b.turns = append(b.turns, now)
	b.engine.seen.Turn()
}

// find reads some of the ids that were there when the engine was opened.
func (b *buckets) find(looks int, now int64) error {
	for looks > 0 && len(b.finding) > 0 {
		r := b.finding[0]
		rows, err := b.view.Rows(r.lower, r.upper)
		if err != nil {
			return err
		}
		for b.finding[0].lower = nil; rows.Next(); looks-- {
			if looks == 0 {
				b.finding[0].lower = slices.Clone(rows.Key())
				break
			}
			value, err := rows.Value()
			if err == nil {
				err = b.found(rows.Key(), value, now)
			}
			if err != nil {
				return errors.Join(err, rows.Close())
			}
		}
		if err := rows.Close(); err != nil {
			return err
		}
		if b.finding[0].lower == nil {
			b.finding = b.finding[1:]
		}
	}
	if len(b.finding) == 0 {
		b.engine.seen.Found()
	}
	return nil
}

func (b *buckets) found(key, value []byte, now int64) error {
	start, shard, of, err := format.OutcomeOf(key)
	if err != nil || int(shard) >= b.engine.options.Shards {
		return fmt.Errorf("%w: an outcome of shard %d: %w", ErrDamaged, shard, err)
	}
	all := *b.list.Load()
	if i, ok := slices.BinarySearchFunc(all, start, func(b *bucket, start int64) int { return cmp.Compare(b.start, start) }); ok {
		all[i].rows.Add(1)
	}
	if row := format.Outcome(value); row.IsDamaged() || !b.engine.expired(row.Settled(), now) { // whoever asks for one that is damaged is told
		b.engine.seen.Find(format.RequestHash(of.ID))
	}
	return nil
}
