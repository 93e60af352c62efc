package engine_test

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/saga"
	"github.com/concordat-dev/concordat/twopc"
)

// A talker sends messages to notes.
type talker struct{ Said int }

type talk struct {
	To   []string
	From int // the first line
	Each int // lines for each
}

var (
	talkers   = functions.NewType[talker]("test/talker")
	newTalker = functions.Create(talkers, "new", func(*functions.Ctx, *talker, int) error { return nil })
	say       = functions.Update(talkers, "say", func(ctx *functions.Ctx, s *talker, a talk) error {
		for i := range a.Each {
			for _, to := range a.To {
				ctx.Send(jot.On(to, a.From+i))
			}
		}
		s.Said += a.Each * len(a.To)
		return nil
	})
	sayThenFail = functions.Update(talkers, "say-then-fail", func(ctx *functions.Ctx, s *talker, to string) error {
		ctx.Send(jot.On(to, 1))
		s.Said++
		return errRude
	})
	sayRudely = functions.Update(talkers, "say-rudely", func(ctx *functions.Ctx, _ *talker, to string) error {
		ctx.Send(jotThen.On(to, 7))
		return nil
	})
	said = functions.View(talkers, "said", func(_ *functions.Ctx, s talker) (int, error) { return s.Said, nil })
)

func upTo(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// TestMessagesArriveOnceInOrder: what one instance sends to another arrives exactly once and in order, over operations, over
// workers, and while the receiver is locked by a transaction.
func TestMessagesArriveOnceInOrder(t *testing.T) {
	const each, rounds, receivers = 50, 20, 10
	sum := twopc.NewReturning("test/sum", func(tx *twopc.Tx, ids []string) (n int, err error) {
		for _, id := range ids {
			all, err := twopc.Ask(tx, lines.On(id))
			if err != nil {
				return 0, err
			}
			n += len(all)
		}
		return n, nil
	})
	e := open(t, engine.Options{Workers: 3}, notes, talkers, sum)
	var to []string
	for i := range receivers {
		to = append(to, fmt.Sprint("note-", i))
		must(t, e.Do(ctx, newNote.On(to[i], 0)))
	}
	must(t, e.Do(ctx, newTalker.On("a", 0)))
	var pending []engine.Pending
	for round := range rounds {
		p, err := e.Submit(say.On("a", talk{To: to, From: round * each, Each: each}))
		must(t, err)
		pending = append(pending, p)
		_, err = e.Submit(sum.With(to).Drop())
		must(t, err)
	}
	for _, p := range pending {
		must(t, p.Wait(ctx))
	}
	for _, id := range to {
		eventually(t, "all lines arrive", func() bool { return len(ask(t, e, lines.On(id))) >= each*rounds })
		if got := ask(t, e, lines.On(id)); !slices.Equal(got, upTo(each*rounds)) {
			t.Errorf("%s was told %v", id, got)
		}
	}
}

// TestFanOut sends 10,000 messages from one operation, which is the bound, and refuses one more.
func TestFanOut(t *testing.T) {
	e := open(t, engine.Options{Workers: 2, MaxDrain: time.Hour}, notes, talkers)
	var to []string
	for i := range 100 {
		to = append(to, fmt.Sprint(i))
		must(t, e.Do(ctx, newNote.On(to[i], 0)))
	}
	must(t, e.Do(ctx, newTalker.On("a", 0)))
	err := e.Do(ctx, say.On("a", talk{To: to, Each: functions.MaxEffects/100 + 1}))
	wantErr(t, err, functions.ErrTooLarge, "10000 sends")
	if n := ask(t, e, said.On("a")); n != 0 {
		t.Errorf("a failed operation left %d in the state", n)
	}
	must(t, e.Do(ctx, say.On("a", talk{To: to, Each: functions.MaxEffects / 100})))
	for _, id := range to { // the reply came after the epoch in which all were handled
		if got := ask(t, e, lines.On(id)); !slices.Equal(got, upTo(functions.MaxEffects/100)) {
			t.Fatalf("note %s was told %v", id, got)
		}
	}
}

// TestEffectsOfAFailureAreDropped: an operation that fails has sent nothing and changed nothing.
func TestEffectsOfAFailureAreDropped(t *testing.T) {
	e := open(t, engine.Options{}, notes, talkers)
	must(t, e.Do(ctx, newNote.On("n", 0)))
	must(t, e.Do(ctx, newTalker.On("a", 0)))
	wantErr(t, e.Do(ctx, sayThenFail.On("a", "n")), errRude)
	must(t, e.Do(ctx, jot.On("n", 2)))
	if got := ask(t, e, lines.On("n")); !slices.Equal(got, []int{2}) {
		t.Errorf("the note has %v, want only the 2", got)
	}
	if n := ask(t, e, said.On("a")); n != 0 {
		t.Errorf("the failed operation counted %d", n)
	}
}

type complaint struct {
	Operation string
	Line      int
	Is        bool
	Text      string
}

// patients have a failure handler, which writes to the note "diary".
var patients = functions.NewType[noteState]("test/patient")

var (
	newPatient = functions.Create(patients, "new", func(*functions.Ctx, *noteState, int) error { return nil })
	hurt       = functions.Update(patients, "hurt", func(ctx *functions.Ctx, n *noteState, line int) error {
		n.Lines = append(n.Lines, line)
		ctx.Send(jot.On("diary", -1))
		return fmt.Errorf("%w: %d", errRude, line)
	})
	scars    = functions.View(patients, "scars", func(_ *functions.Ctx, n noteState) (int, error) { return len(n.Lines), nil })
	hurtThem = functions.Update(talkers, "hurt", func(ctx *functions.Ctx, _ *talker, ids []string) error {
		for i, id := range ids {
			ctx.Send(hurt.On(id, i))
		}
		return nil
	})
)

// TestFailureHandler: the failure of a message that nobody waits for goes to the type's handler: with the failure, the
// operation and its argument. What the handler sends is sent, the instance stays as it was, and the engine logs nothing. An
// error of the handler drops what it sent, and is logged; so is a failure for which there is no handler.
func TestFailureHandler(t *testing.T) {
	var seen atomic.Pointer[complaint]
	mood := functions.Failure("test: bad mood")
	functions.OnFailure(patients, func(ctx *functions.Ctx, f functions.Failed) error {
		c := complaint{Operation: f.Operation, Is: errors.Is(f.Err, errRude), Text: f.Err.Error()}
		if err := codec.Decode(f.Arg, &c.Line); err != nil {
			return err
		}
		seen.Store(&c)
		ctx.Send(jot.On("diary", c.Line))
		if c.Line == 2 {
			return mood
		}
		if c.Line == 3 {
			panic("the handler panics")
		}
		return nil
	})
	defer functions.OnFailure(patients, nil)
	var log logLines
	e := open(t, engine.Options{Logger: log.logger()}, notes, talkers, patients)
	must(t, e.Do(ctx, newNote.On("diary", 0)))
	must(t, e.Do(ctx, newTalker.On("t", 0)))
	must(t, e.Do(ctx, newPatient.On("p", 0)))
	must(t, e.Do(ctx, hurtThem.On("t", []string{"p", "p"})))
	if got := ask(t, e, lines.On("diary")); !slices.Equal(got, []int{0, 1}) {
		t.Errorf("the handler's messages are %v, want 0 and 1", got)
	}
	if got, want := *seen.Load(), (complaint{"hurt", 1, true, "test: rude: 1"}); got != want {
		t.Errorf("the handler saw %+v, want %+v", got, want)
	}
	if text := log.String(); text != "" {
		t.Errorf("failures that were handled are logged: %s", text)
	}
	must(t, e.Do(ctx, hurtThem.On("t", []string{"p", "p", "p", "p", "missing"})))
	got := ask(t, e, lines.On("diary"))
	if slices.Sort(got); !slices.Equal(got, []int{0, 0, 1, 1, 4}) {
		t.Errorf("the handler's messages are %v", got)
	}
	if n := ask(t, e, scars.On("p")); n != 0 {
		t.Errorf("failed messages left %d lines in the state", n)
	}
	if log.line("bad mood", "test/patient.hurt", "id=p") == "" || log.line("the handler panics", "stack=") == "" {
		t.Errorf("the handler's own failures are not in the log: %s", log.String())
	}
}

// TestFailureWithoutHandlerIsLogged names operation, instance and failure.
func TestFailureWithoutHandlerIsLogged(t *testing.T) {
	var log logLines
	e := open(t, engine.Options{Logger: log.logger()}, notes, talkers)
	must(t, e.Do(ctx, newNote.On("n", 0)))
	must(t, e.Do(ctx, newTalker.On("t", 0)))
	must(t, e.Do(ctx, sayRudely.On("t", "n")))
	if log.line("test/note.jot-then-fail", "id=n", "test: rude: 7") == "" {
		t.Errorf("the log says: %s", log.String())
	}
	if got := ask(t, e, lines.On("n")); len(got) != 0 {
		t.Errorf("a failed message left %v", got)
	}
}

// A starter starts coordinator functions by messages.
var (
	starters    = functions.NewType[talker]("test/starter")
	newStarter  = functions.Create(starters, "new", func(*functions.Ctx, *talker, int) error { return nil })
	startSaga   = functions.Update(starters, "start-saga", func(ctx *functions.Ctx, _ *talker, id string) error { ctx.Send(jotSaga.With(id)); return nil })
	startTx     = functions.Update(starters, "start-tx", func(ctx *functions.Ctx, _ *talker, id string) error { ctx.Send(jotTx.With(id)); return nil })
	startNobody = functions.Update(starters, "start-nobody", func(ctx *functions.Ctx, _ *talker, id string) error { ctx.Send(unknownTx.With(id)); return nil })
	jotSaga     = saga.New("test/jot-saga", func(s *saga.Run, id string) error { return s.Do(jot.On(id, 1), saga.NoUndo) })
	jotTx       = twopc.New("test/jot-tx", func(tx *twopc.Tx, id string) error { return tx.Do(jot.On(id, 2)) })
	unknownTx   = twopc.New("test/unknown-tx", func(*twopc.Tx, string) error { return nil })
)

// TestMessageStartsCoordinatorFunction: a saga or transaction that a message starts runs; its failure is logged; one that the
// engine does not know fails the sender.
func TestMessageStartsCoordinatorFunction(t *testing.T) {
	var log logLines
	e := open(t, engine.Options{Workers: 2, Logger: log.logger()}, notes, starters, jotSaga, jotTx)
	must(t, e.Do(ctx, newNote.On("n", 0)))
	must(t, e.Do(ctx, newStarter.On("s", 0)))
	for range 20 {
		must(t, e.Do(ctx, startSaga.On("s", "n")))
		must(t, e.Do(ctx, startTx.On("s", "n")))
	}
	got := ask(t, e, lines.On("n"))
	if slices.Sort(got); len(got) != 40 || got[19] != 1 || got[20] != 2 {
		t.Errorf("the note has %v, want twenty 1 and twenty 2", got)
	}
	wantErr(t, e.Do(ctx, startNobody.On("s", "n")), engine.ErrUnknownCoordinator)
	must(t, e.Do(ctx, startTx.On("s", "missing")))
	if log.line("test/jot-tx", "not found") == "" {
		t.Errorf("the failure of a transaction that a message started is not in the log: %s", log.String())
	}
}

// A spinner sends to itself until it is told to stop.
var (
	spinners   = functions.NewType[talker]("test/spinner")
	newSpinner = functions.Create(spinners, "new", func(*functions.Ctx, *talker, int) error { return nil })
	spin       functions.Command[int]
	spins      = functions.View(spinners, "spins", func(_ *functions.Ctx, s talker) (int, error) { return s.Said, nil })
	brake      = functions.Update(spinners, "brake", func(_ *functions.Ctx, s *talker, _ int) error { s.Said = -1; return nil })
)

// chatter is a message to the note "n" and, by a message to itself, further ones.
type chatter struct{ From, Left int }

var chat functions.Command[chatter]

func init() { // they refer to themselves
	chat = functions.Update(spinners, "chat", func(ctx *functions.Ctx, _ *talker, c chatter) error {
		ctx.Send(jot.On("n", c.From))
		if c.Left > 1 {
			ctx.Send(chat.On(ctx.Self().ID, chatter{c.From + 1, c.Left - 1}))
		}
		return nil
	})
	spin = functions.Update(spinners, "spin", func(ctx *functions.Ctx, s *talker, copies int) error {
		if s.Said >= 0 {
			s.Said++
			for range copies {
				ctx.Send(spin.On(ctx.Self().ID, 1))
			}
		}
		return nil
	})
}

// TestMessagesKeepTheirOrderOverCuts: messages that wait for a lock, or for their turn, when an epoch is cut short are in their old
// order after a restart.
func TestMessagesKeepTheirOrderOverCuts(t *testing.T) {
	hold := twopc.New("test/hold", func(tx *twopc.Tx, _ int) error {
		for i := range 20 { // many rounds: long enough for an epoch to be cut in their midst
			if _, err := twopc.Ask(tx, lines.On("n")); err != nil {
				return err
			}
			if err := tx.Do(jot.On("m", i)); err != nil {
				return err
			}
		}
		return tx.All(burn.On("m"), newNote.On("m", 0))
	})
	parts := []functions.Part{notes, spinners, hold}
	o := engine.Options{Dir: t.TempDir(), Workers: 1, MaxDrain: 2 * time.Millisecond}
	e := open(t, o, parts...)
	for _, id := range []string{"n", "m"} {
		must(t, e.Do(ctx, newNote.On(id, 0)))
	}
	must(t, e.Do(ctx, newSpinner.On("s", 0)))
	must(t, e.Do(ctx, newSpinner.On("chat", 0)))
	must(t, e.Do(ctx, spin.On("s", 1000)))
	next := 0
	for range 10 {
		must(t, e.Do(ctx, chat.On("chat", chatter{From: next, Left: 50})))
		_, err := e.Submit(hold.With(0))
		must(t, err)
		next += 50
		e = reopen(t, e, o, parts...)
	}
	must(t, e.Do(ctx, brake.On("s", 0)))
	eventually(t, "all messages arrive", func() bool { return len(ask(t, e, lines.On("n"))) >= next })
	chains := make([]int, 10) // the messages of one chatter are in order
	for _, line := range ask(t, e, lines.On("n")) {
		if chain := line / 50; line%50 == chains[chain] {
			chains[chain]++
		} else {
			t.Errorf("message %d came where %d was due", line, 50*chain+chains[chain])
		}
	}
}

// TestSelfSendsStarveNobody: a function that keeps sending to itself is cut short by each epoch. Others are served all the
// while, it goes on after a restart, once for each message, and Close returns.
func TestSelfSendsStarveNobody(t *testing.T) {
	o := engine.Options{Dir: t.TempDir(), Workers: 2, MaxDrain: 5 * time.Millisecond}
	e := open(t, o, notes, spinners)
	must(t, e.Do(ctx, newNote.On("n", 0)))
	for i := range 4 {
		id := fmt.Sprint("spinner-", i)
		must(t, e.Do(ctx, newSpinner.On(id, 0)))
		must(t, e.Do(ctx, spin.On(id, 3)))
	}
	for i := range 20 {
		start := time.Now()
		must(t, e.Do(ctx, jot.On("n", i)))
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("beside a function that sends to itself a call took %v", took)
		}
	}
	if s := e.Stats(); s.Carried == 0 {
		t.Errorf("no message was carried: %+v", s)
	}
	closeSoon(t, e)

	e = open(t, o, notes, spinners)
	before := ask(t, e, spins.On("spinner-0"))
	eventually(t, "the messages go on after a restart", func() bool { return ask(t, e, spins.On("spinner-0")) > before+100 })
	for i := range 4 {
		must(t, e.Do(ctx, brake.On(fmt.Sprint("spinner-", i), 0)))
	}
	eventually(t, "the last message is handled", func() bool {
		epochs := e.Stats().Epochs
		must(t, e.Do(ctx, jot.On("n", 0)))
		time.Sleep(5 * time.Millisecond)
		return e.Stats().Epochs <= epochs+2
	})
	e = reopen(t, e, o, notes, spinners)
	if n := ask(t, e, spins.On("spinner-3")); n != -1 {
		t.Errorf("a message was left over: the spinner stands at %d", n)
	}
}

func closeSoon(t *testing.T, e *engine.Engine) {
	t.Helper()
	closed := make(chan error)
	go func() { closed <- e.Close() }()
	select {
	case err := <-closed:
		must(t, err)
	case <-time.After(20 * time.Second):
		t.Fatal("Close does not return")
	}
}
