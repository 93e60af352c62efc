package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/racedetector"
	"github.com/concordat-dev/concordat/internal/seams"
)

// tape is an ingress that counts up to an end, and tells what it was asked for.
type tape struct {
	end   uint64
	after atomic.Uint64 // where the last Run began
	ran   atomic.Int64
	give  func(position uint64) functions.Message
	fail  error // after the last record
}

func (s *tape) Run(_ context.Context, after uint64, deliver func(uint64, functions.Message) error) error {
	s.after.Store(after)
	s.ran.Add(1)
	for p := after + 1; p <= s.end; p++ {
		if err := deliver(p, s.give(p)); err != nil {
			return err
		}
	}
	return s.fail
}

const tapeNotes = 100

// jotPosition spreads the positions over notes.
func jotPosition(p uint64) functions.Message { return jot.On(fmt.Sprint(p%tapeNotes), int(p)) }

// jotted checks that so many notes have all positions up to some number, once and in order, and returns it.
func jotted(t *testing.T, e *engine.Engine, count int) (last int) {
	t.Helper()
	eventually(t, "what was carried is run", func() bool { return e.Queued() == 0 })
	found := 0
	for i := range count {
		want := i
		if i == 0 {
			want = count
		}
		for _, p := range ask(t, e, lines.On(fmt.Sprint(i))) {
			if p != want {
				t.Fatalf("note %d has position %d where %d is due", i, p, want)
			}
			want += count
			last = max(last, p)
			found++
		}
	}
	if found != last {
		t.Fatalf("%d positions were handled, the last is %d", found, last)
	}
	return last
}

// TestIngressGoesOnWhereItWas: each record is handled exactly once and in order, over restarts in the midst of them.
func TestIngressGoesOnWhereItWas(t *testing.T) {
	total := 20_000
	if racedetector.On {
		total = 6000
	}
	o := engine.Options{Dir: t.TempDir(), Workers: 2}
	e := open(t, o, notes)
	for i := range tapeNotes {
		must(t, e.Do(ctx, newNote.On(fmt.Sprint(i), 0)))
	}
	must(t, e.Close())
	for have := 0; have < total; {
		source := &tape{end: uint64(total), give: jotPosition}
		o.Ingresses = map[string]engine.Ingress{"tape": source}
		e = open(t, o, notes)
		eventually(t, "records come in", func() bool { return len(ask(t, e, lines.On("1"))) > have/tapeNotes })
		must(t, e.Close())
		if after := int(source.after.Load()); after != have {
			t.Fatalf("the ingress went on after %d, want %d", after, have)
		}
		e = open(t, engine.Options{Dir: o.Dir}, notes)
		have = jotted(t, e, tapeNotes)
		must(t, e.Close())
	}
}

// TestIngressRecords: records call operations and start coordinator functions. Bad ones are refused without harm: the ingress is
// told, and may go on.
func TestIngressRecords(t *testing.T) {
	refused := make(chan error, 10)
	bad := []functions.Message{unknownTx.With("x"), jot.On("", 1), newTeller.On("x", 1), lines.On("n").Into(new([]int)), jot.On("n", 1)}
	wants := []error{engine.ErrUnknownCoordinator, functions.ErrBadCall, functions.ErrUnknownOperation, functions.ErrBadCall, nil}
	source := ingressFunc(func(ctx context.Context, after uint64, deliver func(uint64, functions.Message) error) error {
		for i, m := range bad {
			refused <- deliver(uint64(i+1), m)
		}
		refused <- deliver(5, jot.On("n", 2)) // a position that does not grow
		refused <- deliver(9, jotSaga.With("n"))
		refused <- deliver(10, jotTx.With("n"))
		return nil
	})
	dir := t.TempDir()
	e := open(t, engine.Options{Dir: dir}, notes, jotSaga, jotTx)
	must(t, e.Do(ctx, newNote.On("n", 0)))
	e = reopen(t, e, engine.Options{Dir: dir, Ingresses: map[string]engine.Ingress{"in": source}}, notes, jotSaga, jotTx)
	for _, want := range wants {
		wantErr(t, <-refused, want)
	}
	if err := <-refused; err == nil || !strings.Contains(err.Error(), "position 5 after 5") {
		t.Errorf("a position that does not grow gives %v", err)
	}
	must(t, <-refused)
	must(t, <-refused)
	eventually(t, "all are handled", func() bool { return len(ask(t, e, lines.On("n"))) == 3 })
}

type ingressFunc func(ctx context.Context, after uint64, deliver func(uint64, functions.Message) error) error

func (f ingressFunc) Run(ctx context.Context, after uint64, deliver func(uint64, functions.Message) error) error {
	return f(ctx, after, deliver)
}

// handFed is an ingress of a stepped engine: the test delivers.
type handFed struct {
	after   uint64
	deliver func(position uint64, m functions.Message) error
}

func (h *handFed) Run(_ context.Context, after uint64, deliver func(uint64, functions.Message) error) error {
	h.after, h.deliver = after, deliver
	return nil
}

// openHandFed opens a stepped engine with an ingress.
func openHandFed(t *testing.T, fs vfs.FS, workers int) (*engine.Engine, *handFed) {
	t.Helper()
	source, clock := new(handFed), newPassingClock()
	e, err := engine.Open(engine.Options{
		Dir: "data", Workers: workers, ReserveBytes: -1, Ingresses: map[string]engine.Ingress{"in": source}, MaxDrain: time.Millisecond,
		Seams: seams.Set{FS: fs, Clock: clock, Stepped: true, Spent: func(seams.Spent) { clock.pass(100 * time.Microsecond) }},
	}, notes)
	must(t, err)
	return e, source
}

// TestRefusedRecordsTakeNoRoom: however many records are refused, those that are good go on; as many of these may wait for their seal
// as the bound says, and with the seal there is room again.
func TestRefusedRecordsTakeNoRoom(t *testing.T) {
	e, source := openHandFed(t, vfs.NewMem(), 1)
	for p := uint64(1); p <= engine.MaxUnsealed+1; p++ {
		wantErr(t, source.deliver(p, jot.On("", 1)), functions.ErrBadCall)
	}
	next := uint64(1) // the positions of records that were refused are free
	for range 2 {
		for range engine.MaxUnsealed {
			must(t, source.deliver(next, newNote.On(fmt.Sprint(next), 0)))
			next++
		}
		wantErr(t, source.deliver(next, newNote.On("too many", 0)), engine.ErrOverloaded)
		for e.Step(func(int) int { return 0 }) {
		}
	}
	must(t, e.Close())
}

// TestCrashBetweenRecords: whenever the process dies, the ingress goes on behind the last record that was taken, whatever has been
// delivered and was not taken yet. Records that were taken and not handled are handled before those that come later.
func TestCrashBetweenRecords(t *testing.T) {
	const records, few = 600, 3
	for seed := range racedetector.Fewer(uint64(4), 1) {
		rng := rand.New(rand.NewPCG(seed, 1))
		fs := vfs.NewCrashableMem()
		e := open(t, engine.Options{Dir: "data", Seams: seams.Set{FS: fs}}, notes)
		for i := range few {
			must(t, e.Do(ctx, newNote.On(fmt.Sprint(i), 0)))
		}
		must(t, e.Close())
		crashes, carried := 0, uint64(0)
		for taken := uint64(0); taken < records; crashes++ {
			e, source := openHandFed(t, fs, 1+int(seed)%2)
			if source.after != taken {
				t.Fatalf("seed %d: the ingress goes on after %d, and %d records were taken", seed, source.after, taken)
			}
			next := source.after + 1
			for range rng.IntN(300) {
				if next <= records && rng.IntN(2) == 0 {
					must(t, source.deliver(next, jot.On(fmt.Sprint(next%few), int(next))))
					next++
				}
				e.Step(rng.IntN)
			}
			carried += e.Stats().Carried
			fs = fs.CrashClone(vfs.CrashCloneCfg{})
			must(t, e.Abandon())
			e = open(t, engine.Options{Dir: "data", Seams: seams.Set{FS: fs.CrashClone(vfs.CrashCloneCfg{})}}, notes)
			taken = uint64(jotted(t, e, few)) // those that were carried are handled by now
			must(t, e.Close())
		}
		if crashes < 3 || carried < 10 {
			t.Errorf("seed %d: %d crashes, and %d records were carried, that proves little", seed, crashes, carried)
		}
	}
}

// TestIngressThatFailsIsRunAgain from where it was, and its error is logged.
func TestIngressThatFailsIsRunAgain(t *testing.T) {
	var log logLines
	source := &tape{end: 3, give: func(p uint64) functions.Message { return newNote.On(fmt.Sprint(p), 0) }, fail: errors.New("test: broken tape")}
	e := open(t, engine.Options{Logger: log.logger(), Ingresses: map[string]engine.Ingress{"tape": source}}, notes)
	eventually(t, "it runs again", func() bool { return source.ran.Load() >= 2 })
	if after := source.after.Load(); after != 3 {
		t.Errorf("the second run begins after %d, want 3", after)
	}
	if log.line("tape", "broken tape") == "" {
		t.Errorf("the log says: %s", log.String())
	}
	must(t, e.Close())
}

// TestDeliverEndsWithItsRun: what a run was given to deliver with fails once the run is over, so that no record is taken in two runs,
// and says after Close that the engine is closed.
func TestDeliverEndsWithItsRun(t *testing.T) {
	type deliver = func(uint64, functions.Message) error
	runs := make(chan deliver, 2)
	source := ingressFunc(func(ctx context.Context, after uint64, d deliver) error {
		runs <- d
		if after == 0 {
			return errors.Join(d(1, newNote.On("n", 0)), errors.New("test: lost connection"))
		}
		<-ctx.Done()
		return nil
	})
	e := open(t, engine.Options{Logger: new(logLines).logger(), Ingresses: map[string]engine.Ingress{"in": source}}, notes)
	first, second := <-runs, <-runs
	must(t, second(2, jot.On("n", 2)))
	err := first(3, jot.On("n", 3))
	wantErr(t, err, err, `"in"`, "after its Run had returned")
	must(t, second(3, jot.On("n", 3)))
	eventually(t, "each is taken once", func() bool { return fmt.Sprint(ask(t, e, lines.On("n"))) == "[2 3]" })
	must(t, e.Close())
	wantErr(t, first(4, jot.On("n", 4)), engine.ErrClosed)
	wantErr(t, second(4, jot.On("n", 4)), engine.ErrClosed)
}

// TestContextEndsWithItsRun, as deliver does: also what a Run has left behind can know that it is over.
func TestContextEndsWithItsRun(t *testing.T) {
	left := make(chan context.Context, 1)
	source := ingressFunc(func(ctx context.Context, _ uint64, _ func(uint64, functions.Message) error) error {
		left <- ctx
		return nil
	})
	e := open(t, engine.Options{Ingresses: map[string]engine.Ingress{"in": source}}, notes)
	<-(<-left).Done()
	must(t, e.Close())
}

// TestPositionsAreTakenOnce, whoever delivers them and at the same time.
func TestPositionsAreTakenOnce(t *testing.T) {
	const positions, givers = 2000, 4
	taken := make(chan int64, 1)
	source := ingressFunc(func(_ context.Context, _ uint64, deliver func(uint64, functions.Message) error) error {
		var n atomic.Int64
		for p := uint64(1); p <= positions; p++ {
			var all sync.WaitGroup
			for range givers {
				all.Go(func() {
					if deliver(p, jot.On("n", int(p))) == nil {
						n.Add(1)
					}
				})
			}
			all.Wait()
		}
		taken <- n.Load()
		return nil
	})
	dir := t.TempDir()
	e := open(t, engine.Options{Dir: dir}, notes)
	must(t, e.Do(ctx, newNote.On("n", 0)))
	e = reopen(t, e, engine.Options{Dir: dir, Ingresses: map[string]engine.Ingress{"in": source}}, notes)
	if n := <-taken; n != positions {
		t.Errorf("%d deliveries of %d positions were taken", n, positions)
	}
	eventually(t, "they are handled", func() bool { return len(ask(t, e, lines.On("n"))) == positions })
}

// TestIngressLeavesRoomForClients: however much an ingress has, clients are not told that the engine is overloaded.
func TestIngressLeavesRoomForClients(t *testing.T) {
	dir := t.TempDir()
	must(t, openDesk(t, engine.Options{Dir: dir}).Close())
	source := &tape{end: 1 << 40, give: func(uint64) functions.Message { return take.On("a", 1) }}
	e := open(t, engine.Options{Dir: dir, MaxInFlight: 8, Ingresses: map[string]engine.Ingress{"tape": source}}, requestParts()...)
	for range 10 {
		must(t, e.Do(ctx, take.On("a", 1)))
	}
	closeSoon(t, e)
}
