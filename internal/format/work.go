package format

// What is left to do when an epoch is cut.

// Carried is the row of a carried message.
type Carried struct {
	Message
	Arrived bool `cbor:"16,keyasint,omitempty"` // it came from outside, and goes on waiting before what comes from there
	Own     bool `cbor:"17,keyasint,omitempty"` // its instance had set it for itself
	// Ingress is the one that it came from; "" if none, or if an older program wrote it.
	Ingress string `cbor:"18,keyasint,omitempty"`
	Record  *Taken `cbor:"19,keyasint,omitempty"` // what else is known of the record of a source that it came from
}

// Run is the row of a coordinator function that goes on beyond an epoch. Older programs had a fingerprint of the request as 4.
type Run struct {
	Function  string `cbor:"1,keyasint"`
	Input     []byte `cbor:"2,keyasint"`
	RequestID string `cbor:"3,keyasint,omitempty"`
	Journal   []byte `cbor:"5,keyasint,omitempty"` // in format version 1
	Shape     uint32 `cbor:"6,keyasint,omitempty"` // of the input's type
	Record    *Taken `cbor:"7,keyasint,omitempty"` // the record of a source that began it
}

// Taken is what is known of a record of a source that was taken, and whose message or run is not over.
type Taken struct {
	Ingress   string  `cbor:"1,keyasint"`
	Partition string  `cbor:"2,keyasint"`
	Key       string  `cbor:"3,keyasint,omitempty"`
	RequestID string  `cbor:"4,keyasint,omitempty"` // of a message; a run has its own
	Shape     uint32  `cbor:"5,keyasint,omitempty"` // of the message's argument
	Answer    *Answer `cbor:"6,keyasint,omitempty"` // where its outcome goes, if anywhere
}

// Answer says where the outcome of a record goes.
type Answer struct {
	Egress  string `cbor:"1,keyasint"`
	Key     string `cbor:"2,keyasint,omitempty"`
	Context []byte `cbor:"3,keyasint,omitempty"`
}

// Timer is the value of a timer's row; its due time and number are in the key.
type Timer struct {
	From    Address `cbor:"1,keyasint"`
	Message Message `cbor:"2,keyasint"`
}
