package plant

// plant is a bug, and the test that has to fail because of it.
type plant struct {
	name   string
	breaks string // what it does
	edits  []edit
	pkg    string // the package of the test, from the root of the module
	test   string // the test's name
	args   string // its flags, besides the common ones
	why    string // a regular expression that finds the reason in its output
}

// edit replaces a text that its file has once.
type edit struct{ file, old, new string }

// table has all plants, each with the test that catches it: of several the quickest that always does.
var table = []plant{
	// Storage.
	{
		name: "skip-sync", breaks: "a batch is written to the log and acknowledged without the sync.",
		pkg: "internal/store", test: "TestSealedSurvivesPowerFailure", why: `batches of 20 rows were sealed, \d+ rows are left`,
		edits: []edit{
			{"internal/store/store.go", `	how := pebble.Sync`, `	how := pebble.Sync
	how = pebble.NoSync`},
		},
	},
	{
		name: "fatal-returns", breaks: "the store's logger returns after a fatal error, so that what has just failed goes on.",
		pkg: "internal/store", test: "TestFatalfDoesNotReturn", why: `Fatalf returned`,
		edits: []edit{
			{"internal/store/store.go", `	l.fatal(fmt.Errorf("pebble: "+format, args...))`, `	l.fatal(fmt.Errorf("pebble: "+format, args...))
	return`},
		},
	},
	{
		name: "ignore-failed-seal", breaks: "an epoch whose batch could not be written is taken as sealed.",
		pkg: "engine", test: "TestFailedSeal", why: `the seal of epoch \d+ failed .* and nobody was told`,
		edits: []edit{
			{"engine/seal.go", `	bytes, err := e.write(s, batch)`, "	bytes, err := e.write(s, batch)\n\tif err != nil {\n\t\terr, e.batch = nil, e.table.NewBatch()\n\t}"},
		},
	},
	{
		name: "step-down-acks", breaks: "an epoch that the log has refused is released all the same.",
		pkg: "engine", test: "TestStepDown", why: `was acknowledged`,
		edits: []edit{
			{"engine/seal.go", `		e.stepDown(fmt.Errorf("engine: seal epoch %d: %w", s.epoch, err))`, `		e.stepDown(fmt.Errorf("engine: seal epoch %d: %w", s.epoch, err))
		e.releaseAll(s)`},
		},
	},
	{
		name: "step-down-seals", breaks: "an engine whose log takes no more epochs seals what is sealed last when it is closed.",
		pkg: "engine", test: "TestStepDown", why: `and [1-9]\d* epochs were sealed`,
		edits: []edit{
			{"engine/close.go", `	if !e.down.Load() {`, `	if !e.failing() {`},
			{"engine/close.go", `// lastRows writes`, `func (e *Engine) failing() bool { return false }

// lastRows writes`},
		},
	},
	{
		name: "shape-stays", breaks: "the shape of a type's states stays in the format row when the type is opened with another.",
		pkg: "engine", test: "TestStatesOfSeveralVersions", why: `all states are of this shape: true, want false|the walk yields \[a=`,
		edits: []edit{
			{"engine/directory.go", `			delete(shapes, info.Name)`, `			entry.Alike = false`},
		},
	},
	{
		name: "shape-of-others", breaks: "a type that has no shape in the format row gets one though it has instances.",
		pkg: "engine", test: "TestStatesOfSeveralVersions", why: `all states are of this shape: true, want false`,
		edits: []edit{
			{"engine/directory.go", `			entry.Alike = empty`, `			entry.Alike = empty || shapes[info.Name] == 0`},
		},
	},

	// What leaves the engine, and when.
	{
		name: "ack-before-seal", breaks: "a client gets its outcome when that is known, not when its epoch is sealed.",
		pkg: "engine", test: "TestCrash", why: `\(outcome "ok \d+"\).* is missing|a client saw \d+ movements`,
		edits: []edit{
			{"engine/plain.go", `		x.epoch.outcomes = append(x.epoch.outcomes, q)
	}`, `		x.epoch.outcomes = append(x.epoch.outcomes, q)
	}
	x.group.release(q)
	return`},
		},
	},
	{
		name: "read-unsealed", breaks: "a question is answered at once also if what was read is not sealed yet.",
		pkg: "engine", test: "TestReadWaitsForSeal", why: `before the seal, the read is answered: true`,
		edits: []edit{
			{"engine/plain.go", ` && x.effects.Empty() && !c.inst.dirty && c.inst.epoch <= x.group.sealed.Load():`, ` && x.effects.Empty():`},
		},
	},
	{
		name: "join-unsealed", breaks: "a request that is repeated is told an outcome that is not sealed yet.",
		pkg: "engine", test: "TestRepeatWaitsForSeal", why: `before the seal, .* its repeat: true`,
		edits: []edit{
			{"engine/requests.go", `	case first.isSealed():`, `	case first.isSettled():`},
		},
	},
	{
		name: "evict-unsealed", breaks: "the cache drops an instance whose last change is not sealed yet: what is read again is older.",
		pkg: "engine", test: "TestUnsealedIsNotEvicted", why: `was read as 0, want 7`,
		edits: []edit{
			{"engine/instance.go", `		case i.used || i.dirty || i.contended || i.epoch > sealed || !i.seat.Lock.Free():`, `		case i.used || i.dirty || i.contended || !i.seat.Lock.Free():`},
		},
	},
	{
		name: "seen-before-sealed", breaks: "what is being sealed can be read before it is durable.",
		pkg: "engine", test: "TestWalkShowsWhatIsDurable", why: `the walk shows \[new old\], and new is not on the disk`,
		edits: []edit{
			{"internal/table/table.go", `	index := t.sealed + 1
`, `	index := t.sealed + 1
	b.endPart()
	t.mu.Lock()
	t.add(index, b.parts...)
	t.mu.Unlock()
`},
		},
	},
	{
		name: "log-unsynced", breaks: "what is appended to the log is not synced.",
		pkg: "internal/table", test: "TestCrashes", why: `it has \d+ batches, of at least|is missing|is not what was written, or was lost`,
		edits: []edit{
			{"internal/log/log.go", `s.file.SyncData(); err != nil`, `error(nil); err != nil`},
		},
	},
	{
		name: "log-cut-early", breaks: "the log is cut off before the table has what it had.",
		pkg: "internal/table", test: "TestCrashes", why: `and the table is at|it has \d+ batches, of at least`,
		edits: []edit{
			{"internal/table/apply.go", `	if err := t.write(oldest); err != nil {`, `	if err := t.log.DeleteFront(oldest.last); err != nil {
		return err
	}
	if err := t.write(oldest); err != nil {`},
		},
	},
	{
		name: "backup-without-the-end", breaks: "a backup lacks what is in the log behind the position of its table.",
		pkg: "internal/table", test: "TestBackupCrashes", why: `which began at \d+ batches, has \d+|and the table is at`,
		edits: []edit{
			{"internal/table/backup.go", `max(from, 1), t.Sealed(), portion`, `max(from, 1), max(from, 1), portion`},
		},
	},
	{
		name: "backup-whole-early", breaks: "a backup counts as whole before all of it is on the disk.",
		pkg: "internal/table", test: "TestBackupCrashes", why: `backup-\d, which began at \d+ batches, has \d+`,
		edits: []edit{
			{"internal/store/target.go", `	if err := t.syncDir(); err != nil {
		return err
	}
	if err := t.fs.Remove(`, `	if err := t.fs.Remove(`},
		},
	},
	{
		name: "memory-of-a-view", breaks: "memory that a view may still look at is used again for later batches.",
		pkg: "internal/table", test: "TestMemoryIsUsedAgain", why: `memory that a view looks at is spare`,
		edits: []edit{{"internal/table/apply.go", `	if t.views == 0 {`, `	{`}},
	},
	{
		name: "same-hash-same-row", breaks: "of two rows in memory whose keys have the same hash the one is taken for the other.",
		pkg: "internal/table", test: "TestFewHashes", why: `seed \d+: `,
		edits: []edit{{"internal/table/layer.go", `		if !found || at != gone && bytes.Equal(l.row(at).key, key) {`, `		if !found || at != gone {`}},
	},
	{
		name: "oldest-layer-first", breaks: "of what is not in the table yet the older of two changes of a row is read.",
		pkg: "internal/table", test: "TestCrashes", why: `is "`,
		edits: []edit{
			{"internal/table/view.go", `	for i := len(layers) - 1; i >= 0; i-- {
		if value, known`, `	for i := range layers {
		if value, known`},
		},
	},
	{
		name: "layers-out-of-order", breaks: "a younger layer is applied before an older one.",
		pkg: "internal/table", test: "TestCrashes", why: `is "|there are`,
		edits: []edit{
			{"internal/table/apply.go", `	for n < len(t.layers)-1 && bytes+t.layers[n].bytes <= t.options.LayerBytes {`, `	if len(t.layers) > 2 {
		t.layers[0], t.layers[1] = t.layers[1], t.layers[0]
	}
	for n < len(t.layers)-1 && bytes+t.layers[n].bytes <= t.options.LayerBytes {`},
		},
	},
	{
		name: "segment-unsynced", breaks: "the name of a new segment of the log is not synced.",
		pkg: "internal/table", test: "TestCrashes", why: `it has \d+ batches, of at least|is missing|has the entries`,
		edits: []edit{
			{"internal/log/segment.go", `	if err := s.file.Sync(); err != nil {
		return fmt.Errorf("log: sync %s: %w", s.path, err)
	}
	return l.syncDir()
}`, `	if err := s.file.Sync(); err != nil {
		return fmt.Errorf("log: sync %s: %w", s.path, err)
	}
	return nil
}`},
		},
	},
	{
		name: "few-last-cuts", breaks: "fewer epochs than promised are cut for what was admitted before Close.",
		pkg: "engine", test: "TestLastCuts", why: `2 steps: .* the engine was closed, want <nil>`,
		edits: []edit{
			{"engine/epoch.go", `		e.lastCuts++`, `		e.lastCuts++
		e.lastCuts++`},
		},
	},
	{
		name: "charge-evicted", breaks: "the cache stays charged with instances that it has dropped.",
		pkg: "internal/proof/sim", test: "TestCountsAtRest", why: `the count of bytes in the caches is`,
		edits: []edit{
			{"engine/instance.go", `			c.bytes -= i.charged`, ``},
		},
	},
	{
		name: "ingress-unsealed", breaks: "the position of an ingress is not sealed with what its records led to.",
		pkg: "engine", test: "TestIngressGoesOnWhereItWas", why: `the ingress went on after 0`,
		edits: []edit{
			{"engine/ingress.go", `	for _, f := range w.epoch.feeds {`, `	for _, f := range w.epoch.feeds {
		continue`},
		},
	},
	{
		name: "ingress-early", breaks: "the position of an ingress is sealed up to what it has delivered, also if that was not taken yet.",
		pkg: "engine", test: "TestCrashBetweenRecords", why: `the ingress goes on after \d+, and \d+ records were taken`,
		edits: []edit{
			{"engine/ingress.go", `encodeRow(p.last.Position)`, `encodeRow(p.given.Position)`},
		},
	},
	{
		name: "refused-slots", breaks: "a record of an ingress that is refused keeps its place among those that are not sealed.",
		pkg: "engine", test: "TestRefusedRecordsTakeNoRoom", why: `overloaded: 1024 records of ingress`,
		edits: []edit{
			{"engine/ingress.go", `	if err := f.engine.registry.Check(&q.env, f.engine.options.MaxBytes); err != nil {`, `	if err := f.engine.registry.Check(&q.env, f.engine.options.MaxBytes); err != nil {
		_ = r.takeSlots(p, 1) // and nobody gives it back`},
		},
	},
	{
		name: "reuse-record-numbers", breaks: "after a restart the records of an egress are numbered from 1 again.",
		pkg: "engine", test: "TestCrash", why: `has record \d+, but only 0 were ever emitted`,
		edits: []edit{
			{"engine/recover.go", `	e.nextID.Store(m.NextID)`, `	e.nextID.Store(m.NextID)
	clear(m.Egress)`},
		},
	},
	{
		name: "backlog-of-epochs", breaks: "records that were emitted in the running epoch do not count for the bound of their egress.",
		pkg: "engine", test: "TestBacklogBoundInAnEpoch", why: `got error <nil>, want .*egress`,
		edits: []edit{
			{"engine/executor.go", `(waits+more > most || waits+countFor(g.name, x.epoch.emits)+more > most)`, `waits+more > most`},
		},
	},

	// Request ids.
	{
		name: "keep-expired", breaks: "an id gets its outcome also after that has expired.",
		pkg: "engine", test: "TestOutcomesExpire", why: `after 1h0m0s it has run 2 times, want 3`,
		edits: []edit{
			{"engine/outcome.go", `	if x.group.expired(row.Settled(), x.group.clocks.Now()) {
		return nil
	}`, ``},
		},
	},
	{
		name: "any-fingerprint", breaks: "an id gets its outcome also when another request has it.",
		pkg: "engine", test: "TestReusedID", why: `request \d: error <nil>`,
		edits: []edit{
			{"engine/outcome.go", `	fingerprint := row.Fingerprint()
	switch {`, `	fingerprint := row.Fingerprint()
	switch {
	case true:
		return registry.IsSame`},
		},
	},
	{
		name: "lose-refusal", breaks: "the outcome of a request that failed gets no row.",
		pkg: "engine", test: "TestSameIDSameOutcome", why: `after a restart: error <nil>`,
		edits: []edit{
			{"engine/plain.go", `	if q.env.RequestID != "" {`, `	if q.env.RequestID != "" && o.failure == nil {`},
		},
	},
	{
		name: "forget-seen", breaks: "an id is not added to the filter of seen ids when the worker forgets its request.",
		pkg: "engine", test: "TestSameIDSameOutcome", why: `it ran [23] times, want 1`,
		edits: []edit{
			{"engine/epoch.go", `				w.engine.seen.Add(format.RequestHash(q.of.ID))`, `				_ = format.RequestHash`},
		},
	},
	{
		name: "id-not-noted", breaks: "a request with an id is not noted until its outcome has a row.",
		pkg: "engine", test: "TestOneIDForManyTargets", why: `these have run`,
		edits: []edit{
			{"engine/requests.go", `		q.shard.requests[q.of] = q`, ``},
		},
	},
	{
		name: "id-without-target", breaks: "an id is one for all instances of a shard.",
		pkg: "engine", test: "TestOneIDForManyTargets", why: `these have run|request id was used for a different request`,
		edits: []edit{
			{"internal/registry/registry.go", `Instance: env.ID, ID: env.RequestID}`, `Instance: env.ID[:1], ID: env.RequestID}`},
		},
	},
	{
		name: "stand-not-back", breaks: "a worker with nothing but costly work has the epoch cut before others have come to their requests.",
		pkg: "engine", test: "TestCostlyOnSeveralWorkers", why: `one in ten waited for [2-9] calls`,
		edits: []edit{
			{"engine/schedule.go", `	return e.accepting.Load() > 0
}`, `	return false
}`},
		},
	},
	{
		name: "joined-in-flight", breaks: "a request that joined another stays in the count of those in flight when it has its outcome.",
		pkg: "engine", test: "TestJoinedRequestsLeaveTheCount", why: `round \d: 3 requests in flight|\d requests wait for their outcome`,
		edits: []edit{
			{"engine/request.go", `		other.outcome, other.err = q.outcome, q.err`, `		other.outcome, other.err = q.outcome, q.err
		g.inFlight.Add(1)`},
		},
	},
	{
		name: "bucket-early", breaks: "a bucket of outcomes is deleted when its oldest have expired, not its youngest.",
		pkg: "engine", test: "TestOutcomesGoInTime", why: `in minute \d+ of \d+ requests \d+ have run`,
		edits: []edit{
			{"engine/buckets.go", `e.expired(all[gone].last, now)`, `e.expired(all[gone].start, now)`},
		},
	},
	{
		name: "read-before-index", breaks: "a read of the table does not see the newest changes until they are indexed in the background.",
		pkg: "internal/table", test: "TestReadIndexes", why: `after change 0: ""`,
		edits: []edit{
			{"internal/table/view.go", `	if t.newest().isIndexed() {`, `	if t.newest() != nil {`},
		},
	},
	{
		name: "bucket-late", breaks: "buckets of outcomes are not deleted.",
		pkg: "engine", test: "TestOutcomesGoInTime", why: `\d+ rows are left`,
		edits: []edit{
			{"engine/seal.go", `		batch.DeleteRange(r.lower, r.upper)`, `		_ = r`},
		},
	},
	{
		name: "oldest-bucket-first", breaks: "of an id that has two outcomes the older one is found.",
		pkg: "engine", test: "TestIDUsedAgain", why: `it has run [3-9] times, want 2`,
		edits: []edit{
			{"engine/outcome.go", `range slices.Backward(*x.group.buckets.list.Load())`, `range *x.group.buckets.list.Load()`},
			{"engine/outcome.go", `	"slices"
`, ``},
		},
	},
	{
		name: "forgets-early", breaks: "the filter of seen ids forgets a generation whose youngest have not expired.",
		pkg: "engine", test: "TestOutcomesGoInTime", why: `in minute \d+ of \d+ requests \d+ have run`,
		edits: []edit{
			{"engine/buckets.go", `e.expired(b.turns[0], now)`, `e.expired(b.turns[0]-int64(e.options.KeepOutcomes)/turnsKept, now)`},
		},
	},
	{
		name: "found-early", breaks: "the filter of seen ids is taken for whole before the ids of an earlier engine are in it.",
		pkg: "engine", test: "TestIDsReadBesideWork", why: `\d+ ids have run \d+ times`,
		edits: []edit{
			{"engine/buckets.go", `	if len(b.finding) == 0 {
		b.engine.seen.Found()`, `	if true {
		b.engine.seen.Found()`},
		},
	},

	// Recovery, timers, messages.
	{
		name: "reuse-ids", breaks: "the numbers of runs and messages begin at 1 again after a restart.",
		pkg: "engine", test: "TestCrash", why: `(gates|saga|sleepy|sorry) \S+ (has no outcome|\(outcome|failed but)`,
		edits: []edit{
			{"engine/recover.go", `	e.nextID.Store(m.NextID)`, ``},
		},
	},
	{
		name: "count-cancelled", breaks: "a timer that was cancelled stays in the count of timers.",
		pkg: "internal/proof/sim", test: "TestCountsAtRest", why: `the count of timers is`,
		edits: []edit{
			{"engine/timers.go", `	t.shard.timers.remove(t)
	x.countTimer(t, -1)`, `	t.shard.timers.remove(t)`},
		},
	},
	{
		name: "count-started", breaks: "a message that started a coordinator function stays in the count of those that are queued.",
		pkg: "internal/proof/sim", test: "TestCountsAtRest", why: `the count of queued messages is`,
		edits: []edit{
			{"engine/executor.go", `		x.queued -= weight(c.input)`, ``},
		},
	},
	{
		name: "drop-timer", breaks: "a timer that came due while the engine was down is not set again.",
		pkg: "engine", test: "TestCrash", why: `timer \S+ fired 0 times, cancelled false, late false`,
		edits: []edit{
			{"engine/recover.go", `			t.from, time.Unix(0, t.due), forInstance(&stored.Message), err)
	}`, `			t.from, time.Unix(0, t.due), forInstance(&stored.Message), err)
	}
	if t.due <= e.options.Seams.Clock.Now().UnixNano() {
		return nil
	}`},
		},
	},
	{
		name: "timer-twice", breaks: "the row of a timer that fired stays, so that a restart fires it again.",
		pkg: "engine", test: "TestTimersFireOnce", why: `the timers that fired are \[0 0 `,
		edits: []edit{
			{"engine/timers.go", `		x.addCharged(format.TimerKey(nil, t.shard.number, t.due, t.seq), nil)`, ``},
		},
	},
	{
		name: "forget-waiting", breaks: "messages that wait for a lock get no rows when an epoch is cut by force.",
		pkg: "engine", test: "TestCrash", why: `notice \d+ of \S+ after|no note of its end|fired 0 times`,
		edits: []edit{
			{"engine/epoch.go", `		if c.waitsForLock() {
			w.carryCall(c)
		}`, `		_ = c`},
		},
	},
	{
		name: "carried-twice", breaks: "the row of a carried message stays when the message was handled.",
		pkg: "engine", test: "TestCrash", why: `notice \d+ of \S+ after|ended more than once`,
		edits: []edit{
			{"engine/plain.go", `			x.addRow(format.NumberedKey(nil, c.shard.number, format.KindMessage, c.number), nil)`, `			_ = format.NumberedKey(nil, c.shard.number, format.KindMessage, c.number)`},
		},
	},
	{
		name: "carry-disordered", breaks: "carried messages that are still under way are numbered before those that wait for a lock.",
		pkg: "engine", test: "TestCrash", args: "-crash.runs=60", why: `notice \d+ of \S+ after`,
		edits: []edit{
			{"engine/epoch.go", `func (w *worker) carry() {`, `func (w *worker) carry() {
	w.carryQueued()`},
		},
	},
	{
		name: "overtake-carried", breaks: "after a restart, carried messages that came from outside do not wait before those that come from there later.",
		pkg: "engine", test: "TestCrashBetweenRecords", why: `note \d has position \d+ where \d+ is due`,
		edits: []edit{
			{"engine/recover.go", `		return origin{lineFed, f}`, `		return origin{line: lineSent}`},
		},
	},
	{
		name: "believe-manifest", breaks: "a manifest is read up to its first damaged record, and what comes after it is forgotten.",
		pkg: "internal/store", test: "TestDamagedManifest", why: `and these rows are served`,
		edits: []edit{
			{"internal/store/manifest.go", `	if !before.Exists {
		return nil
	}`, `	return nil`},
		},
	},
	{
		name: "lazy-commit", breaks: "a commit is no urgent message: a forced cut may part a decision from its application.",
		pkg: "engine", test: "TestCrash", why: `\(outcome "ok \d+"\): \S+ .* is missing|the vault holds \d+, not 2000`,
		edits: []edit{
			{"engine/worker.go", `	return k == msgCommit || k == msgAbort || k == msgDone`, `	return k == msgAbort || k == msgDone`},
		},
	},
	{
		name: "fired-is-left", breaks: "a timer that was due at the opening counts as left also when it has fired: what is on trial never ends.",
		pkg: "internal/proof/sim", test: "TestCountsAtRest", why: `the count of what was left is`,
		edits: []edit{
			{"engine/timers.go", `		if t.left {
			x.group.left.Add(-1)
		}
		x.addCharged(format.TimerKey(nil, t.shard.number, t.due, t.seq), nil)
		if c, _`, `		x.addCharged(format.TimerKey(nil, t.shard.number, t.due, t.seq), nil)
		if c, _`},
		},
	},
	{
		name: "trial-forgets-own", breaks: "a timer of an instance's own that fires on trial outlives its instance over a restart.",
		pkg: "engine", test: "TestSuspectTimersEndWithTheirInstance", why: `has made what was deleted anew`,
		edits: []edit{
			{"engine/trial.go", `Arrived: true, Own: t.isOwn()}`, `Arrived: true}`},
		},
	},
	{
		name: "parked-takes-room", breaks: "a run that is parked counts as one that waits to be started.",
		pkg: "engine", test: "TestParkedTakesNoRoom", why: `1 messages wait to be run`,
		edits: []edit{
			{"engine/poison.go", `		e.queued.Add(-weight(c.input))
`, ``},
		},
	},

	// Functions.
	{
		name: "panic-keeps-state", breaks: "what an operation did to the state before it panicked stays in the decoded value.",
		pkg: "functions", test: "TestStateIsAsBeforeAFailure", why: `TestStateIsAsBeforeAFailure/panic/decoded=true`,
		edits: []edit{
			{"internal/machine/instances/cell.go", `		c.Restore(before)`, ``},
		},
	},
	{
		name: "change-in-place", breaks: "an operation changes the decoded state itself, to which the image of the last epoch still refers.",
		pkg: "functions", test: "TestImagesAreIndependent", why: `an operation wrote into an image`,
		edits: []edit{
			{"internal/machine/instances/cell.go", `	case c.Type.late != nil && !kind.Reads():
		c.value = c.Type.late.copy(c.value)`, ``},
		},
	},
	{
		name: "shared-image", breaks: "the image of a flat state that is encoded at once refers to the decoded value, which operations change.",
		pkg: "functions", test: "TestGoingBackToAnImage", why: `with a time: after a failure .* want \{At:2026`,
		edits: []edit{
			{"internal/machine/instances/cell.go", `func (c *Cell) Image() Image {
	if c.Type.late == nil {`, `func (c *Cell) Image() Image {
	if c.Type.late == nil && !c.Type.flat {`},
		},
	},
	{
		name: "sends-of-failed", breaks: "the effects of an operation that failed happen.",
		pkg: "engine", test: "TestEffectsOfAFailureAreDropped", why: `the note has \[1 2\], want only the 2`,
		edits: []edit{
			{"engine/plain.go", `	c.outcome = outcome{failure: failures.Far(err)}`, `	c.outcome = outcome{failure: failures.Far(err)}
	x.apply(c.address(), c.shard, &x.effects)`},
		},
	},

	// Transactions.
	{
		name: "effects-on-abort", breaks: "the effects of a transaction's calls happen also if it aborts.",
		pkg: "engine", test: "TestAbortedTransactionSendsNothing", why: `the note was told \[1 1 -1\]`,
		edits: []edit{
			{"engine/transaction.go", `func (x *executor) abort(v *visit) {`, `func (x *executor) abort(v *visit) {
	if v.Effects != nil {
		x.apply(v.inst.address(), v.inst.shard, v.Effects)
	}`},
		},
	},
	{
		name: "abort-keeps-state", breaks: "an abort releases the lock and leaves the changes.",
		pkg: "internal/machine/transactions", test: "TestSerializable", args: rapidSeed, why: `no serial order explains this|there is -?\d+, there was -?\d+`,
		edits: []edit{
			{"internal/machine/transactions/seat.go", `		v.Seat.Cell.Restore(v.before)`, ``},
		},
	},
	{
		name: "undecided-written", breaks: "a forced cut writes the changes of a transaction that is not decided.",
		pkg: "engine", test: "TestCrash", why: `the vault holds \d+, not 2000|too much`,
		edits: []edit{
			{"internal/machine/transactions/seat.go", `	if s.writer != nil {
		return s.writer.before
	}`, ``},
		},
	},
	{
		name: "early-unlock", breaks: "a transaction gives up the lock of what it only read before it is decided.",
		pkg: "engine", test: "TestStepped", why: `the vault holds \d+, not 2000|total \S+ ok`,
		edits: []edit{
			{"engine/transaction.go", `		c.changed = x.growth(v)
	}`, `		c.changed = x.growth(v)
	}
	if v.Claim.Held() == locks.Shared {
		x.grant(v.inst.seat.Lock.Release(&v.Claim, x.granted[:0]))
	}`},
		},
	},
	{
		name: "no-absent-lock", breaks: "a transaction's call on an instance that does not exist takes no lock.",
		pkg: "engine", test: "TestAbsentInstancesMeet", why: `transaction \d: concordat: instance exists already`,
		edits: []edit{
			{"engine/transaction.go", `func (x *executor) prepare(m *message) {
	v := x.enterSeat(m)`, `func (x *executor) prepare(m *message) {
	v := x.enterSeat(m)
	if !v.inst.seat.Cell.Exists {
		x.runPrepare(v)
		return
	}`},
		},
	},
	{
		name: "doomed-commits", breaks: "a transaction commits although a call of it failed, if its body swallows the error.",
		pkg: "engine", test: "TestSwallowedErrorDoesNotCommit", why: `got error <nil>, want concordat: instance not found`,
		edits: []edit{
			{"internal/machine/transactions/coordinator.go", `	if c.doom == nil && err == nil {`, `	if err == nil {`},
		},
	},
	{
		name: "stale-conflict", breaks: "a conflict of an earlier attempt is believed of the present one.",
		pkg: "internal/machine/transactions", test: "TestTraces", why: `known_faults.txt`,
		edits: []edit{
			{"internal/machine/transactions/coordinator.go", `	if attempt != c.owner.Attempt || c.doom != nil || (c.phase != running && c.phase != locking) {`, `	if c.doom != nil || (c.phase != running && c.phase != locking) {`},
		},
	},
	{
		name: "failed-try-unlocks", breaks: "a call of a transaction that fails gives up the lock that it took.",
		pkg: "engine", test: "TestTriedAbsenceStaysTrue", why: `the first exists: true, the second: true`,
		edits: []edit{
			{"engine/transaction.go", `		c.changed = x.growth(v)
	}`, `		c.changed = x.growth(v)
	}
	if err != nil && v.grown == 0 {
		x.grant(v.inst.seat.Lock.Release(&v.Claim, x.granted[:0]))
	}`},
		},
	},
	{
		name: "victim-keeps-locks", breaks: "a transaction that gives way does not tell its participants.",
		pkg: "internal/machine/transactions", test: "TestSerializable", args: rapidSeed, why: `is still locked`,
		edits: []edit{
			{"internal/machine/transactions/coordinator.go", `func (c *Coordinator) tellParts(kind ActionKind, out []Action) []Action {`, `func (c *Coordinator) tellParts(kind ActionKind, out []Action) []Action {
	if kind == ActAbort && c.conflict {
		return out
	}`},
		},
	},
	{
		name: "attempts-add-up", breaks: "what an attempt that gave way has changed counts for the next one.",
		pkg: "engine", test: "TestRetriedTransactionIsAsLarge", why: `the transaction changes \d+ bytes, at most`,
		edits: []edit{
			{"engine/transaction.go", `	c.changes = 0
`, ``},
		},
	},

	// Locks and deadlocks.
	{
		name: "no-read-lock", breaks: "a shared lock is granted and not held.",
		pkg: "internal/machine/transactions", test: "TestSerializable", args: rapidSeed, why: `no serial order explains this`,
		edits: []edit{
			{"locks/lock.go", `	if c.held >= mode {`, `	if c.held >= mode || mode == Shared {`},
		},
	},
	{
		name: "upgrade-forgets-readers", breaks: "a shared holder that wants to write gets the lock beside other readers.",
		pkg: "locks", test: "TestLockAgainstModel", args: rapidSeed, why: `asks for exclusive: granted, want waits`,
		edits: []edit{
			{"locks/lock.go", `		return l.soleHolder(c)`, `		return true`},
		},
	},
	{
		name: "wait-die-reversed", breaks: "under wait-die the older is refused and the younger waits.",
		pkg: "locks", test: "TestPolicies", why: `wait-die:_older_waits,_younger_dies`,
		edits: []edit{
			{"locks/admit.go", `		if o.Owner.ID <= c.Owner.ID {`, `		if !(o.Owner.ID <= c.Owner.ID) {`},
		},
	},
	{
		name: "wound-nobody", breaks: "under wound-wait the older waits for the younger and wounds nobody.",
		pkg: "locks", test: "TestPolicies", why: `wounded "", want`,
		edits: []edit{
			{"locks/admit.go", `		if o.Owner.ID > c.Owner.ID {`, `		if false {`},
		},
	},
	{
		name: "two-victims", breaks: "a victim stays in the graph, so that its cycle costs another one.",
		pkg: "deadlock", test: "TestBreakAgainstOracle", args: rapidSeed, why: `victims \[.* .*\], want \[`,
		edits: []edit{
			{"deadlock/graph.go", `	victim := g.search(v)`, `	victim := g.search(v)
	if victim {
		return
	}`},
		},
	},
	{
		name: "old-attempt-edge", breaks: "an edge of an earlier attempt counts for the present one.",
		pkg: "deadlock", test: "TestAttemptsAreDifferentOwners", why: `the old attempt's edge was believed`,
		edits: []edit{
			{"deadlock/graph.go", `	key := o`, `	key := o
	key.Attempt = 0`},
		},
	},

	// Sagas.
	{
		name: "undo-in-order", breaks: "compensations run from the first step to the last.",
		pkg: "internal/machine/sagas", test: "TestSagasEnd", args: rapidSeed, why: `was undone after one of group`,
		edits: []edit{
			{"internal/machine/sagas/undo.go", `func (c *Coordinator) findGroup() bool {`, `func (c *Coordinator) findGroup() bool {
	for c.from = 0; c.from < len(c.Entries) && !c.Entries[c.from].needsUndo(); {
		c.from++
	}
	for c.to = c.from; c.to < len(c.Entries) && c.Entries[c.to].Group == c.Entries[c.from].Group; {
		c.to++
	}
	return c.from < c.to`},
		},
	},
	{
		name: "cancel-forgets-undo", breaks: "a saga that is cancelled ends without compensations.",
		pkg: "internal/machine/sagas", test: "TestSagasEnd", args: rapidSeed, why: `was left standing`,
		edits: []edit{
			{"internal/machine/sagas/undo.go", `func (c *Coordinator) findGroup() bool {`, `func (c *Coordinator) findGroup() bool {
	if c.stop != nil {
		return false
	}`},
		},
	},
	{
		name: "drop-stuck", breaks: "a compensation that failed in all its tries is skipped, and the saga ends.",
		pkg: "internal/machine/sagas", test: "TestSagasEnd", args: rapidSeed, why: `was left standing`,
		edits: []edit{
			{"internal/machine/sagas/undo.go", `	case tries == 0:`, `	case tries == 0:
		return c.undoNext(out)
	case tries >= c.maxTries:
		e.Undo = Skipped`},
		},
	},
	{
		name: "journal-late", breaks: "the journal of a saga that has a row is not written again before it ends.",
		pkg: "engine", test: "TestCrash", why: `too much|is out of order or twice`,
		edits: []edit{
			{"engine/sagas.go", `func (x *executor) actSaga(c *coord, acts []sagas.Action) {
	x.touch(c)`, `func (x *executor) actSaga(c *coord, acts []sagas.Action) {
	if !c.hasRow {
		x.touch(c)
	}`},
		},
	},
	{
		name: "step-checked-again", breaks: "a step that was on its way when the process ended is held to a bound that was lowered meanwhile.",
		pkg: "engine", test: "TestLowerMaxBytesOfAStep", why: `over the size limit: the argument of test/sticker.stick`,
		edits: []edit{
			{"engine/sagas.go", `	if undo || entry < c.accepted {`, `	if undo {`},
		},
	},

	// Progress, bounds and clocks.
	{
		name: "costly-twice", breaks: "a request may wait for two costly messages that nobody waits for.",
		pkg: "engine", test: "TestCrowdsAreAnsweredInTime", why: `was answered after`,
		edits: []edit{
			{"engine/schedule.go", `e.clocks.Now()-e.costlyAt.Load() < maxHeld*int64(e.options.MaxDrain)`, `costly != costly`},
		},
	},
	{
		name: "backlog-first", breaks: "messages that functions sent come before all that has not begun.",
		pkg: "engine", test: "TestRequestsAreAnsweredInTime", why: `a request was answered after|there is no outcome`,
		edits: []edit{
			{"engine/schedule.go", `	if w.pace.sharing {
		l, ok := w.pace.pick(w.waiting())
		if !ok && w.costly.Len() > 0 && !w.standsBack() {
			w.engine.cutNow() // what is left makes way
		}
		if l == lineCostly || l == lineCostlyPlain {
			ok = ok && first
		}
		return ok && w.handleOf(l)
	}`, ``},
			{"engine/schedule.go", `		return w.acceptNext() // there are no messages, or they wait`, `		return w.acceptNext() // there are no messages, or they wait
	}
	if w.sent.Len() > 0 {
		w.pace.turn = lineSent - 1`},
		},
	},
	{
		name: "costly-begun-first", breaks: "work of coordinator functions that takes long comes before all that has not begun.",
		pkg: "engine", test: "TestCoordinatorsKeepNobodyOut", why: `was answered after|that deadlocked ended after|outcomes missing`,
		edits: []edit{
			{"engine/schedule.go", `w.costs.of(&from.All()[0]) > 0`, `w.costs.of(&from.All()[0]) < 0`},
		},
	},
	{
		name: "costly-in-order", breaks: "what takes long is handled in the order in which it came, whoever it is for.",
		pkg: "engine", test: "TestCoordinatorsKeepNobodyOut", why: `a transaction of calls like the others`,
		edits: []edit{
			{"internal/queue/fair.go", `	return h[i].used < h[j].used || (h[i].used == h[j].used && h[i].turn < h[j].turn)`, `	return h[i].turn < h[j].turn`},
		},
	},
	{
		name: "costly-until-drained", breaks: "an epoch that has taken a request waits for costly work of coordinator functions.",
		pkg: "engine", test: "TestCoordinatorsKeepNobodyOut", why: `was answered after`,
		edits: []edit{
			{"engine/schedule.go", `lineCostly: w.costly.Len() > 0 && !w.makesWay(),`, `lineCostly: w.costly.Len() > 0,`},
		},
	},
	{
		name: "cycles-of-three", breaks: "a cycle is looked for only where three transactions meet.",
		pkg: "engine", test: "TestDeadlockInForcedCut", why: `nothing moves any more|only \d+ deadlocks`,
		edits: []edit{
			{"engine/untangle.go", `if twice++; twice == 2 {`, `if twice++; twice == 3 {`},
		},
	},
	{
		name: "cycles-at-rest", breaks: "no cycle is broken where an epoch is cut by force.",
		pkg: "engine", test: "TestDeadlockInForcedCut", why: `nothing moves any more|only \d+ deadlocks`,
		edits: []edit{
			{"engine/epoch.go", `	if (e.untangle() || e.mustWork()) && !e.cutting.Load() {`, `	if !e.cutting.Load() && (e.untangle() || e.mustWork()) && !e.cutting.Load() {`},
		},
	},
	{
		name: "look-left-out", breaks: "a look for cycles is left out where an epoch is cut by force and nothing is sealed, so that there is no other.",
		pkg: "engine", test: "TestNoCycleIsForgotten", why: `nothing happens any more`,
		edits: []edit{
			{"engine/untangle.go", `e.cutting.Load() && (e.sealing.Load() || e.hasWork())`, `e.cutting.Load()`},
		},
	},
	{
		name: "goexit-unpublished", breaks: "what an operation led to that has ended its goroutine is sent with the worker's next round.",
		pkg: "engine", test: "TestGoexitWithManyWorkers", why: `(call|tx|saga) \d+: engine: outcome unknown: context deadline exceeded`,
		edits: []edit{
			{"engine/goexit.go", `	w.publish() // the round is over, and there may be nothing for another one
`, ``},
		},
	},
	{
		name: "withdraw-overtakes", breaks: "a call of a transaction that gives way goes on waiting for its turn, because it takes long, and then for its lock.",
		pkg: "engine", test: "TestNoCycleIsForgotten", why: `nothing happens any more`,
		edits: []edit{
			{"engine/transaction.go", `	taken, waits := takeOutOf(&x.costly, c)`, `	taken, waits := message{}, false`},
		},
	},
	{
		name: "leaving-counts", breaks: "at a forced cut, who has given way already counts as one who waits.",
		pkg: "engine", test: "TestStepped", why: `deadlock: `,
		edits: []edit{
			{"engine/untangle.go", `	if e.cutting.Load() {
		e.findLeaving()
	}`, ``},
		},
	},
	{
		name: "unbounded-epoch", breaks: "an epoch goes on however much it has to write.",
		pkg: "engine", test: "TestEpochsAreBounded", why: `the largest batch had \d+ bytes`,
		edits: []edit{
			{"engine/budget.go", `func (g *commons) cutNow() {`, `func (g *commons) cutNow() {
	return`},
		},
	},
	{
		name: "outcomes-by-wall", breaks: "outcomes age by the wall clock.",
		pkg: "engine", test: "TestIDsOutliveClockJumps", why: `it ran [234] times`,
		edits: []edit{
			{"internal/clock/clock.go", `func (c *Times) Now() int64 {`, `func (c *Times) Now() int64 {
	return c.Wall.Now().UnixNano()`},
		},
	},
	{
		name: "never-looks-again", breaks: "an engine with timers does not look at the wall clock by itself.",
		pkg: "engine", test: "TestTimersFireAfterAClockJump", why: `outcome unknown: context deadline exceeded`,
		edits: []edit{
			{"engine/alarm.go", `		delay = min(delay, lookAgain)`, `		_ = lookAgain`},
		},
	},
	{
		name: "time-before-open", breaks: "what the clock had counted before the opening is time in which the engine ran.",
		pkg: "engine", test: "TestTimeBeforeOpenDoesNotCount", why: `it has run 2 times`,
		edits: []edit{
			{"internal/clock/clock.go", `c.base = now - int64(c.Elapsed())`, `c.base = now`},
		},
	},
	{
		name: "armed-once", breaks: "the clock that waits for a timer is not armed again for an earlier one.",
		pkg: "engine", test: "TestClockIsArmedForTheFirst", why: `is due after 1m0s the clock wakes the engine after 1h0m0s`,
		edits: []edit{
			{"engine/alarm.go", `armed != 0 && armed <= next`, `armed != 0`},
		},
	},
	{
		name: "argument-only", breaks: "a repeated request with an argument of another shape is another request.",
		pkg: "engine", test: "TestRequestsOutliveVersions", why: `repeated by another version: .*was used`,
		edits: []edit{
			{"internal/registry/identity.go", `	case i.Shape() != first.Shape() && first.Shape() != 0:
		return IsChanged`, ``},
		},
	},

	// Sources, and Kafka.
	{
		name: "source-carried-for-nobody", breaks: "a record whose message is carried from one epoch to the next loses its id and its answer with a crash.",
		pkg: "engine", test: "TestSourceOverCrashes", why: `(?s)the outcome of record \d+ .* is not known|answers: `,
		edits: []edit{
			{"engine/epoch.go", `		row.Record = c.asked.record.stored()`, `		_ = row.Record`},
		},
	},
	{
		name: "source-run-for-nobody", breaks: "a run that a record began loses its answer with a crash.",
		pkg: "engine", test: "TestSourceOverCrashes", why: `answers: `,
		edits: []edit{
			{"engine/recover.go", `		s.Record = c.asked.record.stored()`, `		_ = s.Record`},
		},
	},
	{
		name: "source-key-forgotten", breaks: "after a crash a record begins though one with its key is under way.",
		pkg: "engine", test: "TestSourceOverCrashes", why: `on page \S+ is |answers: `,
		edits: []edit{
			{"engine/source_keys.go", `	if t.part != nil && t.row.Key != "" {`, `	if t.part == nil {`},
		},
	},
	{
		name: "source-out-of-order", breaks: "records of a source do not wait for those with their key.",
		pkg: "engine", test: "TestSourceKeepsKeysInOrder", why: `got error <nil>`,
		edits: []edit{
			{"engine/source_keys.go", `instanceIn(&q.env), false)`, `instanceIn(&q.env), true)`},
		},
	},
	{
		name: "emits-by-worker", breaks: "records for an egress are numbered by worker, not in the order in which they were emitted.",
		pkg: "engine", test: "TestSourceOverCrashes", why: `answers: `,
		edits: []edit{
			{"engine/egress.go", `	return p.emitted[len(p.records)]`, `	return 0`},
		},
	},
	{
		name: "source-position-early", breaks: "the position of a partition is written when its record is delivered, not when it is taken.",
		pkg: "engine", test: "TestSourceOverCrashes", why: `on page \S+ is |dead letters: |answers: |is not known`,
		edits: []edit{
			{"engine/ingress.go", `encodeRow(p.last))`, `encodeRow(p.given))`},
		},
	},
	{
		name: "kafka-same-session", breaks: "after a transaction whose outcome is not known the next one is begun, without a look at what was written.",
		pkg: "internal/proof/topics", test: "TestSeeds", why: `the topic \S+ has .* is due|a session begins a transaction while one is open`,
		edits: []edit{
			{"kafka/egress.go", `	e.end()
	if !isTooLarge(err) {`, `	if !isTooLarge(err) {`},
		},
	},
	{
		name: "kafka-writes-again", breaks: "records that are written already are written again.",
		pkg: "internal/proof/topics", test: "TestSeeds", why: `the topic \S+ has .* is due`,
		edits: []edit{
			{"kafka/egress.go", `	first, _ := slices`, `	first := 0
	_, _ = slices`},
		},
	},
	{
		name: "kafka-note-apart", breaks: "how far is written is noted in a transaction of its own.",
		pkg: "kafka", test: "TestThousandRecordsAreOneTransaction", why: `2 transactions were ended, want 1`,
		edits: []edit{
			{"kafka/transactions.go", `	return t.transact(ctx, append(records[:len(records):len(records)], t.cluster.noteOf(positionKey, note{Owner: owner, Record: &last}))...)`,
				`	if err := t.transact(ctx, records...); err != nil {
		return err
	}
	return t.transact(ctx, t.cluster.noteOf(positionKey, note{Owner: owner, Record: &last}))`},
		},
	},
	{
		name: "kafka-zombie-claims", breaks: "whoever was fenced claims the transactional id again, whoever has it.",
		pkg: "kafka", test: "TestZombieIsFenced", why: `got error .*want kafka: the transactional id is in use elsewhere`,
		edits: []edit{
			{"kafka/egress.go", `		case owner != e.name:`, `		case owner == "":`},
		},
	},
	{
		name: "kafka-lost-in-silence", breaks: "where records were deleted before they were read, reading goes on behind them without a word.",
		pkg: "kafka", test: "TestLostRecords", why: `in 30 seconds it did not come true|ledger a has`,
		edits: []edit{
			{"kafka/reader.go", `	if r.run.options.Lost == StopAtLost {`, `	if r.run.options.Lost == SkipLost+1 {`},
		},
	},
}

// rapidSeed makes a property test draw the same cases each time, and leave no file behind.
const rapidSeed = "-rapid.seed=1 -rapid.nofailfile"
