package transactions_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/concordat-dev/concordat/deadlock"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/machine/routines"
	"github.com/concordat-dev/concordat/internal/machine/transactions"
	"github.com/concordat-dev/concordat/internal/values"
	"github.com/concordat-dev/concordat/locks"
	"github.com/concordat-dev/concordat/twopc"
)

// world is a few accounts, a few transactions, and the messages between them, which it delivers one at a time. It does what an
// engine does, without time, disk and threads. Messages of one sender to one receiver keep their order; any other order goes.
type world struct {
	policy      locks.Policy
	maxAttempts int
	seats       map[string]*seat
	txs         map[string]*tx
	started     uint64
	network     []message
	trace       strings.Builder
	timers      uint64
	emitted     []string // what has left the world
}

type (
	seat  = transactions.Seat[*request]
	visit = transactions.Visit[*request]
)

// tx is a transaction, or a plain call, which has no machine.
type tx struct {
	name    string
	script  *script
	machine *transactions.Coordinator
	routine *routines.Routine
	stays   []*stay    // by participant, of this attempt
	calls   []*request // by step
	locking *request
	over    bool
	retries int
}

// stay is a transaction's visit to an account.
type stay struct {
	visit visit
	id    string
}

// request is a prepare or a lock on its way to an account and back.
type request struct {
	tx      *tx
	owner   locks.Owner
	stay    *stay
	step    int // -1 for a lock
	env     instances.Envelope
	mode    locks.Mode
	mayWait bool

	result   *instances.Result
	err      error
	conflict bool
}

// message is something that is on its way.
type message struct {
	from, to string
	what     string // as the trace shows it
	arrive   func()
}

func newWorld() *world {
	return &world{maxAttempts: 5, seats: map[string]*seat{}, txs: map[string]*tx{}}
}

func (w *world) seat(id string) *seat {
	if w.seats[id] == nil {
		w.seats[id] = &seat{Cell: instances.Cell{Type: accounts.Definition().(*instances.Type)}}
	}
	return w.seats[id]
}

// set gives an account a balance, from outside of the protocol.
func (w *world) set(id string, n int64) {
	data, err := values.Encode(account{n})
	if err != nil {
		panic(err)
	}
	w.seat(id).Cell.Restore(instances.Stored(data, false))
}

// epoch is the time in the world, which stands still.
func (w *world) epoch() time.Time { return time.Unix(0, 0) }

func (w *world) tell(format string, args ...any) { fmt.Fprintf(&w.trace, format+"\n", args...) }

func (w *world) send(from, to, what string, arrive func()) {
	w.network = append(w.network, message{from, to, what, arrive})
}

// deliver delivers the i-th message of the network.
func (w *world) deliver(i int) {
	m := w.network[i]
	w.network = slices.Delete(w.network, i, i+1)
	w.tell("%s -> %s: %s", m.from, m.to, m.what)
	m.arrive()
}

// next is the oldest message from one to another; "" is anybody. It is -1 if there is none.
func (w *world) next(from, to string) int {
	return slices.IndexFunc(w.network, func(m message) bool {
		return (from == "" || from == m.from) && (to == "" || to == m.to)
	})
}

// untangle breaks all cycles of the wait-for graph and reports whether there were any.
func (w *world) untangle() bool {
	var g deadlock.Graph
	ids := slices.Sorted(maps.Keys(w.seats))
	for i, id := range ids {
		deadlock.AddLock(&g, i, &w.seats[id].Lock)
	}
	cycles := g.Break()
	for _, c := range cycles {
		victim := w.byID(c.Victim.ID)
		w.tell("deadlock: victim %s of %s", victim.name, w.cycle(c, ids))
		w.send("detector", victim.name, fmt.Sprintf("conflict of attempt %d", c.Victim.Attempt), func() {
			w.act(victim, victim.machine.Conflict(c.Victim.Attempt, nil))
		})
	}
	return len(cycles) > 0
}

func (w *world) cycle(c deadlock.Cycle, ids []string) string {
	var edges []string
	for _, e := range c.Edges {
		edges = append(edges, fmt.Sprintf("%s waits for %s at %s", w.byID(e.Waiter.ID).name, w.byID(e.Blocker.ID).name, ids[e.Resource]))
	}
	return strings.Join(edges, ", ")
}

func (w *world) byID(id uint64) *tx {
	for _, t := range w.txs {
		if t.machine != nil && t.machine.Owner().ID == id {
			return t
		}
	}
	return nil
}

// The coordinator's side.

// begin starts a transaction; the earlier it is started, the older it is.
func (w *world) begin(name string, body []string) *tx {
	w.started++
	t := &tx{name: name, machine: new(transactions.Coordinator), routine: routines.NewRoutine()}
	t.script = &script{lines: body, log: func(text string) { w.tell("  %s: %s", name, text) }}
	w.txs[name] = t
	t.machine.Init(w.started, w.policy, w.maxAttempts)
	w.tell("%s begins", name)
	w.act(t, t.machine.Begin(nil))
	return t
}

func (w *world) act(t *tx, acts []transactions.Action) {
	for i := 0; i < len(acts); i++ {
		switch a := acts[i]; a.Kind {
		case transactions.ActRun:
			w.tell("  %s: run, attempt %d", t.name, t.machine.Owner().Attempt)
			definition := twopc.New("script", func(tx *twopc.Tx, _ int) error { return t.script.run(tx) })
			t.routine.Begin(definition.Definition().(*routines.Function), []byte{0}, int(t.machine.Owner().Attempt))
			acts = w.resume(t, acts)
		case transactions.ActResume:
			acts = w.resume(t, acts)
		case transactions.ActLock:
			w.lock(t, a)
		case transactions.ActPrepare:
			w.prepare(t, a)
		case transactions.ActWithdraw:
			w.withdraw(t, a)
		case transactions.ActCommit, transactions.ActAbort:
			w.decide(t, a)
		case transactions.ActFinish:
			w.finish(t)
		}
	}
}

func (w *world) resume(t *tx, acts []transactions.Action) []transactions.Action {
	if t.routine.Resume() {
		w.tell("  %s: the body returns %v", t.name, t.routine.Err)
		return t.machine.Returned(t.routine.Err, acts)
	}
	steps := t.routine.Issued()
	t.calls = make([]*request, len(steps))
	return t.machine.Issue(steps, acts)
}

func (w *world) prepare(t *tx, a transactions.Action) {
	env := t.routine.Issued()[a.Step].Call
	r := &request{tx: t, step: a.Step, env: env}
	t.calls[a.Step] = r
	w.visitPart(t, r, a, env.ID)
	w.send(t.name, env.ID, fmt.Sprintf("prepare %s, %v", describe(env), a.Mode), func() { w.onRequest(r) })
}

func (w *world) lock(t *tx, a transactions.Action) {
	if a.Part == 0 {
		t.retries++
		t.stays = nil
	}
	r := &request{tx: t, step: -1}
	t.locking = r
	w.visitPart(t, r, a, t.machine.PartAddress(a.Part).ID)
	what := fmt.Sprintf("lock %v", a.Mode)
	if a.MayWait {
		what += ", may wait"
	}
	w.send(t.name, r.stay.id, what, func() { w.onRequest(r) })
}

func (w *world) visitPart(t *tx, r *request, a transactions.Action, id string) {
	for len(t.stays) <= a.Part {
		t.stays = append(t.stays, nil)
	}
	if t.stays[a.Part] == nil {
		t.stays[a.Part] = &stay{id: id}
	}
	r.stay, r.mode, r.mayWait, r.owner = t.stays[a.Part], a.Mode, a.MayWait, t.machine.Owner()
}

func (w *world) withdraw(t *tx, a transactions.Action) {
	r := t.locking
	if a.Step >= 0 {
		r = t.calls[a.Step]
	}
	w.send(t.name, r.stay.id, "withdraw", func() { w.onWithdraw(r) })
}

func (w *world) decide(t *tx, a transactions.Action) {
	s := t.stays[a.Part]
	w.send(t.name, s.id, a.Kind.String(), func() { w.onDecision(t, s, a.Kind == transactions.ActCommit) })
}

func (w *world) finish(t *tx) {
	t.over = true
	effects := t.routine.OnFailure
	if t.machine.Decision() == transactions.Committed {
		effects = t.routine.OnSuccess
		w.tell("  %s: committed", t.name)
	} else {
		w.tell("  %s: aborted: %v", t.name, t.machine.Err())
	}
	w.apply(effects)
	t.routine.Close()
}

func describe(env instances.Envelope) string {
	text := env.Op.Name
	var n int64
	if codec.Decode(env.Encoded(), &n) == nil {
		text += fmt.Sprint(" ", n)
	}
	return text
}

// The accounts' side.

func (w *world) onRequest(r *request) {
	s := w.seat(r.stay.id)
	if r.stay.visit.Seat == nil {
		r.stay.visit.Init(s, r, r.owner)
	}
	r.stay.visit.Ref = r
	var wounded []*locks.Claim[*visit]
	answer := s.Lock.Acquire(&r.stay.visit.Claim, r.mode, w.policy, r.mayWait, &wounded)
	for _, c := range wounded {
		w.wound(r.stay.id, c)
	}
	switch answer {
	case locks.Granted:
		w.granted(r)
	case locks.Waits:
		w.tell("  %s: %s waits", r.stay.id, r.tx.name)
	case locks.Refused:
		w.refuse(r, "refused")
	}
}

func (w *world) wound(id string, c *locks.Claim[*visit]) {
	victim, attempt := c.Ref.Ref.tx, c.Owner.Attempt
	w.tell("  %s: wounds %s", id, victim.name)
	w.send(id, victim.name, fmt.Sprintf("conflict of attempt %d", attempt), func() {
		w.act(victim, victim.machine.Conflict(attempt, nil))
	})
}

func (w *world) refuse(r *request, why string) {
	r.err, r.conflict = twopc.ErrDeadlock, true
	w.vote(r, why)
}

// granted goes on with a request whose lock is held.
func (w *world) granted(r *request) {
	if r.step < 0 && r.tx.machine != nil {
		w.vote(r, "locked")
		return
	}
	var effects instances.Effects
	ctx := instances.NewCtx(format.Address{Type: "a", ID: r.stay.id}, w.epoch(), &w.timers, &effects)
	anyEffects := func(*instances.Effects) error { return nil }
	before := show(&r.stay.visit.Seat.Cell)
	r.result, r.err = r.stay.visit.Prepare(r.env.Op, &ctx, r.env.Encoded(), 1000, &effects, anyEffects)
	if after := show(&r.stay.visit.Seat.Cell); after != before {
		w.tell("  %s: %s becomes %s", r.stay.id, before, after)
	}
	answer := "yes"
	var n any
	switch {
	case r.err != nil:
		answer = "no, " + r.err.Error()
	case len(r.result.Encoded()) > 0:
		_ = codec.Decode(r.result.Encoded(), &n)
		answer = fmt.Sprintf("yes, %v", n)
	}
	if r.tx.machine == nil {
		w.plainDone(r, answer)
		return
	}
	w.vote(r, answer)
}

func (w *world) vote(r *request, answer string) {
	if r.step >= 0 {
		answer = "vote " + describe(r.env) + ": " + answer
	}
	w.send(r.stay.id, r.tx.name, answer, func() {
		t := r.tx
		if r.step < 0 {
			w.act(t, t.machine.Locked(!r.conflict, nil))
			return
		}
		w.act(t, t.machine.Vote(r.step, r.result, r.err, r.conflict, nil))
	})
}

// onWithdraw takes back a request that waits. One that does not has its vote on the way.
func (w *world) onWithdraw(r *request) {
	v := &r.stay.visit
	if !v.Claim.Waiting() || v.Ref != r {
		w.tell("  %s: too late", r.stay.id)
		return
	}
	w.grant(r.stay.id, v.Seat.Lock.Withdraw(&v.Claim, nil))
	w.refuse(r, "taken back")
}

func (w *world) onDecision(t *tx, s *stay, commit bool) {
	v := &s.visit
	var granted []*locks.Claim[*visit]
	before := show(&v.Seat.Cell)
	if commit {
		_, granted = v.Commit(nil)
	} else {
		granted = v.Abort(nil)
	}
	w.apply(v.Effects)
	if after := show(&v.Seat.Cell); after != before {
		w.tell("  %s: back from %s to %s", s.id, before, after)
	}
	w.grant(s.id, granted)
}

// grant goes on with the requests whose claims were granted. It takes a message, so that others come in between.
func (w *world) grant(id string, granted []*locks.Claim[*visit]) {
	for _, c := range granted {
		r := c.Ref.Ref
		w.send(id, id, "grant "+r.tx.name, func() { w.granted(r) })
	}
}

// apply carries out effects that are due.
func (w *world) apply(effects *instances.Effects) {
	if effects == nil {
		return
	}
	for _, e := range effects.Emits {
		var n int64
		_ = codec.Decode(e.Value, &n)
		w.emitted = append(w.emitted, fmt.Sprintf("%s=%d", e.Key, n))
		w.tell("  emits %s=%d", e.Key, n)
	}
	for _, s := range effects.Sends {
		w.tell("  sends %s to %s", describe(s), s.ID)
	}
}

// plain makes a call that is no transaction's.
func (w *world) plain(name string, call functions.Call) {
	w.started++
	t := &tx{name: name}
	w.txs[name] = t
	env := call.Envelope()
	r := &request{tx: t, step: -1, env: env, stay: &stay{id: env.ID}, mode: locks.Exclusive, owner: locks.Owner{ID: w.started, Single: true}}
	if env.Op.Kind.Reads() {
		r.mode = locks.Shared
	}
	w.send(name, env.ID, "call "+describe(env), func() { w.onRequest(r) })
}

func (w *world) plainDone(r *request, answer string) {
	_, granted := r.stay.visit.Commit(nil)
	w.grant(r.stay.id, granted)
	w.send(r.stay.id, r.tx.name, "reply "+describe(r.env)+": "+answer, func() { r.tx.over = true })
}

// show is the state of an account.
func show(c *instances.Cell) string {
	return showImage(c.Image())
}

func showImage(i instances.Image) string {
	if !i.Exists {
		return "nothing"
	}
	var a account
	if err := codec.Decode(i.Bytes(), &a); err != nil {
		return err.Error()
	}
	return fmt.Sprint(a.Balance)
}
