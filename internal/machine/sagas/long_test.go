//go:build unix

package sagas_test

import (
	"errors"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/machine/routines"
	"github.com/concordat-dev/concordat/internal/machine/sagas"
	"github.com/concordat-dev/concordat/internal/values"
	"github.com/concordat-dev/concordat/saga"
)

// driver drives a machine whose body makes groups of steps, and answers what is asked.
type driver struct {
	machine sagas.Coordinator
	groups  []int // how many steps are in each
	steps   []routines.Step
	undo    func(entry int) error // the answer to a compensation; nil: none fails
	result  []byte                // of each step
	most    int                   // actions that one event led to
	undone  []int
}

func (d *driver) run(todo []sagas.Action) {
	d.most = max(d.most, len(todo))
	for len(todo) > 0 {
		a := todo[0]
		todo = todo[1:]
		more := d.act(a)
		d.most = max(d.most, len(more))
		todo = append(todo, more...)
	}
}

func (d *driver) act(a sagas.Action) []sagas.Action {
	switch a.Kind {
	case sagas.ActRun, sagas.ActResume:
		if len(d.groups) == 0 {
			return d.machine.Returned(nil, errScript, nil, nil, nil)
		}
		steps := slices.Clone(d.steps[:d.groups[0]])
		d.groups = d.groups[1:]
		return d.machine.Issue(steps, time.Time{}, nil)
	case sagas.ActCall:
		return d.machine.Reply(a.Entry, instances.EncodedResult(d.result), nil, nil)
	case sagas.ActUndo:
		d.undone = append(d.undone, a.Entry)
		var err error
		if d.undo != nil {
			err = d.undo(a.Entry)
		}
		return d.machine.UndoReply(a.Entry, err, time.Time{}, nil)
	case sagas.ActBackOff:
		return d.machine.Wake(nil)
	case sagas.ActStop:
		return d.machine.Stopped(nil, nil)
	case sagas.ActFinish:
		d.machine.Finished()
	}
	return nil
}

func newDriver(groups ...int) *driver {
	d := &driver{groups: groups}
	most := 0
	for _, n := range groups {
		most = max(most, n)
	}
	for range most {
		d.steps = append(d.steps, routines.Step{Call: credit.On("a", 1).Envelope(), Undo: debit.On("a", 1).Envelope(), HasUndo: true})
	}
	return d
}

func ones(n int) []int {
	groups := make([]int, n)
	for i := range groups {
		groups[i] = 1
	}
	return groups
}

// cpuTime is what the process has used: on a busy machine the time on the wall says nothing.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestLongSagasAreLinear: a saga of sixteen times the steps takes about as long as sixteen sagas, to make its steps, to undo them and to
// decide; with a cost that grows with the square it would take sixteen times as long.
func TestLongSagasAreLinear(t *testing.T) {
	fast := func(f func()) time.Duration {
		best := time.Duration(1 << 62)
		for range 3 {
			start := cpuTime(t)
			f()
			best = min(best, cpuTime(t)-start)
		}
		return best
	}
	for name, run := range map[string]func(n int) *driver{
		"one by one": func(n int) *driver {
			d := newDriver(ones(n)...)
			d.machine.Init(sagas.Journal{}, 1)
			if d.run(d.machine.Begin(nil)); d.machine.Phase != sagas.Undone || len(d.undone) != n {
				t.Errorf("%v with %d undone", d.machine.Phase, len(d.undone))
			}
			return d
		},
		"at once, each compensation tried twice": func(n int) *driver {
			d := newDriver(n)
			tried := make([]bool, n)
			d.undo = func(entry int) (err error) {
				if !tried[entry] {
					err = errFaulty
				}
				tried[entry] = true
				return err
			}
			d.machine.Init(sagas.Journal{}, 3)
			if d.run(d.machine.Begin(nil)); d.machine.Phase != sagas.Undone || len(d.undone) != 2*n {
				t.Errorf("%v with %d tries", d.machine.Phase, len(d.undone))
			}
			return d
		},
		"skipped one by one": func(n int) *driver {
			d := newDriver(ones(n)...)
			d.undo = func(int) error { return errFaulty }
			d.machine.Init(sagas.Journal{}, 1)
			d.run(d.machine.Begin(nil))
			for d.machine.Phase == sagas.Stuck {
				if first, all := d.machine.Failing(3); all != 1 || len(first) != 1 {
					t.Fatalf("%v and %d fail", first, all)
				}
				_, acts := d.machine.Decide(saga.Skip, nil)
				d.run(acts)
			}
			if d.machine.Phase != sagas.Undone || len(d.undone) != n {
				t.Errorf("%v with %d tried", d.machine.Phase, len(d.undone))
			}
			return d
		},
	} {
		kept := make([]*driver, 16) // so many short sagas need as much memory, and as many of its pages for the first time
		short := fast(func() {
			for i := range kept {
				kept[i] = run(4_000)
			}
		})
		if long := fast(func() { run(64_000) }); long > 3*short {
			t.Errorf("%s: 16 times 4,000 steps take %v, 64,000 steps %v", name, short, long)
		}
	}
}

// TestGroupsAreCalledInPortions: of a large group at most 256 steps, or compensations, are out at a time. Each is made once.
func TestGroupsAreCalledInPortions(t *testing.T) {
	for _, n := range []int{1, 255, 256, 257, 1000} {
		d := newDriver(1, n, 1)
		d.machine.Init(sagas.Journal{}, 1)
		d.run(d.machine.Begin(nil))
		if d.most > 256 || d.machine.Phase != sagas.Undone || len(d.undone) != n+2 {
			t.Errorf("%d at once: %d actions of one event, %d undone, %v", n, d.most, len(d.undone), d.machine.Phase)
		}
		seen := map[int]bool{}
		for _, entry := range d.undone {
			seen[entry] = true
		}
		if len(seen) != n+2 || d.undone[0] != n+1 || d.undone[n+1] != 0 {
			t.Errorf("%d at once: %d of them were undone, the first was %d, the last %d", n, len(seen), d.undone[0], d.undone[n+1])
		}
	}
}

// A group that is stopped in the midst makes none of its steps that were not out yet, and undoes those that were.
func TestStoppedInALargeGroup(t *testing.T) {
	d := newDriver(1000)
	d.machine.Init(sagas.Journal{}, 1)
	acts := d.act(d.machine.Begin(nil)[0])
	if len(acts) != 256 {
		t.Fatalf("%d actions", len(acts))
	}
	if ok, more := d.machine.Cancel(saga.ErrCancelled, nil); !ok || len(more) > 0 {
		t.Fatalf("cancelled: %v, %v", ok, more)
	}
	d.run(acts)
	if _, err := d.machine.Outcome(); len(d.undone) != 256 || d.machine.Phase != sagas.Undone || !errors.Is(err, saga.ErrCancelled) {
		t.Errorf("%d undone, %v, %v", len(d.undone), d.machine.Phase, err)
	}
}

// TestJournalIsBounded: a saga whose journal has no room for its next step, or for what it led to, fails and is undone.
func TestJournalIsBounded(t *testing.T) {
	const each = 300
	result := make([]byte, 100)
	for _, tc := range []struct {
		name   string
		bound  int
		undone int // of ten steps
		fits   bool
	}{
		{"room for all", 10 * each, 10, true},
		{"not for the last result", 10*each - 1, 10, false},
		{"not for the last step", 10*each - 101, 9, false},
		{"any", 0, 10, true},
	} {
		d := newDriver(ones(10)...)
		d.result = result
		pad := each - 100 - stepBytes(&d.steps[0])
		d.steps[0].Call.Arg = make([]byte, pad)
		d.machine.Init(sagas.Journal{}, 1)
		d.machine.Bound(tc.bound)
		d.run(d.machine.Begin(nil))
		_, err := d.machine.Outcome()
		if errors.Is(err, functions.ErrTooLarge) == tc.fits || len(d.undone) != tc.undone || d.machine.Phase != sagas.Undone {
			t.Errorf("%s: %d undone, %v", tc.name, len(d.undone), err)
		}
	}
}

// stepBytes is what a step counts for.
func stepBytes(s *routines.Step) int {
	for bound := 1; ; bound++ {
		var c sagas.Coordinator
		c.Init(sagas.Journal{}, 1)
		c.Bound(bound)
		c.Begin(nil)
		if acts := c.Issue([]routines.Step{*s}, time.Time{}, nil); acts[0].Kind == sagas.ActCall {
			return bound
		}
	}
}

// TestHandedResultsAreBytes: once the body goes on from its steps, the journal has only the bytes of their results, which are what
// MaxJournalBytes counts.
func TestHandedResultsAreBytes(t *testing.T) {
	text, err := instances.NewResult(values.Of[string](), "a text that is long enough to be allocated")
	if err != nil {
		t.Fatal(err)
	}
	kept := func(c *sagas.Coordinator) bool { // as a value: it is there without any memory being taken
		return testing.AllocsPerRun(10, func() { _, _ = instances.ResultAs[string](c.Entries[0].Step.Result) }) == 0
	}
	var c sagas.Coordinator
	c.Init(sagas.Journal{}, 1)
	step := []routines.Step{{Call: credit.On("a", 1).Envelope()}}
	c.Issue(step, time.Time{}, nil)
	c.Reply(0, text, nil, nil)
	if !kept(&c) {
		t.Error("the body has to decode the result")
	}
	c.Issue(step, time.Time{}, nil)
	if kept(&c) {
		t.Error("the value of a result is kept")
	}
}
