package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/concordat-dev/concordat/internal/failures"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/table"
)

// Record is a record that left through an egress.
type Record struct {
	Seq   uint64 // counts up from 1, per egress, without gaps but for parked records: a receiver drops what it has seen
	Key   string
	Value []byte // encoded; see functions.Decode

	Parked string // why it is parked, in what a ParkedNoter is given; there is no value then
}

// Egress is where the records of a named egress go.
//
// The engine keeps each record until Write has returned nil for it, and after a restart writes what Position does not cover. So
// a receiver whose position is stored together with the records gets each exactly once.
type Egress interface {
	// Position is the sequence number of the last record that the receiver has durably, or 0 if there is none or it cannot
	// know; it is called at engine.Open. If it fails, or Open does later, Close is called. An error that is or wraps [ErrNoPosition]
	// does not keep the engine from opening: Position is called again, later, before the first Write.
	Position() (uint64, error)
	// Write takes records in the order of their numbers, and returns nil once they are durable at the receiver. After an error
	// the same records are written again, later, unless it is or wraps an [Unacceptable]: then that record is parked. Write may
	// block; it holds up only this egress. The slice and its records are the receiver's, to keep or to change.
	Write(ctx context.Context, records []Record) error
	// Close is called once, after the last Write, and not at all if Position was not called.
	Close() error
}

// ErrNoPosition is what [Egress].Position returns if the receiver cannot be asked now, and may be later.
var ErrNoPosition = errors.New("engine: the receiver cannot be asked for its position now")

// Callback makes an egress of a function that is called for each record in order. It has no durable position: after a restart
// records may come again, with the same numbers.
//
// An error of f holds up its record and what is behind it, and f is called again, later, for as long as it returns one; also a panic.
// One that wraps an [Unacceptable] (see [Refuse]) parks the record.
func Callback(f func(ctx context.Context, r Record) error) Egress { return callback(f) }

type callback func(ctx context.Context, r Record) error

func (callback) Position() (uint64, error) { return 0, nil }

func (f callback) Write(ctx context.Context, records []Record) (err error) {
	taken := records[0].Seq - 1
	defer func() {
		if p := recover(); p != nil {
			err = &partlyTaken{taken, failures.NewPanicError(p)}
		}
	}()
	for _, r := range records {
		if err := f(ctx, r); err != nil {
			var bad *Unacceptable
			if errors.As(err, &bad) {
				return Refuse(r.Seq, bad.Reason)
			}
			return &partlyTaken{taken, fmt.Errorf("record %d: %w", r.Seq, err)}
		}
		taken = r.Seq
	}
	return nil
}

func (callback) Close() error { return nil }

// Channel makes an egress that sends each record to a channel, and waits while it is full. It has no durable position; see
// [Callback].
func Channel(ch chan<- Record) Egress {
	if ch == nil {
		return Callback(nil) // an error of Open
	}
	return Callback(func(ctx context.Context, r Record) error {
		select {
		case ch <- r:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}

// egress delivers the records of one Egress. Its rows are the truth: what is not in memory, or was not taken at once, is read from them.
type egress struct {
	backlog

	engine *Engine
	to     Egress

	asked bool // for its position: it has to be closed
	later bool // it did not tell its position: it is asked again before the first record; the loop's

	sealed  atomic.Uint64 // the last record that is durable
	recent  recent        // some of those
	deleted uint64        // the last record whose row is deleted: the sealer's
	news    chan struct{}
	drain   chan struct{} // closed when the engine closes: deliver what is there, and end
	ctx     context.Context
	cancel  context.CancelFunc
	abandon chan struct{} // closed when nobody waits for the receiver any more
	ended   chan struct{} // closed when the loop is over
	refused error         // of the last Write: the loop's, read once it has ended
	closed  error         // of the receiver's Close: likewise
	hangs   string        // what of the receiver has not returned: likewise

	parked      map[uint64]struct{} // the numbers of what is parked: the first worker's
	parkedCount atomic.Int64        // how many they are
	parking     *request            // in a stepped engine: a record is being parked
}

// egressRecord is a record with its number, on its way into its row.
type egressRecord struct {
	egress *egress
	seq    uint64
	record format.Emitted
}

func (e *Engine) setUpEgresses() error {
	for name, to := range e.options.Egresses {
		g := &egress{engine: e, backlog: backlog{name: name}, to: to, news: make(chan struct{}, 1)}
		g.drain, g.abandon, g.ended = make(chan struct{}), make(chan struct{}), make(chan struct{})
		g.ctx, g.cancel = context.WithCancel(context.Background())
		e.egresses = append(e.egresses, g)
	}
	sortByName(e.egresses)
	for i, g := range e.egresses {
		e.registry.Egresses[g.name] = i
		e.backlogs = append(e.backlogs, &g.backlog)
	}
	return nil
}

// openEgresses finds out what the receivers have, once the watermark is known.
func (e *Engine) openEgresses() error {
	for _, g := range e.egresses {
		position, err := g.position()
		if errors.Is(err, ErrNoPosition) {
			e.options.Logger.Warn("an egress does not tell its position, and is asked again later", "egress", g.name, "error", err)
			g.later, position, err = true, 0, nil
		}
		if err == nil {
			err = checkPosition(position, g.last)
		}
		if err != nil {
			return fmt.Errorf("engine: egress %q: %w", g.name, err)
		}
		g.sealed.Store(g.last)
		if err := g.loadParked(); err != nil {
			return fmt.Errorf("engine: egress %q: %w", g.name, err)
		}
		first, err := g.firstRow()
		if err != nil {
			return fmt.Errorf("engine: egress %q: %w", g.name, err)
		}
		g.deleted = first - 1
		g.delivered.Store(max(position, g.deleted))
	}
	return nil
}

// checkPosition reports a receiver that has more than was ever emitted.
func checkPosition(position, last uint64) error {
	if position <= last {
		return nil
	}
	return fmt.Errorf("it has record %d, but only %d were ever emitted: it belongs to another directory", position, last)
}

// position asks the receiver what it has.
func (g *egress) position() (position uint64, err error) {
	g.asked = true
	err = <-guarded(func() (err error) {
		position, err = g.to.Position()
		return err
	})
	if stack := stackOf(err); stack != nil {
		g.engine.options.Logger.Error("an egress panicked", append(stack, "egress", g.name, "panic", err)...)
	}
	return position, err
}

// close closes the receiver, if it was asked for its position, once.
func (g *egress) close() error {
	if !g.asked {
		return nil
	}
	g.asked = false
	if err := <-guarded(g.to.Close); err != nil {
		return fmt.Errorf("engine: close egress %q: %w", g.name, err)
	}
	return nil
}

// closeEgresses closes the receivers of an engine that does not open.
func (e *Engine) closeEgresses() error {
	var errs []error
	for _, g := range e.egresses {
		errs = append(errs, g.close())
	}
	return errors.Join(errs...)
}

// firstRow is the number of the first record that has a row, or one more than the last.
func (g *egress) firstRow() (first uint64, err error) {
	first = g.last + 1
	prefix := format.EgressKey(nil, g.name, 0)
	err = g.engine.table.Scan(prefix, format.EgressKey(nil, g.name, g.last+1), func(key, _ []byte) error {
		seq, err := format.Number(key)
		first = seq
		return errors.Join(err, errEnough)
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return first, err
}

// number gives the records that workers emitted their numbers, in the order in which they did: so what follows from another record comes
// behind it, whichever workers they are of. The conductor calls it at the cut.
func (e *Engine) number(portions []*portion) {
	for {
		var first *portion
		for _, p := range portions {
			if len(p.records) < len(p.emits) && (first == nil || p.nextEmitted() < first.nextEmitted()) {
				first = p
			}
		}
		if first == nil {
			return
		}
		r := first.emits[len(first.records)]
		g := e.egresses[e.registry.Egresses[r.Egress]]
		g.last++
		first.records = append(first.records, egressRecord{g, g.last, r})
	}
}

// nextEmitted is when the first record was emitted that has no number yet.
func (p *portion) nextEmitted() uint64 {
	if len(p.emitted) == 0 {
		return 0 // there is one worker
	}
	return p.emitted[len(p.records)]
}

// maxDeletedOneByOne is the number of records whose rows are deleted one by one; see maxRowsDropped.
const maxDeletedOneByOne = 4096

// deleteDelivered deletes the rows of records that the receiver has. Of a long backlog they are millions, and no epoch counts them: those
// go as a range.
func (g *egress) deleteDelivered(batch *table.Batch) {
	var buf [256]byte
	delivered := g.delivered.Load()
	if delivered-g.deleted > maxDeletedOneByOne {
		batch.DeleteRange(format.EgressKey(nil, g.name, g.deleted+1), format.EgressKey(nil, g.name, delivered+1))
		g.deleted = delivered
	}
	for g.deleted < delivered {
		g.deleted++
		batch.Delete(format.EgressKey(buf[:0], g.name, g.deleted))
	}
}

// releaseEgresses tells the egresses what is durable now.
func (e *Engine) releaseEgresses(s *sealing) {
	var told []*egress
	var last []uint64 // the last record of each
	for _, p := range s.portions {
		for i := range p.records {
			r := &p.records[i]
			n := slices.Index(told, r.egress)
			if n < 0 {
				r.egress.recent.begin(r.egress.sealed.Load()+1, r.egress.delivered.Load())
				n, told, last = len(told), append(told, r.egress), append(last, 0)
			}
			r.egress.recent.add(r.seq, r.record.Key, r.record.Value)
			last[n] = max(last[n], r.seq)
		}
	}
	for n, g := range told {
		g.recent.end()
		g.sealed.Store(last[n])
		g.tell()
	}
}
