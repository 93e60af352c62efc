package format

import (
	"encoding/binary"
	"fmt"
	"math"
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

// OutcomeKey appends the key of a request's outcome.
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
