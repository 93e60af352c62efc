package floor

import (
	"context"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/ycsb"
	"github.com/concordat-dev/concordat/ycsb/internal/rules"
)

var _ interface {
	ycsb.Target
	ycsb.Updater
	ycsb.Overwriter
	ycsb.FieldReader
	ycsb.Inserter
	ycsb.Scanner
	ycsb.Modifier
	ycsb.Payer
	ycsb.Snapshotter
} = (*Floor)(nil)

// Load implements [ycsb.Target].
func (f *Floor) Load(_ context.Context, key int, row ycsb.Row) error {
	a := f.accounts.of(key)
	a.mu.Lock()
	if a.exists {
		a.mu.Unlock()
		return nil
	}
	g := f.create("", 0, a, row)
	a.mu.Unlock()
	return g.wait()
}

// Insert implements [ycsb.Inserter]. There must be room for the row.
func (f *Floor) Insert(_ context.Context, requestID string, key int, row ycsb.Row) error {
	print := rules.WritePrint(ycsb.Insertion, key, ycsb.MaxFields, row.Fields[:]...)
	if done, err := f.claim(requestID, print); done {
		return err
	}
	a := f.accounts.of(key)
	a.mu.Lock()
	if a.exists {
		g := f.join(requestID, print, rules.Exists, func(*group) {})
		a.mu.Unlock()
		return g.answer(rules.Exists)
	}
	g := f.create(requestID, print, a, row)
	a.mu.Unlock()
	return g.answer(rules.Done)
}

// create makes a row. The caller holds the account's mutex.
func (f *Floor) create(requestID string, print uint64, a *account, row ycsb.Row) *group {
	a.settle()
	f.accounts.made(int(a.number))
	return f.join(requestID, print, rules.Done, func(g *group) {
		a.touch(g)
		a.exists, a.row = true, row
	})
}

// Read implements [ycsb.Target].
func (f *Floor) Read(_ context.Context, key int) error {
	_, err := f.read(key)
	return err
}

// ReadField implements [ycsb.FieldReader]: with rows in memory it is a read like any other.
func (f *Floor) ReadField(ctx context.Context, key, _ int) error { return f.Read(ctx, key) }

// Balance implements [ycsb.Target].
func (f *Floor) Balance(_ context.Context, key int) (int64, error) {
	if !f.accounts.has(key) {
		return 0, functions.ErrNotFound
	}
	row, err := f.read(key)
	return row.Balance, err
}

// read returns a row once it is durable.
func (f *Floor) read(key int) (ycsb.Row, error) {
	a := f.accounts.of(key)
	a.mu.Lock()
	row, exists, writer := a.row, a.exists, a.writer
	a.mu.Unlock()
	if writer != nil {
		if err := writer.wait(); err != nil {
			return ycsb.Row{}, err
		}
	}
	if !exists {
		return ycsb.Row{}, functions.ErrNotFound
	}
	return row, nil
}

// Update implements [ycsb.Updater].
func (f *Floor) Update(_ context.Context, requestID string, u ycsb.FieldUpdate) error {
	print := rules.WritePrint(ycsb.Update, u.Key, u.Field, u.Value)
	return f.write(requestID, print, u.Key, func(row *ycsb.Row) { row.Fields[u.Field] = u.Value })
}

// Modify implements [ycsb.Modifier]. Under the row's mutex nobody writes between the read and the write, and who waits until
// the write is durable has waited for what was read.
func (f *Floor) Modify(_ context.Context, requestID string, u ycsb.FieldUpdate) error {
	print := rules.WritePrint(ycsb.Modify, u.Key, u.Field, u.Value)
	return f.write(requestID, print, u.Key, func(row *ycsb.Row) { row.Fields[u.Field] = u.Value })
}

// Overwrite implements [ycsb.Overwriter].
func (f *Floor) Overwrite(_ context.Context, requestID string, key int, fields [ycsb.MaxFields]string) error {
	print := rules.WritePrint(ycsb.Update, key, ycsb.MaxFields, fields[:]...)
	return f.write(requestID, print, key, func(row *ycsb.Row) { row.Fields = fields })
}

// write changes a row.
func (f *Floor) write(requestID string, print uint64, key int, change func(*ycsb.Row)) error {
	if done, err := f.claim(requestID, print); done {
		return err
	}
	a := f.accounts.of(key)
	a.mu.Lock()
	status := rules.NotFound
	if a.exists {
		status = rules.Done
		a.settle()
	}
	g := f.join(requestID, print, status, func(g *group) {
		if status == rules.Done {
			a.touch(g)
			change(&a.row)
		}
	})
	a.mu.Unlock()
	return g.answer(status)
}
