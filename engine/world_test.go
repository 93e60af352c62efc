package engine_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/concordat-dev/concordat/coordinator"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/saga"
	"github.com/concordat-dev/concordat/twopc"
)

// A world is a bank in which everything leaves a trace: whoever moves money, sends, emits, sets a timer or ends a coordinator
// function writes down under which id. Package-level functions and types below are its program; [order] is a request to it; and
// [books.check] is the auditor, who is given all orders, their outcomes and the final states, and says what can not be.
//
//	till    an account: balance, and a line per movement. Each movement also sends a numbered notice to a sink, emits a
//	        numbered record, and now and then sets a timer
//	sink    counts what it is told: notices (in order, each once), timers, the ends of coordinator functions, bounces
//	gate    something that sagas pass; while it is shut they can not go back through it, so they get stuck
//	relay   passes a message on to the other relay until it has made its hops
//	slip    exists or not; a transaction toggles it
type world struct {
	prefix string // of all ids
	tills  int    // the first half is moved by transactions only, so that its sum never changes
}

type tillLine struct {
	ID     string
	Amount int64
	Undo   bool
}

type tillTimer struct {
	ID        functions.TimerID
	Cancelled bool // before it was due: it must never fire
	Late      bool // cancelled when it was due already: it may have fired
}

type tillState struct {
	Balance int64
	Lines   []tillLine
	Sent    uint64 // notices sent and records emitted
	Timers  []tillTimer
}

type tillNotice struct {
	From string
	Seq  uint64
}

type endNote struct{ ID, Word string }

type sinkState struct {
	Last     map[string]uint64
	Disorder []string
	Fired    map[string]int
	Notes    map[string][]string
}

type gateState struct {
	Shut  bool
	Lines []tillLine
}

type relayHop struct {
	ID   string
	Left int
}

type relayState struct{ Hops map[string][]int }

type slipState struct{ Text string }

const (
	errShort functions.Failure = "audit: not enough money"
	errShut  functions.Failure = "audit: the gate is shut"
	errSorry functions.Failure = "audit: thought better of it"

	firstBalance = 500
	relayHops    = 12
)

var (
	tillType   = functions.NewType[tillState]("audit/till")
	openTill   = functions.Create(tillType, "open", func(_ *functions.Ctx, s *tillState, b int64) error { s.Balance = b; return nil })
	moveTill   = functions.Update(tillType, "move", moveMoney)
	disarmTill = functions.Update(tillType, "disarm", disarm)
	knockTill  = functions.Update(tillType, "knock", func(ctx *functions.Ctx, _ *tillState, id string) error {
		ctx.Send(hopRelay.On("nobody "+id, relayHop{ID: id}))
		return nil
	})
	touchTill = functions.Update(tillType, "touch", func(*functions.Ctx, *tillState, int) error { return nil })
	lookTill  = functions.View(tillType, "look", func(_ *functions.Ctx, s tillState) (tillState, error) { return s, nil })
	cashTill  = functions.View(tillType, "cash", func(_ *functions.Ctx, s tillState) (int64, error) { return s.Balance, nil })
	sentTill  = functions.View(tillType, "sent", func(_ *functions.Ctx, s tillState) (int64, error) { return int64(s.Sent), nil })
	startTill = functions.Update(tillType, "start", startOther)

	sinkType = functions.NewType[sinkState]("audit/sink")
	openSink = functions.Create(sinkType, "open", makeSink)
	noticeOp = functions.Update(sinkType, "notice", takeNotice)
	noteOp   = functions.Update(sinkType, "note", func(_ *functions.Ctx, s *sinkState, n endNote) error {
		s.Notes[n.ID] = append(s.Notes[n.ID], n.Word)
		return nil
	})
	firedOp   = functions.Update(sinkType, "fired", func(_ *functions.Ctx, s *sinkState, key string) error { s.Fired[key]++; return nil })
	lookSink  = functions.View(sinkType, "look", func(_ *functions.Ctx, s sinkState) (sinkState, error) { return s, nil })
	countSink = functions.View(sinkType, "count", func(_ *functions.Ctx, s sinkState) (int, error) { return len(s.Notes), nil })

	gateType = functions.NewType[gateState]("audit/gate")
	openGate = functions.Create(gateType, "open", func(_ *functions.Ctx, s *gateState, shut bool) error { s.Shut = shut; return nil })
	setGate  = functions.Update(gateType, "set", func(_ *functions.Ctx, s *gateState, shut bool) error { s.Shut = shut; return nil })
	passGate = functions.Update(gateType, "pass", func(_ *functions.Ctx, s *gateState, l tillLine) error {
		if l.Undo && s.Shut {
			return errShut
		}
		s.Lines = append(s.Lines, l)
		return nil
	})
	lookGate = functions.View(gateType, "look", func(_ *functions.Ctx, s gateState) (gateState, error) { return s, nil })

	hopRelay  functions.Command[relayHop] // set by makeRelays: it sends to itself
	relayType = makeRelays()
	openRelay = functions.Create(relayType, "open", func(_ *functions.Ctx, s *relayState, _ int) error { s.Hops = map[string][]int{}; return nil })
	lookRelay = functions.View(relayType, "look", func(_ *functions.Ctx, s relayState) (relayState, error) { return s, nil })

	slipType = functions.NewType[slipState]("audit/slip")
	makeSlip = functions.Create(slipType, "make", func(_ *functions.Ctx, s *slipState, text string) error { s.Text = text; return nil })
	tearSlip = functions.Delete(slipType, "tear", func(*functions.Ctx, *slipState) error { return nil })

	recordsOut = functions.NewEgress[uint64]("audit-out")
)

func makeSink(_ *functions.Ctx, s *sinkState, _ int) error {
	*s = sinkState{Last: map[string]uint64{}, Fired: map[string]int{}, Notes: map[string][]string{}}
	return nil
}

func makeRelays() *functions.Type[relayState] {
	t := functions.NewType[relayState]("audit/relay")
	hopRelay = functions.Update(t, "hop", hopOn)
	functions.OnFailure(t, func(ctx *functions.Ctx, failed functions.Failed) error {
		var h relayHop
		if err := functions.Decode(failed.Arg, &h); err != nil {
			return err
		}
		ctx.Send(noteOp.On(sinkFor(h.ID), endNote{h.ID + "/bounce", "bounced"}))
		return nil
	})
	return t
}

// sinkFor is the sink that a key belongs to. Ids are "prefix:...", so that a world's sinks are its own.
func sinkFor(key string) string {
	sum := 0
	for _, b := range []byte(key) {
		sum += int(b)
	}
	prefix, _, _ := strings.Cut(key, ":")
	return fmt.Sprintf("%s:sink-%d", prefix, sum%4)
}

func moveMoney(ctx *functions.Ctx, s *tillState, l tillLine) error {
	if l.Amount < 0 && s.Balance+l.Amount < 0 && !l.Undo {
		return fmt.Errorf("%w: have %d, need %d", errShort, s.Balance, -l.Amount)
	}
	s.Balance += l.Amount
	s.Lines = append(s.Lines, l)
	s.Sent++
	self := ctx.Self().ID
	ctx.Send(noticeOp.On(sinkFor(self), tillNotice{self, s.Sent}))
	ctx.Emit(recordsOut.Record(self, s.Sent))
	if s.Sent%3 == 0 {
		key := fmt.Sprintf("%s/%d", self, len(s.Timers))
		id := ctx.SendAfter(time.Duration(s.Sent*7%200)*time.Millisecond, firedOp.On(sinkFor(self), key))
		s.Timers = append(s.Timers, tillTimer{ID: id})
	}
	return nil
}

func disarm(ctx *functions.Ctx, s *tillState, _ int) error {
	for i := len(s.Timers) - 1; i >= 0; i-- {
		if t := &s.Timers[i]; !t.Cancelled && !t.Late {
			ctx.Cancel(t.ID)
			t.Cancelled = ctx.Now().UnixNano() < t.ID.Due
			t.Late = !t.Cancelled
			return nil
		}
	}
	return nil
}

func takeNotice(_ *functions.Ctx, s *sinkState, n tillNotice) error {
	if s.Last[n.From]+1 != n.Seq {
		s.Disorder = append(s.Disorder, fmt.Sprintf("notice %d of %s after %d", n.Seq, n.From, s.Last[n.From]))
	}
	s.Last[n.From] = n.Seq
	return nil
}

func hopOn(ctx *functions.Ctx, s *relayState, h relayHop) error {
	s.Hops[h.ID] = append(s.Hops[h.ID], h.Left)
	if h.Left > 0 {
		self := ctx.Self().ID
		other := self[:len(self)-1] + string('0'+'1'-self[len(self)-1])
		ctx.Send(hopRelay.On(other, relayHop{h.ID, h.Left - 1}))
	}
	return nil
}

// startOther starts a coordinator function by message.
func startOther(ctx *functions.Ctx, _ *tillState, o order) error {
	ctx.Send(o.start())
	return nil
}

// order is a request to a world. Its ID is in every trace that it leaves; Asked orders also have it as their request id.
type order struct {
	Kind     string
	ID       string
	Asked    bool
	From, To string
	Amount   int64
	Group    []string // tills to add up; gates to pass
}

func (o order) debit() functions.Call {
	return moveTill.On(o.From, tillLine{ID: o.ID, Amount: -o.Amount})
}
func (o order) credit() functions.Call {
	return moveTill.On(o.To, tillLine{ID: o.ID, Amount: o.Amount})
}
func (o order) undebit() functions.Call {
	return moveTill.On(o.From, tillLine{ID: o.ID, Amount: o.Amount, Undo: true})
}
func (o order) uncredit() functions.Call {
	return moveTill.On(o.To, tillLine{ID: o.ID, Amount: -o.Amount, Undo: true})
}
func (o order) note(word string) functions.Call { return noteOp.On(sinkFor(o.ID), endNote{o.ID, word}) }

func (o order) noteTx(tx *twopc.Tx) {
	tx.OnCommit(o.note("ok"))
	tx.OnAbort(o.note("fail"))
}

func (o order) noteSaga(s *saga.Run) {
	s.OnSuccess(o.note("ok"))
	s.OnFailure(o.note("fail"))
}

// auditTx and auditSaga are the world's coordinator functions: what they do depends on the order's kind.
var (
	auditTx    = twopc.NewReturning("audit/tx", runAuditTx)
	auditSaga  = saga.New("audit/saga", runAuditSaga)
	auditParts = []functions.Part{tillType, sinkType, gateType, relayType, slipType, auditTx, auditSaga}
)

func runAuditTx(tx *twopc.Tx, o order) (int64, error) {
	o.noteTx(tx)
	switch o.Kind {
	case "tx":
		return 0, tx.All(o.debit(), o.credit())
	case "chain": // in two rounds, so that two of them can deadlock
		return 0, errors.Join(tx.Do(o.debit()), tx.Do(o.credit()))
	case "half": // reads, then decides what to do
		have, err := twopc.Ask(tx, cashTill.On(o.From))
		if err != nil || have < 2 {
			return 0, err
		}
		o.Amount = have / 2
		return o.Amount, errors.Join(tx.Do(o.credit()), tx.Do(o.debit()))
	case "doomed":
		if err := tx.All(o.debit(), o.credit()); err != nil {
			return 0, err
		}
		return 0, errSorry
	case "swallow":
		_ = tx.Do(o.credit())
		o.Amount = 1 << 40
		_ = tx.Do(o.debit()) // fails, and dooms the transaction whatever it returns
		return 0, nil
	case "total":
		return sumTills(tx, o.Group)
	case "census": // holds sinks locked while it goes on
		n, err := twopc.Ask(tx, countSink.On(sinkFor(o.From)))
		if err == nil {
			_, err = twopc.Ask(tx, cashTill.On(o.From))
		}
		if err == nil {
			_, err = sumTills(tx, o.Group)
		}
		return int64(min(n, 0)), err
	case "toggle":
		exists, err := twopc.Ask(tx, slipType.Exists(o.To))
		if err != nil {
			return 0, err
		}
		if exists {
			return 0, tx.Do(tearSlip.On(o.To))
		}
		return 0, tx.Do(makeSlip.On(o.To, o.ID))
	}
	return 0, fmt.Errorf("audit: no transaction of kind %s", o.Kind)
}

func sumTills(tx *twopc.Tx, names []string) (total int64, err error) {
	balances := make([]int64, len(names))
	calls := make([]functions.Call, len(names))
	for i, name := range names {
		calls[i] = cashTill.On(name).Into(&balances[i])
	}
	err = tx.All(calls...)
	for _, b := range balances {
		total += b
	}
	return total, err
}

func runAuditSaga(s *saga.Run, o order) error {
	o.noteSaga(s)
	switch o.Kind {
	case "saga", "sleepy", "sorry":
		if err := s.Do(o.debit(), o.undebit()); err != nil {
			return err
		}
		if o.Kind == "sleepy" {
			if err := s.Sleep(time.Duration(1+o.Amount%30) * time.Millisecond); err != nil {
				return err
			}
		}
		if err := s.Do(o.credit(), o.uncredit()); err != nil || o.Kind != "sorry" {
			return err
		}
		return errSorry
	case "gates": // through gates at once, then money, then back
		steps := make([]saga.Step, len(o.Group))
		for i, gate := range o.Group {
			steps[i] = saga.Step{Do: passGate.On(gate, tillLine{ID: o.ID}), Undo: passGate.On(gate, tillLine{ID: o.ID, Undo: true})}
		}
		if err := s.Do(o.debit(), o.undebit()); err != nil {
			return err
		}
		if err := s.All(steps...); err != nil {
			return err
		}
		if err := s.Do(o.credit(), o.uncredit()); err != nil {
			return err
		}
		return errSorry
	}
	return fmt.Errorf("audit: no saga of kind %s", o.Kind)
}

func (o order) isSaga() bool { return slices.Contains(sagaKinds, o.Kind) }

func (o order) isTx() bool { return slices.Contains(txKinds, o.Kind) }

var (
	sagaKinds = []string{"saga", "sleepy", "sorry", "gates"}
	txKinds   = []string{"tx", "chain", "half", "doomed", "swallow", "total", "census", "toggle"}
)

// start is the start of the order's coordinator function. What it returns is dropped.
func (o order) start() coordinator.Start {
	if o.isSaga() {
		return auditSaga.With(o)
	}
	return auditTx.With(o).Drop()
}

// request makes the order's request; its result, if it has one, goes to value.
func (o order) request(value *int64) functions.Request {
	var call functions.Call
	switch o.Kind {
	case "open-till":
		call = openTill.On(o.To, firstBalance)
	case "open-sink":
		call = openSink.On(o.To, 0)
	case "open-gate":
		call = openGate.On(o.To, o.Amount > 0)
	case "open-relay":
		call = openRelay.On(o.To, 0)
	case "set-gate":
		call = setGate.On(o.To, o.Amount > 0)
	case "deposit":
		call = o.credit()
	case "withdraw":
		call = o.debit()
	case "disarm":
		call = disarmTill.On(o.To, 0)
	case "knock":
		call = knockTill.On(o.To, o.ID)
	case "peek":
		call = sentTill.On(o.To).Into(value)
	case "relay":
		call = hopRelay.On(o.To, relayHop{o.ID, relayHops})
	case "start-tx", "start-saga":
		call = startTill.On(o.To, o.inner())
	default:
		start := o.start()
		if o.isTx() {
			start = auditTx.With(o).Into(value)
		}
		if o.Asked {
			return start.As(o.ID)
		}
		return start
	}
	if o.Asked {
		return call.As(o.ID)
	}
	return call
}

// inner is the order that a start-tx or start-saga starts by message.
func (o order) inner() order {
	in := o
	in.ID, in.Kind, in.Asked = o.ID+"/in", strings.TrimPrefix(o.Kind, "start-"), false
	return in
}

func (w *world) till(i int) string  { return fmt.Sprintf("%s:till-%d", w.prefix, i) }
func (w *world) gate(i int) string  { return fmt.Sprintf("%s:gate-%d", w.prefix, i) }
func (w *world) relay(i int) string { return fmt.Sprintf("%s:relay-%d", w.prefix, i) }
func (w *world) slip(i int) string  { return fmt.Sprintf("%s:slip-%d", w.prefix, i) }
func (w *world) sink(i int) string  { return fmt.Sprintf("%s:sink-%d", w.prefix, i) }

const (
	worldGates  = 2
	worldRelays = 2
	worldSlips  = 2
	worldSinks  = 4
)

// vault is the tills that only transactions move.
func (w *world) vault() []string {
	var names []string
	for i := range w.tills / 2 {
		names = append(names, w.till(i))
	}
	return names
}

// setUp are the orders that make the world.
func (w *world) setUp() (orders []order) {
	add := func(kind, to string, amount int64) {
		orders = append(orders, order{Kind: kind, ID: fmt.Sprintf("%s:%s %s", w.prefix, kind, to), Asked: true, To: to, Amount: amount})
	}
	for i := range worldSinks {
		add("open-sink", w.sink(i), 0)
	}
	for i := range w.tills {
		add("open-till", w.till(i), 0)
	}
	for i := range worldGates {
		add("open-gate", w.gate(i), int64(i))
	}
	for i := range worldRelays {
		add("open-relay", w.relay(i), 0)
	}
	return orders
}

// The orders of a running world, by weight: those for the tills in the vault, and those for the others.
var vaultKinds = []string{"tx", "tx", "chain", "chain", "half", "half", "doomed", "swallow", "total", "census", "start-tx", "peek"}
var otherKinds = []string{
	"saga", "saga", "sleepy", "sorry", "gates", "deposit", "withdraw", "disarm", "knock", "relay", "toggle", "start-saga",
	"set-gate", "tx", "chain", "peek",
}

// next makes up the n-th order.
func (w *world) next(rng *rand.Rand, n int) order {
	o := order{ID: fmt.Sprintf("%s:%d", w.prefix, n), Asked: rng.IntN(5) > 0, Amount: 1 + rng.Int64N(150)}
	low, high := 0, w.tills/2
	kinds := vaultKinds
	if rng.IntN(5) > 1 {
		low, high, kinds = high, w.tills, otherKinds
	}
	o.Kind = kinds[rng.IntN(len(kinds))]
	o.From, o.To = w.till(low+rng.IntN(high-low)), w.till(low+rng.IntN(high-low))
	switch o.Kind {
	case "total", "census":
		o.Group = w.vault()
	case "gates":
		o.Group = []string{w.gate(0), w.gate(1)}
	case "relay":
		o.To = w.relay(rng.IntN(worldRelays))
	case "toggle":
		o.To = w.slip(rng.IntN(worldSlips))
	case "set-gate":
		o.To, o.Amount = w.gate(rng.IntN(worldGates)), rng.Int64N(2)
	}
	return o
}
