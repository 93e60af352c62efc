package engine

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/store"
)

// Record is a record that left through an egress.
type Record struct {
	Seq   uint64 // counts up from 1, per egress, without gaps but for parked records: a receiver drops what it has seen
	Key   string
	Value []byte // encoded; see functions.Decode

	parked string // why it was parked; there is no value then
}

// Egress is where the records of a named egress go.
//
// The engine keeps each record until Write has returned nil for it, and after a restart writes what Position does not cover. So
// a receiver whose position is stored together with the records gets each exactly once.
type Egress interface {
	// Position is the sequence number of the last record that the receiver has durably, or 0 if there is none or it cannot
	// know; it is called once, at engine.Open. If it fails, or Open does later, Close is called.
	Position() (uint64, error)
	// Write takes records in the order of their numbers, and returns nil once they are durable at the receiver. After an error
	// the same records are written again, later, unless it is or wraps an [Unacceptable]: then that record is parked. Write may
	// block; it holds up only this egress. The slice and its records are the receiver's, to keep or to change.
	Write(ctx context.Context, records []Record) error
	// Close is called once, after the last Write, and not at all if Position was not called.
	Close() error
}

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
			err = &partlyTaken{taken, functions.NewPanicError(p)}
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

// egress delivers the records of one Egress. Its rows are the truth; it reads what it delivers from them.
type egress struct {
	engine *Engine
	name   string
	to     Egress

	asked bool   // for its position: it has to be closed
	last  uint64 // the last record that was numbered: the conductor's

	held      atomic.Int64  // records that undecided transactions hold back
	sealed    atomic.Uint64 // the last record that is durable
	delivered atomic.Uint64 // the last record that Write has taken
	deleted   uint64        // the last record whose row is deleted: the sealer's
	news      chan struct{}
	drain     chan struct{} // closed when the engine closes: deliver what is there, and end
	ctx       context.Context
	cancel    context.CancelFunc
	abandon   chan struct{} // closed when nobody waits for the receiver any more
	ended     chan struct{} // closed when the loop is over
	refused   error         // of the last Write: the loop's, read once it has ended
	closed    error         // of the receiver's Close: likewise
	hangs     string        // what of the receiver has not returned: likewise

	parked      map[uint64]struct{} // the numbers of what is parked: the first worker's
	parkedCount atomic.Int64        // how many they are
	parking     *request            // in a stepped engine: a record is being parked
}

// egressRecord is a record with its number, on its way into its row.
type egressRecord struct {
	egress *egress
	seq    uint64
	record functions.Emitted
}

func (e *Engine) setUpEgresses() error {
	for name, to := range e.options.Egresses {
		g := &egress{engine: e, name: name, to: to, news: make(chan struct{}, 1)}
		g.drain, g.abandon, g.ended = make(chan struct{}), make(chan struct{}), make(chan struct{})
		g.ctx, g.cancel = context.WithCancel(context.Background())
		e.egresses = append(e.egresses, g)
	}
	sortByName(e.egresses)
	for i, g := range e.egresses {
		e.registry.egresses[g.name] = i
	}
	return nil
}

// openEgresses finds out what the receivers have, once the watermark is known.
func (e *Engine) openEgresses() error {
	for _, g := range e.egresses {
		position, err := g.position()
		if errors.Is(err, errTaken) {
			if whose := sameFile(g.to, e.egresses); whose != "" {
				err = fmt.Errorf("%w: %s", err, whose)
			}
		}
		if err != nil {
			return fmt.Errorf("engine: egress %q: %w", g.name, err)
		}
		if position > g.last {
			return fmt.Errorf("engine: egress %q has record %d, but only %d were ever emitted: it belongs to another directory", g.name, position, g.last)
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
	err = g.engine.store.Scan(prefix, format.EgressKey(nil, g.name, g.last+1), func(key, _ []byte) error {
		seq, err := format.Number(key)
		first = seq
		return errors.Join(err, errEnough)
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return first, err
}

// checkBacklog reports whether an egress has no room for what an operation emits. What an egress waits for is exact while a worker
// runs, since numbers are given at the cut. What undecided transactions hold back counts too.
func (w *worker) checkBacklog(emits []functions.Emitted) error {
	most := uint64(w.engine.options.MaxBacklog)
	for i, g := range w.engine.egresses {
		waits := g.last - g.delivered.Load() + w.heldFor(i)
		if waits+uint64(len(w.epoch.emits)+len(emits)) <= most {
			continue
		}
		more := countFor(g.name, emits)
		if more > 0 && (waits+more > most || waits+countFor(g.name, w.epoch.emits)+more > most) {
			return fmt.Errorf("%w: %q: %d records are not delivered, Options.MaxBacklog is %d", ErrEgressFull, g.name, waits, most)
		}
	}
	return nil
}

// heldFor counts the records for an egress that undecided transactions hold back. A worker may tell of what it gives back before another
// tells of what it holds.
func (w *worker) heldFor(egress int) uint64 {
	held := w.engine.egresses[egress].held.Load()
	if w.heldEmits != nil {
		held += w.heldEmits[egress]
	}
	return uint64(max(held, 0))
}

// countFor counts the records for an egress.
func countFor(name string, emits []functions.Emitted) (n uint64) {
	for i := range emits {
		if emits[i].Egress == name {
			n++
		}
	}
	return n
}

// number gives the records that a worker emitted their numbers. The conductor calls it at the cut.
func (e *Engine) number(p *portion) {
	for _, r := range p.emits {
		g := e.egresses[e.registry.egresses[r.Egress]]
		g.last++
		p.records = append(p.records, egressRecord{g, g.last, r})
	}
}

// writeEgresses adds the rows of new records and deletes those of delivered ones.
func (e *Engine) writeEgresses(batch store.Batch, s *sealing) {
	for _, g := range e.egresses {
		g.deleteDelivered(batch)
	}
	for _, p := range s.portions {
		for i := range p.records {
			r := &p.records[i]
			value, err := functions.EncodeRow(&r.record)
			if err != nil {
				panic("engine: a record's row always encodes: " + err.Error())
			}
			batch.Set(format.EgressKey(nil, r.egress.name, r.seq), value)
		}
	}
}

// maxDeletedOneByOne is the number of records whose rows are deleted one by one; see maxRowsDropped.
const maxDeletedOneByOne = 4096

// deleteDelivered deletes the rows of records that the receiver has. Of a long backlog they are millions, and no epoch counts them: those
// go as a range.
func (g *egress) deleteDelivered(batch store.Batch) {
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
	for _, p := range s.portions {
		for i := range p.records {
			p.records[i].egress.sealed.Store(p.records[i].seq)
		}
		if n := len(p.records); n > 0 {
			for _, g := range e.egresses {
				g.tell()
			}
		}
	}
}
