package offline

import (
	"context"
	"errors"
	"fmt"
)

// Inspect says what is in a directory. It reads all rows.
//
// Errors: a directory that is not there, with the operating system's error; one that is in use (store.ErrInUse); that is not an engine's,
// or of another format ([ErrFormat]); that is an unfinished backup or copy (store.ErrUnfinished, store.ErrPart); or that is damaged.
func Inspect(ctx context.Context, o Options) (_ Report, err error) {
	o = o.withDefaults()
	o.Progress("log", 0)
	t, err := openTable(o)
	if err != nil {
		return Report{}, other(o.Dir, err)
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	f, err := formatIn(o.Dir, t.Get)
	if err != nil {
		return Report{}, err
	}
	d, err := t.Describe()
	if err != nil {
		return Report{}, err
	}
	var wrong error
	rows := newTally(f.Shards, func(key []byte, err error) {
		if wrong == nil {
			wrong = fmt.Errorf("the row %q is damaged: %w", key, err)
		}
	})
	s := scanner{
		ctx: ctx, shards: f.Shards, scan: t.Scan, each: rows.add,
		failed:   func(_ []byte, err error) error { return err },
		progress: func(done float64) { o.Progress("rows", done) },
	}
	if err := errors.Join(s.rows(), wrong); err != nil {
		return Report{}, err
	}
	r := rows.end()
	r.Dir, r.Format, r.Shards = o.Dir, f.Version, f.Shards
	if d.ID != 0 {
		r.ID = fmt.Sprintf("%016x", d.ID)
	}
	r.Log = Log{Segments: d.Segments, Bytes: d.LogBytes, First: d.First, Last: d.Last, Behind: max(d.Last, d.Applied) - d.Applied}
	for _, file := range d.Files {
		r.Table.Files++
		r.Table.Bytes += file.Bytes
	}
	return r, wrong
}
