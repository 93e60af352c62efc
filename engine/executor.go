package engine

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/machine/routines"
	"github.com/concordat-dev/concordat/internal/machine/sagas"
	"github.com/concordat-dev/concordat/internal/machine/transactions"
	"github.com/concordat-dev/concordat/internal/queue"
	"github.com/concordat-dev/concordat/internal/seams"
)

// executor is what a worker has for the shards that it runs, one after the other: the lines in which their messages wait, its part of the
// running epoch, counts that the group is not told yet, and memory.
type executor struct {
	group  *commons
	id     int
	shards []*shard

	// What runs now, for the watchdog.
	running   atomic.Uint64                       // what user code runs, see runs, in the lower bits; the others count
	operation atomic.Pointer[instances.Operation] // the last operation
	subject   atomic.Pointer[instance]            // and its instance
	function  atomic.Pointer[routines.Function]   // the last coordinator function
	runs      uint64                              // the executor's own copy of running
	entered   *call                               // whose operation runs, or ran last for the message that is handled

	waits   waitTally
	hot     hotInstances
	sampler sampler

	urgent      queue.Queue[message]
	begun       queue.Queue[message] // of coordinator functions
	plain       queue.Queue[message] // calls of clients
	costly      fairLine             // of coordinator functions, and known to take long
	costlyPlain fairLine             // calls of clients that are known to
	arrivals    waitingLine
	fed         []waitingLine // by feed
	sent        waitingLine
	out         [][]message // by worker, sent at the end of a round
	now         time.Time   // wall time at the beginning of the round
	costs       costs
	pace        pacer
	began       time.Duration // when the code of users began that runs, as clocks.elapsed has it; 0 if nobody looked

	// Changes of what the group counts that it is not told yet.
	queued     int64
	charged    int64 // bytes for the running epoch; see budget
	timersSet  int64
	heldEmits  []int64 // of records that undecided transactions hold back, by egress
	undecided  int64
	background int64
	journals   int64

	cache     cache
	cancels   []cancelling
	contended []*instance // have had waiters since the last look
	waiters   []*call     // messages that have come to wait for a lock since the last cut
	timers    timerQueues // of the shards, due in wall time
	backOffs  timerQueues // likewise, due in engine time

	epoch *portion // what this worker adds to the running epoch

	idle       queue.Spares[coord] // over, to be used again
	idleTxs    queue.Spares[transactions.Coordinator]
	idleSagas  queue.Spares[sagas.Coordinator]
	idleCalls  queue.Spares[call]
	idleVisits queue.Spares[visit]
	routines   []*routines.Routine
	frame      *instances.Frame // of the operation that runs, or ran last
	effects    instances.Effects
	granted    []*claim
	wounded    []*claim
	checker    func(*instances.Effects) error // checkEffects, bound once
	txActs     []transactions.Action
	sgActs     []sagas.Action
	key        []byte
	lately     [4]knownOperation // operations that were looked up
	nextLately int               // which of them is forgotten next
}

func (x *executor) init(group *commons, id int) {
	x.group, x.id, x.pace = group, id, pacer{size: roundSize}
	x.out, x.epoch, x.frame = make([][]message, group.options.Workers), group.newPortion(), &instances.Frame{}
	x.checker = x.checkEffects
	x.cache.init(len(group.registry.Types), group.options.CacheBytes/int64(group.options.Workers))
}

func (x *executor) handle(m message) {
	if told := x.group.events.Load(); told != nil && told.MessageHandled != nil {
		told.MessageHandled(x.describeMessage(m))
	}
	switch m.kind {
	case msgCall:
		x.runCall(m.about.(*call))
	case msgPrepare:
		x.prepare(&m)
	case msgLock:
		x.lock(&m)
	case msgWithdraw:
		x.withdraw(&m)
	case msgGranted:
		x.onGranted(m.about.(*call).visit)
	case msgCommit:
		x.commit(m.visitOf())
	case msgAbort:
		x.abort(m.visitOf())
	case msgDone:
		x.sagaReply(m.about.(*call))
	case msgVote:
		x.onVote(m.about.(*call))
	case msgConflict:
		x.onConflict(m.about.(*coord), m.which)
	case msgStart:
		c := m.about.(*coord)
		x.queued -= weight(c.input)
		x.start(c)
	case msgGoOn:
		x.goOn(m.about.(*coord))
	case msgWake:
		x.wakeSaga(m.about.(*coord), int(int32(m.which)))
	case msgControl:
		q := m.about.(*request)
		q.control(q.engine.workers[x.id])
	default:
		panic("engine: a message has a kind")
	}
	if x.entered != nil {
		x.entered = nil
	}
}

// send hands a message to a shard, which may be this worker's. It arrives after what was sent there before, unless it is urgent.
func (x *executor) send(to *shard, m message) {
	if to.on == x {
		x.receive(m)
		return
	}
	x.out[to.on.id] = append(x.out[to.on.id], m)
}

func (x *executor) receive(m message) {
	c := m.call()
	switch {
	case m.kind.urgent():
		x.urgent.Push(m)
	case m.kind == msgCall && c.line != lineBegun:
		x.lineUp(c.line, m)
	case m.kind == msgStart:
		x.lineUp(m.coord().line, m)
	case c != nil && c.req != nil:
		x.plain.Push(m)
	default:
		x.begun.Push(m)
	}
}

// lineUp lets a message that has not begun wait.
func (x *executor) lineUp(in line, m message) {
	switch {
	case in == lineArrivals:
		x.arrivals.Push(m)
	case in == lineFed:
		if q := m.asked(); x.claims(q) {
			x.fed[m.feed().index].Push(m)
		} else {
			x.refuseRecord(m, q)
		}
	default:
		x.sent.Push(m)
	}
}

// feed is the ingress that a message came from.
func (m *message) feed() *feed {
	if c := m.call(); c != nil {
		return c.feed
	}
	return m.coord().feed
}

// enter frames the code of an operation, for the watchdog and with the operation's Ctx; leave ends it.
func (x *executor) enter(c *call) *instances.Ctx {
	if x.operation.Load() != c.op { // a load costs a tenth of a store
		x.operation.Store(c.op)
	}
	x.subject.Store(c.inst)
	x.entered = c
	x.runs += countRun
	x.running.Store(x.runs | runsOperation)
	x.effects.Reset()
	x.timeCode()
	if !x.frame.IsHere() { // another goroutine has taken the worker over, or makes its steps
		x.frame = instances.NewFrame()
	}
	return x.frame.Begin(c.address(), x.now, &x.group.timerSeq[x.id].n, &x.effects, c.value)
}

// enterBody frames the code of a coordinator function.
func (x *executor) enterBody(f *routines.Function) {
	if x.function.Load() != f {
		x.function.Store(f)
	}
	x.runs += countRun
	x.running.Store(x.runs | runsFunction)
	x.timeCode()
}

// runsNothing tells the watchdog that no user code runs. That is told once in a round, and before what may take long itself: to tell it
// after each operation would be a store each that waits for all stores before it.
func (x *executor) runsNothing() {
	if x.running.Load()&runsAny != 0 {
		x.running.Store(x.runs)
	}
}

// What user code a worker runs.
const (
	runsOperation = 1
	runsFunction  = 2
	runsAny       = runsOperation | runsFunction
	countRun      = runsAny + 1
)

// scratch is the worker's memory for a key, emptied.
func (x *executor) scratch() []byte { return x.key[:0] }

// addRow adds a row to the running epoch; a nil value deletes it.
func (x *executor) addRow(key, value []byte) {
	x.epoch.rows = append(x.epoch.rows, row{key: key, value: value})
}

// load reads a row. A read error ends the process: the rows are not what was written.
func (x *executor) load(key []byte) ([]byte, bool) {
	x.runsNothing()
	value, found, err := x.group.table.Get(key)
	if err != nil {
		x.group.fatal(err)
	}
	return value, found
}

// timeCode begins to take the time of code of users, while there is reason to look at it; leave ends that.
func (x *executor) timeCode() {
	if x.looks() {
		x.began = max(x.group.clocks.Elapsed(), 1)
	}
}

// looks reports whether messages have lately taken long, or the epoch has been open for long.
func (x *executor) looks() bool {
	return x.pace.size <= costlySize || x.costs.any() || x.group.lookout.due.Load()
}

// learn notes how long the code of users took that has just ended.
func (x *executor) learn() {
	d := x.group.clocks.Elapsed() - x.began
	x.began = 0
	if x.running.Load()&runsOperation != 0 {
		x.costs.operations = note(x.costs.operations, x.operation.Load(), d)
	} else {
		x.costs.functions = note(x.costs.functions, x.function.Load(), d)
	}
}

// leave ends what enter or enterBody began, but for the watchdog, whom runsNothing tells. Once admission has closed it cuts an epoch that has
// gone on for too long, between two operations.
func (x *executor) leave() {
	if spent := x.group.options.Seams.Spent; spent != nil {
		spent(seams.SpentOnFunction)
	}
	x.frame.End()
	if x.began != 0 {
		x.learn()
	}
	if x.looks() && !x.group.open.Load() {
		x.group.cutIfLate()
	}
}

// dropLost forgets a routine whose body cannot be unwound, or has ended its goroutine, and ends what is left of it.
func (x *executor) dropLost(f *routines.Function, r *routines.Routine) {
	x.group.stats.lost.Add(1)
	x.group.options.Logger.Error("the body of a coordinator function has ended its goroutine, or does not let itself be unwound", "function", f.Name)
	go r.Close()
}

// restsUntilLater reports whether a run does nothing until a person decides about it, or its sleep is over.
func (x *executor) restsUntilLater(c *coord) bool {
	if c.saga == nil {
		return false
	}
	return c.isStuck() || (c.alarm != nil && !c.backsOff() && c.alarm.due > x.group.clocks.Unix())
}

// survivedCut ends the trial of a run that goes on beyond an epoch, if it has added to its journal or rests.
func (x *executor) survivedCut(c *coord, added bool) {
	if c.begun() && (added || x.restsUntilLater(c)) {
		x.survived(c.left)
		c.left = nil
	}
}

// survived ends the trial of something that was left: with the running epoch it is handled.
func (x *executor) survived(u *unfinished) {
	if u.starts > 0 {
		x.addRow(format.StartsKey(u.row), nil)
	}
	x.group.left.Add(-1)
}

// handledFed notes that the message of a record was handled, or the run that it starts has begun.
func (x *executor) handledFed(p *partition, bytes int) { x.fedOf(p).slots += p.slotsOf(bytes) }

// fedOf finds what the running epoch does with records of a partition.
func (x *executor) fedOf(p *partition) *fed {
	feeds := x.epoch.feeds
	for i := range feeds {
		if feeds[i].part == p {
			return &feeds[i]
		}
	}
	x.epoch.feeds = append(feeds, fed{part: p})
	return &x.epoch.feeds[len(feeds)]
}

// checkBacklog reports whether an egress has no room for what an operation emits. What an egress waits for is exact while a worker
// runs, since numbers are given at the cut. What undecided transactions hold back counts too.
func (x *executor) checkBacklog(emits []format.Emitted) error {
	most := uint64(x.group.options.MaxBacklog)
	for i, g := range x.group.backlogs {
		waits := g.last - g.delivered.Load() + x.heldFor(i)
		if waits+uint64(len(x.epoch.emits)+len(emits)) <= most {
			continue
		}
		more := countFor(g.name, emits)
		if more > 0 && (waits+more > most || waits+countFor(g.name, x.epoch.emits)+more > most) {
			return fmt.Errorf("%w: %q: %d records are not delivered, Options.MaxBacklog is %d", ErrEgressFull, g.name, waits, most)
		}
	}
	return nil
}

// heldFor counts the records for an egress that undecided transactions hold back. A worker may tell of what it gives back before another
// tells of what it holds.
func (x *executor) heldFor(egress int) uint64 {
	held := x.group.backlogs[egress].held.Load()
	if x.heldEmits != nil {
		held += x.heldEmits[egress]
	}
	return uint64(max(held, 0))
}

// countFor counts the records for an egress.
func countFor(name string, emits []format.Emitted) (n uint64) {
	for i := range emits {
		if emits[i].Egress == name {
			n++
		}
	}
	return n
}

var kindNames = [...]string{"", "call", "prepare", "lock", "withdraw", "granted", "commit", "abort", "done", "vote", "conflict", "start", "go-on", "wake", "control"}

// describeMessage is what is told of a message that the worker is about to handle.
func (x *executor) describeMessage(m message) MessageInfo {
	info := MessageInfo{Worker: x.id, Kind: kindNames[m.kind]}
	switch about := m.about.(type) {
	case *call:
		info.Address = functions.Address(about.address())
		if about.op != nil {
			info.Operation = about.op.FullName()
		}
	case *visit:
		info.Address = functions.Address(about.inst.address())
	case *coord:
		info.Function, info.Run = about.function.Name, about.id
	}
	return info
}
