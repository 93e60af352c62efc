package engine

import (
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/sagas"
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
func (x *executor) cutRun(c *coord) {
	wasInRun := c.rows.inRun
	if !c.hasRow || wasInRun {
		c.hasRow, c.rows.inRun = true, false
		c.shard.runs[c.id] = c
		x.addRow(c.key(), c.row())
	}
	if c.saga == nil {
		return
	}
	head, entries := c.saga.TakeChanges()
	if c.left != nil {
		x.survivedCut(c, !wasInRun && (head || len(entries) > 0))
	}
	if head {
		c.rows.head = true
		x.addRow(format.JournalKey(nil, c.shard.number, c.id), encodes(c.saga.MarshalHead()))
	}
	for _, i := range entries {
		c.rows.entries = max(c.rows.entries, i+1)
		x.addRow(format.JournalEntryKey(nil, c.shard.number, c.id, i), encodes(c.saga.Entries[i].Marshal()))
	}
	if c.saga.TakeEffects() {
		x.cutEffects(c)
	}
}

// cutEffects writes the effects of a saga's outcome. The sealer encodes them.
func (x *executor) cutEffects(c *coord) {
	rows := sagas.EffectsRows(c.saga.Effects)
	for i := range rows {
		x.epoch.rows = append(x.epoch.rows, row{key: format.JournalEffectsKey(nil, c.shard.number, c.id, i), effects: &rows[i]})
	}
	c.rows.effects = len(rows)
}

// chargeJournal counts what has changed of a saga's journal, for the epoch and for the memory of all.
func (x *executor) chargeJournal(c *coord) {
	if c.saga == nil || c.over {
		return
	}
	x.countJournal(c)
	x.chargeRows(c.saga.TakeGrowth())
	if c.saga.HasNewEffects() && !c.rows.charged {
		c.rows.charged = true
		x.charge(bytesOf(c.saga.Effects))
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
func (x *executor) dropRun(c *coord) {
	delete(c.shard.runs, c.id)
	x.addRow(c.key(), nil)
	if c.left != nil {
		x.survived(c.left)
		c.left = nil
	}
	if c.rows.entries+c.rows.effects > maxRowsDropped {
		x.epoch.ranges = append(x.epoch.ranges, keyRange{format.JournalKey(nil, c.shard.number, c.id), format.JournalKey(nil, c.shard.number, c.id+1)})
		return
	}
	if c.rows.head {
		x.addRow(format.JournalKey(nil, c.shard.number, c.id), nil)
	}
	for i := range c.rows.entries {
		x.addRow(format.JournalEntryKey(nil, c.shard.number, c.id, i), nil)
	}
	for i := range c.rows.effects {
		x.addRow(format.JournalEffectsKey(nil, c.shard.number, c.id, i), nil)
	}
}

// chargeDrop counts for the epoch what it takes to delete the rows of a run.
func (x *executor) chargeDrop(c *coord) {
	if c.hasRow {
		x.chargeRows(0, 2+min(c.rows.entries+c.rows.effects, maxRowsDropped))
	}
}

// setSaga gives a run its journal.
func (x *executor) setSaga(c *coord, j sagas.Journal) {
	c.saga = x.idleSagas.Take()
	c.saga.Init(j, x.group.options.MaxUndoTries)
	c.saga.Bound(x.group.options.MaxJournalBytes)
	c.saga.Attached(bytesOf(j.Effects))
	x.countJournal(c)
	c.accepted = len(j.Entries)
}
