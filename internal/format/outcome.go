package format

import "encoding/binary"

// An outcome's row: the fingerprint of the request's identity, when it was settled (engine time, see clocks), its status, the
// identity's tag, and its result or failure. The status also tells rows of older programs: in the oldest the fingerprint is another one,
// and there is no tag; later ones have the hashes of target and argument and the shape apart.
const (
	outcomeSettledAt = 8
	outcomeStatusAt  = 16
	outcomeTagAt     = 17
	outcomeHeader    = 25
	oldOutcomeHeader = 17

	wideOutcomeArgAt   = 17
	wideOutcomeShapeAt = 25
	wideOutcomeHeader  = 29
)

// The statuses of outcomes.
const (
	oldOutcomeOK byte = iota
	oldOutcomeFailed
	wideOutcomeOK
	wideOutcomeFailed
	outcomeOK
	outcomeFailed
)

// Outcome is the value of an outcome's row.
type Outcome []byte

// IsOld reports whether a program of before there were tags has written it.
func (r Outcome) IsOld() bool { return r[outcomeStatusAt] <= oldOutcomeFailed }

// IsDamaged reports whether it is none. Nothing else may be asked of one that is.
func (r Outcome) IsDamaged() bool {
	return len(r) < oldOutcomeHeader || r[outcomeStatusAt] > outcomeFailed || len(r) < r.header()
}

// IsWide reports whether it has argument and shape apart.
func (r Outcome) IsWide() bool { return !r.IsOld() && r[outcomeStatusAt] <= wideOutcomeFailed }

// header is how many bytes come before the result or failure.
func (r Outcome) header() int {
	switch {
	case r.IsOld():
		return oldOutcomeHeader
	case r.IsWide():
		return wideOutcomeHeader
	}
	return outcomeHeader
}

// Settled is when the request was settled, in engine time.
func (r Outcome) Settled() int64 { return int64(binary.BigEndian.Uint64(r[outcomeSettledAt:])) }

// Fingerprint is that of the request.
func (r Outcome) Fingerprint() uint64 { return binary.BigEndian.Uint64(r) }

// Tag is that of the request's identity; of one that is neither old nor wide.
func (r Outcome) Tag() uint64 { return binary.BigEndian.Uint64(r[outcomeTagAt:]) }

// Wide are the hash of the argument and its shape, of one that is wide.
func (r Outcome) Wide() (arg uint64, shape uint32) {
	return binary.BigEndian.Uint64(r[wideOutcomeArgAt:]), binary.BigEndian.Uint32(r[wideOutcomeShapeAt:])
}

// Payload is the encoded result, or failure.
func (r Outcome) Payload() (payload []byte, failed bool) {
	switch payload = r[r.header():]; r[outcomeStatusAt] {
	case oldOutcomeOK, wideOutcomeOK, outcomeOK:
		return payload, false
	}
	return payload, true
}

// OutcomeLen is how long an outcome with this payload is.
func OutcomeLen(payload []byte) int { return outcomeHeader + len(payload) }

// PutOutcome writes an outcome into row, which has [OutcomeLen] bytes.
func PutOutcome(row []byte, fingerprint, tag uint64, settled int64, failed bool, payload []byte) {
	binary.BigEndian.PutUint64(row, fingerprint)
	binary.BigEndian.PutUint64(row[outcomeSettledAt:], uint64(settled))
	row[outcomeStatusAt] = outcomeOK
	if failed {
		row[outcomeStatusAt] = outcomeFailed
	}
	binary.BigEndian.PutUint64(row[outcomeTagAt:], tag)
	copy(row[outcomeHeader:], payload)
}
