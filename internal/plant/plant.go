// Package plant holds planted bugs: mistakes that engines of this kind really made, each behind a build tag.
//
// A plant is one line in the product's code that is false unless the program is built with its tag: plant_skip_sync for
// [SkipSync], and so on. Every constant here is a constant of the compiler, so a program that is built without these tags has
// none of them in it. A check that never failed proves nothing: TestPlants builds with each tag in turn and demands that the
// check which the table names for it fails, for the right reason.
//
// A new plant is a constant here, a file tag_*.go with its tag, the tag in tag_none.go, a use in the product's code, and a line
// in the table; TestTags holds these together.
package plant

// Active is the name of the bug that this program was built with, "" if there is none.
const Active = active

// Storage.
const (
	// SkipSync: a batch is written to the log and acknowledged without the sync.
	SkipSync = active == "skip-sync"
	// FatalReturns: the store's logger returns after a fatal error, so that what has just failed goes on.
	FatalReturns = active == "fatal-returns"
	// IgnoreFailedSeal: an epoch whose batch could not be written is taken as sealed.
	IgnoreFailedSeal = active == "ignore-failed-seal"
)

// What leaves the engine, and when.
const (
	// AckBeforeSeal: a client gets its outcome when that is known, not when its epoch is sealed.
	AckBeforeSeal = active == "ack-before-seal"
	// ReadUnsealed: a question is answered at once also if what was read is not sealed yet.
	ReadUnsealed = active == "read-unsealed"
	// JoinUnsealed: a request that is repeated is told an outcome that is not sealed yet.
	JoinUnsealed = active == "join-unsealed"
	// EvictUnsealed: the cache drops an instance whose last change is not sealed yet: what is read again is older.
	EvictUnsealed = active == "evict-unsealed"
	// ChargeEvicted: the cache stays charged with instances that it has dropped.
	ChargeEvicted = active == "charge-evicted"
	// WalkLater: a walk waits for what its snapshot has to be sealed, and then reads a later one.
	WalkLater = active == "walk-later"
	// IngressUnsealed: the position of an ingress is not sealed with what its records led to.
	IngressUnsealed = active == "ingress-unsealed"
	// IngressEarly: the position of an ingress is sealed up to what it has delivered, also if that was not taken yet.
	IngressEarly = active == "ingress-early"
	// RefusedSlots: a record of an ingress that is refused keeps its place among those that are not sealed.
	RefusedSlots = active == "refused-slots"
	// ReuseRecordNumbers: after a restart the records of an egress are numbered from 1 again.
	ReuseRecordNumbers = active == "reuse-record-numbers"
	// FewLastCuts: fewer epochs than promised are cut for what was admitted before Close.
	FewLastCuts = active == "few-last-cuts"
)

// Request ids.
const (
	// KeepExpired: an id gets its outcome also after that has expired.
	KeepExpired = active == "keep-expired"
	// AnyFingerprint: an id gets its outcome also when another request has it.
	AnyFingerprint = active == "any-fingerprint"
	// LoseRefusal: the outcome of a request that failed gets no row.
	LoseRefusal = active == "lose-refusal"
	// ForgetSeen: an id is not added to the filter of seen ids when the worker forgets its request.
	ForgetSeen = active == "forget-seen"
	// JoinedInFlight: a request that joined another stays in the count of those in flight when it has its outcome.
	JoinedInFlight = active == "joined-in-flight"
	// SweepAfterRows: the sweeper's deletions are written after the new rows of the same ids.
	SweepAfterRows = active == "sweep-after-rows"
	// SweepSkipsRow: the sweeper begins each portion of its walk one row late.
	SweepSkipsRow = active == "sweep-skips-row"
)

// Recovery, timers, messages.
const (
	// ReuseIDs: the numbers of runs and messages begin at 1 again after a restart.
	ReuseIDs = active == "reuse-ids"
	// DropTimer: a timer that came due while the engine was down is not set again.
	DropTimer = active == "drop-timer"
	// CountStarted: a message that started a coordinator function stays in the count of those that are queued.
	CountStarted = active == "count-started"
	// CountCancelled: a timer that was cancelled stays in the count of timers.
	CountCancelled = active == "count-cancelled"
	// TimerTwice: the row of a timer that fired stays, so that a restart fires it again.
	TimerTwice = active == "timer-twice"
	// ForgetWaiting: messages that wait for a lock get no rows when an epoch is cut by force.
	ForgetWaiting = active == "forget-waiting"
	// CarriedTwice: the row of a carried message stays when the message was handled.
	CarriedTwice = active == "carried-twice"
	// CarryDisordered: carried messages that are still under way are numbered before those that wait for a lock.
	CarryDisordered = active == "carry-disordered"
	// OvertakeCarried: after a restart, carried messages that came from outside do not wait before those that come from there later.
	OvertakeCarried = active == "overtake-carried"
	// BelieveManifest: a manifest is read up to its first damaged record, and what comes after it is forgotten.
	BelieveManifest = active == "believe-manifest"
	// LazyCommit: a commit is no urgent message: a forced cut may part a decision from its application.
	LazyCommit = active == "lazy-commit"
)

// Functions.
const (
	// PanicKeepsState: what an operation did to the state before it panicked stays in the decoded value.
	PanicKeepsState = active == "panic-keeps-state"
	// ChangeInPlace: an operation changes the decoded state itself, to which the image of the last epoch still refers.
	ChangeInPlace = active == "change-in-place"
	// SharedImage: the image of a flat state that is encoded at once refers to the decoded value, which operations change.
	SharedImage = active == "shared-image"
	// SendsOfFailed: the effects of an operation that failed happen.
	SendsOfFailed = active == "sends-of-failed"
)

// Transactions.
const (
	// EffectsOnAbort: the effects of a transaction's calls happen also if it aborts.
	EffectsOnAbort = active == "effects-on-abort"
	// AbortKeepsState: an abort releases the lock and leaves the changes.
	AbortKeepsState = active == "abort-keeps-state"
	// UndecidedWritten: a forced cut writes the changes of a transaction that is not decided.
	UndecidedWritten = active == "undecided-written"
	// EarlyUnlock: a transaction gives up the lock of what it only read before it is decided.
	EarlyUnlock = active == "early-unlock"
	// NoAbsentLock: a transaction's call on an instance that does not exist takes no lock.
	NoAbsentLock = active == "no-absent-lock"
	// DoomedCommits: a transaction commits although a call of it failed, if its body swallows the error.
	DoomedCommits = active == "doomed-commits"
	// StaleConflict: a conflict of an earlier attempt is believed of the present one.
	StaleConflict = active == "stale-conflict"
	// FailedTryUnlocks: a call of a transaction that fails gives up the lock that it took.
	FailedTryUnlocks = active == "failed-try-unlocks"
	// VictimKeepsLocks: a transaction that gives way does not tell its participants.
	VictimKeepsLocks = active == "victim-keeps-locks"
)

// Locks and deadlocks.
const (
	// NoReadLock: a shared lock is granted and not held.
	NoReadLock = active == "no-read-lock"
	// UpgradeForgetsReaders: a shared holder that wants to write gets the lock beside other readers.
	UpgradeForgetsReaders = active == "upgrade-forgets-readers"
	// WaitDieReversed: under wait-die the older is refused and the younger waits.
	WaitDieReversed = active == "wait-die-reversed"
	// WoundNobody: under wound-wait the older waits for the younger and wounds nobody.
	WoundNobody = active == "wound-nobody"
	// TwoVictims: a victim stays in the graph, so that its cycle costs another one.
	TwoVictims = active == "two-victims"
	// OldAttemptEdge: an edge of an earlier attempt counts for the present one.
	OldAttemptEdge = active == "old-attempt-edge"
)

// Sagas.
const (
	// UndoInOrder: compensations run from the first step to the last.
	UndoInOrder = active == "undo-in-order"
	// CancelForgetsUndo: a saga that is cancelled ends without compensations.
	CancelForgetsUndo = active == "cancel-forgets-undo"
	// DropStuck: a compensation that failed in all its tries is skipped, and the saga ends.
	DropStuck = active == "drop-stuck"
	// JournalLate: the journal of a saga that has a row is not written again before it ends.
	JournalLate = active == "journal-late"
)

// Progress, bounds and clocks.
const (
	// BacklogFirst: messages that functions sent come before all that has not begun.
	BacklogFirst = active == "backlog-first"
	// CostlyTwice: a request may wait for two costly messages that nobody waits for.
	CostlyTwice = active == "costly-twice"
	// CyclesAtRest: no cycle is broken where an epoch is cut by force.
	CyclesAtRest = active == "cycles-at-rest"
	// LeavingCounts: at a forced cut, who has given way already counts as one who waits.
	LeavingCounts = active == "leaving-counts"
	// UnboundedEpoch: an epoch goes on however much it has to write.
	UnboundedEpoch = active == "unbounded-epoch"
	// OutcomesByWall: outcomes age by the wall clock.
	OutcomesByWall = active == "outcomes-by-wall"
	// NeverLooksAgain: an engine with timers does not look at the wall clock by itself.
	NeverLooksAgain = active == "never-looks-again"
	// ArgumentOnly: a repeated request with an argument of another shape is another request.
	ArgumentOnly = active == "argument-only"
)
