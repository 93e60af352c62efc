package engine_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/seams"
	"github.com/concordat-dev/concordat/saga"
	"github.com/concordat-dev/concordat/twopc"
)

// Nurses put sleepers to bed.
var (
	sleeper = saga.New("test/sleeps", func(s *saga.Run, n int) error { return s.Sleep(time.Hour) })
	bedtime = functions.Upsert(vats, "bedtime", func(ctx *functions.Ctx, _ *crate, n int) error {
		for i := range n {
			ctx.Send(sleeper.With(i))
		}
		return nil
	})
	bedtimeLater = functions.Upsert(vats, "bedtime-later", func(ctx *functions.Ctx, _ *crate, n int) error {
		for i := range n {
			ctx.SendAfter(time.Minute, sleeper.With(i))
		}
		return nil
	})
	ward = twopc.New("test/ward", func(tx *twopc.Tx, each []int) error {
		for i, n := range each {
			if err := tx.Do(bedtime.On(fmt.Sprint("nurse", i), n)); err != nil {
				return err
			}
		}
		return nil
	})
)

// TestRunsAreBounded: coordinator functions that messages start are bounded from the sending to their end, over restarts, also those that
// timers and the calls of transactions are going to start. At the bound clients start none either; all else goes on.
func TestRunsAreBounded(t *testing.T) {
	clock := newHandClock()
	o := engine.Options{Dir: t.TempDir(), Workers: 2, MaxRuns: 100, Seams: seams.Set{Clock: clock}}
	parts := []functions.Part{vats, sleeper, ward}
	e := open(t, o, parts...)
	wantErr(t, e.Do(ctx, bedtime.On("a", 101)), engine.ErrTooManyRuns, "100")
	wantErr(t, e.Do(ctx, ward.With([]int{60, 41})), engine.ErrTooManyRuns)
	must(t, e.Do(ctx, ward.With([]int{30, 30})))
	must(t, e.Do(ctx, bedtimeLater.On("later", 40)))
	full := func() {
		t.Helper()
		wantErr(t, e.Do(ctx, bedtime.On("a", 1)), engine.ErrTooManyRuns)
		wantErr(t, e.Do(ctx, bedtimeLater.On("a", 1)), engine.ErrTooManyRuns)
		wantErr(t, e.Do(ctx, sleeper.With(1)), engine.ErrOverloaded, "MaxRuns")
		must(t, e.Do(ctx, pour.On("a", nil)))
	}
	full()
	e = reopen(t, e, o, parts...)
	full()
	clock.move(time.Minute)
	eventually(t, "all sleep", func() bool { all, err := e.Sagas(ctx); return err == nil && len(all) == 100 })
	full()
	clock.move(59 * time.Minute)
	eventually(t, "sixty have ended", func() bool { return e.Do(ctx, bedtime.On("a", 60)) == nil })
	full()
	clock.move(2 * time.Hour)
	eventually(t, "all have ended", func() bool { return e.Do(ctx, bedtimeLater.On("b", 50)) == nil })
	must(t, e.Do(ctx, bedtime.On("a", 50)))
	full()
}

// TestStuckSagasCountAsRuns: a saga has its client's place until the client was told that it is stuck, and then counts as a run, until a
// person has decided about it.
func TestStuckSagasCountAsRuns(t *testing.T) {
	tight.Store(false)
	o := engine.Options{Dir: t.TempDir(), MaxRuns: 3, MaxUndoTries: 1, Logger: new(logLines).logger()}
	e := open(t, o, vats, fatSaga)
	stick := fatRun{Steps: 1, Fail: true, Stick: true}
	for range 3 {
		wantErr(t, e.Do(ctx, fatSaga.With(stick)), saga.ErrStuck)
	}
	wantErr(t, e.Do(ctx, fatSaga.With(stick)), engine.ErrOverloaded, "MaxRuns")
	e = reopen(t, e, o, vats, fatSaga)
	wantErr(t, e.Do(ctx, fatSaga.With(stick)), engine.ErrOverloaded, "MaxRuns")
	all, err := e.Sagas(ctx)
	must(t, err)
	must(t, e.DecideSaga(ctx, all[0].ID, saga.MarkDone))
	eventually(t, "there is room", func() bool { return e.Do(ctx, fatSaga.With(fatRun{Steps: 1})) == nil })
}

// TestJournalsAreBoundedTogether: the saga whose step has no room beside the journals of others fails, and is undone; those that a restart
// finds go on, also if they are more than may be by now; when they have ended there is room again.
func TestJournalsAreBoundedTogether(t *testing.T) {
	clock := newHandClock()
	o := engine.Options{Dir: t.TempDir(), Workers: 2, MaxBytes: 32 << 10, MaxJournalsBytes: 1 << 20, Seams: seams.Set{Clock: clock}}
	e := open(t, o, vats, fatSaga)
	sleeps := fatRun{Steps: 5, Bytes: 20_000, Sleep: time.Hour} // 200,000 bytes
	for i := range 5 {
		_, err := e.Submit(fatSaga.As(fmt.Sprint(i), sleeps))
		must(t, err)
		eventually(t, "it sleeps", func() bool { all, err := e.Sagas(ctx); return err == nil && len(all) == i+1 })
	}
	wantErr(t, e.Do(ctx, fatSaga.With(fatRun{Steps: 5, Bytes: 20_000})), functions.ErrTooLarge, "MaxJournalsBytes", "200")
	o.MaxJournalsBytes = 300_000
	e = reopen(t, e, o, vats, fatSaga)
	wantErr(t, e.Do(ctx, fatSaga.With(fatRun{Steps: 5, Bytes: 20_000})), functions.ErrTooLarge, "MaxJournalsBytes")
	clock.move(2 * time.Hour)
	for i := range 5 {
		must(t, e.Do(ctx, fatSaga.As(fmt.Sprint(i), sleeps)))
	}
	must(t, e.Do(ctx, fatSaga.With(fatRun{Steps: 5, Bytes: 20_000})))
	noSagas(t, e)
}
