package saga

// Phase is where a saga stands.
type Phase uint8

// The phases.
const (
	Running Phase = iota // the body makes steps
	Undoing              // steps are being compensated
	Stuck                // a compensation failed in all its tries; a person must decide
	Done                 // over: all steps stand
	Undone               // over: the steps that succeeded are compensated or skipped
)

var phaseNames = [...]string{"running", "undoing", "stuck", "done", "undone"}

// String returns the phase's name in lower case.
func (p Phase) String() string { return phaseNames[p] }

// EntryState is how far a step is.
type EntryState uint8

// The states of a step.
const (
	Issued EntryState = iota
	Succeeded
	Failed
)

// Decision is what a person decides about a stuck saga.
type Decision uint8

// The decisions.
const (
	Retry    Decision = iota + 1 // try the compensations that failed once more
	Skip                         // leave out the compensations that failed, and go on with the steps before
	MarkDone                     // somebody has undone all that was left: run no further compensation
)
