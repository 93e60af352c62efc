package saga

// Decision is what a person decides about a stuck saga.
type Decision uint8

// The decisions.
const (
	Retry    Decision = iota + 1 // try the compensations that failed once more
	Skip                         // leave out the compensations that failed, and go on with the steps before
	MarkDone                     // somebody has undone all that was left: run no further compensation
)
