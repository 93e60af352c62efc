package format

import (
	"time"
)

// Version is the version of the rows. It changes when older programs could misread them. Directories of versions from
// OldestVersion on are read, and get this version once they are opened.
//
//	1  a saga's journal is in the run's own row
//	2  it has rows of its own: an older program would run the saga again from its start
//	3  so have the effects of its outcome: an older program would find damage
//	4  the format row has the shapes of states: an older program would keep those of states that it writes in others
//	5  epochs are sealed to a log, and are in the table later: an older program would miss those that are only there;
//	   and messages and runs tell of the records of sources that they came from: it would leave their outcomes out
const (
	Version       = 5
	OldestVersion = 1
)

// Format is the row of the node that says how a directory was made.
type Format struct {
	Version int `cbor:"1,keyasint"`
	Shards  int `cbor:"2,keyasint"`
	// By function type, the shape that all its states have, see values.ShapeOf; none if they may have several.
	Shapes map[string]uint64 `cbor:"3,keyasint,omitempty"`
}

// Watermark is the row that counts sealed epochs, with the counters that go on after a restart.
type Watermark struct {
	Epoch  uint64            `cbor:"1,keyasint"`
	NextID uint64            `cbor:"2,keyasint"`
	Timers uint64            `cbor:"3,keyasint"`
	Egress map[string]uint64 `cbor:"4,keyasint,omitempty"`
	At     time.Time         `cbor:"5,keyasint"`           // wall time
	Time   int64             `cbor:"6,keyasint,omitempty"` // engine time; see clocks
}

// Trial is the node's row: what was handled, as it came, when the process died.
type Trial struct {
	Below uint64 `cbor:"1,keyasint"` // messages and runs with smaller numbers
	Due   int64  `cbor:"2,keyasint"` // timers that were due then, in wall time
}

// Starts is the row of a suspect.
type Starts struct {
	Starts int `cbor:"1,keyasint"`
}
