package format

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
)

// The kinds of rows; the package's comment has their keys.
const (
	KindInstance    byte = 'i'
	KindOutcome     byte = 'o'
	KindTimer       byte = 't'
	KindMessage     byte = 'm'
	KindCoordinator byte = 'c'
	KindJournal     byte = 'j'
	KindStarts      byte = 's'
	KindWatermark   byte = 'w'
	KindFormat      byte = 'f'
	KindEgress      byte = 'e'
	KindParked      byte = 'q'
	KindIngress     byte = 'p'
	KindPosition    byte = 'l' // of the log: up to which entry the table has it
)

// Kind is what the row with a key is: its kind's name. It is "" for a key that no row has, in a directory with so many shards.
func Kind(key []byte, shards int) string {
	if len(key) < 3 {
		return ""
	}
	kind := key[2]
	switch shard := binary.BigEndian.Uint16(key); {
	case shard == NodeShard:
		return nodeKinds[kind]
	case shard == OutcomeShard && kind == KindOutcome, int(shard) < shards:
		return shardKinds[kind]
	}
	return ""
}

// The names of kinds of rows, in the plural, of shards and of the node.
var (
	shardKinds = map[byte]string{
		KindInstance: "instances", KindOutcome: "outcomes", KindTimer: "timers", KindMessage: "messages", KindCoordinator: "runs",
		KindJournal: "journals", KindStarts: "starts",
	}
	nodeKinds = map[byte]string{
		KindStarts: "trial", KindWatermark: "watermark", KindFormat: "format", KindEgress: "egress records", KindParked: "parked records",
		KindIngress: "ingress positions", KindPosition: "log position",
	}
)

// NodeShard is the shard number under which the rows of the whole node are.
const NodeShard uint16 = 0xffff

// MaxShards is the largest number of shards.
const MaxShards = 1 << 12

// Prefix appends the common start of a shard's rows of a kind.
func Prefix(key []byte, shard uint16, kind byte) []byte {
	return append(binary.BigEndian.AppendUint16(key, shard), kind)
}

// Upper returns the first key behind all keys with this prefix.
func Upper(prefix []byte) []byte {
	upper := append([]byte(nil), prefix...)
	for i := len(upper) - 1; i >= 0; i-- {
		if upper[i]++; upper[i] != 0 {
			return upper[:i+1]
		}
	}
	return nil
}

// InstanceKey appends the key of an instance's state.
func InstanceKey(key []byte, shard uint16, typeName, id string) []byte {
	key = Prefix(key, shard, KindInstance)
	key = append(key, typeName...)
	key = append(key, 0)
	return append(key, id...)
}

// OutcomeShard is the number under which the outcomes of all shards are, by time. No shard has it.
const OutcomeShard uint16 = 0xfffe

// BucketPrefix appends the common start of the keys of a bucket of outcomes, which began at start (engine time in nanoseconds).
func BucketPrefix(key []byte, start int64) []byte {
	return binary.BigEndian.AppendUint64(Prefix(key, OutcomeShard, KindOutcome), uint64(start))
}

// OutcomeIn appends the key of a request's outcome in a bucket.
func OutcomeIn(key []byte, start int64, shard uint16, of Request) []byte {
	key = binary.BigEndian.AppendUint16(BucketPrefix(key, start), shard)
	key = binary.BigEndian.AppendUint64(key, of.Name)
	key = binary.AppendUvarint(key, uint64(len(of.Instance)))
	key = append(key, of.Instance...)
	return append(key, of.ID...)
}

// OutcomeOf reads from an outcome's key when its bucket began, its shard, and the request that it is of. Of one of before version 5 the time
// is 0 and nothing but the id of the request is known.
func OutcomeOf(key []byte) (start int64, shard uint16, of Request, err error) {
	const prefix, inBucket = 2 + 1, 2 + 1 + 8 + 2 + 8
	if len(key) < prefix || key[prefix-1] != KindOutcome {
		return 0, 0, of, fmt.Errorf("format: %x is no key of an outcome", key)
	}
	if shard = binary.BigEndian.Uint16(key); shard != OutcomeShard {
		return 0, shard, Request{ID: string(key[prefix:])}, nil
	}
	if len(key) < inBucket {
		return 0, 0, of, fmt.Errorf("format: the key of an outcome has %d bytes: %x", len(key), key)
	}
	start, shard = int64(binary.BigEndian.Uint64(key[prefix:])), binary.BigEndian.Uint16(key[prefix+8:])
	rest := key[inBucket:]
	length, n := binary.Uvarint(rest)
	if n <= 0 || length > uint64(len(rest)-n) || n != len(binary.AppendUvarint(nil, length)) {
		return 0, 0, of, fmt.Errorf("format: the key of an outcome does not say how long its instance's id is: %x", key)
	}
	rest = rest[n:]
	of = Request{Name: binary.BigEndian.Uint64(key[inBucket-8:]), Instance: string(rest[:length]), ID: string(rest[length:])}
	return start, shard, of, nil
}

// OutcomeKey appends the key of a request's outcome as it was before format version 5, under its shard.
func OutcomeKey(key []byte, shard uint16, requestID string) []byte {
	return append(Prefix(key, shard, KindOutcome), requestID...)
}

// TimerKey appends the key of a timer. Due is in Unix nanoseconds; timers sort by it.
func TimerKey(key []byte, shard uint16, due int64, seq uint64) []byte {
	key = Prefix(key, shard, KindTimer)
	key = binary.BigEndian.AppendUint64(key, uint64(due))
	return binary.BigEndian.AppendUint64(key, seq)
}

// NumberedKey appends the key of a carried message or a coordinator record.
func NumberedKey(key []byte, shard uint16, kind byte, number uint64) []byte {
	return binary.BigEndian.AppendUint64(Prefix(key, shard, kind), number)
}

// JournalKey appends the key of the head of a saga's journal. Its entries follow.
func JournalKey(key []byte, shard uint16, id uint64) []byte {
	return NumberedKey(key, shard, KindJournal, id)
}

// JournalEntryKey appends the key of an entry of a saga's journal.
func JournalEntryKey(key []byte, shard uint16, id uint64, entry int) []byte {
	return binary.BigEndian.AppendUint32(JournalKey(key, shard, id), uint32(entry))
}

// JournalEffectsKey appends the key of a row with effects of a saga's outcome: behind all entries, in the place of one that no saga has.
func JournalEffectsKey(key []byte, shard uint16, id uint64, n int) []byte {
	return binary.BigEndian.AppendUint32(JournalEntryKey(key, shard, id, effectsEntry), uint32(n))
}

// effectsEntry is the number that rows of effects have in the place of an entry's.
const effectsEntry = math.MaxUint32

// JournalPart says what a row of a saga's journal has.
type JournalPart uint8

// The parts of a journal, in the order of their keys.
const (
	JournalIsHead JournalPart = iota
	JournalIsEntry
	JournalIsEffects
)

// JournalNumbers reads from the key of a journal's row the saga's id, what it has, and its number among those of its kind.
func JournalNumbers(key []byte) (id uint64, part JournalPart, n int, err error) {
	const head, entry, effects = 2 + 1 + 8, 2 + 1 + 8 + 4, 2 + 1 + 8 + 4 + 4
	last := func() uint32 { return binary.BigEndian.Uint32(key[len(key)-4:]) }
	switch {
	case len(key) == head:
	case len(key) == entry && last() != effectsEntry:
		part, n = JournalIsEntry, int(last())
	case len(key) == effects && binary.BigEndian.Uint32(key[head:]) == effectsEntry:
		part, n = JournalIsEffects, int(last())
	default:
		return 0, 0, 0, fmt.Errorf("format: the key of a journal's row has %d bytes: %x", len(key), key)
	}
	return binary.BigEndian.Uint64(key[head-8:]), part, n, nil
}

// StartsKey makes the key of the number of starts of a carried message or a coordinator record, of its row's key.
func StartsKey(row []byte) []byte {
	key := append([]byte(nil), row[:2]...)
	key = append(key, KindStarts)
	return append(key, row[2:]...)
}

// StartsOf is the inverse of [StartsKey].
func StartsOf(key []byte) (row []byte, err error) {
	const length = 2 + 1 + 1 + 8
	if len(key) != length || (key[3] != KindMessage && key[3] != KindCoordinator) {
		return nil, fmt.Errorf("format: the key %q is of no number of starts", key)
	}
	return append(append([]byte(nil), key[:2]...), key[3:]...), nil
}

// Number reads the number at the end of a key made with NumberedKey, TimerKey or EgressKey.
func Number(key []byte) (uint64, error) {
	if len(key) < 8 {
		return 0, fmt.Errorf("format: key %q is too short for its kind", key)
	}
	return binary.BigEndian.Uint64(key[len(key)-8:]), nil
}

// EgressKey appends the key of a record for an egress.
func EgressKey(key []byte, egress string, seq uint64) []byte {
	key = append(Prefix(key, NodeShard, KindEgress), egress...)
	key = append(key, 0)
	return binary.BigEndian.AppendUint64(key, seq)
}

// ParkedKey appends the key of a record that an egress cannot take.
func ParkedKey(key []byte, egress string, seq uint64) []byte {
	key = append(Prefix(key, NodeShard, KindParked), egress...)
	key = append(key, 0)
	return binary.BigEndian.AppendUint64(key, seq)
}

// IngressKey appends the key of an ingress's position.
func IngressKey(key []byte, ingress string) []byte {
	return append(Prefix(key, NodeShard, KindIngress), ingress...)
}

// PartitionKey appends the key of the position of a source's partition; of the first, if it has no name.
func PartitionKey(key []byte, source, partition string) []byte {
	return append(append(IngressKey(key, source), 0), partition...)
}

// PartitionOf reads from the key of a position whose it is. The positions of ingresses have no partition.
func PartitionOf(key []byte) (ingress, partition string, has bool) {
	const prefix = 2 + 1
	return strings.Cut(string(key[prefix:]), "\x00")
}
