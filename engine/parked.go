package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/clock"
	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/table"
)

// Parked records: what a receiver cannot take, however often it is given it, does not keep from it what comes behind.
//
// Parking gives the record a row of its own, with the reason, and leaves a stub with its number in the place of its row, in one epoch.
// So after a crash the record is either as it was or parked, and a [ParkedNoter] gets
// the stub once the record is safe.

// Unacceptable is an error of [Egress].Write, or of a [Callback]: the receiver cannot take a record, now or ever. The engine parks it
// and goes on behind it: see [Engine.ParkedRecords]. Records of the same Write that come before it count as taken, those behind it
// come again.
type Unacceptable struct {
	Seq    uint64 // the record; in a Callback it is the one that the callback was called for, whatever this says
	Reason error
}

// Error says which record it is, and why.
func (u *Unacceptable) Error() string {
	return fmt.Sprintf("record %d is unacceptable: %v", u.Seq, u.Reason)
}

// Unwrap returns the reason.
func (u *Unacceptable) Unwrap() error { return u.Reason }

// Refuse makes the error with which an egress says that it cannot take a record, now or ever.
func Refuse(seq uint64, reason error) error { return &Unacceptable{Seq: seq, Reason: reason} }

// partlyTaken is an error of a Write that has taken the records up to a number.
type partlyTaken struct {
	last uint64
	err  error
}

func (p *partlyTaken) Error() string { return p.err.Error() }
func (p *partlyTaken) Unwrap() error { return p.err }

// ParkedNoter is an [Egress] that notes parked records in their places among the others: Write gets them too, with the reason in
// Record.Parked and without a value, once they are parked durably. NotesParked is never called.
type ParkedNoter interface {
	Egress
	NotesParked()
}

// ErrNoParked: the egress has no such parked record.
var ErrNoParked = errors.New("engine: no such parked record")

// maxReason bounds the text of a reason, in bytes.
const maxReason = 1 << 10

// ParkedRecord is a record that a receiver cannot take.
type ParkedRecord struct {
	Record
	Reason string
	At     time.Time // when it was parked
}

// loadParked finds the parked records of an egress, once its directory is opened.
func (g *egress) loadParked() error {
	g.parked = map[uint64]struct{}{}
	err := g.engine.table.Scan(format.ParkedKey(nil, g.name, 0), format.ParkedKey(nil, g.name, math.MaxUint64), func(key, _ []byte) error {
		seq, err := format.Number(key)
		g.parked[seq] = struct{}{}
		return err
	})
	g.parkedCount.Store(int64(len(g.parked)))
	return err
}

// park parks a record in the running epoch, and waits until that is sealed. While there are Options.MaxParked it is an error, so that
// the egress waits there until somebody retries or drops one.
func (g *egress) park(r Record, bad *Unacceptable) error {
	e := g.engine
	if most := e.options.MaxParked; g.parkedCount.Load() >= int64(most) {
		return fmt.Errorf("engine: %d records of egress %q are parked, which is Options.MaxParked: %w", most, g.name, bad)
	}
	reason := strings.ToValidUTF8(fmt.Sprint(bad.Reason), "\ufffd")
	reason = strings.ToValidUTF8(reason[:min(len(reason), maxReason)], "")
	if reason == "" {
		reason = "no reason given"
	}
	e.options.Logger.Error("a record is parked: its egress cannot take it", "egress", g.name, "record", r.Seq, "reason", reason)
	if e.stopped.Load() {
		return g.parkAtEnd(r, reason)
	}
	q, err := e.beginControl(e.workers[0], func(w *worker) error {
		g.parkRows(r, reason, w.now, w.addCharged)
		return nil
	})
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", bad, err)
	case e.options.Seams.Stepped:
		g.parking = q // whoever steps the engine also steps the epoch
		return nil
	}
	return q.wait(g.ctx)
}

// parkRows parks a record by the rows that it adds.
func (g *egress) parkRows(r Record, reason string, now time.Time, add func(key, value []byte)) {
	add(format.ParkedKey(nil, g.name, r.Seq), encodeRow(format.Parked{Key: r.Key, Value: r.Value, Reason: reason, At: clock.Storable(now)}))
	add(format.EgressKey(nil, g.name, r.Seq), encodeRow(format.Record{Egress: g.name, Key: r.Key, Parked: reason}))
	g.parked[r.Seq] = struct{}{}
	g.parkedCount.Store(int64(len(g.parked)))
	g.engine.stats.parked.Add(1)
}

// parkAtEnd parks a record when there are no epochs any more.
func (g *egress) parkAtEnd(r Record, reason string) error {
	var batch table.Batch
	g.parkRows(r, reason, g.engine.options.Seams.Clock.Now(), batch.Set)
	return g.engine.table.Seal(&batch)
}

// parks reports whether a record is being parked: until that is sealed nothing goes on.
func (g *egress) parks() bool {
	if g.parking != nil && len(g.parking.done) > 0 {
		g.parking = nil
	}
	return g.parking != nil
}

// encodeRow encodes a row of the engine's own, which always encodes.
func encodeRow(row any) []byte {
	value, err := codec.Encode(row)
	if err != nil {
		panic("engine: a row always encodes: " + err.Error())
	}
	return value
}

// egressNamed finds an egress.
func (e *Engine) egressNamed(name string) (*egress, error) {
	i, ok := e.registry.Egresses[name]
	if !ok {
		return nil, fmt.Errorf("%w: %q", ErrNoEgress, name)
	}
	return e.egresses[i], nil
}

// ParkedRecords lists the records that an egress cannot take, by their numbers; at most Options.MaxParked, with their values. It waits
// for at most one sync. An egress that the engine was not opened with is [ErrNoEgress].
func (e *Engine) ParkedRecords(ctx context.Context, egress string) (all []ParkedRecord, err error) {
	g, err := e.egressNamed(egress)
	if err != nil {
		return nil, err
	}
	if err := notBegun(&ctx); err != nil {
		return nil, err
	}
	lower, upper := format.ParkedKey(nil, g.name, 0), format.ParkedKey(nil, g.name, math.MaxUint64)
	err = e.walkRows(lower, upper, func(key, value []byte) (bool, error) {
		seq, err := format.Number(key)
		var p format.Parked
		if err == nil {
			err = functions.Decode(value, &p)
		}
		if err != nil {
			return false, fmt.Errorf("%w: parked record of egress %q: %w", ErrDamaged, g.name, err)
		}
		all = append(all, ParkedRecord{Record{Seq: seq, Key: p.Key, Value: p.Value}, p.Reason, p.At})
		return ctx.Err() == nil, ctx.Err()
	})
	return all, err
}

// RetryParked emits a parked record again, once: behind all others, with a number of its own. It returns once that is durable. One that
// is not there is [ErrNoParked].
func (e *Engine) RetryParked(ctx context.Context, egress string, seq uint64) error {
	return e.unpark(ctx, egress, seq, func(w *worker, p format.Parked) {
		w.emit(format.Emitted{Egress: egress, Key: p.Key, Value: p.Value})
	})
}

// DropParked forgets a parked record. It returns once that is durable. One that is not there is [ErrNoParked].
func (e *Engine) DropParked(ctx context.Context, egress string, seq uint64) error {
	return e.unpark(ctx, egress, seq, func(*worker, format.Parked) {})
}

// unpark deletes a parked record's row and calls f with what was in it, in one epoch.
func (e *Engine) unpark(ctx context.Context, egress string, seq uint64, f func(*worker, format.Parked)) error {
	g, err := e.egressNamed(egress)
	if err != nil {
		return err
	}
	return e.control(ctx, e.workers[0], func(w *worker) error {
		key := format.ParkedKey(nil, g.name, seq)
		value, found := w.load(key)
		if _, there := g.parked[seq]; !there || !found { // not found: its row is not sealed yet
			return fmt.Errorf("%w: %d of egress %q", ErrNoParked, seq, g.name)
		}
		var p format.Parked
		if err := functions.Decode(value, &p); err != nil {
			return fmt.Errorf("%w: parked record %d of egress %q: %w", ErrDamaged, seq, g.name, err)
		}
		w.addCharged(key, nil)
		delete(g.parked, seq)
		g.parkedCount.Store(int64(len(g.parked)))
		f(w, p)
		return nil
	})
}
