package history

import (
	"cmp"
	"fmt"
	"slices"
)

// addStep takes a step. An error says what no instance can have noted.
func (b *Builder) addStep(s *Step) error {
	switch {
	case b.h.Header.Workload != Sagas:
		return fmt.Errorf("a %s history has no sagas", b.h.Header.Workload)
	case s.Saga == "" || s.Number < 1 || s.Seq < 1:
		return fmt.Errorf("the step %d of saga %q has the number %d in the history: each must be there and at least 1", s.Number, s.Saga, s.Seq)
	}
	b.h.steps = append(b.h.steps, *s)
	return nil
}

// AddStep takes a step that a saga did or undid.
func (b *Builder) AddStep(s Step) error { return b.addStep(&s) }

func (b *Builder) addOutcome(o *Outcome) error {
	switch {
	case b.h.Header.Workload != Sagas:
		return fmt.Errorf("a %s history has no sagas", b.h.Header.Workload)
	case o.Saga == "" || o.Steps < 0:
		return fmt.Errorf("the outcome of saga %q has %d steps", o.Saga, o.Steps)
	}
	b.h.outcomes = append(b.h.outcomes, *o)
	return nil
}

// AddOutcome takes the outcome of a saga.
func (b *Builder) AddOutcome(o Outcome) error { return b.addOutcome(&o) }

// checkSteps sorts the steps by saga and order, the outcomes by saga, and checks that nothing is there twice.
func (h *History) checkSteps() error {
	slices.SortFunc(h.steps, func(a, b Step) int { return cmp.Compare(a.Seq, b.Seq) })
	for i := 1; i < len(h.steps); i++ {
		if a, b := &h.steps[i-1], &h.steps[i]; a.Seq == b.Seq {
			return fmt.Errorf("two steps have the number %d in the history: of saga %q and %q", a.Seq, a.Saga, b.Saga)
		}
	}
	slices.SortStableFunc(h.steps, func(a, b Step) int { return cmp.Compare(a.Saga, b.Saga) })
	slices.SortFunc(h.outcomes, func(a, b Outcome) int { return cmp.Compare(a.Saga, b.Saga) })
	for i := 1; i < len(h.outcomes); i++ {
		if h.outcomes[i].Saga == h.outcomes[i-1].Saga {
			return fmt.Errorf("saga %q has two outcomes", h.outcomes[i].Saga)
		}
	}
	return nil
}

// checkSagas checks each saga by itself, and the balances at the end against all steps. What a saga's steps and compensations add
// to balances must sum up to nothing once it has ended: that is how money is conserved.
func checkSagas(h *History, found *findings) {
	outcomes := h.outcomes
	for steps := h.steps; len(steps) > 0; {
		name := steps[0].Saga
		n := slices.IndexFunc(steps, func(s Step) bool { return s.Saga != name })
		if n < 0 {
			n = len(steps)
		}
		for len(outcomes) > 0 && outcomes[0].Saga < name {
			found.checkSaga(nil, outcomes[0])
			outcomes = outcomes[1:]
		}
		outcome := Outcome{Saga: name, Ending: EndingUnknown}
		if len(outcomes) > 0 && outcomes[0].Saga == name {
			outcome, outcomes = outcomes[0], outcomes[1:]
		}
		found.checkSaga(steps[:n], outcome)
		steps = steps[n:]
	}
	for _, o := range outcomes {
		found.checkSaga(nil, o)
	}
	found.checkSettled()
}

// stepCount is how often a step was done and undone.
type stepCount struct {
	number int32
	done   int
	undone int
}

// checkSaga checks one saga. Its steps are in their order.
func (f *findings) checkSaga(steps []Step, o Outcome) {
	f.report.Sagas++
	report := func(kind Kind, format string, args ...any) {
		f.add(kind, fmt.Sprintf("Saga %s: ", o.Saga)+fmt.Sprintf(format, args...), nil)
	}
	var counts []stepCount
	sum, lastUndo := int64(0), (*Step)(nil)
	for i := range steps {
		s := &steps[i]
		sum += s.Amount
		at := slices.IndexFunc(counts, func(c stepCount) bool { return c.number == s.Number })
		if at < 0 {
			at = len(counts)
			counts = append(counts, stepCount{number: s.Number})
		}
		c := &counts[at]
		if !s.Undo {
			c.done++
			if lastUndo != nil {
				report(UndoOrder, "step %d was done after step %d had been compensated.", s.Number, lastUndo.Number)
			}
			continue
		}
		f.report.Undos++
		if c.undone++; c.done == 0 {
			report(UndoWithoutStep, "step %d was compensated and had not been done.", s.Number)
		}
		if lastUndo != nil && lastUndo.stage() < s.stage() {
			report(UndoOrder, "step %d was compensated before step %d.", lastUndo.Number, s.Number)
		}
		lastUndo = s
	}
	undone := 0
	for _, c := range counts {
		if c.done > 1 || c.undone > 1 {
			report(StepTwice, "step %d was done %d times and compensated %d times.", c.number, c.done, c.undone)
		}
		if c.undone > 0 {
			undone++
		}
	}
	if what := f.ending(o, len(counts), undone, sum); what != "" {
		report(HalfSaga, "%s", what)
	}
}

// ending says what is wrong with the state in which a saga was left, with so many steps done and of these so many undone.
func (f *findings) ending(o Outcome, done, undone int, sum int64) string {
	isUndone := done == undone
	isDone := undone == 0 && (o.Steps == 0 || done == int(o.Steps))
	switch {
	case o.Ending == Stuck, o.Ending == EndingUnknown && f.h.Header.Unsettled:
		return ""
	case o.Ending == Done && !isDone:
		return fmt.Sprintf("its client was told that it is done, and of %d steps %d were done and %d compensated.", o.Steps, done, undone)
	case o.Ending == Undone && !isUndone:
		return fmt.Sprintf("its client was told that it failed, and of %d steps that were done %d were compensated.", done, undone)
	case !isDone && !isUndone:
		return fmt.Sprintf("of %d steps %d were done and of these %d compensated.", o.Steps, done, undone)
	case sum != 0:
		return fmt.Sprintf("it has ended, and changed the sum of all balances by %d.", sum)
	}
	return ""
}

// checkSettled compares the balances that were read in the end with all that was done and undone.
func (f *findings) checkSettled() {
	if f.h.Header.Unsettled {
		return
	}
	sums := map[string]int64{}
	for i := range f.h.steps {
		sums[f.h.steps[i].Instance] += f.h.steps[i].Amount
	}
	for i := range f.h.ops {
		o := &f.h.ops[i]
		name := f.h.keys[o.key()]
		if want := f.h.Header.Opening + sums[name]; o.value != want {
			what := fmt.Sprintf("In the end %s had %d, where its steps leave %d.", name, o.value, want)
			f.add(WrongBalance, what, []int32{o.key()}, o.tx)
		}
	}
}
