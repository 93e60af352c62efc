package record

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/internal/history"
	"github.com/concordat-dev/concordat/locks"
)

// life is an engine between two restarts.
type life struct {
	engine *engine.Engine
	over   chan struct{} // closed when the next one is there
}

// farEngine is an engine at the other end of a wire, which is closed and opened again and again.
type farEngine struct {
	t        *testing.T
	dir      string
	now      atomic.Pointer[life]
	asked    atomic.Int64
	every    int64
	restart  chan struct{}
	restarts int
	done     chan struct{}
}

func newFarEngine(t *testing.T, every int64) *farEngine {
	f := &farEngine{t: t, dir: t.TempDir(), every: every, restart: make(chan struct{}, 1), done: make(chan struct{})}
	f.now.Store(&life{openEngine(t, f.dir, locks.Detect), make(chan struct{})})
	go f.loop()
	return f
}

// loop restarts the engine when it is told to.
func (f *farEngine) loop() {
	defer close(f.done)
	for range f.restart {
		old := f.now.Load()
		if err := old.engine.Close(); err != nil {
			f.t.Error(err)
		}
		f.now.Store(&life{openEngine(f.t, f.dir, locks.Detect), make(chan struct{})})
		f.restarts++
		close(old.over)
	}
}

func (f *farEngine) close() {
	close(f.restart)
	<-f.done
	if err := f.now.Load().engine.Close(); err != nil {
		f.t.Error(err)
	}
}

// send asks until there is an answer, over restarts. What is sent goes through an encoding.
func (f *farEngine) send(ctx context.Context, a Asked) (answer Answer, err error) {
	if f.asked.Add(1)%f.every == 0 {
		select {
		case f.restart <- struct{}{}:
		default:
		}
	}
	data, err := json.Marshal(a)
	if err != nil {
		return answer, err
	}
	for {
		var there Asked
		if err := json.Unmarshal(data, &there); err != nil {
			return answer, err
		}
		l := f.now.Load()
		answer = Serve(ctx, l.engine, there)
		if err := answer.err(); !errors.Is(err, engine.ErrClosed) && !errors.Is(err, engine.ErrUnknown) {
			return answer, nil
		}
		<-l.over
	}
}

// TestHistoriesOverRestarts: clients that ask again under the same id, while the engine is closed and opened, see one history, and no
// outcome stays unknown.
func TestHistoriesOverRestarts(t *testing.T) {
	for _, workload := range workloads {
		t.Run(string(workload), func(t *testing.T) {
			f := newFarEngine(t, 300)
			const requests = 2000
			rec := newRecording(t, Options{Workload: workload, Live: 6, Requests: requests})
			if err := rec.recorder.Run(t.Context(), Remote(f.send), 16); err != nil {
				t.Error(err)
			}
			f.close()
			if r := rec.check(t); !r.OK() {
				t.Error(text(r))
			}
			if unknown := rec.recorder.Counts().Unknown.Load(); unknown > 0 || f.restarts < 3 {
				t.Errorf("%d restarts, %d outcomes are unknown", f.restarts, unknown)
			}
		})
	}
}

// TestAnswers: what goes wrong arrives at the other end as what it is.
func TestAnswers(t *testing.T) {
	e := openEngine(t, t.TempDir(), locks.Detect)
	rec := newRecording(t, Options{Workload: history.Bank})
	remote := Remote(func(ctx context.Context, a Asked) (Answer, error) { return Serve(ctx, e, a), nil })
	if err := rec.recorder.Prepare(t.Context(), remote); err != nil {
		t.Fatal(err)
	}
	poor := transferTx.With(transfer{From: "account-0", To: "account-1", Amount: 10 * opening}).Drop()
	if err := remote(t.Context(), poor); !errors.Is(err, ErrPoor) {
		t.Errorf("a poor account: %v", err)
	}
	if answer := Serve(t.Context(), e, Asked{Operation: "record/list.steal", Instance: "x"}); answer.err() == nil ||
		!strings.Contains(answer.err().Error(), "record/list.steal") {
		t.Errorf("an operation that is not there: %v", answer.err())
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if err := remote(t.Context(), poor); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("a closed engine: %v", err)
	}
	broken := Remote(func(context.Context, Asked) (Answer, error) { return Answer{}, errLost })
	if err := broken(t.Context(), poor); !errors.Is(err, engine.ErrUnknown) || !errors.Is(err, errLost) {
		t.Errorf("a broken wire: %v", err)
	}
}
