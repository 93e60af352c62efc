package format

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestUpper(t *testing.T) {
	for _, test := range []struct{ prefix, want string }{
		{"a", "b"},
		{"ab", "ac"},
		{"a\xff", "b"},
		{"a\xff\xff", "b"},
		{"\x00", "\x01"},
		{"\xfe\xff", "\xff"},
		{"\xff\xffw", "\xff\xffx"}, // a row of the whole node
	} {
		if got := Upper([]byte(test.prefix)); string(got) != test.want {
			t.Errorf("Upper(%q) = %q, want %q", test.prefix, got, test.want)
		}
	}
	for _, none := range []string{"", "\xff", "\xff\xff"} {
		if got := Upper([]byte(none)); got != nil {
			t.Errorf("Upper(%q) = %q: nothing is behind all keys with it", none, got)
		}
	}
}

func TestUpperLeavesPrefixAlone(t *testing.T) {
	prefix := []byte("a\xff")
	Upper(prefix)
	if string(prefix) != "a\xff" {
		t.Errorf("the prefix is %q afterwards", prefix)
	}
}

// TestUpperIsTheBound: a key has the prefix if and only if it is at least the prefix and below Upper of it.
func TestUpperIsTheBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		few := rapid.SampledFrom([]byte{0, 1, 'a', 0xfe, 0xff})
		prefix := rapid.SliceOfN(few, 0, 4).Draw(t, "prefix")
		key := rapid.SliceOfN(few, 0, 6).Draw(t, "key")
		upper := Upper(prefix)
		within := bytes.Compare(key, prefix) >= 0 && (upper == nil || bytes.Compare(key, upper) < 0)
		if has := bytes.HasPrefix(key, prefix); has != within {
			t.Errorf("%q has prefix %q: %v, is from there to %q: %v", key, prefix, has, upper, within)
		}
	})
}

// TestShardIsOneRange: all rows of a shard, whatever they are, lie between its prefix and the next shard's, and rows of one kind
// between the bounds that scans of them use.
func TestShardIsOneRange(t *testing.T) {
	for _, shard := range []uint16{0, 1, 0xfe, 0xff, 0x100, MaxShards - 1} {
		low, high := Prefix(nil, shard, 0), Prefix(nil, shard+1, 0)
		for kind, key := range map[byte][]byte{
			KindInstance:    InstanceKey(nil, shard, "bank/account", "\xff\xff"),
			KindOutcome:     OutcomeKey(nil, shard, "\xff\xff"),
			KindTimer:       TimerKey(nil, shard, math.MaxInt64, math.MaxUint64),
			KindMessage:     NumberedKey(nil, shard, KindMessage, math.MaxUint64),
			KindCoordinator: NumberedKey(nil, shard, KindCoordinator, math.MaxUint64),
			KindJournal:     JournalEntryKey(nil, shard, math.MaxUint64, math.MaxUint32),
		} {
			if bytes.Compare(key, low) < 0 || bytes.Compare(key, high) >= 0 {
				t.Errorf("shard %d: %q is outside of %q to %q", shard, key, low, high)
			}
			prefix := Prefix(nil, shard, kind)
			if bytes.Compare(key, prefix) < 0 || bytes.Compare(key, Upper(prefix)) >= 0 {
				t.Errorf("shard %d: %q is outside of the rows of kind %c", shard, key, kind)
			}
		}
	}
	if node := Prefix(nil, NodeShard, KindEgress); bytes.Compare(node, Prefix(nil, MaxShards-1, 0xff)) <= 0 {
		t.Error("the rows of the node are behind those of all shards")
	}
}

// TestNumbersSort: timers sort by due time, then number; messages, coordinator records and egress records by number.
func TestNumbersSort(t *testing.T) {
	numbers := []uint64{0, 1, 255, 256, 1 << 32, math.MaxInt64, math.MaxUint64}
	var timers, messages, records [][]byte
	for _, due := range []int64{0, 1, 1 << 40, math.MaxInt64} {
		for _, n := range numbers {
			timers = append(timers, TimerKey(nil, 3, due, n))
		}
	}
	for _, n := range numbers {
		messages = append(messages, NumberedKey(nil, 3, KindMessage, n))
		records = append(records, EgressKey(nil, "out", n))
	}
	for _, keys := range [][][]byte{timers, messages, records} {
		if !slices.IsSortedFunc(keys, bytes.Compare) {
			t.Errorf("not sorted: %q", keys)
		}
	}
}

// TestKeysTellApart: different rows have different keys, also when names and ids share a beginning.
func TestKeysTellApart(t *testing.T) {
	seen := map[string]string{}
	add := func(what string, key []byte) {
		t.Helper()
		if other, ok := seen[string(key)]; ok {
			t.Errorf("%s and %s have one key %q", what, other, key)
		}
		seen[string(key)] = what
	}
	for _, shard := range []uint16{0, 1, 256} {
		for _, name := range []string{"a", "ab"} { // no zero bytes: CheckName refuses them
			for _, id := range []string{"b", "bc", "\x00b", "c\x00"} {
				add(fmt.Sprintf("instance %d %q %q", shard, name, id), InstanceKey(nil, shard, name, id))
			}
			add(fmt.Sprintf("old outcome %d %q", shard, name), OutcomeKey(nil, shard, name))
			for _, instance := range []string{"", "a", "ab"} {
				for _, id := range []string{"b", "bb", "\x01b"} {
					of := Request{uint64(len(name)), instance, id}
					add(fmt.Sprintf("outcome %d %v", shard, of), OutcomeIn(nil, 1, shard, of))
				}
			}
		}
	}
	for _, name := range []string{"e", "ee", "eee"} {
		for _, seq := range []uint64{0, 1, 'e', 'e' << 8} {
			add(fmt.Sprintf("egress %s %d", name, seq), EgressKey(nil, name, seq))
		}
		add("ingress "+name, IngressKey(nil, name))
	}
}

// TestOutcomesAreInBuckets: the outcomes of a bucket are a range, in the order of the buckets and apart from all other rows; and from each key
// its parts are read back.
func TestOutcomesAreInBuckets(t *testing.T) {
	for _, start := range []int64{1, 2, 0xff, math.MaxInt64 - 1} {
		lower, upper := BucketPrefix(nil, start), BucketPrefix(nil, start+1)
		for _, shard := range []uint16{0, 1, MaxShards - 1} {
			for _, of := range []Request{{1, "", "a"}, {math.MaxUint64, "", "\xff\xff"}, {0, "a", "\x00"}, {1, strings.Repeat("long", 100), "a"}} {
				key := OutcomeIn(nil, start, shard, of)
				if bytes.Compare(key, lower) < 0 || bytes.Compare(key, upper) >= 0 || bytes.Compare(key, Prefix(nil, MaxShards, 0)) < 0 ||
					bytes.Compare(key, Prefix(nil, NodeShard, 0)) >= 0 {
					t.Errorf("the key %x is not in its bucket", key)
				}
				if s, sh, o, err := OutcomeOf(key); s != start || sh != shard || o != of || err != nil {
					t.Errorf("%x is of %d, %d, %v, %v", key, s, sh, o, err)
				}
			}
		}
	}
	if start, shard, of, err := OutcomeOf(OutcomeKey(nil, 3, "id")); start != 0 || shard != 3 || of != (Request{ID: "id"}) || err != nil {
		t.Errorf("an outcome of version 4 is of %d, %d, %v, %v", start, shard, of, err)
	}
	whole := OutcomeIn(nil, 1, 2, Request{3, "ab", ""})
	long := append(whole[:len(whole)-3:len(whole)-3], 0x82, 0, 'a', 'b') // the length in two bytes, where one would do
	for _, key := range [][]byte{nil, {0, 1}, InstanceKey(nil, 1, "a", "b"), BucketPrefix(nil, 1), whole[:len(whole)-1], whole[:len(whole)-3], long} {
		if _, _, _, err := OutcomeOf(key); err == nil {
			t.Errorf("%x is the key of an outcome", key)
		}
	}
}

// TestEgressBounds: the records of one egress are a range in which no other egress has any, though one name begins the other.
func TestEgressBounds(t *testing.T) {
	for _, other := range []string{"ou", "out2", "out\x01", "o", "outt"} {
		for _, seq := range []uint64{0, 1, math.MaxUint64} {
			key := EgressKey(nil, other, seq)
			if bytes.Compare(key, EgressKey(nil, "out", 0)) >= 0 && bytes.Compare(key, EgressKey(nil, "out", math.MaxUint64)) <= 0 {
				t.Errorf("record %d of %q is among those of %q", seq, other, "out")
			}
		}
	}
}

func TestNumber(t *testing.T) {
	for _, key := range [][]byte{NumberedKey(nil, 1, KindMessage, 77), TimerKey(nil, 1, 5, 77), EgressKey(nil, "out", 77)} {
		if n, err := Number(key); n != 77 || err != nil {
			t.Errorf("Number(%q) = %d, %v", key, n, err)
		}
	}
	if _, err := Number([]byte("short")); err == nil {
		t.Error("a key without number gives no error")
	}
}

// TestKeysAppend: the key functions append, so that a buffer can be used again.
func TestKeysAppend(t *testing.T) {
	buf := make([]byte, 0, 64)
	a := InstanceKey(buf, 1, "t", "x")
	b := OutcomeKey(buf, 1, "y")
	if &a[0] != &b[0] {
		t.Error("the buffer was not used")
	}
	if got := InstanceKey([]byte("before "), 1, "t", "x"); !bytes.HasPrefix(got, []byte("before ")) {
		t.Errorf("%q does not begin with what was there", got)
	}
}

// TestJournalKeys: the head of a journal comes before its entries, these are in order, effects come behind them, and another saga's rows
// behind all of them.
func TestJournalKeys(t *testing.T) {
	var keys [][]byte
	for _, id := range []uint64{0, 1, 255, 256, math.MaxUint64} {
		keys = append(keys, JournalKey(nil, 3, id))
		for _, entry := range []int{0, 1, 255, 256, 1 << 24, math.MaxUint32 - 1} {
			key := JournalEntryKey(nil, 3, id, entry)
			if gotID, part, n, err := JournalNumbers(key); gotID != id || part != JournalIsEntry || n != entry || err != nil {
				t.Errorf("entry %d of %d is read as %d of %d, %d: %v", entry, id, n, gotID, part, err)
			}
			keys = append(keys, key)
		}
		for _, row := range []int{0, 1, 255, 256, math.MaxUint32} {
			key := JournalEffectsKey(nil, 3, id, row)
			if gotID, part, n, err := JournalNumbers(key); gotID != id || part != JournalIsEffects || n != row || err != nil {
				t.Errorf("effects %d of %d are read as %d of %d, %d: %v", row, id, n, gotID, part, err)
			}
			keys = append(keys, key)
		}
	}
	if !slices.IsSortedFunc(keys, bytes.Compare) {
		t.Errorf("not sorted: %q", keys)
	}
	if id, part, n, err := JournalNumbers(keys[12]); id != 1 || part != JournalIsHead || n != 0 || err != nil {
		t.Errorf("a head is read as %d of %d, %d: %v", n, id, part, err)
	}
	for _, length := range []int{0, 3, 10, 12, 14, 16, 18, 19, 20} {
		if _, _, _, err := JournalNumbers(make([]byte, length)); err == nil {
			t.Errorf("%d bytes are a key", length)
		}
	}
	if _, _, _, err := JournalNumbers(JournalEffectsKey(nil, 3, 1, 0)[:15]); err == nil {
		t.Error("an entry that no saga has is a key")
	}
}

// TestStartsKeys: the number of starts is found by the row that it belongs to, and the other way round.
func TestStartsKeys(t *testing.T) {
	for _, row := range [][]byte{NumberedKey(nil, 1, KindMessage, 77), NumberedKey(nil, 0x100, KindCoordinator, math.MaxUint64)} {
		key := StartsKey(row)
		if got, err := StartsOf(key); !bytes.Equal(got, row) || err != nil || key[2] != KindStarts || !bytes.Equal(key[:2], row[:2]) {
			t.Errorf("the starts of %q are under %q, which is of %q: %v", row, key, got, err)
		}
	}
	for _, key := range [][]byte{nil, Prefix(nil, 1, KindStarts), StartsKey(TimerKey(nil, 1, 5, 7)), StartsKey(NumberedKey(nil, 1, KindTimer, 7))} {
		if row, err := StartsOf(key); err == nil {
			t.Errorf("%q is of %q", key, row)
		}
	}
}
