package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/ycsb"
)

// The target has all abilities.
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
	ycsb.Counter
} = (*Target)(nil)

// The statements. A write notes its id, if it has one, and does nothing if the id was there; it fails if there is no row to change.
const (
	once = `WITH new AS (INSERT INTO requests SELECT $1::text WHERE $1 <> '' ON CONFLICT DO NOTHING RETURNING 1), run AS (SELECT $1 = '' OR EXISTS (SELECT FROM new) AS wanted) `
	done = ` RETURNING 1) SELECT CASE WHEN wanted THEN there((SELECT count(*) FROM changed)) END FROM run`

	insertRow = `INSERT INTO rows SELECT $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13`
	readRow   = `SELECT * FROM rows WHERE key = $1`
	balanceOf = `SELECT balance FROM rows WHERE key = $1`
	scanRows  = `SELECT * FROM rows WHERE key >= $1 ORDER BY key LIMIT $2`
	snapshot  = `SELECT key, balance FROM rows WHERE key = ANY ($1)`
	payCall   = `CALL pay($1, $2, $3, $4, $5)`

	overwriteRow = once + `, changed AS (UPDATE rows SET field0 = $3, field1 = $4, field2 = $5, field3 = $6, field4 = $7, field5 = $8, field6 = $9, field7 = $10,
		field8 = $11, field9 = $12 WHERE key = $2 AND (SELECT wanted FROM run)` + done
	insertOnce = once + `, changed AS (` + insertRow + ` WHERE (SELECT wanted FROM run)` + done
)

// The statements that name a field.
var readFields, updateFields, modifyFields = func() (read, update, modify [ycsb.MaxFields]string) {
	for i := range read {
		field := fmt.Sprintf("field%d", i)
		read[i] = "SELECT " + field + " FROM rows WHERE key = $1"
		update[i] = once + ", changed AS (UPDATE rows SET " + field + " = $3 WHERE key = $2 AND (SELECT wanted FROM run)" + done
		modify[i] = once + ", old AS (SELECT * FROM rows WHERE key = $2 FOR UPDATE), changed AS (UPDATE rows SET " + field +
			" = $3 FROM old WHERE rows.key = old.key AND (SELECT wanted FROM run)" + done
	}
	return read, update, modify
}()

// fieldOf is one of such statements.
func fieldOf(statements *[ycsb.MaxFields]string, field int) (string, error) {
	if field < 0 || field >= len(statements) {
		return "", fmt.Errorf("%w: there is no field %d", functions.ErrBadArgument, field)
	}
	return statements[field], nil
}

// Load implements [ycsb.Target].
func (t *Target) Load(ctx context.Context, key int, row ycsb.Row) error {
	if err := t.Insert(ctx, "", key, row); !errors.Is(err, functions.ErrExists) {
		return err
	}
	return nil
}

// Insert implements [ycsb.Inserter].
func (t *Target) Insert(ctx context.Context, requestID string, key int, row ycsb.Row) error {
	args := []any{requestID, key, row.Balance}
	for i := range row.Fields {
		args = append(args, row.Fields[i])
	}
	return t.write(ctx, insertOnce, args...)
}

// Read implements [ycsb.Target].
func (t *Target) Read(ctx context.Context, key int) error {
	return t.read(ctx, 1, readRow, key)
}

// ReadField implements [ycsb.FieldReader].
func (t *Target) ReadField(ctx context.Context, key, field int) error {
	statement, err := fieldOf(&readFields, field)
	if err != nil {
		return err
	}
	return t.read(ctx, 1, statement, key)
}

// Scan implements [ycsb.Scanner].
func (t *Target) Scan(ctx context.Context, from, n int) error {
	return t.read(ctx, 0, scanRows, from, n)
}

// Snapshot implements [ycsb.Snapshotter]: one statement, which sees one moment under either isolation.
func (t *Target) Snapshot(ctx context.Context, keys []int) error {
	return t.read(ctx, len(keys), snapshot, keys)
}

// Balance implements [ycsb.Target].
func (t *Target) Balance(ctx context.Context, key int) (balance int64, err error) {
	err = t.retry(ctx, func() error {
		err := t.pool.QueryRow(ctx, balanceOf, key).Scan(&balance)
		return notFound(err)
	})
	return balance, err
}

// Overwrite implements [ycsb.Overwriter].
func (t *Target) Overwrite(ctx context.Context, requestID string, key int, fields [ycsb.MaxFields]string) error {
	args := []any{requestID, key}
	for i := range fields {
		args = append(args, fields[i])
	}
	return t.write(ctx, overwriteRow, args...)
}

// Update implements [ycsb.Updater].
func (t *Target) Update(ctx context.Context, requestID string, u ycsb.FieldUpdate) error {
	statement, err := fieldOf(&updateFields, u.Field)
	if err != nil {
		return err
	}
	return t.write(ctx, statement, requestID, u.Key, u.Value)
}

// Modify implements [ycsb.Modifier]: the row is read, and locked, in the statement that writes the field.
func (t *Target) Modify(ctx context.Context, requestID string, u ycsb.FieldUpdate) error {
	statement, err := fieldOf(&modifyFields, u.Field)
	if err != nil {
		return err
	}
	return t.write(ctx, statement, requestID, u.Key, u.Value)
}

// Transfer implements [ycsb.Target].
func (t *Target) Transfer(ctx context.Context, requestID string, x ycsb.Transfer) error {
	return t.pay(ctx, requestID, x.From, []int{x.To}, x.Amount, x.Refuse)
}

// Pay implements [ycsb.Payer].
func (t *Target) Pay(ctx context.Context, requestID string, p ycsb.Payment) error {
	return t.pay(ctx, requestID, p.From, p.To, p.Amount, p.Refuse)
}

func (t *Target) pay(ctx context.Context, requestID string, from int, to []int, amount int64, refuse bool) error {
	return t.retry(ctx, func() error {
		_, err := t.pool.Exec(ctx, payCall, requestID, from, to, amount, refuse)
		return err
	})
}

// write runs a statement that changes a row.
func (t *Target) write(ctx context.Context, statement string, args ...any) error {
	return t.retry(ctx, func() error {
		_, err := t.pool.Exec(ctx, statement, args...)
		return err
	})
}

// read reads the rows of a statement, which has at least so many, and drops them.
func (t *Target) read(ctx context.Context, atLeast int, statement string, args ...any) error {
	err := t.retry(ctx, func() error {
		rows, err := t.pool.Query(ctx, statement, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		n := 0
		for ; rows.Next(); n++ {
			_ = rows.RawValues() // they were received, which is what reading takes
		}
		if err := rows.Err(); err != nil || n >= atLeast {
			return err
		}
		return errMissing
	})
	if err != nil && errors.Is(err, ycsb.ErrUnknown) {
		return errors.New(strings.TrimPrefix(err.Error(), ycsb.ErrUnknown.Error()+": ")) // of a read nothing remains to be known
	}
	return err
}

// notFound is the error of a row that is not there.
func notFound(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return errMissing
	}
	return err
}
