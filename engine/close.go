package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/concordat-dev/concordat/internal/clock"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/seams"
	"github.com/concordat-dev/concordat/internal/table"
)

const (
	// closeGrace is how long Close waits beyond its deadline for what it has told to stop.
	closeGrace = 2 * time.Second
	// diskGrace and unwindGrace are how long it waits for the disk, and for bodies that are unwound, at least, even if that is over.
	diskGrace   = 500 * time.Millisecond
	unwindGrace = 200 * time.Millisecond
)

// closing is the end of an engine, which happens once.
type closing struct {
	once sync.Once
	done chan struct{} // closed when err is set
	err  error
}

// Close stops the engine. New requests are refused with ErrClosed; those that were admitted get their outcome, or ErrUnknown
// when they need longer than a few epochs, such as a saga that sleeps: it goes on when the directory is opened again. What is
// sealed is delivered to the egresses, and walks come to their end. Close returns when all is durable and the directory is free.
//
// It takes one context at most, whose end is its deadline. Without one, or if that has no deadline, it is over after
// Options.CloseTimeout. Then Close returns within three seconds, and its error says what it left:
//
//   - Records that an egress has not taken, by their number. They come again after the next Open.
//   - Code of an egress or an ingress that does not return although its context is over. It is left to itself.
//   - Walks that were not over. They end with ErrClosed, as backups do at once.
//   - User code that holds a worker, or a disk that does not write. Only then the directory stays locked, since the worker could still
//     write to it: it is closed and becomes free when that code returns, or with the process.
//
// Whoever calls Close again, or meanwhile, waits for the first call and gets what that gets; at most until its own deadline.
func (e *Engine) Close(ctx ...context.Context) error {
	if len(ctx) > 1 {
		panic("engine: Close takes one context at most")
	}
	until := context.Background()
	if len(ctx) == 1 && ctx[0] != nil {
		until = ctx[0]
	}
	if _, set := until.Deadline(); !set {
		var cancel context.CancelFunc
		until, cancel = context.WithTimeout(until, e.options.CloseTimeout)
		defer cancel()
	}
	first := false
	e.closing.once.Do(func() { first = true })
	if first {
		e.closing.err = e.shutDown(until)
		close(e.closing.done)
		return e.closing.err
	}
	hard, cancel := withGrace(until)
	defer cancel()
	select {
	case <-e.closing.done:
		return e.closing.err
	case <-hard.Done():
		return fmt.Errorf("engine: another call of Close is still at work: %w", context.Cause(until))
	}
}

// withGrace is over closeGrace after ctx.
func withGrace(ctx context.Context) (context.Context, context.CancelFunc) {
	hard, cancel := context.WithCancel(context.Background())
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(closeGrace, cancel) })
	return hard, func() { stop(); cancel() }
}

// shutDown is what the first Close does. What has to stop by itself is waited for until ctx is over, and what was told to until hard is.
func (e *Engine) shutDown(ctx context.Context) error {
	select {
	case <-e.failed:
		return e.giveUp()
	default:
	}
	e.closed.Store(true)
	hard, cancel := withGrace(ctx)
	defer cancel()
	e.backups.stop()
	for _, f := range e.feeds {
		f.cancel()
	}
	for _, w := range e.workers {
		w.mu.Lock()
		w.shut = true
		w.mu.Unlock()
	}
	e.stopping.Store(true)
	e.gate.nudge()
	stopped := make(chan struct{})
	if e.options.Seams.Stepped {
		e.stepToEnd()
		e.stopWorkers()
		close(stopped)
	} else {
		go func() { e.stopWorkers(); close(stopped) }()
	}
	var errs []error
	select {
	case <-stopped:
		e.stopped.Store(true)
	case <-e.failed:
		return e.giveUp()
	case <-hard.Done():
		errs = append(errs, e.held())
	}
	e.die() // everything that was sealed has been released
	errs = append(errs, e.drainEgresses(ctx, hard), e.walks.end(ctx), e.awaitIngresses(hard))
	select {
	case <-stopped:
		errs = append(errs, e.unwind(hard), e.closeInTime(hard))
	default:
		go func() { <-stopped; e.closedLate(e.closeStore()) }()
	}
	return errors.Join(errs...)
}

// stopWorkers waits until the workers have come to their end, and ends the engine's goroutines.
func (e *Engine) stopWorkers() {
	<-e.ended
	if e.watch.stop != nil {
		e.watch.stop()
	}
	e.options.Seams.Clock.Wake(e.options.Seams.Clock.Now(), func() {}) // forget the timer that was next, and with it this engine
	e.lookout.stop()
	close(e.toSeal)
	for _, w := range e.workers {
		close(w.signal)
	}
	e.running.Wait()
}

// giveUp leaves an engine that has failed: nobody may write any more, so the directory is free with the end of the process only.
func (e *Engine) giveUp() error {
	for _, f := range e.feeds {
		f.cancel()
	}
	for _, g := range e.egresses {
		g.cancel()
	}
	return fmt.Errorf("%w: the engine failed and cannot be closed: %w", ErrUnknown, e.failure)
}

// held names what keeps the workers from coming to their end.
func (e *Engine) held() error {
	var names []string
	for _, w := range e.workers {
		if name, id, runs := w.runsNow(); runs {
			names = append(names, strings.TrimSuffix(name+"("+id+")", "()"))
		}
	}
	switch {
	case len(names) > 0:
		return fmt.Errorf("engine: user code holds a worker: %s; the directory stays locked until it returns", strings.Join(names, ", "))
	case e.sealing.Load():
		return errors.New("engine: an epoch is not sealed yet; the directory stays locked until it is")
	}
	return errors.New("engine: the workers have not come to their end; the directory stays locked until they have")
}

// unwind unwinds the bodies of what has not ended. Their defers run, which is user code. They have unwindGrace at least: whatever else has
// used up the time until hard is over, a body is at fault only if it does not end.
func (e *Engine) unwind(hard context.Context) error {
	var now atomic.Pointer[string]
	unwound := guarded(func() error {
		for _, w := range e.workers {
			w.closeRoutines(&now)
		}
		return nil
	})
	name := func() string {
		if n := now.Load(); n != nil {
			return *n
		}
		return "a coordinator function"
	}
	err, ended := awaitLeast(unwound, hard, unwindGrace)
	switch {
	case !ended:
		return fmt.Errorf("engine: the body of %s does not end when it is unwound; its goroutine is left behind", name())
	case err != nil:
		return fmt.Errorf("engine: unwind the body of %s: %w", name(), err)
	}
	return nil
}

// awaitLeast waits until something is done, hard is over, and least has passed; the latter two only if it is not done before.
func awaitLeast(done <-chan error, hard context.Context, least time.Duration) (err error, ended bool) {
	passed := time.After(least)
	select {
	case err = <-done:
		return err, true
	case <-hard.Done():
	}
	select {
	case err = <-done:
		return err, true
	case <-passed:
		return nil, false
	}
}

// closeRoutines unwinds the bodies of a worker's coordinator functions, and says in now whose.
func (w *worker) closeRoutines(now *atomic.Pointer[string]) {
	w.eachRun(func(c *coord) {
		if c.routine != nil {
			now.Store(&c.function.Name)
			closeRoutine(c.routine)
		}
	})
	for _, r := range w.routines {
		closeRoutine(r)
	}
}

// closeStore deletes the rows of what the egresses have, keeps the engine time, and closes the directory. Nothing else uses the store any
// more.
func (e *Engine) closeStore() error {
	e.buckets.close()
	e.backups.running.Wait()
	<-e.trials.ended
	var err error
	if !e.down.Load() {
		err = e.lastRows()
	}
	if errors.Is(err, seams.ErrStepDown) {
		err = nil // whoever goes on does so from the last epoch
	}
	return errors.Join(err, e.table.Close())
}

// lastRows writes what is written when there are no epochs any more.
func (e *Engine) lastRows() error {
	batch := new(table.Batch)
	for _, g := range e.egresses {
		g.deleteDelivered(batch)
	}
	e.endTurn(batch)
	if m := e.marked; m.Epoch > 0 && m.Epoch == e.sealed.Load() { // else nothing was ever sealed, or the last epoch is not
		m.At, m.Time = clock.Storable(e.clocks.Wall.Now()), max(m.Time, e.clocks.Now())
		batch.Set(format.Prefix(nil, format.NodeShard, format.KindWatermark), encodeRow(m))
	}
	if batch.Count() == 0 {
		return nil
	}
	return e.log.Seal(e.epoch, batch)
}

// closeInTime closes the directory. If the disk takes longer than until hard is over, and than diskGrace, it becomes free later.
func (e *Engine) closeInTime(hard context.Context) error {
	closed := make(chan error, 2)
	go func() { closed <- e.closeStore() }()
	go func() {
		select {
		case <-e.failed:
			closed <- e.giveUp() // what closes the store may never return
		case <-hard.Done():
		}
	}()
	if err, ended := awaitLeast(closed, hard, diskGrace); ended {
		return err
	}
	go func() { e.closedLate(<-closed) }()
	return errors.New("engine: the disk has not written its tables yet, without which nothing is lost; the directory stays locked until it has")
}

// closedLate logs how the closing of a directory ended for which nobody waits any more.
func (e *Engine) closedLate(err error) {
	if err != nil {
		e.options.Logger.Error("an engine was closed late, with an error", "error", err)
	}
}

// stepToEnd lets the workers and the sealer of a stepped engine do what is left.
func (e *Engine) stepToEnd() {
	for e.step(func(int) int { return 0 }, nil) {
	}
}
