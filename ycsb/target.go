package ycsb

import (
	"context"
	"fmt"
)

// Target is what [Rows] measure: the least that a store has to offer. What else it can do it shows by having the methods of
// the abilities below; a mix that needs one that is missing is an error before anything runs.
//
// Methods are called by many clients at once and block until the operation is durable. Each returns nil if the operation took
// effect, an error that wraps [ErrUnknown] (or a context's error) if that is not known, and any other error if it had no
// effect. A write with a request id that was used before must have no second effect; an empty request id makes no such
// promise. Slices that a method is given are used again after it has returned.
type Target interface {
	// Load makes the row of a key. A row that is there already is left alone, without an error.
	Load(ctx context.Context, key int, row Row) error
	// Read reads a whole row.
	Read(ctx context.Context, key int) error
	// Transfer moves money from one row to another.
	Transfer(ctx context.Context, requestID string, t Transfer) error
	// Balance reads the balance of a row, for the audit.
	Balance(ctx context.Context, key int) (int64, error)
}

// Transfer moves Amount from row From to row To, which are distinct. With Refuse the credit is refused once the debit has
// been made, so that the protocol has something to undo: the target answers [ErrRefused] and leaves both rows as they were.
type Transfer struct {
	From, To int
	Amount   int64
	Refuse   bool
}

// Abilities of a [Target].
type (
	// Updater overwrites a field of a row; for updates.
	Updater interface {
		Update(ctx context.Context, requestID string, u FieldUpdate) error
	}
	// Overwriter overwrites all fields of a row; for updates with Config.WriteAllFields.
	Overwriter interface {
		Overwrite(ctx context.Context, requestID string, key int, fields [MaxFields]string) error
	}
	// FieldReader reads one field of a row; for reads with Config.ReadOneField.
	FieldReader interface {
		ReadField(ctx context.Context, key, field int) error
	}
	// Inserter makes a new row; for insertions. A row that is there already is an error, and Balance of a row that is not
	// there wraps functions.ErrNotFound.
	Inserter interface {
		Insert(ctx context.Context, requestID string, key int, row Row) error
	}
	// Scanner reads up to n rows in the order of their keys, from the row From on; for scans.
	Scanner interface {
		Scan(ctx context.Context, from, n int) error
	}
	// Modifier reads a row and overwrites a field of it, in one go; for read-modify-writes. Of a target that has it not they
	// are a Read and then an Update, as in YCSB.
	Modifier interface {
		Modify(ctx context.Context, requestID string, u FieldUpdate) error
	}
	// Payer makes transfers with more than two parties.
	Payer interface {
		Pay(ctx context.Context, requestID string, p Payment) error
	}
	// Snapshotter reads the balances of several distinct rows as of one moment, as far as its protocol knows such a thing;
	// for snapshots.
	Snapshotter interface {
		Snapshot(ctx context.Context, keys []int) error
	}
	// Counter counts what happens inside.
	Counter interface {
		// Counters returns what was counted since the target was opened.
		Counters() Counters
	}
	// Appender appends to a log.
	Appender interface {
		// Appends returns how long those synced appends took that were of a single write, since it was called last, or since the
		// target was opened.
		Appends() Histogram
	}
)

// FieldUpdate overwrites field Field of row Key with Value.
type FieldUpdate struct {
	Key, Field int
	Value      string
}

// Payment moves Amount from row From to each of the rows To; all are distinct. With Refuse the last credit is refused, as in
// a [Transfer].
type Payment struct {
	From   int
	To     []int
	Amount int64
	Refuse bool
}

// abilities are a target's, nil where it has them not.
type abilities struct {
	update    Updater
	overwrite Overwriter
	readField FieldReader
	insert    Inserter
	scan      Scanner
	modify    Modifier
	pay       Payer
	snapshot  Snapshotter
	count     Counter
	append    Appender
}

func abilitiesOf(t Target) abilities {
	var a abilities
	a.update, _ = t.(Updater)
	a.overwrite, _ = t.(Overwriter)
	a.readField, _ = t.(FieldReader)
	a.insert, _ = t.(Inserter)
	a.scan, _ = t.(Scanner)
	a.modify, _ = t.(Modifier)
	a.pay, _ = t.(Payer)
	a.snapshot, _ = t.(Snapshotter)
	a.count, _ = t.(Counter)
	a.append, _ = t.(Appender)
	return a
}

// check reports what the configuration asks for and the target cannot do: [ErrUnable].
func (a abilities) check(c Config) error {
	var errs checks
	need := func(asked, able bool, what string) {
		errs.check(!asked || able, "%w %s", ErrUnable, what)
	}
	writes := c.Mix.Update > 0 || c.Mix.Modify > 0 && a.modify == nil
	need(writes && !c.WriteAllFields, a.update != nil, "update a field of a row")
	need(writes && c.WriteAllFields, a.overwrite != nil, "overwrite all fields of a row")
	need(c.Mix.Read > 0 && c.ReadOneField, a.readField != nil, "read a single field of a row")
	need(c.Mix.Insert > 0, a.insert != nil, "insert a row")
	need(c.Mix.Scan > 0, a.scan != nil, "scan")
	need(c.Mix.Transfer > 0 && c.Parties > 2, a.pay != nil, fmt.Sprintf("make a transfer with %d parties", c.Parties))
	need(c.Mix.Snapshot > 0, a.snapshot != nil, "read several rows at once")
	return errs.err()
}
