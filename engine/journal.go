package engine

import (
	"fmt"

	"github.com/concordat-dev/concordat/coordinator"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/sagas"
	"github.com/concordat-dev/concordat/saga"
)

// The rows of a saga's journal. The run's own row has what never changes and is written once; an epoch adds what it changed: rows of
// entries, and seldom the head. The effects of the outcome have rows that are written once, when the saga begins to be undone. All go when
// the run is over. Each row counts for the epoch when it changes, not when it is written: then the epoch can still be cut.
//
// Up to format version 1 the journal was in the run's own row, as a whole. One that is found so is written as rows with the next epoch
// that changes it.

// journalRows says which rows of its journal a saga has.
type journalRows struct {
	head    bool
	charged bool // the effects count for the epoch that writes them
	inRun   bool // none: it is in the run's own row
	entries int
	effects int
}

// maxRowsDropped is the number of rows that are deleted one by one; more are deleted as a range. A range costs whoever reads near it
// later, a long list costs at once.
const maxRowsDropped = 64

// cutRun writes what the epoch changed of a run that goes on.
func (w *worker) cutRun(c *coord) {
	wasInRun := c.rows.inRun
	if !c.hasRow || wasInRun {
		c.hasRow, c.rows.inRun = true, false
		w.coords[c.id] = c
		w.addRow(c.key(), c.row())
	}
	if c.saga == nil {
		return
	}
	head, entries := c.saga.TakeChanges()
	if c.left != nil {
		w.survivedCut(c, !wasInRun && (head || len(entries) > 0))
	}
	if head {
		c.rows.head = true
		w.addRow(format.JournalKey(nil, c.shard, c.id), encodes(c.saga.MarshalHead()))
	}
	for _, i := range entries {
		c.rows.entries = max(c.rows.entries, i+1)
		w.addRow(format.JournalEntryKey(nil, c.shard, c.id, i), encodes(c.saga.Entries[i].Marshal()))
	}
	if c.saga.TakeEffects() {
		w.cutEffects(c)
	}
}

// cutEffects writes the effects of a saga's outcome. The sealer encodes them.
func (w *worker) cutEffects(c *coord) {
	rows := sagas.EffectsRows(c.saga.Effects)
	for i := range rows {
		w.epoch.rows = append(w.epoch.rows, row{key: format.JournalEffectsKey(nil, c.shard, c.id, i), effects: &rows[i]})
	}
	c.rows.effects = len(rows)
}

// chargeJournal counts what has changed of a saga's journal, for the epoch and for the memory of all.
func (w *worker) chargeJournal(c *coord) {
	if c.saga == nil || c.over {
		return
	}
	w.countJournal(c)
	w.chargeRows(c.saga.TakeGrowth())
	if c.saga.HasNewEffects() && !c.rows.charged {
		c.rows.charged = true
		w.charge(bytesOf(c.saga.Effects))
	}
}

// encodes is the encoding of what always encodes.
func encodes(data []byte, err error) []byte {
	if err != nil {
		panic("engine: a journal always encodes: " + err.Error())
	}
	return data
}

// dropRun deletes the rows of a run that is over.
func (w *worker) dropRun(c *coord) {
	delete(w.coords, c.id)
	w.addRow(c.key(), nil)
	if c.left != nil {
		w.survived(c.left)
		c.left = nil
	}
	if c.rows.entries+c.rows.effects > maxRowsDropped {
		w.epoch.ranges = append(w.epoch.ranges, keyRange{format.JournalKey(nil, c.shard, c.id), format.JournalKey(nil, c.shard, c.id+1)})
		return
	}
	if c.rows.head {
		w.addRow(format.JournalKey(nil, c.shard, c.id), nil)
	}
	for i := range c.rows.entries {
		w.addRow(format.JournalEntryKey(nil, c.shard, c.id, i), nil)
	}
	for i := range c.rows.effects {
		w.addRow(format.JournalEffectsKey(nil, c.shard, c.id, i), nil)
	}
}

// chargeDrop counts for the epoch what it takes to delete the rows of a run.
func (w *worker) chargeDrop(c *coord) {
	if c.hasRow {
		w.chargeRows(0, 2+min(c.rows.entries+c.rows.effects, maxRowsDropped))
	}
}

// setSaga gives a run its journal.
func (e *Engine) setSaga(c *coord, j sagas.Journal) {
	c.saga = c.worker.idleSagas.take()
	c.saga.Init(j, e.options.MaxUndoTries)
	c.saga.Bound(e.options.MaxJournalBytes)
	c.saga.Attached(bytesOf(j.Effects))
	c.worker.countJournal(c)
	c.accepted = len(j.Entries)
}

// journalReader gives the runs of a shard their journals, whose rows it gets in the order of their keys.
type journalReader struct {
	engine *Engine
	coord  *coord // whose rows are being read
	reader sagas.Reader
}

func (r *journalReader) row(shard uint16, key, value []byte) error {
	id, part, n, err := format.JournalNumbers(key)
	if err != nil {
		return fmt.Errorf("%w: journal: %w", ErrDamaged, err)
	}
	if r.coord == nil || r.coord.id != id {
		if err := r.end(); err != nil {
			return err
		}
		if r.coord, err = r.engine.runWithoutJournal(shard, id); err != nil {
			return err
		}
	}
	rows := &r.coord.rows
	switch {
	case part == format.JournalIsHead:
		rows.head = true
		err = r.reader.Head(value)
	case part == format.JournalIsEntry && n == rows.entries:
		rows.entries++
		err = r.reader.Entry(value)
	case part == format.JournalIsEntry:
		err = fmt.Errorf("step %d is missing", rows.entries+1)
	case n == rows.effects:
		rows.effects++
		err = r.reader.Effects(value)
	default:
		err = fmt.Errorf("of the effects of its outcome row %d is missing", rows.effects+1)
	}
	if err != nil {
		return fmt.Errorf("%w: the journal of saga %d: %w", ErrDamaged, id, err)
	}
	return nil
}

// runWithoutJournal finds the run whose journal's rows come next.
func (e *Engine) runWithoutJournal(shard uint16, id uint64) (*coord, error) {
	c := e.workerOf(shard).coords[id]
	switch {
	case c == nil || c.shard != shard:
		return nil, fmt.Errorf("%w: there is a journal of saga %d, which is not there", ErrDamaged, id)
	case c.function.Protocol != coordinator.Saga:
		return nil, fmt.Errorf("%w: there is a journal of %s, which is no saga", ErrDamaged, c.function.Name)
	case c.saga != nil:
		return nil, fmt.Errorf("%w: saga %d has two journals", ErrDamaged, id)
	}
	return c, nil
}

// end is the end of a journal's rows.
func (r *journalReader) end() error {
	c, reader := r.coord, r.reader
	r.coord, r.reader = nil, sagas.Reader{}
	if c == nil {
		return nil
	}
	return r.engine.takeJournal(c, &reader)
}

// takeJournal gives a run the journal that was read.
func (e *Engine) takeJournal(c *coord, reader *sagas.Reader) error {
	j, err := reader.Journal(e.registry)
	if err == nil && (j.Phase == saga.Done || j.Phase == saga.Undone) {
		err = fmt.Errorf("it is %v, and has rows", j.Phase)
	}
	if err != nil {
		return fmt.Errorf("%w: the journal of saga %d: %w", ErrDamaged, c.id, err)
	}
	e.setSaga(c, j)
	return nil
}
