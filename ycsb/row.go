package ycsb

import (
	"fmt"
	"math/rand/v2"
	"strconv"
)

// The shape of a row, as in the paper.
const (
	OpeningBalance = 10_000 // the balance of a new row
	NumFields      = 10     // fields of a row
	FieldBytes     = 36     // bytes of a field
)

// MaxKeys bounds the keys of a run; ids have so many digits.
const MaxKeys = 100_000_000

// Row is the state of a key. It is encoded as a CBOR array; the fields are strings because CBOR libraries write arrays of bytes
// one by one.
type Row struct {
	_       struct{} `cbor:",toarray"`
	Balance int64
	Fields  [NumFields]string
}

// NewRow is the row of a key as it is loaded: the same for every run.
func NewRow(key int) Row {
	rng := rand.New(rand.NewPCG(uint64(key), rowStream))
	row := Row{Balance: OpeningBalance}
	for i := range row.Fields {
		row.Fields[i] = newField(rng)
	}
	return row
}

// newField makes a field of random printable characters.
func newField(rng *rand.Rand) string {
	const alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"
	var field [FieldBytes]byte
	for i := 0; i < FieldBytes; {
		for bits, n := rng.Uint64(), 0; n < 10 && i < FieldBytes; i, n = i+1, n+1 {
			field[i] = alphabet[bits&63]
			bits >>= 6
		}
	}
	return string(field[:])
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

// ParseRowID is the inverse of [RowIDs]: the key with this id.
func ParseRowID(id string) (int, error) {
	if len(id) == len("user")+rowIDDigits && id[:4] == "user" {
		if key, err := strconv.ParseUint(id[4:], 10, 32); err == nil {
			return int(key), nil
		}
	}
	return 0, fmt.Errorf("ycsb: %q is no id of a row", id)
}
