package format

import (
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/saga"
)

// JournalHead is the row of a saga's journal that has all but its steps.
type JournalHead struct {
	Phase   saga.Phase              `cbor:"1,keyasint"`
	Entries []JournalEntry          `cbor:"2,keyasint,omitempty"` // of a journal in one row
	Failure []byte                  `cbor:"3,keyasint,omitempty"`
	Effects functions.StoredEffects `cbor:"4,keyasint"` // up to format version 2; now they have rows of their own
	Due     int64                   `cbor:"5,keyasint,omitempty"`
}

// JournalEffects is a row with some of the effects that a saga's outcome has. They are written once, when the outcome is known, and not
// again with the head.
type JournalEffects = functions.StoredEffects

// JournalEntry is the row of a step.
type JournalEntry struct {
	Group   int                      `cbor:"1,keyasint"`
	Call    functions.StoredMessage  `cbor:"2,keyasint"`
	Undo    *functions.StoredMessage `cbor:"3,keyasint,omitempty"`
	Sleep   int64                    `cbor:"4,keyasint,omitempty"`
	Due     int64                    `cbor:"5,keyasint,omitempty"`
	State   saga.EntryState          `cbor:"6,keyasint"`
	Result  []byte                   `cbor:"7,keyasint,omitempty"`
	Failure []byte                   `cbor:"8,keyasint,omitempty"`
	Undone  uint8                    `cbor:"9,keyasint"` // 0 no, 1 compensated, 2 skipped by a person
	Tries   int                      `cbor:"10,keyasint,omitempty"`
	Shape   uint64                   `cbor:"11,keyasint,omitempty"` // of the call's argument
	Shape2  uint64                   `cbor:"12,keyasint,omitempty"` // of the compensation's, if it is another
}
