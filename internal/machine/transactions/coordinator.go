package transactions

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/machine/routines"
	"github.com/concordat-dev/concordat/locks"
	"github.com/concordat-dev/concordat/twopc"
)

// Coordinator is the coordinator's half of the protocol for one transaction: a pure machine. Each method is an event and
// appends the [Action]s that follow; the engine carries them out.
//
// The steps of an attempt:
//
//  1. Locking (retries only). The locks that earlier attempts touched are taken one after the other, in address order and the
//     strongest mode, so that retries cannot deadlock with one another on them.
//  2. Running. The body issues steps. Each becomes a Prepare to its participant; a step on an instance that another step of the
//     same batch is still at waits here until that one is back, so that calls of one instance happen in order and a lock has at
//     most one waiting request of a transaction. Votes come back; with the last of a batch the body is resumed.
//  3. Draining. A failed vote dooms the transaction, so does being a victim or being wounded. Calls that are out are taken
//     back: the participant answers a Withdraw of a call that waits for its lock with a cancelled vote, and ignores it if the
//     vote is on its way already. A failed vote of a step that may fail does not doom: the step gets the failure, its participant
//     stays locked, and the body goes on.
//  4. Decided. The body has returned and no call is out: Commit or Abort to every participant, once, then Finish, or a fresh
//     attempt if the doom was a conflict.
//
// Invariants:
//   - A decision is made only when no call is out. So no prepare can arrive at a participant after the decision, and an abort
//     never leaves a lock behind it.
//   - A doomed transaction never commits, whatever its body does with the error.
//   - A step that may fail has its own failure only while nothing has doomed the transaction; its participant is as before the
//     call, but locked, so the failure is as true at the decision as it was when it was observed.
//   - Every participant that was asked to lock is told the decision of that attempt, exactly once.
//   - A transaction keeps its ID over attempts, so it ages; the attempt is part of its owner, so that nothing from an earlier
//     attempt is mistaken for this one.
//
// Presumed abort (Mohan, Lindsay, Obermarck: "Transaction management in the R* distributed database management system", TODS
// 1986): nothing is written for a transaction that is not decided.
type Coordinator struct {
	owner       locks.Owner
	policy      locks.Policy
	maxAttempts int
	phase       phase

	parts []part
	index map[format.Address]int // parts by address, once there are many
	next  int                    // the part that is being locked

	steps  []routines.Step
	calls  []callState // parallel to steps
	out    int         // calls and locks whose answer has not come back
	queued int         // calls that wait for an earlier one of the batch

	refused  format.Address // the instance whose lock was refused in the last attempt, if any
	doom     error          // why the transaction cannot commit
	conflict bool           // the doom is a lock conflict: a fresh attempt may succeed
	revoked  bool           // the doom came from outside, and is what the transaction fails with
	decision Decision
	err      error
}

type phase uint8

const (
	idle phase = iota
	locking
	running
	over
)

// Decision is how a transaction ended.
type Decision uint8

// The decisions.
const (
	Undecided Decision = iota
	Committed
	Aborted
)

type part struct {
	addr    format.Address
	mode    locks.Mode // the strongest mode asked for
	busy    bool       // a call is at it
	touched bool       // it was sent something in this attempt
}

type callState struct {
	part  int
	state callPhase
}

type callPhase uint8

const (
	callQueued callPhase = iota // waits for an earlier call of the batch at the same instance
	callOut                     // sent, its vote is not back
	callBack                    // voted, or never sent
)

// ActionKind says what an [Action] asks for.
type ActionKind uint8

// The actions of a coordinator.
const (
	ActRun      ActionKind = iota + 1 // run the body afresh
	ActResume                         // the steps have their results: resume the body
	ActLock                           // ask Part for its lock; answered by Locked
	ActPrepare                        // send the call of Step to Part; answered by Vote
	ActWithdraw                       // take back what waits at Part
	ActCommit                         // tell Part to apply and release
	ActAbort                          // tell Part to undo and release
	ActFinish                         // the transaction is over: see Decision and Err
)

var actionNames = [...]string{"", "run", "resume", "lock", "prepare", "withdraw", "commit", "abort", "finish"}

// String returns the action's name in lower case.
func (k ActionKind) String() string { return actionNames[k] }

// Action is something that the engine does for a coordinator.
type Action struct {
	Kind    ActionKind
	Part    int // Lock, Prepare, Withdraw, Commit, Abort
	Step    int // Prepare; for Withdraw the step that is taken back, or -1 for a lock
	Mode    locks.Mode
	MayWait bool // Lock: it can safely wait whatever the policy says, see lockNext
}

// Init sets up the machine of a transaction. id is unique and orders transactions by age; maxAttempts is at least 1. A machine
// whose transaction is over can be set up again and keeps its memory.
func (c *Coordinator) Init(id uint64, policy locks.Policy, maxAttempts int) {
	clear(c.parts)
	parts, calls := c.parts[:0], c.calls[:0]
	*c = Coordinator{} // a literal with fields would be made elsewhere and copied
	c.owner, c.policy, c.maxAttempts = locks.Owner{ID: id, Attempt: 1}, policy, maxAttempts
	c.parts, c.calls = parts, calls
}

// Owner is the transaction as locks know it, in its present attempt.
func (c *Coordinator) Owner() locks.Owner { return c.owner }

// Decision is how the transaction ended.
func (c *Coordinator) Decision() Decision { return c.decision }

// Err is the reason of an abort.
func (c *Coordinator) Err() error { return c.err }

// IsDoomed reports whether the present attempt cannot commit any more.
func (c *Coordinator) IsDoomed() bool { return c.doom != nil }

// Parts counts the participants of this attempt.
func (c *Coordinator) Parts() int { return len(c.parts) }

// PartAddress returns the address of a participant.
func (c *Coordinator) PartAddress(part int) format.Address { return c.parts[part].addr }

// PartMode returns the strongest mode that was asked for at a participant.
func (c *Coordinator) PartMode(part int) locks.Mode { return c.parts[part].mode }

// Begin starts the first attempt.
func (c *Coordinator) Begin(out []Action) []Action {
	c.phase = running
	return append(out, Action{Kind: ActRun})
}

// Issue takes the steps that the body waits for. It keeps the slice and fills in results until the Resume.
func (c *Coordinator) Issue(steps []routines.Step, out []Action) []Action {
	c.mustBe(running)
	if c.doom != nil {
		for i := range steps {
			steps[i].Err = c.doom
		}
		return append(out, Action{Kind: ActResume})
	}
	c.steps, c.calls = steps, c.calls[:0]
	for i := range steps {
		p := c.partOf(format.Address{Type: steps[i].Call.Op.Type.Name, ID: steps[i].Call.ID})
		c.calls = append(c.calls, callState{part: p})
		if c.parts[p].busy {
			c.queued++
			continue
		}
		out = c.prepare(i, out)
	}
	return out
}

// Vote takes the answer to a Prepare: the result, or why the call failed, which dooms the transaction unless the step may fail.
// conflict says that it was refused or taken back for the sake of other transactions; that dooms in any case.
func (c *Coordinator) Vote(step int, result *instances.Result, err error, conflict bool, out []Action) []Action {
	c.mustBe(running)
	call := &c.calls[step]
	if call.state != callOut {
		panic("twopc: a vote answers a call that is out")
	}
	call.state = callBack
	c.out--
	c.parts[call.part].busy = false
	switch {
	case err == nil:
		c.steps[step].Result = result
		out = c.sendQueued(call.part, out)
	case c.steps[step].MayFail && !conflict:
		c.steps[step].Err = err
		out = c.sendQueued(call.part, out)
	default:
		if conflict && c.doom == nil {
			c.refused = c.parts[call.part].addr
		}
		out = c.fail(err, conflict, out)
	}
	return c.resumeIfBack(out)
}

// Locked takes the answer to a Lock: granted, or refused or taken back.
func (c *Coordinator) Locked(granted bool, out []Action) []Action {
	c.mustBe(locking)
	c.out--
	c.parts[c.next].busy = false
	if !granted {
		if c.doom == nil {
			c.refused = c.parts[c.next].addr
		}
		c.setDoom(errConflict, true)
	}
	if c.doom != nil {
		return c.retryOrFinish(c.tellParts(ActAbort, out))
	}
	c.next++
	return c.lockNext(out)
}

// Conflict tells that the transaction must give way: it was picked as a victim, or wounded by an older one. It is ignored by a
// transaction that is over, and for an earlier attempt.
func (c *Coordinator) Conflict(attempt uint32, out []Action) []Action {
	if attempt != c.owner.Attempt || c.doom != nil || (c.phase != running && c.phase != locking) {
		return out
	}
	return c.fail(errConflict, true, out)
}

// Returned takes the end of the body: nil asks for commit.
func (c *Coordinator) Returned(err error, out []Action) []Action {
	c.mustBe(running)
	if c.out != 0 {
		panic("twopc: a body returns only when none of its calls is out")
	}
	if c.doom == nil && err == nil {
		c.decision = Committed
		out = c.tellParts(ActCommit, out)
		return c.finish(out)
	}
	if c.doom == nil {
		c.setDoom(err, false)
	} else if err != nil && !c.conflict && !c.revoked {
		c.doom = err // the body's word on the failure it got
	}
	return c.retryOrFinish(c.tellParts(ActAbort, out))
}

// Cancel dooms the transaction for good, whatever its steps may do: for example because a call cannot be delivered.
func (c *Coordinator) Cancel(err error, out []Action) []Action {
	if c.doom != nil || (c.phase != running && c.phase != locking) {
		return out
	}
	return c.fail(err, false, out)
}

// Revoke dooms the transaction for somebody outside: it aborts, and fails with err, whatever has doomed it before and whatever its body
// returns. It is in the place of a further attempt, too. It reports whether the transaction was not over.
func (c *Coordinator) Revoke(err error, out []Action) (bool, []Action) {
	if c.phase != running && c.phase != locking {
		return false, out
	}
	if c.doom == nil {
		out = c.fail(err, false, out)
	}
	c.doom, c.conflict, c.revoked = err, false, true
	return true, out
}

// errConflict is what a body sees of a call after its transaction must give way.
var errConflict = fmt.Errorf("%w: this attempt gives way and will be retried", twopc.ErrDeadlock)

// fail dooms the transaction and takes back what is out.
func (c *Coordinator) fail(err error, conflict bool, out []Action) []Action {
	if c.doom != nil {
		return out
	}
	c.setDoom(err, conflict)
	if c.phase == locking {
		return append(out, Action{Kind: ActWithdraw, Part: c.next, Step: -1})
	}
	for i := range c.calls {
		switch call := &c.calls[i]; call.state {
		case callOut:
			out = append(out, Action{Kind: ActWithdraw, Part: call.part, Step: i})
		case callQueued:
			call.state = callBack
		}
	}
	c.queued = 0
	return out
}

func (c *Coordinator) setDoom(err error, conflict bool) {
	if c.doom == nil {
		c.doom, c.conflict = err, conflict
	}
}

func (c *Coordinator) prepare(step int, out []Action) []Action {
	call := &c.calls[step]
	mode := locks.Exclusive
	if c.steps[step].Call.Op.Kind.Reads() {
		mode = locks.Shared
	}
	p := &c.parts[call.part]
	p.mode, p.busy, p.touched = max(p.mode, mode), true, true
	call.state = callOut
	c.out++
	return append(out, Action{Kind: ActPrepare, Part: call.part, Step: step, Mode: mode})
}

// sendQueued sends the next call of the batch that waited for this participant.
func (c *Coordinator) sendQueued(part int, out []Action) []Action {
	if c.doom != nil || c.queued == 0 {
		return out
	}
	for i := range c.calls {
		if c.calls[i].part == part && c.calls[i].state == callQueued {
			c.queued--
			return c.prepare(i, out)
		}
	}
	return out
}

// resumeIfBack resumes the body once every call of the batch is back.
func (c *Coordinator) resumeIfBack(out []Action) []Action {
	if c.out > 0 {
		return out
	}
	if c.doom != nil {
		for i := range c.steps {
			c.steps[i].Err = c.doom
		}
	}
	c.steps = nil
	return append(out, Action{Kind: ActResume})
}

func (c *Coordinator) tellParts(kind ActionKind, out []Action) []Action {
	for i := range c.parts {
		if c.parts[i].touched {
			out = append(out, Action{Kind: kind, Part: i})
		}
	}
	return out
}

// retryOrFinish starts the next attempt after a conflict, and otherwise ends the transaction.
func (c *Coordinator) retryOrFinish(out []Action) []Action {
	if !c.conflict || int(c.owner.Attempt) >= c.maxAttempts {
		c.decision, c.err = Aborted, c.doom
		if c.conflict {
			c.err = fmt.Errorf("%w: %d attempts", twopc.ErrDeadlock, c.owner.Attempt)
		}
		return c.finish(out)
	}
	c.owner.Attempt++
	c.doom, c.conflict = nil, false
	c.phase, c.next = locking, 0
	slices.SortFunc(c.parts, c.byLockOrder)
	for i := range c.parts {
		c.parts[i].touched = false
		if c.index != nil {
			c.index[c.parts[i].addr] = i
		}
	}
	return c.lockNext(out)
}

// byLockOrder orders the locks that a retry takes up front: by address. Under WaitDie, which needs no order, the one that was
// refused comes first: it is waited for while nothing is held, in the place of dying at it again and again.
func (c *Coordinator) byLockOrder(a, b part) int {
	if c.policy == locks.WaitDie && a.addr != b.addr {
		switch c.refused {
		case a.addr:
			return -1
		case b.addr:
			return 1
		}
	}
	return cmp.Or(cmp.Compare(a.addr.ID, b.addr.ID), cmp.Compare(a.addr.Type, b.addr.Type))
}

// lockNext asks for the next lock that is needed up front, or runs the body when all are held. The first may be waited for
// under any policy, since nothing is held yet. Under NoWait so may the others: who has not been refused yet never waits, and
// the rest wait in one order, so there is no cycle.
func (c *Coordinator) lockNext(out []Action) []Action {
	if c.next == len(c.parts) {
		c.phase = running
		return append(out, Action{Kind: ActRun})
	}
	p := &c.parts[c.next]
	p.busy, p.touched = true, true
	c.out++
	mayWait := c.next == 0 || c.policy == locks.NoWait
	return append(out, Action{Kind: ActLock, Part: c.next, Mode: p.mode, MayWait: mayWait})
}

func (c *Coordinator) finish(out []Action) []Action {
	c.phase = over
	return append(out, Action{Kind: ActFinish})
}

// manyParts is the number of participants from which on they are found by a map.
const manyParts = 16

func (c *Coordinator) partOf(addr format.Address) int {
	if c.index != nil {
		if i, ok := c.index[addr]; ok {
			return i
		}
		c.index[addr] = len(c.parts)
	} else {
		for i := range c.parts {
			if c.parts[i].addr == addr {
				return i
			}
		}
	}
	c.parts = append(c.parts, part{addr: addr})
	if len(c.parts) == manyParts {
		c.index = make(map[format.Address]int, 2*manyParts)
		for i := range c.parts {
			c.index[c.parts[i].addr] = i
		}
	}
	return len(c.parts) - 1
}

func (c *Coordinator) mustBe(want phase) {
	if c.phase != want {
		panic(fmt.Sprintf("twopc: event in phase %d, only allowed in phase %d", c.phase, want))
	}
}
