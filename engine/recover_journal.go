package engine

import (
	"fmt"

	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/routines"
	"github.com/concordat-dev/concordat/internal/machine/sagas"
)

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
	c := e.shards[shard].runs[id]
	switch {
	case c == nil:
		return nil, fmt.Errorf("%w: there is a journal of saga %d, which is not there", ErrDamaged, id)
	case c.function.Protocol != routines.Saga:
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
	if err == nil && (j.Phase == sagas.Done || j.Phase == sagas.Undone) {
		err = fmt.Errorf("it is %v, and has rows", j.Phase)
	}
	if err != nil {
		return fmt.Errorf("%w: the journal of saga %d: %w", ErrDamaged, c.id, err)
	}
	c.shard.on.setSaga(c, j)
	return nil
}
