package ycsb

import (
	"strconv"
	"strings"
	"time"
)

// Widths of the parts of a request id, in base-36 digits.
const (
	idRunDigits     = 10 // microseconds since 1970 when the run began
	idCounterDigits = 6  // operations of the client
	idClientDigits  = 3
	idBytes         = idRunDigits + idCounterDigits + idClientDigits
)

// requestIDs makes the ids of one client's requests: unique over runs, so that a second run on the same directory is not
// answered with the outcomes of the first, and rising with time, like a ULID. It counts in the digits themselves, because
// this is on the path of every operation.
type requestIDs struct{ digits [idBytes]byte }

func newRequestIDs(began time.Time, client int) requestIDs {
	var ids requestIDs
	text := padded(uint64(began.UnixMicro()), idRunDigits) + strings.Repeat("0", idCounterDigits) +
		padded(uint64(client), idClientDigits)
	copy(ids.digits[:], text)
	return ids
}

// padded writes n in base 36 with leading zeros.
func padded(n uint64, digits int) string {
	text := strconv.FormatUint(n, 36)
	return strings.Repeat("0", max(0, digits-len(text))) + text
}

// next returns a fresh id. After 36^6 of them it panics: no run lasts that long.
func (r *requestIDs) next() string {
	for i := idRunDigits + idCounterDigits - 1; i >= idRunDigits; i-- {
		switch d := &r.digits[i]; *d {
		case '9':
			*d = 'a'
		case 'z':
			*d = '0'
			continue
		default:
			*d++
		}
		return string(r.digits[:])
	}
	panic("ycsb: a client ran out of request ids")
}
