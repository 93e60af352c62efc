package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/concordat-dev/concordat/internal/machine/sagas"
)

// SagaInfo describes a saga that has not ended.
type SagaInfo struct {
	ID        uint64
	Function  string
	RequestID string     // "" if it has none
	Phase     string     // "running", "undoing" or "stuck"
	Failure   error      // why it is being undone, or nil
	Steps     []SagaStep // those up to where it is now, at most MaxListedSteps
	FirstStep int        // how many steps there are before Steps
	StepCount int        // how many there are in all
}

// MaxListedSteps is the number of steps that [Engine.Sagas] shows of a saga: the last ones; of a saga that is being undone, or stuck, the
// last ones up to the compensations that it has come to.
const MaxListedSteps = 100

// SagaStep is a step of a saga.
type SagaStep struct {
	Call, Undo string // what is called; Undo is "" if there is no compensation
	State      string // "issued", "succeeded" or "failed"
	Undone     sagas.UndoState
	Tries      int   // failed tries of the compensation
	Err        error // why the step, or the last try of its compensation, failed
}

func (c *coord) info() SagaInfo {
	info := SagaInfo{ID: c.id, Function: c.function.Name, Phase: c.saga.Phase.String(), Failure: c.sagaError(), StepCount: len(c.saga.Entries)}
	if c.req != nil {
		info.RequestID = c.req.env.RequestID
	}
	info.FirstStep = max(0, c.saga.At()-MaxListedSteps)
	for i := info.FirstStep; i < min(info.FirstStep+MaxListedSteps, info.StepCount); i++ {
		e := &c.saga.Entries[i]
		step := SagaStep{Call: e.Step.Call.Target(), State: e.State.String(), Undone: e.Undo, Tries: e.Tries, Err: e.Step.Err}
		if e.Step.Sleep > 0 {
			step.Call = fmt.Sprintf("sleep of %v", e.Step.Sleep)
		}
		if e.Step.HasUndo {
			step.Undo = e.Step.Undo.Target()
		}
		info.Steps = append(info.Steps, step)
	}
	return info
}

// sagasAtOnce is the number of sagas that a worker describes before it lets others have their turn.
const sagasAtOnce = 256

// Sagas lists the sagas that outlived the epoch in which they began and have not ended: those that sleep, are being undone with
// a back-off, or are stuck. The list is sorted by ID. Of each it has at most [MaxListedSteps] steps. Sagas that end while a long list
// is made may be in it or not.
func (e *Engine) Sagas(ctx context.Context) ([]SagaInfo, error) {
	var all []SagaInfo
	for _, w := range e.workers {
		var err error
		if all, err = e.sagasOf(ctx, w, all); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, func(a, b SagaInfo) int { return cmp.Compare(a.ID, b.ID) })
	return all, nil
}

// sagasOf appends the sagas of a worker.
func (e *Engine) sagasOf(ctx context.Context, w *worker, all []SagaInfo) ([]SagaInfo, error) {
	var ids []uint64
	err := e.control(ctx, w, func(w *worker) error {
		w.eachRun(func(c *coord) {
			if c.saga != nil && !c.over { // nil: it waits for its turn to begin
				ids = append(ids, c.id)
			}
		})
		all = w.describe(ids[:min(sagasAtOnce, len(ids))], all)
		return nil
	})
	if err != nil {
		return nil, err
	}
	ids = ids[min(sagasAtOnce, len(ids)):]
	for some := range slices.Chunk(ids, sagasAtOnce) {
		err := e.control(ctx, w, func(w *worker) error {
			all = w.describe(some, all)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (w *worker) describe(ids []uint64, all []SagaInfo) []SagaInfo {
	for _, id := range ids {
		if c := w.run(id); c != nil && !c.over {
			all = append(all, c.info())
		}
	}
	return all
}

// SomeSagas lists sagas as [Engine.Sagas] does, at most atMost of them: those that are stuck first, then those that are being undone, and of
// these the oldest first. It also counts all, by phase, as [Engine.SagaPhases] does. It is cheap where there are many. Errors are those of
// [Engine.Transactions].
func (e *Engine) SomeSagas(ctx context.Context, atMost int) (some []SagaInfo, phases map[string]int, err error) {
	phases = map[string]int{sagas.Running.String(): 0, sagas.Undoing.String(): 0, sagas.Stuck.String(): 0}
	for _, w := range e.workers {
		if err := e.look(ctx, w, func(w *worker) { some = w.describeSome(atMost, some, phases) }); err != nil {
			return nil, nil, err
		}
	}
	slices.SortFunc(some, func(a, b SagaInfo) int {
		return cmp.Or(cmp.Compare(urgency[a.Phase], urgency[b.Phase]), cmp.Compare(a.ID, b.ID))
	})
	return some[:min(len(some), atMost)], phases, nil
}

// urgency orders the phases of sagas by how soon a person wants to see them.
var urgency = map[string]int{sagas.Stuck.String(): 0, sagas.Undoing.String(): 1, sagas.Running.String(): 2}

// describeSome appends up to so many of the worker's sagas, and counts all.
func (w *worker) describeSome(atMost int, some []SagaInfo, phases map[string]int) []SagaInfo {
	var all []*coord
	w.eachRun(func(c *coord) {
		if c.saga != nil && !c.over {
			phases[c.saga.Phase.String()]++
			all = append(all, c)
		}
	})
	slices.SortFunc(all, func(a, b *coord) int {
		return cmp.Or(cmp.Compare(urgency[a.saga.Phase.String()], urgency[b.saga.Phase.String()]), cmp.Compare(a.id, b.id))
	})
	for _, c := range all[:min(len(all), atMost)] {
		some = append(some, c.info())
	}
	return some
}
