package limit

import (
	"context"
	"slices"

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
	ycsb.Appender
} = (*Limit)(nil)

// Transfer implements [ycsb.Target].
func (l *Limit) Transfer(_ context.Context, requestID string, t ycsb.Transfer) error {
	return l.write(requestID, rules.TransferPrint(t), func() rules.Status {
		from, to := l.find(t.From), l.find(t.To)
		if from == nil || to == nil {
			return rules.NotFound
		}
		status := rules.Pay(true, from.row.Balance, t.Amount, t.Refuse)
		if status == rules.Done {
			l.change(t.From).Balance -= t.Amount
			l.change(t.To).Balance += t.Amount
		}
		return status
	})
}

// Pay implements [ycsb.Payer].
func (l *Limit) Pay(_ context.Context, requestID string, p ycsb.Payment) error {
	return l.write(requestID, rules.PaymentPrint(p), func() rules.Status {
		from := l.find(p.From)
		if from == nil || slices.ContainsFunc(p.To, func(key int) bool { return l.find(key) == nil }) {
			return rules.NotFound
		}
		total := p.Amount * int64(len(p.To))
		status := rules.Pay(true, from.row.Balance, total, p.Refuse)
		if status == rules.Done {
			l.change(p.From).Balance -= total
			for _, key := range p.To {
				l.change(key).Balance += p.Amount
			}
		}
		return status
	})
}

// Load implements [ycsb.Target].
func (l *Limit) Load(_ context.Context, key int, row ycsb.Row) error {
	return l.write("", 0, func() rules.Status {
		l.create(key, row)
		return rules.Done
	})
}

// Insert implements [ycsb.Inserter].
func (l *Limit) Insert(_ context.Context, requestID string, key int, row ycsb.Row) error {
	return l.write(requestID, rules.WritePrint(ycsb.Insertion, key, ycsb.MaxFields, row.Fields[:]...), func() rules.Status {
		return l.create(key, row)
	})
}

// create makes a row that is not there yet.
func (b *books) create(key int, row ycsb.Row) rules.Status {
	r := b.room(key)
	if r.exists {
		return rules.Exists
	}
	r.exists, r.row = true, row
	b.change(key)
	return rules.Done
}

// Update implements [ycsb.Updater].
func (l *Limit) Update(_ context.Context, requestID string, u ycsb.FieldUpdate) error {
	return l.updateField(requestID, ycsb.Update, u)
}

// Modify implements [ycsb.Modifier].
func (l *Limit) Modify(_ context.Context, requestID string, u ycsb.FieldUpdate) error {
	return l.updateField(requestID, ycsb.Modify, u)
}

func (l *Limit) updateField(requestID string, kind ycsb.Kind, u ycsb.FieldUpdate) error {
	print := rules.WritePrint(kind, u.Key, u.Field, u.Value)
	return l.overwrite(requestID, print, u.Key, func(row *ycsb.Row) { row.Fields[u.Field] = u.Value })
}

// Overwrite implements [ycsb.Overwriter].
func (l *Limit) Overwrite(_ context.Context, requestID string, key int, fields [ycsb.MaxFields]string) error {
	print := rules.WritePrint(ycsb.Update, key, ycsb.MaxFields, fields[:]...)
	return l.overwrite(requestID, print, key, func(row *ycsb.Row) { row.Fields = fields })
}

// overwrite changes a row.
func (l *Limit) overwrite(requestID string, print uint64, key int, change func(*ycsb.Row)) error {
	return l.write(requestID, print, func() rules.Status {
		if l.find(key) == nil {
			return rules.NotFound
		}
		change(l.change(key))
		return rules.Done
	})
}

// Read implements [ycsb.Target].
func (l *Limit) Read(_ context.Context, key int) error {
	_, err := l.readAll([]int{key})
	return err
}

// ReadField implements [ycsb.FieldReader]: with rows in memory it is a read like any other.
func (l *Limit) ReadField(ctx context.Context, key, _ int) error { return l.Read(ctx, key) }

// Balance implements [ycsb.Target].
func (l *Limit) Balance(_ context.Context, key int) (int64, error) {
	rows, err := l.readAll([]int{key})
	if err != nil {
		return 0, err
	}
	return rows[0].Balance, nil
}

// Snapshot implements [ycsb.Snapshotter].
func (l *Limit) Snapshot(_ context.Context, keys []int) error {
	_, err := l.readAll(keys)
	return err
}

// readAll reads rows.
func (l *Limit) readAll(keys []int) (rows []ycsb.Row, err error) {
	err = l.read(func() rules.Status {
		for _, key := range keys {
			r := l.find(key)
			if r == nil {
				return rules.NotFound
			}
			rows = append(rows, r.row)
		}
		return rules.Done
	})
	return rows, err
}

// Scan implements [ycsb.Scanner].
func (l *Limit) Scan(_ context.Context, from, n int) error {
	rows := make([]ycsb.Row, 0, n)
	return l.read(func() rules.Status {
		for key := from; len(rows) < n && key < len(l.rows); key++ {
			if r := l.find(key); r != nil {
				rows = append(rows, r.row)
			}
		}
		return rules.Done
	})
}

// Appends implements [ycsb.Appender].
func (l *Limit) Appends() (taken ycsb.Histogram) {
	err := l.read(func() rules.Status {
		taken, l.alone = l.alone, ycsb.Histogram{}
		return rules.Done
	})
	if err != nil {
		return ycsb.Histogram{}
	}
	return taken
}
