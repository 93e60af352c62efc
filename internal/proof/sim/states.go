package sim

import (
	"github.com/concordat-dev/concordat/functions"
)

type TillLine struct {
	ID     string
	Amount int64
	Undo   bool
}

type TillTimer struct {
	ID        functions.TimerID
	Cancelled bool // before it was due: it must never fire
	Late      bool // cancelled when it was due already: it may have fired
}

type TillState struct {
	Balance int64
	Lines   []TillLine
	Sent    uint64 // notices sent and records emitted
	Timers  []TillTimer
}

type tillNotice struct {
	From string
	Seq  uint64
}

type endNote struct{ ID, Word string }

type SinkState struct {
	Last     map[string]uint64
	Disorder []string
	Fired    map[string]int
	Notes    map[string][]string
}

type GateState struct {
	Shut  bool
	Lines []TillLine
}

type relayHop struct {
	ID   string
	Left int
}

type RelayState struct{ Hops map[string][]int }

// TallyState counts how often each request has run.
type TallyState struct{ Runs map[string]int64 }

type slipState struct{ Text string }

const (
	errShort functions.Failure = "audit: not enough money"
	errShut  functions.Failure = "audit: the gate is shut"
	errSorry functions.Failure = "audit: thought better of it"

	FirstBalance = 500
	relayHops    = 12
)
