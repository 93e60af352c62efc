package format

import (
	"github.com/concordat-dev/concordat/functions"
)

// What is left to do when an epoch is cut.

// Carried is the row of a carried message.
type Carried struct {
	functions.StoredMessage
	Arrived bool `cbor:"16,keyasint,omitempty"` // it came from outside, and goes on waiting before what comes from there
	Own     bool `cbor:"17,keyasint,omitempty"` // its instance had set it for itself
	// Ingress is the one that it came from; "" if none, or if an older program wrote it.
	Ingress string `cbor:"18,keyasint,omitempty"`
}

// Run is the row of a coordinator function that goes on beyond an epoch. Older programs had a fingerprint of the request as 4.
type Run struct {
	Function  string `cbor:"1,keyasint"`
	Input     []byte `cbor:"2,keyasint"`
	RequestID string `cbor:"3,keyasint,omitempty"`
	Journal   []byte `cbor:"5,keyasint,omitempty"` // in format version 1
	Shape     uint32 `cbor:"6,keyasint,omitempty"` // of the input's type
}

// Timer is the value of a timer's row; its due time and number are in the key.
type Timer struct {
	From    functions.Address       `cbor:"1,keyasint"`
	Message functions.StoredMessage `cbor:"2,keyasint"`
}
