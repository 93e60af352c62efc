package offline

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"

	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/store"
	"github.com/concordat-dev/concordat/internal/table"
)

// Options say which directory is meant.
type Options struct {
	Dir string
	// Progress, if set, is called now and then with what is being done and how much of it is, from 0 to 1.
	Progress func(stage string, done float64)
}

func (o Options) withDefaults() Options {
	if o.Progress == nil {
		o.Progress = func(string, float64) {}
	}
	return o
}

// ErrFormat: the directory is not an engine's, or of a format that this program does not read.
var ErrFormat = errors.New("directory does not fit")

// openTable opens the table in a directory for reading.
//
// Errors: what it is that cannot be read, see isOther; else damage.
func openTable(o Options) (*table.Table, error) {
	return table.Open(table.Options{
		Dir: o.Dir, Position: format.Prefix(nil, format.NodeShard, format.KindPosition), ReadOnly: true,
		Logger: slog.New(slog.DiscardHandler), Fatal: func(err error) { panic(err) },
	})
}

// openStore opens only the store in a directory for reading.
func openStore(o Options) (*store.Store, error) {
	return store.Open(store.Options{
		Dir: o.Dir, ReadOnly: true, NoLog: true, Logger: slog.New(slog.DiscardHandler), Fatal: func(err error) { panic(err) },
	})
}

// isOther reports whether an error says that a directory is something else than an engine's data that nobody has open: nothing of it was
// looked at.
func isOther(err error) bool {
	for _, other := range []error{ErrFormat, store.ErrInUse, store.ErrNone, store.ErrUnfinished, store.ErrPart} {
		if errors.Is(err, other) {
			return true
		}
	}
	return false
}

// other is an error of opening a directory, with words for the most likely mistake.
func other(dir string, err error) error {
	if errors.Is(err, store.ErrNone) {
		return fmt.Errorf("%w: %s is not Concordat's: %w", ErrFormat, dir, err)
	}
	return err
}

// formatIn reads the format row, and refuses what this program cannot read.
func formatIn(dir string, get func(key []byte) ([]byte, bool, error)) (f format.Format, err error) {
	value, found, err := get(format.Prefix(nil, format.NodeShard, format.KindFormat))
	switch {
	case err != nil:
		return f, err
	case !found:
		return f, fmt.Errorf("%w: %s is not Concordat's: it has no format row", ErrFormat, dir)
	}
	if err := codec.Decode(value, &f); err != nil {
		return f, fmt.Errorf("the format row: %w", err)
	}
	switch {
	case f.Version < format.OldestVersion || f.Version > format.Version:
		return f, fmt.Errorf("%w: %s has format version %d, this program reads versions %d to %d",
			ErrFormat, dir, f.Version, format.OldestVersion, format.Version)
	case f.Shards < 1 || f.Shards > format.MaxShards:
		return f, fmt.Errorf("the format row says that there are %d shards", f.Shards)
	}
	return f, nil
}

// scanner goes over the rows of a table, or a store.
type scanner struct {
	ctx    context.Context
	shards int // 0: not known
	scan   func(lower, upper []byte, visit func(key, value []byte) error) error
	each   func(key, value []byte)
	// failed is told of rows behind a key that cannot be read; then those of the next kind come. Its error ends it all.
	failed   func(behind []byte, err error) error
	progress func(done float64)
}

// rows goes over all rows, shard by shard.
func (s *scanner) rows() error {
	shards := s.shards
	if shards == 0 {
		shards = format.MaxShards
	}
	for shard := range shards {
		s.progress(float64(shard) / float64(shards+1))
		if err := s.within(shardKey(shard), shardKey(shard+1)); err != nil {
			return err
		}
	}
	for _, shard := range []int{shards, int(format.OutcomeShard)} { // the first has none
		upper := shardKey(int(format.OutcomeShard))
		if shard != shards {
			upper = shardKey(int(format.NodeShard))
		}
		if err := s.within(shardKey(shard), upper); err != nil {
			return err
		}
	}
	return s.within(shardKey(int(format.NodeShard)), nil)
}

func shardKey(shard int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(shard)) }

// within goes over the rows from lower (included) to upper (excluded; nil: no bound).
func (s *scanner) within(lower, upper []byte) error {
	for {
		last, cancelled := append([]byte{}, lower...), false
		err := s.scan(lower, upper, func(key, value []byte) error {
			if cancelled = s.ctx.Err() != nil; cancelled {
				return context.Cause(s.ctx)
			}
			last = append(last[:0], key...)
			s.each(key, value)
			return nil
		})
		if err == nil || cancelled {
			return err
		}
		if err := s.failed(last, err); err != nil {
			return err
		}
		if lower = nextKind(last); lower == nil || (upper != nil && string(lower) >= string(upper)) {
			return nil
		}
	}
}

// nextKind is where the kind of rows begins that follows that of a key, in a shard; nil behind the last.
func nextKind(key []byte) []byte {
	after := byte(0)
	if len(key) > 2 {
		after = key[2]
	}
	for kind := int(after) + 1; kind < 0x100; kind++ {
		prefix := append(key[:2:2], byte(kind))
		if format.Kind(prefix, format.MaxShards) != "" {
			return prefix
		}
	}
	return nil
}
