package format

// JournalHead is the row of a saga's journal that has all but its steps.
type JournalHead struct {
	Phase   uint8          `cbor:"1,keyasint"`           // 0 running, 1 undoing, 2 stuck, 3 done, 4 undone
	Entries []JournalEntry `cbor:"2,keyasint,omitempty"` // of a journal in one row
	Failure []byte         `cbor:"3,keyasint,omitempty"`
	Effects JournalEffects `cbor:"4,keyasint"` // up to format version 2; now they have rows of their own
	Due     int64          `cbor:"5,keyasint,omitempty"`
}

// JournalEffects is a row with some of the effects that a saga's outcome has. They are written once, when the outcome is known, and not
// again with the head.
type JournalEffects struct {
	Sends []Message `cbor:"1,keyasint,omitempty"`
	Emits []Emitted `cbor:"2,keyasint,omitempty"`
}

// JournalEntry is the row of a step.
type JournalEntry struct {
	Group   int      `cbor:"1,keyasint"`
	Call    Message  `cbor:"2,keyasint"`
	Undo    *Message `cbor:"3,keyasint,omitempty"`
	Sleep   int64    `cbor:"4,keyasint,omitempty"`
	Due     int64    `cbor:"5,keyasint,omitempty"`
	State   uint8    `cbor:"6,keyasint"` // 0 issued, 1 succeeded, 2 failed
	Result  []byte   `cbor:"7,keyasint,omitempty"`
	Failure []byte   `cbor:"8,keyasint,omitempty"`
	Undone  uint8    `cbor:"9,keyasint"` // 0 no, 1 compensated, 2 skipped by a person
	Tries   int      `cbor:"10,keyasint,omitempty"`
	Shape   uint64   `cbor:"11,keyasint,omitempty"` // of the call's argument
	Shape2  uint64   `cbor:"12,keyasint,omitempty"` // of the compensation's, if it is another
}
