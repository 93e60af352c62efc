package format

// Address names an instance.
type Address struct {
	Type string `cbor:"1,keyasint"`
	ID   string `cbor:"2,keyasint"`
}

// String returns the type's name, a slash and the id.
func (a Address) String() string { return a.Type + "/" + a.ID }

// Message is a message as rows hold it: names in the place of pointers.
type Message struct {
	Type        string `cbor:"1,keyasint,omitempty"`
	Operation   string `cbor:"2,keyasint,omitempty"`
	ID          string `cbor:"3,keyasint,omitempty"`
	Coordinator string `cbor:"4,keyasint,omitempty"`
	Arg         []byte `cbor:"5,keyasint,omitempty"`
}

// Emitted is a record on its way to an egress.
type Emitted struct {
	Egress string `cbor:"1,keyasint"`
	Key    string `cbor:"2,keyasint,omitempty"`
	Value  []byte `cbor:"3,keyasint"`
}
