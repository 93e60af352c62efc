package format

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// FuzzKeys: two rows have one key if and only if they are the same row, each key lies in the range of its kind, and the numbers in it
// are read back.
func FuzzKeys(f *testing.F) {
	f.Add(uint16(0), "bank/account", "alice", "bank/account", "bob", uint64(7), int64(-1))
	f.Add(uint16(255), "a", "b", "ab", "", uint64(0), int64(1<<62))
	f.Add(uint16(MaxShards-1), "a", "\x00b", "a", "", uint64(1<<63), int64(0))
	f.Fuzz(func(t *testing.T, shard uint16, kind, id, otherKind, otherID string, number uint64, due int64) {
		if bytes.IndexByte([]byte(kind+otherKind), 0) >= 0 || shard >= MaxShards {
			return // no name has a zero byte, and no shard such a number
		}
		a, b := InstanceKey(nil, shard, kind, id), InstanceKey(nil, shard, otherKind, otherID)
		if same := kind == otherKind && id == otherID; bytes.Equal(a, b) != same {
			t.Fatalf("%q %q and %q %q have the keys %x and %x", kind, id, otherKind, otherID, a, b)
		}
		for k, key := range map[byte][]byte{
			KindInstance: a, KindOutcome: OutcomeKey(nil, shard, id), KindTimer: TimerKey(nil, shard, due, number),
			KindMessage: NumberedKey(nil, shard, KindMessage, number),
		} {
			prefix := Prefix(nil, shard, k)
			if bytes.Compare(key, prefix) < 0 || bytes.Compare(key, Upper(prefix)) >= 0 {
				t.Fatalf("%x is not in the range of its kind", key)
			}
		}
		for _, key := range [][]byte{
			NumberedKey(nil, shard, KindMessage, number), TimerKey(nil, shard, due, number), EgressKey(nil, kind, number),
		} {
			if n, err := Number(key); err != nil || n != number {
				t.Fatalf("%x has the number %d (%v), want %d", key, n, err, number)
			}
		}
	})
}

// FuzzNumber: what is read as a key's number is its last eight bytes; what has fewer is refused.
func FuzzNumber(f *testing.F) {
	f.Add([]byte("1234567"))
	f.Add(NumberedKey(nil, 3, KindCoordinator, 99))
	f.Fuzz(func(t *testing.T, key []byte) {
		n, err := Number(key)
		if (err != nil) != (len(key) < 8) {
			t.Fatalf("%x: error %v", key, err)
		}
		if err == nil && !bytes.HasSuffix(key, binary.BigEndian.AppendUint64(nil, n)) {
			t.Fatalf("%x has the number %d", key, n)
		}
		if upper := Upper(key); upper != nil && bytes.Compare(key, upper) >= 0 {
			t.Fatalf("%x is not below %x", key, upper)
		}
	})
}
