package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/format"
)

func (g *egress) tell() {
	select {
	case g.news <- struct{}{}:
	default:
	}
}

func (g *egress) hasNews() bool { return g.delivered.Load() < g.sealed.Load() && !g.parks() }

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
		before := g.delivered.Load()
		err := g.deliver()
		if err == errAbandoned {
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
		if g.delivered.Load() > before {
			wait = firstBackOff
		}
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

// MaxDelivery bounds the records of one [Egress].Write.
const MaxDelivery = 1024

// maxDeliveryBytes bounds what they are together, but for the first, which may be as large as a record can be.
const maxDeliveryBytes = 8 << 20

// deliver writes the next records to the receiver.
func (g *egress) deliver() error {
	if g.later {
		if err := g.askAgain(); err != nil {
			return err
		}
	}
	from, to := g.delivered.Load()+1, g.sealed.Load()
	if from > to || g.parks() {
		return nil
	}
	records, err := g.recent.take(from, to), error(nil)
	if len(records) == 0 {
		records, err = g.read(from, to)
	}
	if err != nil {
		return err
	}
	last := records[len(records)-1].Seq // once they are written the records are the receiver's
	if _, notes := g.to.(ParkedNoter); !notes {
		records = slices.DeleteFunc(records, func(r Record) bool { return r.Parked != "" })
	}
	if len(records) > 0 {
		err = g.write(records)
	}
	if err != nil {
		g.recent.clear() // the next ones are read, with the stub of one that is parked now
		return g.refuse(from, last, err)
	}
	g.delivered.Store(last)
	return nil
}

// askAgain asks a receiver for its position that could not tell it before. Nothing was delivered meanwhile.
func (g *egress) askAgain() error {
	var position uint64
	err := g.await("Position", guarded(func() (err error) {
		position, err = g.to.Position()
		return err
	}))
	if err == nil {
		err = checkPosition(position, g.sealed.Load())
	}
	if err != nil {
		return err
	}
	g.later = false
	g.delivered.Store(max(position, g.delivered.Load()))
	return nil
}

// read reads the rows of the next records, as many as go into one Write.
func (g *egress) read(from, to uint64) (records []Record, err error) {
	bytes := 0
	lower, upper := format.EgressKey(nil, g.name, from), format.EgressKey(nil, g.name, to+1)
	err = g.engine.table.Scan(lower, upper, func(key, value []byte) error {
		if bytes += len(value); len(records) == MaxDelivery || (len(records) > 0 && bytes > maxDeliveryBytes) {
			return errEnough
		}
		seq, err := format.Number(key)
		var r format.Record
		if err == nil {
			err = codec.Decode(value, &r)
		}
		records = append(records, Record{Seq: seq, Key: r.Key, Value: r.Value, Parked: r.Parked})
		return err
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	if n := uint64(len(records)); n == 0 || records[0].Seq != from || records[n-1].Seq != from+n-1 {
		g.engine.fatal(fmt.Errorf("%w: of the records %d to %d of egress %q, which were sealed, some have no row", ErrDamaged, from, to, g.name))
	}
	return records, nil
}

// refuse takes an error of a Write of the records from first to last: what came before the record at fault counts as taken, if the error
// tells, and a record that the receiver cannot take is parked.
func (g *egress) refuse(first, last uint64, err error) error {
	told, ok := err.(*guardedError)
	if !ok {
		return err
	}
	if bad := told.bad; bad != nil && bad.Seq >= first && bad.Seq <= last {
		g.delivered.Store(bad.Seq - 1)
		return g.parkRow(bad, err)
	}
	if part := told.part; part != nil && part.last+1 >= first && part.last < last {
		g.delivered.Store(part.last)
	}
	return err
}

// parkRow parks a record as its row has it: what was written is the receiver's, which may have changed it. The stub of one that is
// parked already stays, with the error.
func (g *egress) parkRow(bad *Unacceptable, err error) error {
	records, readErr := g.read(bad.Seq, bad.Seq)
	switch {
	case readErr != nil:
		return errors.Join(err, readErr)
	case records[0].Parked != "":
		return err
	}
	return g.park(records[0], bad)
}

// write hands records to the receiver.
func (g *egress) write(records []Record) error {
	return g.await("Write", guarded(func() error { return g.to.Write(g.ctx, records) }))
}

// await waits for a method of the receiver. If it has not returned when nobody waits any more, its receiver is closed once it has.
func (g *egress) await(method string, returned <-chan error) error {
	select {
	case err := <-returned:
		return err
	case <-g.abandon:
		g.hangs = method
		go func() {
			<-returned
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
	if n := g.sealed.Load() - g.delivered.Load(); n > 0 && !g.engine.down.Load() {
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
