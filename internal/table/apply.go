package table

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/concordat-dev/concordat/internal/store"
)

// A layer that cannot be written is tried again: nothing is lost, since the log has it.
const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// applyLoop applies frozen layers until the table is closed.
func (t *Table) applyLoop() {
	for t.awaits(t.work) {
		t.mergeSmall()
		for wait := firstRetry; t.mustApply(); {
			err := t.applyOldest()
			t.note(err)
			if err == nil {
				wait = firstRetry
				continue
			}
			t.options.Logger.Error("what was sealed cannot be written to the table; the log has it, and it is tried again", "dir", t.options.Dir, "in", wait, "error", err)
			select {
			case <-t.ending:
				return
			case <-time.After(wait):
			}
			wait = min(2*wait, lastRetry)
		}
	}
}

// note notes how an attempt to apply a layer has ended, and tells those who wait.
func (t *Table) note(err error) {
	t.mu.Lock()
	t.trouble = err
	t.mu.Unlock()
	t.room.Broadcast()
}

func (t *Table) hasFrozen() bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.layers) > 1 && t.failed == nil
}

// fewLayers is how many layers each read may have to look into; of more, small ones are made one.
const fewLayers = 4

// mergeSmall makes one of the youngest frozen layers, as long as those before them are not much larger, and all are not more than a layer that
// is written: each view freezes what has grown until then. So their number grows with the logarithm of what is in them, and so does how often
// a row is merged.
func (t *Table) mergeSmall() {
	t.mu.RLock()
	frozen := t.layers[:len(t.layers)-1]
	t.mu.RUnlock()
	for len(frozen) > 0 && frozen[0].isReplayed() {
		frozen = frozen[1:]
	}
	if len(frozen) <= fewLayers {
		return
	}
	from := len(frozen) - 1
	for bytes := frozen[from].bytes; from > 0 && frozen[from-1].bytes <= min(2*bytes, t.options.LayerBytes-bytes); from-- {
		bytes += frozen[from-1].bytes
	}
	if len(frozen)-from < 2 {
		return
	}
	one := merged(frozen[from:])
	t.mu.Lock()
	defer t.mu.Unlock()
	at := slices.Index(t.layers, frozen[from])
	t.layers = slices.Concat(t.layers[:at], []*layer{one}, t.layers[at+len(frozen)-from:]) // views may have the old list
}

// mustApply reports whether there is enough to be applied, or something was replayed, or somebody waits. Views freeze what has grown until
// then, and small layers are written together.
func (t *Table) mustApply() bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if len(t.layers) == 1 || t.failed != nil {
		return false
	}
	frozen := t.bytes - t.layers[len(t.layers)-1].bytes
	return frozen >= t.options.LayerBytes || t.layers[0].isReplayed() || t.awaited > 0
}

// oldest are the frozen layers that are written next: one, or several small ones.
func (t *Table) oldest() []*layer {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.layers[0].isReplayed() {
		return t.layers[:1:1]
	}
	n, bytes := 1, t.layers[0].bytes
	for n < len(t.layers)-1 && bytes+t.layers[n].bytes <= t.options.LayerBytes {
		bytes += t.layers[n].bytes
		n++
	}
	return t.layers[:n:n]
}

// applyOldest writes the oldest layers to the store, which makes them durable, and cuts the log off behind them. One goroutine does so at a
// time.
func (t *Table) applyOldest() error {
	layers := t.oldest()
	oldest := merged(layers)
	if err := t.write(oldest); err != nil {
		return err
	}
	t.mu.Lock()
	t.layers = append([]*layer(nil), t.layers[len(layers):]...) // views may have the old list
	t.bytes -= oldest.bytes
	if t.views == 0 {
		for _, p := range oldest.parts {
			t.chunks.leave(p.chunk)
		}
	}
	t.mu.Unlock()
	t.logs.Lock()
	defer t.logs.Unlock()
	t.cut = oldest.last // the last one stays
	return t.cutLog()
}

// cutLog cuts off the log what nobody needs. The caller holds logs.
func (t *Table) cutLog() error {
	if t.holds > 0 {
		return nil
	}
	return t.log.DeleteFront(t.cut)
}

// write writes a layer to the store, with the position that the store has then.
func (t *Table) write(l *layer) error {
	own := row{t.options.Position, t.positionValue(l.last)}
	return t.store.Ingest(func(p *store.Portion) error {
		var lower []byte
		left, written := l.order(), false
		for _, upper := range append(slices.Clip(t.options.Apart), nil) {
			rows := left
			if upper != nil {
				end, _ := l.place(left, upper)
				rows = left[:end]
			}
			left = left[len(rows):]
			err := writeRanges(p, l.ranges, lower, upper)
			if !written && (upper == nil || bytes.Compare(own.key, upper) < 0) {
				at, _ := l.place(rows, own.key)
				err = errors.Join(err, l.writeRows(p, rows[:at]), p.Set(own.key, own.value))
				rows, written = rows[at:], true
			}
			if err = errors.Join(err, l.writeRows(p, rows), p.Split()); err != nil {
				return err
			}
			lower = upper
		}
		return nil
	})
}

// writeRanges writes what is deleted of the keys from lower (included) to upper (excluded; nil: no bound).
func writeRanges(p *store.Portion, all ranges, lower, upper []byte) error {
	for _, r := range all {
		if bytes.Compare(r.lower, lower) < 0 {
			r.lower = lower
		}
		if upper != nil && bytes.Compare(r.upper, upper) > 0 {
			r.upper = upper
		}
		if bytes.Compare(r.lower, r.upper) >= 0 {
			continue
		}
		if err := p.DeleteRange(r.lower, r.upper); err != nil {
			return err
		}
	}
	return nil
}

// writeRows writes rows of the layer, which are in order.
func (l *layer) writeRows(p *store.Portion, rows []spot) (err error) {
	for _, at := range rows {
		if r := l.row(at); r.isDeleted() {
			err = p.Delete(r.key)
		} else {
			err = p.Set(r.key, r.value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Apply writes all that was sealed to the store, and waits until it is durable there. An error says that it is not yet, and nothing is lost:
// it is tried again, or by the next Open.
func (t *Table) Apply() error {
	if t.options.Stepped {
		t.mu.Lock()
		t.freeze()
		t.mu.Unlock()
		return t.Quiet()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	upTo := t.sealed
	t.freeze()
	t.awaited++
	defer func() { t.awaited-- }()
	for t.failed == nil && len(t.layers) > 1 && t.layers[0].last <= upTo {
		t.trouble = nil
		tell(t.work)
		if t.room.Wait(); t.trouble != nil {
			return t.trouble
		}
	}
	if t.failed != nil {
		return fmt.Errorf("%w: %w", ErrFailed, t.failed)
	}
	return nil
}

// Quiet does what a stepped table would do in the background, and waits until it is done.
func (t *Table) Quiet() error {
	for t.hasFrozen() {
		if err := t.applyOldest(); err != nil {
			t.mu.Lock()
			t.failed = err
			t.mu.Unlock()
			return err
		}
	}
	return t.store.Quiet(0)
}
