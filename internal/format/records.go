package format

import (
	"time"
)

// Record is the row of a record that was not delivered. One that was parked meanwhile has left its number and the reason.
type Record struct {
	Egress string `cbor:"1,keyasint"`
	Key    string `cbor:"2,keyasint,omitempty"`
	Value  []byte `cbor:"3,keyasint"`
	Parked string `cbor:"4,keyasint,omitempty"`
}

// Position is the row of a partition of a source: how far it was taken, and what the source calls what it was taken of.
type Position struct {
	Position uint64 `cbor:"1,keyasint"`
	Tag      string `cbor:"2,keyasint,omitempty"`
}

// Parked is the row of a parked record.
type Parked struct {
	Key    string    `cbor:"1,keyasint,omitempty"`
	Value  []byte    `cbor:"2,keyasint"`
	Reason string    `cbor:"3,keyasint"`
	At     time.Time `cbor:"4,keyasint"`
}
