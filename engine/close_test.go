package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/seams"
	"github.com/concordat-dev/concordat/saga"
	"github.com/concordat-dev/concordat/twopc"
)

// TestCloseDelivers: what is sealed when Close is called has been delivered when it returns, also to a receiver that is slow or away
// for a moment.
func TestCloseDelivers(t *testing.T) {
	var far received
	calls := 0
	write := func(ctx context.Context, r engine.Record) error {
		if calls++; calls == 100 {
			return errors.New("test: away for a moment")
		}
		time.Sleep(50 * time.Microsecond)
		return errors.Join(ctx.Err(), far.Write(ctx, []engine.Record{r}))
	}
	o := engine.Options{Dir: t.TempDir(), Logger: new(logLines).logger(), Egresses: map[string]engine.Egress{"wire": engine.Callback(write)}}
	e := open(t, o, tellers)
	must(t, e.Do(ctx, newTeller.On("a", 0)))
	must(t, e.Do(ctx, tell.On("a", 1000)))
	must(t, e.Close())
	once := uint64(0)
	for _, r := range far.all() {
		once = max(once, r.Seq)
	}
	if once != 1000 {
		t.Errorf("when Close returns the receiver has %d of 1000 records", once)
	}
	far = received{}
	must(t, open(t, o, tellers).Close())
	if n := len(far.all()); n != 0 {
		t.Errorf("%d records come again", n)
	}
}

// TestCloseTwice: a second call waits for the first, whether it comes meanwhile or later, and gets the same; when it returns the
// directory is free.
func TestCloseTwice(t *testing.T) {
	gate := make(chan struct{})
	failed := errors.New("test: cannot close")
	far := &headstrong{close: func() error { <-gate; return failed }}
	o := engine.Options{Dir: t.TempDir(), Egresses: map[string]engine.Egress{"wire": far}}
	e := open(t, o, tellers)
	results := make(chan error, 3)
	for range 2 {
		go func() { results <- e.Close() }()
	}
	time.Sleep(20 * time.Millisecond)
	over, cancel := context.WithCancel(ctx)
	cancel()
	wantErr(t, e.Close(over), context.Canceled, "at work") // who has no time is told so
	select {
	case err := <-results:
		t.Fatalf("Close returns before the egress is closed: %v", err)
	default:
	}
	close(gate)
	for range 2 {
		wantErr(t, <-results, failed, `egress "wire"`)
	}
	wantErr(t, e.Close(), failed)
	must(t, open(t, engine.Options{Dir: o.Dir}, tellers).Close())
}

// headstrong is an egress or an ingress whose code does what the test says, whatever its context is.
type headstrong struct {
	write  func() error
	close  func() error
	run    func() error
	closed atomic.Int64
}

func (*headstrong) Position() (uint64, error) { return 0, nil }

func (s *headstrong) Write(context.Context, []engine.Record) error {
	if s.write == nil {
		return nil
	}
	return s.write()
}

func (s *headstrong) Close() error {
	s.closed.Add(1)
	if s.close == nil {
		return nil
	}
	return s.close()
}

func (s *headstrong) Run(context.Context, uint64, func(uint64, functions.Message) error) error {
	return s.run()
}

// TestCloseWaitsForNobody: code that does not return is left behind and named, with the number of records that come again. The
// directory is free, and what was left behind can do no harm when it returns.
func TestCloseWaitsForNobody(t *testing.T) {
	gate := make(chan struct{})
	hang := func() error { <-gate; return nil }
	unwound := make(chan struct{})
	lingering := saga.New("test/lingering", func(s *saga.Run, _ int) error {
		defer func() { <-unwound }()
		return s.Sleep(time.Hour)
	})
	for name, c := range map[string]struct {
		end   *headstrong
		words []string
	}{
		"write":  {&headstrong{write: hang}, []string{`egress "wire" has not taken 7 records`, `Write of egress "wire" does not return`}},
		"close":  {&headstrong{close: hang}, []string{`Close of egress "wire" does not return`}},
		"run":    {&headstrong{run: hang}, []string{`Run of ingress "in" does not return`}},
		"defers": {&headstrong{}, []string{"test/lingering"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			end := c.end
			o := engine.Options{Dir: t.TempDir(), CloseTimeout: 10 * time.Millisecond, Egresses: map[string]engine.Egress{"wire": end}}
			if end.run != nil {
				o.Ingresses = map[string]engine.Ingress{"in": end}
			}
			e := open(t, o, tellers, lingering)
			must(t, e.Do(ctx, newTeller.On("a", 0)))
			must(t, e.Do(ctx, tell.On("a", 7)))
			if name == "defers" {
				_, err := e.Submit(lingering.With(0))
				must(t, err)
				eventually(t, "the saga sleeps", func() bool { all, err := e.Sagas(ctx); return err == nil && len(all) == 1 })
			}
			start := time.Now()
			err := e.Close()
			wantErr(t, err, err, c.words...)
			if took := time.Since(start); took > 4*time.Second {
				t.Errorf("Close took %v", took)
			}
			if name == "defers" {
				close(unwound)
			}
			far := new(received)
			e = open(t, engine.Options{Dir: o.Dir, Egresses: map[string]engine.Egress{"wire": far}}, tellers, lingering)
			must(t, e.Do(ctx, tell.On("a", 1)))
			must(t, e.Close())
			if name == "write" {
				wantRecords(t, far.all(), 1, 8)
			}
		})
	}
	t.Cleanup(func() { close(gate) })
}

// TestAbandonedWriteIsClosed: a receiver whose Write did not return in time is closed once, after it has.
func TestAbandonedWriteIsClosed(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	far := &headstrong{write: func() error { <-gate; return nil }}
	e := open(t, engine.Options{CloseTimeout: time.Millisecond, Egresses: map[string]engine.Egress{"wire": far}}, tellers)
	must(t, e.Do(ctx, newTeller.On("a", 0)))
	must(t, e.Do(ctx, tell.On("a", 1)))
	err := e.Close()
	wantErr(t, err, err, "does not return")
	if n := far.closed.Load(); n != 0 {
		t.Errorf("it was closed %d times while Write runs", n)
	}
	close(gate)
	eventually(t, "it is closed", func() bool { return far.closed.Load() == 1 })
}

// TestCloseNamesWhatHoldsAWorker: an operation that does not return is named; the directory stays locked until it does, and nothing that
// was acknowledged is lost. Requests that wait are told that their outcome is unknown.
func TestCloseNamesWhatHoldsAWorker(t *testing.T) {
	_, release := blocked(t)
	o := engine.Options{Dir: t.TempDir(), Workers: 1, CloseTimeout: time.Millisecond}
	e := openDesk(t, o)
	must(t, e.Do(ctx, take.On("a", 1)))
	pending, err := e.Submit(block.On("a", 1))
	must(t, err)
	eventually(t, "it holds the worker", func() bool { return engine.Runs(e) != "" })
	err = e.Close()
	wantErr(t, err, err, "test/desk.block(a)", "locked")
	if again := e.Close(); again.Error() != err.Error() {
		t.Errorf("a second call says %v", again)
	}
	wantErr(t, pending.Wait(ctx), engine.ErrUnknown)
	refuses(t, o, engine.ErrInUse, requestParts())
	for _, err := range engine.Walk(e, desks, "") {
		wantErr(t, err, engine.ErrClosed)
	}
	release()
	eventually(t, "the directory is free", func() bool {
		e, err = engine.Open(engine.Options{Dir: o.Dir, ReserveBytes: -1}, requestParts()...)
		return err == nil
	})
	if n := ask(t, e, taken.On("a")); n != 2 {
		t.Errorf("the desk has %d, want 2", n)
	}
	must(t, e.Close())
}

// TestDiskFailsWhileClosing: an engine that is being closed when its disk fails, or whose directory is gone, says so from Close. The process
// goes on, though Options.Fatal is the default, and whoever waits for an outcome is told that there is none.
func TestDiskFailsWhileClosing(t *testing.T) {
	for _, fails := range []struct {
		name string
		ops  func(errorfs.Op) bool
	}{
		{"log", func(op errorfs.Op) bool {
			return strings.HasSuffix(op.Path, ".log") && op.Kind.ReadOrWrite() == errorfs.OpIsWrite
		}},
		{"tables", func(op errorfs.Op) bool {
			return strings.HasSuffix(op.Path, ".sst") && op.Kind.ReadOrWrite() == errorfs.OpIsWrite
		}},
		{"everything", func(op errorfs.Op) bool { return op.Kind.ReadOrWrite() == errorfs.OpIsWrite }},
	} {
		t.Run(fails.name, func(t *testing.T) {
			entered, release := blocked(t)
			var failing atomic.Bool
			broken := errors.New("the disk is broken")
			fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
				if failing.Load() && fails.ops(op) {
					return broken
				}
				return nil
			}))
			e, err := engine.Open(engine.Options{Dir: "data", Logger: slog.New(slog.DiscardHandler), Seams: seams.Set{FS: fs}}, requestParts()...)
			must(t, err)
			must(t, e.Do(ctx, newDesk.On("a", false)))
			p, err := e.Submit(block.On("a", 1))
			must(t, err)
			<-entered
			soon, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			closed := make(chan error, 1)
			go func() { closed <- e.Close(soon) }()
			eventually(t, "the engine is being closed", func() bool { return engine.IsStopping(e) })
			failing.Store(true)
			release()
			if err := <-closed; err == nil {
				t.Error("Close returns nil")
			}
			if err := p.Wait(soon); err != nil && !errors.Is(err, engine.ErrUnknown) {
				t.Errorf("the outcome is %v", err)
			}
			failing.Store(false)
			if fails.name == "tables" { // which are tried again and again
				eventually(t, "the directory is free", func() bool {
					e, err := engine.Open(engine.Options{Dir: "data", Seams: seams.Set{FS: fs}}, requestParts()...)
					return err == nil && e.Close() == nil
				})
			}
		})
	}
}

// TestCloseOnAStuckDisk: a disk that does not write its tables does not hold up Close for longer than it says. The directory is free
// once it has.
func TestCloseOnAStuckDisk(t *testing.T) {
	t.Parallel()
	hold, release := make(chan struct{}), make(chan struct{})
	var stuck atomic.Bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if stuck.Load() && op.Kind == errorfs.OpCreate && strings.HasSuffix(op.Path, ".sst") {
			hold <- struct{}{}
			<-release
		}
		return nil
	}))
	e, err := engine.Open(engine.Options{Dir: "data", Seams: seams.Set{FS: fs}}, notes)
	must(t, err)
	must(t, e.Do(ctx, newNote.On("n", 3)))
	stuck.Store(true)
	soon, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	closed := make(chan error, 1)
	go func() { closed <- e.Close(soon) }()
	<-hold
	select {
	case err := <-closed:
		wantErr(t, err, err, "the disk has not written", "locked")
	case <-time.After(5 * time.Second):
		t.Fatal("Close waits for the disk")
	}
	go func() {
		for range hold { // of the next Open too
		}
	}()
	close(release)
	eventually(t, "the directory is free", func() bool {
		e, err = engine.Open(engine.Options{Dir: "data", Seams: seams.Set{FS: fs}}, notes)
		return err == nil
	})
	must(t, e.Close())
}

// TestNoBodyIsAtFaultForTheDeadline: that a deadline is over is no fault of bodies that end when they are unwound.
func TestNoBodyIsAtFaultForTheDeadline(t *testing.T) {
	e := openDesk(t, engine.Options{})
	must(t, e.Close())
	over, cancel := context.WithCancel(ctx)
	cancel()
	for range 100 {
		must(t, engine.Unwind(e, over))
	}
}

// TestLastCuts: Close cuts three more epochs for what was admitted. A transaction that needs them all has its outcome, one that needs
// four is told ErrUnknown.
func TestLastCuts(t *testing.T) {
	entered, goOn := make(chan struct{}), make(chan struct{})
	stops := functions.NewType[int]("test/stop")
	stop := functions.Upsert(stops, "stop", func(_ *functions.Ctx, n *int, _ int) error {
		entered <- struct{}{}
		<-goOn
		*n++
		return nil
	})
	way := twopc.New("test/way", func(tx *twopc.Tx, steps int) error {
		for range steps {
			if err := tx.Do(stop.On("x", 0)); err != nil {
				return err
			}
		}
		return nil
	})
	for i, want := range []error{nil, nil, engine.ErrUnknown} {
		steps, clock := i+1, newPassingClock()
		e := open(t, engine.Options{Workers: 1, Seams: seams.Set{Clock: clock}}, stops, way)
		pending, err := e.Submit(way.With(steps))
		must(t, err)
		<-entered
		closed := make(chan error)
		go func() { closed <- e.Close() }()
		eventually(t, "Close has begun", func() bool { return engine.IsStopping(e) })
		for step := range steps {
			if step > 0 {
				<-entered
			}
			eventually(t, "the epoch before is sealed", func() bool { return !engine.IsOpen(e) })
			clock.pass(time.Second) // so that the epoch is cut when the step is over
			goOn <- struct{}{}
		}
		err = pending.Wait(ctx)
		must(t, <-closed)
		if !errors.Is(err, want) {
			t.Fatalf("%d steps: %v, want %v", steps, err, want)
		}
	}
}

// TestCloseInCode: code that closes its own engine gets an error that names it, or its own walk ends; nothing hangs.
func TestCloseInCode(t *testing.T) {
	var e *engine.Engine
	closed := make(chan error, 10)
	closeHere := func() error {
		err := e.Close()
		closed <- err
		return err
	}
	closers := functions.NewType[int]("test/closer")
	closing := functions.Create(closers, "close", func(*functions.Ctx, *int, int) error { _ = closeHere(); return nil })
	for name, c := range map[string]struct {
		begin func()
		words []string
	}{
		"operation": {func() { _, err := e.Submit(closing.On("x", 1)); must(t, err) }, []string{"test/closer.close(x)"}},
		"write":     {func() { must(t, e.Do(ctx, newTeller.On("a", 0))); must(t, e.Do(ctx, tell.On("a", 1))) }, []string{"Write of egress"}},
		"walk": {func() {
			must(t, e.Do(ctx, newTeller.On("a", 0)))
			must(t, e.Do(ctx, newTeller.On("b", 0)))
			var last error
			for _, last = range engine.Walk(e, tellers, "") {
				if last == nil {
					_ = closeHere()
				}
			}
			wantErr(t, last, engine.ErrClosed)
		}, []string{"walks that were not over: 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := engine.Options{Dir: t.TempDir(), CloseTimeout: time.Millisecond}
			if name == "write" {
				o.Egresses = map[string]engine.Egress{"wire": &headstrong{write: closeHere}}
			} else {
				o.Egresses = map[string]engine.Egress{"wire": new(received)}
			}
			e = open(t, o, tellers, closers)
			c.begin()
			err := <-closed
			wantErr(t, err, err, c.words...)
			eventually(t, "the directory is free", func() bool {
				e, err := engine.Open(engine.Options{Dir: o.Dir, ReserveBytes: -1}, tellers, closers)
				return err == nil && e.Close() == nil
			})
		})
	}
}

// TestNestedWalkAndClose: a walk inside a walk and Close do not wait for each other. What begins after Close is ErrClosed, what had begun
// goes on until Close's deadline.
func TestNestedWalkAndClose(t *testing.T) {
	e := open(t, engine.Options{}, notes)
	for i := range 5 {
		must(t, e.Do(ctx, newNote.On(fmt.Sprint(i), 0)))
	}
	closed := make(chan error, 1)
	var ids []string
	for i, err := range engine.Walk(e, notes, "") {
		must(t, err)
		if ids = append(ids, i.ID); len(ids) == 1 {
			go func() { closed <- e.Close() }()
			eventually(t, "Close has begun", func() bool { return engine.IsClosed(e) })
		}
		for _, err := range engine.Walk(e, notes, "3") {
			wantErr(t, err, engine.ErrClosed)
		}
		if len(closed) > 0 {
			t.Error("Close does not wait for the walk")
		}
	}
	must(t, <-closed)
	if got := strings.Join(ids, ""); got != "01234" {
		t.Errorf("the walk came by %q", got)
	}
}

// TestWalkEndsAtCloseDeadline: a walk whose body is at work when Close's deadline is over ends with ErrClosed at its next step.
func TestWalkEndsAtCloseDeadline(t *testing.T) {
	e := open(t, engine.Options{CloseTimeout: time.Millisecond}, notes)
	must(t, e.Do(ctx, newNote.On("a", 0)))
	must(t, e.Do(ctx, newNote.On("b", 0)))
	var last error
	n := 0
	closed := make(chan error)
	for _, last = range engine.Walk(e, notes, "") {
		if n++; n == 1 {
			go func() { closed <- e.Close() }()
			err := <-closed
			wantErr(t, err, err, "walks that were not over: 1")
		}
	}
	if wantErr(t, last, engine.ErrClosed); n != 2 {
		t.Errorf("the body ran %d times", n)
	}
}

// TestPanickingEnds: a panic of an egress or an ingress, or the end of its goroutine, is logged with the name and the stack, and tried
// again, later each time.
func TestPanickingEnds(t *testing.T) {
	for name, fail := range map[string]func(){
		"panic":  func() { panic("test: boom") },
		"goexit": runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			var log logLines
			var writes, runs atomic.Int64
			far := &headstrong{
				write: func() error {
					if writes.Add(1) < 4 {
						fail()
					}
					return nil
				},
				run: func() error {
					if runs.Add(1) < 4 {
						fail()
					}
					return nil
				},
				close: func() error { fail(); return nil },
			}
			e := open(t, engine.Options{
				Logger: log.logger(), Egresses: map[string]engine.Egress{"wire": far}, Ingresses: map[string]engine.Ingress{"in": far},
			}, tellers)
			must(t, e.Do(ctx, newTeller.On("a", 0)))
			must(t, e.Do(ctx, tell.On("a", 1)))
			eventually(t, "both are tried again", func() bool { return writes.Load() == 4 && runs.Load() == 4 })
			for _, wait := range []string{"10ms", "20ms", "40ms"} {
				for _, end := range []string{"egress=wire", "ingress=in"} {
					words := []string{end, `"again in"=` + wait}
					if name == "panic" {
						words = append(words, "panicked", "test: boom", "close_test.go")
					}
					if log.line(words...) == "" {
						t.Errorf("the log has no line with %q: %s", words, log.String())
					}
				}
			}
			err := e.Close()
			wantErr(t, err, err, `close egress "wire"`)
		})
	}
}
