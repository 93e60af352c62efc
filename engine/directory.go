package engine

import (
	"errors"
	"fmt"
	"maps"

	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/table"
)

// What a directory says of itself, in its format row: the version of its rows, the number of its shards, and of each function type the shape
// of its states.
//
// A state that an earlier version of the program wrote may decode and not be all there, see functions.Migrate. To find that out takes time,
// see functions/whole.go. So the row has the shape of a type for as long as all states of the type were written in it: such states need
// only be decoded. A type without instances gets its shape when it is opened; one with instances that is opened with another shape loses
// it.

// checkFormat reads or writes the format row, and sets the number of shards.
func (e *Engine) checkFormat() error {
	key := formatKey()
	value, found, err := e.table.Get(key)
	if err != nil {
		return err
	}
	if !found {
		return e.makeFormat()
	}
	return e.takeFormat(value)
}

// raiseFormat makes an older directory one of this version, and one of this program's shapes, before the first row is written that an older
// program, or one with other shapes, would misread.
func (e *Engine) raiseFormat() error {
	shapes, err := e.shapes()
	was := e.format.Version
	if err != nil || (was == format.Version && maps.Equal(shapes, e.format.Shapes)) {
		return err
	}
	if err := e.writeFormat(shapes); err != nil || was == format.Version {
		return err
	}
	e.options.Logger.Info("the directory is of a newer format now, which older programs refuse", "dir", e.options.Dir, "was", was, "is", format.Version)
	return e.table.Apply() // programs of before version 5 look there only
}

// takeFormat checks the format row and takes the number of shards from it.
func (e *Engine) takeFormat(value []byte) error {
	var f format.Format
	if err := codec.Decode(value, &f); err != nil {
		return fmt.Errorf("%w: the format row: %w", ErrDamaged, err)
	}
	if f.Version < format.OldestVersion || f.Version > format.Version {
		return fmt.Errorf("%w: %s has format version %d, this program reads versions %d to %d",
			ErrFormat, e.options.Dir, f.Version, format.OldestVersion, format.Version)
	}
	if e.options.Shards != 0 && e.options.Shards != f.Shards {
		return fmt.Errorf("%w: %s has %d shards, Options.Shards is %d", ErrFormat, e.options.Dir, f.Shards, e.options.Shards)
	}
	if f.Shards < 1 || f.Shards > format.MaxShards {
		return fmt.Errorf("%w: the format row says that there are %d shards", ErrDamaged, f.Shards)
	}
	e.options.Shards, e.format = f.Shards, f
	return nil
}

func (e *Engine) makeFormat() error {
	err := e.table.Scan(nil, nil, func(key, _ []byte) error {
		return fmt.Errorf("%w: %s holds rows but no format: it is not Concordat's", ErrFormat, e.options.Dir)
	})
	if err != nil {
		return err
	}
	setDefault(&e.options.Shards, format.DefaultShards)
	shapes := map[string]uint64{}
	for info, entry := range e.registry.Types {
		entry.Alike, shapes[info.Name] = true, entry.Shape
	}
	if err := e.writeFormat(shapes); err != nil {
		return err
	}
	return e.table.Apply() // from now on the table says that it has a log: without one it is damaged
}

func (e *Engine) writeFormat(shapes map[string]uint64) error {
	f := format.Format{Version: format.Version, Shards: e.options.Shards, Shapes: shapes}
	value, err := codec.Encode(f)
	if err != nil {
		return err
	}
	e.format = f
	var batch table.Batch
	batch.Set(formatKey(), value)
	return e.table.Seal(&batch)
}

func formatKey() []byte { return format.Prefix(nil, format.NodeShard, format.KindFormat) }

// shapes are the shapes that the format row is to have, and notes which types' states are all in theirs.
func (e *Engine) shapes() (map[string]uint64, error) {
	shapes := map[string]uint64{}
	maps.Copy(shapes, e.format.Shapes) // those of types that this program does not have stay
	for info, entry := range e.registry.Types {
		entry.Alike = shapes[info.Name] == entry.Shape
		if !entry.Alike {
			empty, err := e.hasNone(info.Name)
			if err != nil {
				return nil, err
			}
			entry.Alike = empty
		}
		if entry.Alike {
			shapes[info.Name] = entry.Shape
		} else {
			delete(shapes, info.Name)
		}
	}
	return shapes, nil
}

// hasNone reports whether a type has no instances.
func (e *Engine) hasNone(typeName string) (bool, error) {
	errFound := errors.New("there is one")
	for shard := range uint16(e.options.Shards) {
		prefix := format.InstanceKey(nil, shard, typeName, "")
		err := e.table.Scan(prefix, format.Upper(prefix), func(_, _ []byte) error { return errFound })
		if err != nil {
			if errors.Is(err, errFound) {
				return false, nil
			}
			return false, err
		}
	}
	return true, nil
}
