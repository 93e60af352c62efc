package offline

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/format"
)

// row is a row as it decodes: of what it has, that of its kind.
type row struct {
	kind  string
	shard uint16

	name      string // function type of an instance; egress; ingress
	partition string // of an ingress
	number    uint64 // of a run, or the run whose journal it is
	due       int64  // of a timer
	run       format.Run
	journal   format.JournalPart
	part      int // its number among those of its kind
	starts    int
	of        []byte // the row whose starts are counted
	watermark format.Watermark
	position  uint64 // of an ingress, or of its partition
}

// decode says what a row is, or that it cannot be one. A directory with 0 shards may have any number of them.
func decode(key, value []byte, shards int) (r row, err error) {
	limit := shards
	if limit == 0 {
		limit = format.MaxShards
	}
	if r.kind = format.Kind(key, limit); r.kind == "" {
		return r, errors.New("no row has such a key")
	}
	r.shard = binary.BigEndian.Uint16(key)
	if r.shard == format.NodeShard {
		return r, r.decodeNode(key, value)
	}
	switch key[2] {
	case format.KindInstance:
		err = r.decodeInstance(key, value, shards)
	case format.KindOutcome:
		err = r.decodeOutcome(key, value, shards)
	case format.KindTimer:
		if err = length(key, 2+1+8+8); err == nil {
			r.due = int64(binary.BigEndian.Uint64(key[3:]))
			err = codec.Decode(value, new(format.Timer))
		}
	case format.KindMessage:
		err = decodeNumbered(key, value, &r.number, new(format.Carried))
	case format.KindCoordinator:
		err = decodeNumbered(key, value, &r.number, &r.run)
	case format.KindJournal:
		r.number, r.journal, r.part, err = format.JournalNumbers(key)
	case format.KindStarts:
		var s format.Starts
		if r.of, err = format.StartsOf(key); err == nil {
			err = codec.Decode(value, &s)
		}
		r.starts = s.Starts
	}
	return r, err
}

func length(key []byte, want int) error {
	if len(key) != want {
		return fmt.Errorf("its key has %d bytes, want %d", len(key), want)
	}
	return nil
}

func decodeNumbered(key, value []byte, number *uint64, to any) (err error) {
	if err := length(key, 2+1+8); err != nil {
		return err
	}
	if *number, err = format.Number(key); err != nil {
		return err
	}
	return codec.Decode(value, to)
}

func (r *row) decodeInstance(key, value []byte, shards int) error {
	name, id, found := bytes.Cut(key[3:], []byte{0})
	if !found || len(name) == 0 || len(id) == 0 {
		return errors.New("its key has no function type and id")
	}
	r.name = string(name)
	if shards > 0 && format.InstanceShard(format.NameHash(r.name), string(id), uint64(shards)) != r.shard {
		return fmt.Errorf("%s/%s does not belong to shard %d", name, id, r.shard)
	}
	var state cbor.RawMessage
	return codec.Decode(value, &state)
}

func (r *row) decodeOutcome(key, value []byte, shards int) error {
	_, shard, of, err := format.OutcomeOf(key)
	switch {
	case err != nil:
		return err
	case shards > 0 && of.Shard(uint64(shards)) != shard: // also of one of before version 5, whose id alone says where it belongs
		return fmt.Errorf("request %q does not belong to shard %d", of.ID, shard)
	case format.Outcome(value).IsDamaged():
		return errors.New("it is no outcome")
	}
	return nil
}

// decodeNode is decode of a row of the node.
func (r *row) decodeNode(key, value []byte) (err error) {
	switch key[2] {
	case format.KindStarts:
		return codec.Decode(value, new(format.Trial))
	case format.KindWatermark:
		return codec.Decode(value, &r.watermark)
	case format.KindFormat:
		return codec.Decode(value, new(format.Format))
	case format.KindEgress:
		if r.name, r.number, err = numberedIn(key); err != nil {
			return err
		}
		return codec.Decode(value, new(format.Record))
	case format.KindParked:
		if r.name, r.number, err = numberedIn(key); err != nil {
			return err
		}
		return codec.Decode(value, new(format.Parked))
	case format.KindIngress:
		var ofPartition bool
		if r.name, r.partition, ofPartition = format.PartitionOf(key); !ofPartition {
			return codec.Decode(value, &r.position)
		}
		var p format.Position
		err = codec.Decode(value, &p)
		r.position = p.Position
		return err
	}
	return nil // the log's position, which whoever opens the log decodes
}

// numberedIn reads the key of a record: the name of the egress and the record's number.
func numberedIn(key []byte) (name string, number uint64, err error) {
	const around = 3 + 1 + 8
	if len(key) <= around || key[len(key)-9] != 0 {
		return "", 0, errors.New("its key has no egress and number")
	}
	number, err = format.Number(key)
	return string(key[3 : len(key)-9]), number, err
}
