package table

import "fmt"

// applyLoop applies frozen layers until the table is closed.
func (t *Table) applyLoop() {
	for range t.work {
		for t.hasFrozen() {
			if err := t.applyOldest(); err != nil {
				t.fail(err)
				return
			}
		}
	}
}

// fail ends applying: nobody can seal any more.
func (t *Table) fail(err error) {
	t.mu.Lock()
	t.failed = err
	t.mu.Unlock()
	t.room.Broadcast()
	t.options.Fatal(fmt.Errorf("table: apply: %w", err))
}

func (t *Table) hasFrozen() bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.layers) > 1 && t.failed == nil
}

// applyOldest writes the oldest layer to the store, which makes it durable, and cuts the log off behind it. One goroutine does so at a time.
func (t *Table) applyOldest() error {
	t.mu.RLock()
	oldest := t.layers[0]
	t.mu.RUnlock()
	if err := t.write(oldest); err != nil {
		return err
	}
	t.mu.Lock()
	t.layers = append([]*layer(nil), t.layers[1:]...) // views may have the old list
	t.bytes -= oldest.bytes
	t.mu.Unlock()
	t.room.Broadcast()
	t.logs.Lock()
	defer t.logs.Unlock()
	return t.log.DeleteFront(oldest.last) // the last one stays
}

// write writes a layer to the store as one batch, in the order of its keys.
func (t *Table) write(l *layer) error {
	b := t.store.NewBatch()
	l.ranges.Scan(func(r keyRange) bool {
		b.DeleteRange(r.lower, r.upper)
		return true
	})
	l.rows.Scan(func(r row) bool {
		if r.isDeleted() {
			b.Delete(r.key)
		} else {
			b.Set(r.key, r.value)
		}
		return true
	})
	b.Set(t.options.Position, t.positionValue(l.last))
	if err := b.Seal(); err != nil {
		return err
	}
	return t.store.Flush()
}

// Apply writes all that was sealed to the store, and waits until it is durable there.
func (t *Table) Apply() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	upTo := t.sealed
	t.freeze()
	for t.failed == nil && len(t.layers) > 1 && t.layers[0].last <= upTo {
		if t.options.Stepped {
			t.mu.Unlock()
			err := t.applyOldest()
			t.mu.Lock()
			if err != nil {
				t.failed = err
			}
			continue
		}
		t.tellWork()
		t.room.Wait()
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
