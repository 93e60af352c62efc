package sagas

// Phase is where a saga stands, as format.JournalHead has it.
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

// StepState is how far a step is, as format.JournalEntry has it.
type StepState uint8

// The states of a step.
const (
	Issued StepState = iota
	Succeeded
	Failed
)

var stateNames = [...]string{"issued", "succeeded", "failed"}

// String returns the state's name in lower case.
func (s StepState) String() string { return stateNames[s] }
