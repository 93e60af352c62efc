package plant

// check is the test that has to fail because of a plant.
type check struct {
	plant string // the tag without its prefix, as in the constants
	pkg   string // the package of the test, from the root of the module
	test  string // the test's name
	args  string // its flags, besides the common ones
	why   string // a regular expression that finds the reason in its output
}

// table says for each plant which test catches it. Of several it is the quickest that always does.
var table = []check{
	// Storage.
	{"skip-sync", "internal/store", "TestSealedSurvivesPowerFailure", "", `batches of 20 rows were sealed, \d+ rows are left`},
	{"fatal-returns", "internal/store", "TestFatalfDoesNotReturn", "", `Fatalf returned`},
	{"ignore-failed-seal", "engine", "TestFailedSeal", "", `the seal of epoch \d+ failed .* and nobody was told`},

	// What leaves the engine, and when.
	{"ack-before-seal", "engine", "TestCrash", "", `\(outcome "ok \d+"\).* is missing|a client saw \d+ movements`},
	{"read-unsealed", "engine", "TestReadWaitsForSeal", "", `before the seal, the read is answered: true`},
	{"join-unsealed", "engine", "TestRepeatWaitsForSeal", "", `before the seal, .* its repeat: true`},
	{"evict-unsealed", "engine", "TestUnsealedIsNotEvicted", "", `was read as 0, want 7`},
	{"walk-later", "engine", "TestWalkShowsWhatItWaitedFor", "", `the walk shows \[new old\], and new is not on the disk`},
	{"few-last-cuts", "engine", "TestLastCuts", "", `2 steps: .* the engine was closed, want <nil>`},
	{"charge-evicted", "internal/sim", "TestCountsAtRest", "", `the count of bytes in the caches is`},
	{"ingress-unsealed", "engine", "TestIngressGoesOnWhereItWas", "", `the ingress went on after 0`},
	{"ingress-early", "engine", "TestCrashBetweenRecords", "", `the ingress goes on after \d+, and \d+ records were taken`},
	{"refused-slots", "engine", "TestRefusedRecordsTakeNoRoom", "", `overloaded: 4096 records of ingress`},
	{"reuse-record-numbers", "engine", "TestCrash", "", `has record \d+, but only 0 were ever emitted`},

	// Request ids.
	{"keep-expired", "engine", "TestOutcomesExpire", "", `after 1h0m0s it has run 2 times, want 3`},
	{"any-fingerprint", "engine", "TestReusedID", "", `request \d: error <nil>`},
	{"lose-refusal", "engine", "TestSameIDSameOutcome", "", `after a restart: error <nil>`},
	{"forget-seen", "engine", "TestSameIDSameOutcome", "", `it ran [23] times, want 1`},
	{"joined-in-flight", "engine", "TestJoinedRequestsLeaveTheCount", "", `round \d: 3 requests in flight|\d requests wait for their outcome`},
	{"sweep-after-rows", "engine", "TestIDUsedAgainWhileItIsSwept", "", `it has run 3 times, want 2`},
	{"sweep-skips-row", "engine", "TestSweepMissesNoRow", "", `of the ids to be kept \d+ ran again`},

	// Recovery, timers, messages.
	{"reuse-ids", "engine", "TestCrash", "", `(gates|saga|sleepy|sorry) \S+ (has no outcome|\(outcome|failed but)`},
	{"count-cancelled", "internal/sim", "TestCountsAtRest", "", `the count of timers is`},
	{"count-started", "internal/sim", "TestCountsAtRest", "", `the count of queued messages is`},
	{"drop-timer", "engine", "TestCrash", "", `timer \S+ fired 0 times, cancelled false, late false`},
	{"timer-twice", "engine", "TestTimersFireOnce", "", `the timers that fired are \[0 0 `},
	{"forget-waiting", "engine", "TestCrash", "", `notice \d+ of \S+ after|no note of its end|fired 0 times`},
	{"carried-twice", "engine", "TestCrash", "", `notice \d+ of \S+ after|ended more than once`},
	{"carry-disordered", "engine", "TestCrash", "-crash.runs=60", `notice \d+ of \S+ after`},
	{"overtake-carried", "engine", "TestCrashBetweenRecords", "", `note \d has position \d+ where \d+ is due`},
	{"believe-manifest", "internal/store", "TestDamagedManifest", "", `and these rows are served`},
	{"lazy-commit", "engine", "TestCrash", "", `\(outcome "ok \d+"\): \S+ .* is missing|the vault holds \d+, not 2000`},

	// Functions.
	{"panic-keeps-state", "functions", "TestStateIsAsBeforeAFailure", "", `TestStateIsAsBeforeAFailure/panic/decoded=true`},
	{"change-in-place", "functions", "TestImagesAreIndependent", "", `an operation wrote into an image`},
	{"shared-image", "functions", "TestGoingBackToAnImage", "", `with a time: after a failure .* want \{At:2026`},
	{"sends-of-failed", "engine", "TestEffectsOfAFailureAreDropped", "", `the note has \[1 2\], want only the 2`},

	// Transactions.
	{"effects-on-abort", "engine", "TestAbortedTransactionSendsNothing", "", `the note was told \[1 1 -1\]`},
	{"abort-keeps-state", "twopc", "TestSerializable", rapidSeed, `no serial order explains this|there is -?\d+, there was -?\d+`},
	{"undecided-written", "engine", "TestCrash", "", `the vault holds \d+, not 2000|too much`},
	{"early-unlock", "engine", "TestStepped", "", `the vault holds \d+, not 2000|total \S+ ok`},
	{"no-absent-lock", "engine", "TestAbsentInstancesMeet", "", `transaction \d: concordat: instance exists already`},
	{"doomed-commits", "engine", "TestSwallowedErrorDoesNotCommit", "", `got error <nil>, want concordat: instance not found`},
	{"stale-conflict", "twopc", "TestTraces", "", `known_faults.txt`},
	{"failed-try-unlocks", "engine", "TestTriedAbsenceStaysTrue", "", `the first exists: true, the second: true`},
	{"victim-keeps-locks", "twopc", "TestSerializable", rapidSeed, `is still locked`},

	// Locks and deadlocks.
	{"no-read-lock", "twopc", "TestSerializable", rapidSeed, `no serial order explains this`},
	{"upgrade-forgets-readers", "locks", "TestLockAgainstModel", rapidSeed, `asks for exclusive: granted, want waits`},
	{"wait-die-reversed", "locks", "TestPolicies", "", `wait-die:_older_waits,_younger_dies`},
	{"wound-nobody", "locks", "TestPolicies", "", `wounded "", want`},
	{"two-victims", "deadlock", "TestBreakAgainstOracle", rapidSeed, `victims \[.* .*\], want \[`},
	{"old-attempt-edge", "deadlock", "TestAttemptsAreDifferentOwners", "", `the old attempt's edge was believed`},

	// Sagas.
	{"undo-in-order", "saga", "TestSagasEnd", rapidSeed, `was undone after one of group`},
	{"cancel-forgets-undo", "saga", "TestSagasEnd", rapidSeed, `was left standing`},
	{"drop-stuck", "saga", "TestSagasEnd", rapidSeed, `was left standing`},
	{"journal-late", "engine", "TestCrash", "", `too much|is out of order or twice`},

	// Progress, bounds and clocks.
	{"costly-twice", "engine", "TestCrowdsAreAnsweredInTime", "", `the last of 64 was answered after`},
	{"backlog-first", "engine", "TestRequestsAreAnsweredInTime", "", `a request was answered after|there is no outcome`},
	{"cycles-at-rest", "engine", "TestDeadlockInForcedCut", "", `nothing moves any more|only \d+ deadlocks`},
	{"leaving-counts", "engine", "TestStepped", "", `deadlock: `},
	{"unbounded-epoch", "engine", "TestEpochsAreBounded", "", `the largest batch had \d+ bytes`},
	{"outcomes-by-wall", "engine", "TestIDsOutliveClockJumps", "", `it ran [234] times`},
	{"never-looks-again", "engine", "TestTimersFireAfterAClockJump", "", `outcome unknown: context deadline exceeded`},
	{"argument-only", "engine", "TestRequestsOutliveVersions", "", `repeated by another version: .*was used`},
}

// rapidSeed makes a property test draw the same cases each time, and leave no file behind.
const rapidSeed = "-rapid.seed=1 -rapid.nofailfile"
