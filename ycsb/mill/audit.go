package mill

import (
	"context"
	"fmt"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/ycsb"
	"github.com/concordat-dev/concordat/ycsb/internal/bulk"
)

// books are what an audit has read.
type books struct {
	purses [][2]Purse // by client
	told   []bulk.Counts
	mills  []Mill
}

// Audit implements [ycsb.Workload]. The money in all purses is constant. Its conditions are
//
//   - "acknowledged": since the last audit each client's purses were served as often as the client was told, plus at most the requests
//     of unknown outcome;
//   - "halves": a payment has served both purses of its client or none;
//   - "settled": no saga stands as stuck or is still running;
//   - "chains": every chain that began has ended, once, when the mills were stopped;
//   - "progress": the mills were not kept out either.
func (w *Workload) Audit(ctx context.Context, _ func(done, total int)) (ycsb.Audit, error) {
	var v ycsb.Violations
	after := !w.began.IsZero()
	before := w.books
	if after {
		if err := w.stopMills(ctx); err != nil {
			return ycsb.Audit{}, fmt.Errorf("mill: stop the mills: %w", w.health.Classify(err))
		}
	}
	if err := w.read(ctx); err != nil {
		return ycsb.Audit{}, fmt.Errorf("mill: audit: %w", w.health.Classify(err))
	}
	sagas, err := w.engine.Sagas(ctx)
	if err != nil {
		return ycsb.Audit{}, fmt.Errorf("mill: audit: %w", w.health.Classify(err))
	}
	v.Differ("settled", "everywhere", "number of sagas that have not ended", int64(len(sagas)), "what it should be", 0)
	w.checkMills(&v, before, after)
	if len(before.purses) > 0 {
		w.checkPurses(&v, before)
	}
	money := int64(0)
	for _, p := range w.books.purses {
		money += p[0].Money + p[1].Money
	}
	if !after {
		err = w.startMills(ctx)
	}
	return ycsb.Audit{Constant: []ycsb.Figure{{Name: "money in all purses", Value: money}}, Wrong: v.Errors()}, w.health.Classify(err)
}

// mostAtOnce is how many chains begin with one request.
const mostAtOnce = 5000

// startMills has all chains begin, in turns on each mill.
func (w *Workload) startMills(ctx context.Context) error {
	work := w.options.Beside
	w.seal.Store(0)
	w.began = time.Now()
	for i, left := 0, work.Chains; left > 0; i++ {
		mill, other := mills[i%2], mills[(i+1)%2]
		many := min(left, mostAtOnce, (work.Chains+1)/2) // so that half of the transactions take the mills in either order
		with := turning{Takes: work.Cost, By: work.By, Other: other}
		if err := w.engine.Do(ctx, begin.On(mill, chains{Many: many, With: with})); err != nil {
			return err
		}
		left -= many
	}
	return nil
}

// longestWait is how long chains may take to end; those that have not by then are told by the audit.
const longestWait = time.Minute

// stopMills has the chains end, and waits for it.
func (w *Workload) stopMills(ctx context.Context) error {
	for _, id := range mills {
		if err := w.engine.Do(ctx, stop.On(id, true)); err != nil {
			return err
		}
	}
	w.ground = Ground{For: time.Since(w.began), Seal: time.Duration(w.seal.Load())}
	w.began = time.Time{}
	for until := time.Now().Add(w.wait); time.Now().Before(until) && ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
		under := int64(0)
		for _, id := range mills {
			m, err := engine.Ask(ctx, w.engine, lookAtMill.On(id))
			if err != nil {
				return err
			}
			under += m.Begun - m.Ended
		}
		if under <= 0 {
			break
		}
	}
	return ctx.Err()
}

// read reads all instances.
func (w *Workload) read(ctx context.Context) (err error) {
	b := books{purses: make([][2]Purse, len(w.told)), told: make([]bulk.Counts, len(w.told)), mills: make([]Mill, len(mills))}
	for i, id := range mills {
		if b.mills[i], err = engine.Ask(ctx, w.engine, lookAtMill.On(id)); err != nil {
			return err
		}
	}
	for i := range b.purses {
		from, to := purses(i)
		b.told[i] = w.told[i].Load()
		for j, id := range []string{from, to} {
			if b.purses[i][j], err = engine.Ask(ctx, w.engine, lookIntoPurse.On(id)); err != nil {
				return err
			}
		}
	}
	w.books = b
	return nil
}

// checkMills checks "chains" and, after a mix, "progress", and notes what was ground in it.
func (w *Workload) checkMills(v *ycsb.Violations, before books, after bool) {
	begun, ended, turns := int64(0), int64(0), int64(0)
	for i, m := range w.books.mills {
		begun, ended, turns = begun+m.Begun, ended+m.Ended, turns+m.Turns
		if after {
			turns -= before.mills[i].Turns
		}
	}
	v.Differ("chains", "all mills", "number of chains that ended", ended, "number of chains that began", begun)
	if !after {
		return
	}
	w.ground.Turns = turns
	if w.options.Beside.Chains > 0 && turns == 0 {
		v.Differ("progress", "all mills", "number of turns", 0, "the least that it should be", 1)
	}
}

// checkPurses checks "acknowledged" and "halves" against an earlier audit.
func (w *Workload) checkPurses(v *ycsb.Violations, before books) {
	for i, p := range w.books.purses {
		where := fmt.Sprintf("client %d", i)
		told := w.books.told[i].Since(before.told[i])
		v.Acknowledged(where, "requests served", p[0].Served-before.purses[i][0].Served, told.Committed, told.Unknown)
		if w.options.Protocol == ycsb.Saga || w.options.Protocol == ycsb.Serializable {
			v.Differ("halves", where, "times that its first purse was served", p[0].Served, "times that its second was", p[1].Served)
		}
	}
}
