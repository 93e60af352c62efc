package engine_test

import (
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/seams"
	"github.com/concordat-dev/concordat/saga"
)

// TestOverloadedEngineAnswers: while no more requests are taken, questions and operators are, each up to a bound of its own.
func TestOverloadedEngineAnswers(t *testing.T) {
	_, release := blocked(t)
	e := openDesk(t, engine.Options{Workers: 1, MaxInFlight: 4})
	var pending []engine.Pending
	submit := func(r functions.Request) error {
		p, err := e.Submit(r)
		if err == nil {
			pending = append(pending, p)
		}
		return err
	}
	for range 4 {
		must(t, submit(block.On("a", 1)))
	}
	wantErr(t, submit(take.On("a", 1)), engine.ErrOverloaded, "4 requests")
	answers := make([]int, engine.QuestionReserve)
	for i := range answers {
		must(t, submit(taken.On("a").Into(&answers[i])))
	}
	wantErr(t, submit(taken.On("a").Into(new(int))), engine.ErrOverloaded, "1028 requests")
	wantErr(t, submit(taken.On("a").Into(new(int)).As("id")), engine.ErrOverloaded, "4 requests") // its outcome would be written
	operators := make(chan error, engine.OperatorReserve)
	for range engine.OperatorReserve {
		go func() { _, err := e.Sagas(ctx); operators <- err }()
	}
	eventually(t, "all operators are waiting", func() bool { return engine.InFlight(e) == 4+engine.QuestionReserve+engine.OperatorReserve })
	_, err := e.Sagas(ctx)
	wantErr(t, err, engine.ErrOverloaded, "1092 requests")
	release()
	for _, p := range pending {
		must(t, p.Wait(ctx))
	}
	for range engine.OperatorReserve {
		must(t, <-operators)
	}
	for _, n := range answers {
		if n != 4 {
			t.Fatalf("an answer is %d, want 4", n)
		}
	}
}

// TestNoSpaceStillAnswers: without room on the disk questions are answered, and a stuck saga can be listed, decided about and
// cancelled. The error says how much is free and how much is wanted.
func TestNoSpaceStillAnswers(t *testing.T) {
	disk := &smallDisk{FS: vfs.NewMem()}
	disk.free.Store(1 << 30)
	o := engine.Options{Dir: "data", MaxUndoTries: 1, ReserveBytes: 1 << 20, Logger: new(logLines).logger(), Seams: seams.Set{FS: disk}}
	e, err := engine.Open(o, errandParts()...)
	must(t, err)
	must(t, e.Do(ctx, newDesk.On("a", true)))
	must(t, e.Do(ctx, newDesk.On("b", false)))
	wantErr(t, e.Do(ctx, errandSaga.With(errand{Desks: []string{"a"}, Fail: true})), saga.ErrStuck)
	must(t, e.Close())
	disk.free.Store(1<<20 - 1)
	e, err = engine.Open(o, errandParts()...)
	must(t, err)
	defer func() { must(t, e.Close()) }()
	wantErr(t, e.Do(ctx, take.On("a", 1)), engine.ErrNoSpace, "1048575", "ReserveBytes is 1048576")
	if n := ask(t, e, taken.On("b")); n != 0 {
		t.Errorf("the desk has %d", n)
	}
	var all []engine.SagaInfo
	eventually(t, "the saga is stuck again", func() bool {
		all, err = e.Sagas(ctx)
		must(t, err)
		return len(all) == 1 && all[0].Phase == "stuck"
	})
	wantErr(t, e.CancelSaga(ctx, all[0].ID), engine.ErrNoSaga)
	must(t, e.DecideSaga(ctx, all[0].ID, saga.Skip))
	for _, err := range engine.Walk(e, desks, "") {
		must(t, err)
	}
	_, err = engine.Ask(ctx, e, taken.On("nobody"))
	if errors.Is(err, engine.ErrNoSpace) {
		t.Error(err)
	}
}
