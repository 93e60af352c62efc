package ycsb

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"strconv"
)

// The shape of a row, as in the paper.
const (
	OpeningBalance = 10_000 // the balance of a new row
	MaxFields      = 10     // fields that a row has at most, and unless a [Shape] says otherwise
	FieldBytes     = 36     // bytes of a field unless a [Shape] says otherwise
	MaxFieldBytes  = 64 << 10
)

// MaxKeys bounds the keys of a run; ids have so many digits.
const MaxKeys = 100_000_000

// Row is the state of a key. It is encoded as a CBOR array; the fields are strings because CBOR libraries write arrays of bytes
// one by one, and their number is fixed because a state without slices need not be decoded anew for each reader. Fields that a
// [Shape] has not are empty.
type Row struct {
	_       struct{} `cbor:",toarray"`
	Balance int64
	Fields  [MaxFields]string
}

// Shape is how many fields the rows have and how long these are. The zero value is the paper's: 10 of 36 bytes.
type Shape struct {
	Fields     int // 1 to MaxFields
	FieldBytes int // 1 to MaxFieldBytes
}

func (s Shape) withDefaults() Shape {
	return Shape{Fields: cmp.Or(s.Fields, MaxFields), FieldBytes: cmp.Or(s.FieldBytes, FieldBytes)}
}

// NewRow is the row of a key as it is loaded: the same for every run.
func (s Shape) NewRow(key int) Row {
	s = s.withDefaults()
	return Row{Balance: OpeningBalance, Fields: s.newFields(rand.New(rand.NewPCG(uint64(key), rowStream)))}
}

func (s Shape) newFields(rng *rand.Rand) (fields [MaxFields]string) {
	for i := range s.Fields {
		fields[i] = s.newField(rng)
	}
	return fields
}

// newField makes a field of random printable characters.
func (s Shape) newField(rng *rand.Rand) string {
	if s.FieldBytes == FieldBytes {
		var field [FieldBytes]byte // not on the heap
		fill(field[:], rng)
		return string(field[:])
	}
	field := make([]byte, s.FieldBytes)
	fill(field, rng)
	return string(field)
}

func fill(field []byte, rng *rand.Rand) {
	const alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"
	for i := 0; i < len(field); {
		for bits, n := rng.Uint64(), 0; n < 10 && i < len(field); i, n = i+1, n+1 {
			field[i] = alphabet[bits&63]
			bits >>= 6
		}
	}
}

// rowIDDigits is the width of the number in a row's id, so that ids sort like keys.
const rowIDDigits = 8

// RowIDs are the instance ids of the keys 0 to n-1, in one piece of memory.
func RowIDs(n int) []string {
	const width = len("user") + rowIDDigits
	all := make([]byte, 0, n*width)
	for key := range n {
		all = fmt.Appendf(all, "user%0*d", rowIDDigits, key)
	}
	ids, text := make([]string, n), string(all)
	for key := range ids {
		ids[key] = text[key*width : (key+1)*width]
	}
	return ids
}

// RowID is the instance id of one key; see [RowIDs].
func RowID(key int) string { return fmt.Sprintf("user%0*d", rowIDDigits, key) }

// ParseRowID is the inverse of [RowIDs]: the key with this id.
func ParseRowID(id string) (int, error) {
	if len(id) == len("user")+rowIDDigits && id[:4] == "user" {
		if key, err := strconv.ParseUint(id[4:], 10, 32); err == nil {
			return int(key), nil
		}
	}
	return 0, fmt.Errorf("ycsb: %q is no id of a row", id)
}
