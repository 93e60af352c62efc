package engine

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/store"
)

// Record is a record that left through an egress.
type Record struct {
	Seq   uint64 // counts up from 1 without gaps, per egress: a receiver drops what it has seen
	Key   string
	Value []byte // encoded; see functions.Decode
}

// Egress is where the records of a named egress go.
//
// The engine keeps each record until Write has returned nil for it, and after a restart writes what Position does not cover. So
// a receiver whose position is stored together with the records gets each exactly once.
type Egress interface {
	// Position is the sequence number of the last record that the receiver has durably, or 0 if there is none or it can not
	// know; it is called once, at engine.Open. If it fails, or Open does later, Close is called.
	Position() (uint64, error)
	// Write takes records in the order of their numbers, and returns nil once they are durable at the receiver. After an error
	// the same records are written again, later. It may block; it holds up only this egress.
	Write(ctx context.Context, records []Record) error
	// Close is called once, after the last Write, and not at all if Position was not called.
	Close() error
}

// Callback makes an egress of a function that is called for each record in order. It has no durable position: after a restart
// records may come again, with the same numbers.
//
// A panic of f is an error of its record, which comes again.
func Callback(f func(ctx context.Context, r Record) error) Egress { return callback(f) }

type callback func(ctx context.Context, r Record) error

func (callback) Position() (uint64, error) { return 0, nil }

func (f callback) Write(ctx context.Context, records []Record) error {
	for _, r := range records {
		if err := f(ctx, r); err != nil {
			return fmt.Errorf("record %d: %w", r.Seq, err)
		}
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
		if err != nil {
			return fmt.Errorf("engine: egress %q: %w", g.name, err)
		}
		if position > g.last {
			return fmt.Errorf("engine: egress %q has record %d, but only %d were ever emitted: it belongs to another directory", g.name, position, g.last)
		}
		g.sealed.Store(g.last)
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
	prefix := store.EgressKey(nil, g.name, 0)
	err = g.engine.store.Scan(prefix, store.EgressKey(nil, g.name, g.last+1), func(key, _ []byte) error {
		seq, err := store.Number(key)
		first = seq
		return errors.Join(err, errEnough)
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return first, err
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
			value, err := functions.Encode(&r.record)
			if err != nil {
				panic("engine: a record's row always encodes: " + err.Error())
			}
			batch.Set(store.EgressKey(nil, r.egress.name, r.seq), value)
		}
	}
}

// deleteDelivered deletes the rows of records that the receiver has.
func (g *egress) deleteDelivered(batch store.Batch) {
	var buf [256]byte
	for delivered := g.delivered.Load(); g.deleted < delivered; {
		g.deleted++
		batch.Delete(store.EgressKey(buf[:0], g.name, g.deleted))
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

func (g *egress) tell() {
	select {
	case g.news <- struct{}{}:
	default:
	}
}

func (g *egress) hasNews() bool { return g.delivered.Load() < g.sealed.Load() }

func (e *Engine) runEgresses() {
	for _, g := range e.egresses {
		go g.loop()
	}
}

// Back-off between failed writes to an egress, or runs of an ingress.
const (
	firstBackOff = 10 * time.Millisecond
	lastBackOff  = 5 * time.Second
	drainBackOff = 100 * time.Millisecond // the longest while the engine closes
)

// errAbandoned: the receiver's code did not return in time when the engine was closed.
var errAbandoned = errors.New("engine: given up")

// loop delivers until the engine closes, and closes the receiver.
func (g *egress) loop() {
	defer close(g.ended)
	wait := firstBackOff
	for g.goesOn() {
		err := g.deliver()
		if errors.Is(err, errAbandoned) {
			return // whoever wrote closes the receiver once that has returned
		}
		if err == nil {
			wait, g.refused = firstBackOff, nil
			continue
		}
		if g.ctx.Err() != nil {
			break // it was told to stop
		}
		g.refused = err
		wait = g.backOff(wait)
	}
	g.closed = g.end()
}

// goesOn waits for a record to deliver. It returns false when there will be none.
func (g *egress) goesOn() bool {
	for g.ctx.Err() == nil {
		if g.hasNews() {
			return true
		}
		select {
		case <-g.news:
		case <-g.ctx.Done():
		case <-g.drain:
			return g.hasNews() && g.ctx.Err() == nil
		}
	}
	return false
}

// complain says that a receiver does not take records.
func (g *egress) complain(err error, wait time.Duration) {
	log := g.engine.options.Logger
	if stack := stackOf(err); stack != nil {
		log.Error("an egress panicked", append([]any{"egress", g.name, "error", err, "again in", wait}, stack...)...)
		return
	}
	log.Warn("an egress does not take records", "egress", g.name, "error", err, "again in", wait)
}

// backOff says why it pauses, and returns how long to pause the next time. While the engine closes pauses are short, and it is Close that
// says why.
func (g *egress) backOff(wait time.Duration) time.Duration {
	most := lastBackOff
	drain := g.drain
	select {
	case <-drain:
		most, drain = drainBackOff, nil
	default:
		g.complain(g.refused, wait)
	}
	timer := time.NewTimer(min(wait, most))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-g.ctx.Done():
	case <-drain:
		return firstBackOff
	}
	return min(2*wait, most)
}

// maxDelivery bounds the records of one Write.
const maxDelivery = 1024

// deliver writes the next records to the receiver.
func (g *egress) deliver() error {
	from, to := g.delivered.Load()+1, g.sealed.Load()
	if from > to {
		return nil
	}
	var records []Record
	lower, upper := store.EgressKey(nil, g.name, from), store.EgressKey(nil, g.name, to+1)
	err := g.engine.store.Scan(lower, upper, func(key, value []byte) error {
		if len(records) == maxDelivery {
			return errEnough
		}
		seq, err := store.Number(key)
		var r functions.Emitted
		if err == nil {
			err = functions.Decode(value, &r)
		}
		records = append(records, Record{Seq: seq, Key: r.Key, Value: r.Value})
		return err
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	if n := uint64(len(records)); n == 0 || records[0].Seq != from || records[n-1].Seq != from+n-1 {
		g.engine.fatal(fmt.Errorf("%w: of the records %d to %d of egress %q, which were sealed, some have no row", ErrDamaged, from, to, g.name))
	}
	if err := g.write(records); err != nil {
		return err
	}
	g.delivered.Store(records[len(records)-1].Seq)
	return nil
}

// write hands records to the receiver. If it has not returned when nobody waits any more, its receiver is closed once it has.
func (g *egress) write(records []Record) error {
	written := guarded(func() error { return g.to.Write(g.ctx, records) })
	select {
	case err := <-written:
		return err
	case <-g.abandon:
		g.hangs = "Write"
		go func() {
			<-written
			_ = g.close()
		}()
		return errAbandoned
	}
}

// end closes the receiver, and waits for that until nobody waits any more.
func (g *egress) end() error {
	closed := make(chan error, 1)
	go func() { closed <- g.close() }()
	select {
	case err := <-closed:
		return err
	case <-g.abandon:
		g.hangs = "Close"
		return nil
	}
}

// maxCloseTries is how often a stepped engine that closes lets an egress fail: it has no time that passes.
const maxCloseTries = 100

// drainEgresses delivers what is sealed until ctx is over, ends delivery, waits for the receivers to return until hard is over, and
// says what is left.
func (e *Engine) drainEgresses(ctx, hard context.Context) error {
	for _, g := range e.egresses {
		close(g.drain)
		if e.options.Seams.Stepped {
			g.loopStepped()
		}
	}
	var errs []error
	for _, g := range e.egresses {
		select {
		case <-g.ended:
		case <-ctx.Done():
			g.cancel()
		}
	}
	for _, g := range e.egresses {
		select {
		case <-g.ended:
		case <-hard.Done():
			close(g.abandon)
			select {
			case <-g.ended:
			case <-e.failed: // the loop may have been the first to know, and does not go on
				return e.giveUp()
			}
		}
		errs = append(errs, g.left())
	}
	return errors.Join(errs...)
}

// loopStepped is what is left of loop in a stepped engine that closes.
func (g *egress) loopStepped() {
	defer close(g.ended)
	for tries := 0; g.hasNews() && g.ctx.Err() == nil && tries < maxCloseTries; {
		if err := g.deliver(); err != nil {
			tries++
		}
	}
	g.closed = g.end()
}

// left says what a receiver has not taken, and what of it has not returned.
func (g *egress) left() error {
	var errs []error
	if g.closed != nil {
		errs = append(errs, g.closed)
	}
	if n := g.sealed.Load() - g.delivered.Load(); n > 0 {
		err := fmt.Errorf("engine: egress %q has not taken %d records; they come again when the directory is opened", g.name, n)
		if g.refused != nil {
			err = fmt.Errorf("%w: %w", err, g.refused)
		}
		errs = append(errs, err)
	}
	if g.hangs != "" {
		errs = append(errs, fmt.Errorf("engine: %s of egress %q does not return; its goroutine is left behind", g.hangs, g.name))
	}
	return errors.Join(errs...)
}

// forgetDelivered deletes the rows of the last records that were delivered.
func (e *Engine) forgetDelivered() error {
	batch := e.store.NewBatch()
	for _, g := range e.egresses {
		g.deleteDelivered(batch)
	}
	if batch.Count() == 0 {
		return batch.Close()
	}
	return batch.Seal()
}
