package routines

import (
	"errors"
	"runtime"
	"sync"
	"testing"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/machine/instances"
)

func misusing(body func(r *Routine)) *Function {
	return &Function{Name: "misusing", Body: func(r *Routine, _ []byte) (*instances.Result, error) {
		body(r)
		return nil, nil
	}}
}

func step() Step { return Step{Sleep: 1} }

// TestCallsOnOtherGoroutinesFail: what a body does on a goroutine that it started is refused, and the run fails; the routine goes on, and
// no later run fails for it.
func TestCallsOnOtherGoroutinesFail(t *testing.T) {
	r := NewRoutine()
	defer r.Close()
	errs := make([]error, 10)
	var first uint64
	r.Begin(misusing(func(r *Routine) {
		first = r.Number()
		var group sync.WaitGroup
		for i := range errs {
			group.Go(func() { errs[i] = r.Enter(first) })
		}
		group.Wait()
	}), nil, 1)
	if !r.Resume() {
		t.Fatal("the body did not return")
	}
	for _, err := range append(errs, r.Err) {
		if !errors.Is(err, functions.ErrBadCall) {
			t.Errorf("got %v", err)
		}
	}
	r.Begin(misusing(func(r *Routine) { // a body that makes a call for the run before
		if err := r.Enter(first); !errors.Is(err, functions.ErrBadCall) {
			t.Errorf("got %v", err)
		}
	}), nil, 1)
	if !r.Resume() || !errors.Is(r.Err, functions.ErrBadCall) {
		t.Errorf("got %v", r.Err)
	}
	r.Begin(misusing(func(r *Routine) {
		var group sync.WaitGroup
		group.Go(func() { _ = r.Enter(first) })
		group.Wait()
		if err := r.Enter(r.Number()); err != nil {
			t.Error(err)
		}
	}), nil, 1)
	if !r.Resume() || r.Err != nil {
		t.Errorf("the next run: %v", r.Err)
	}
}

// TestBodyThatCatchesEverything: a body that catches what unwinds it and tries again is given up after a while, whatever it does; nobody
// hangs, and its goroutine ends.
func TestBodyThatCatchesEverything(t *testing.T) {
	before := runtime.NumGoroutine()
	deferred := make(chan bool)
	patiently := func(r *Routine) {
		defer close(deferred)
		for {
			func() {
				defer func() { _ = recover() }()
				_ = r.IssueOne(step())
			}()
		}
	}
	r := NewRoutine()
	r.Begin(misusing(patiently), nil, 1)
	if r.Resume() {
		t.Fatal("the body returned")
	}
	r.Stop()
	if !r.IsLost() || r.Err == nil {
		t.Fatalf("lost %v, error %v", r.IsLost(), r.Err)
	}
	go r.Close()
	<-deferred
	for runtime.NumGoroutine() > before {
		runtime.Gosched()
	}
}

// TestLoopsInDefers: steps and endless retries in deferred functions are given up like others, whether the body is stopped, has returned,
// has panicked or has ended its goroutine.
func TestLoopsInDefers(t *testing.T) {
	for name, end := range map[string]func(r *Routine){
		"stopped":   func(r *Routine) { _ = r.IssueOne(step()) },
		"returned":  func(*Routine) {},
		"panicked":  func(*Routine) { panic("test") },
		"goroutine": func(*Routine) { runtime.Goexit() },
	} {
		r := NewRoutine()
		r.Begin(misusing(func(r *Routine) {
			for range 3 {
				defer func() {
					for {
						func() {
							defer func() { _ = recover() }()
							_ = r.IssueOne(step())
						}()
					}
				}()
			}
			end(r)
		}), nil, 1)
		if r.Resume() {
			t.Fatalf("%s: the body came to its end", name)
		}
		if r.Stop(); !r.IsLost() || r.Err == nil {
			t.Errorf("%s: lost %v, error %v", name, r.IsLost(), r.Err)
		}
		go r.Close()
	}
}

// TestTooManyStepsOfABodyThatCatchesEverything: the bound on steps ends such a body too.
func TestTooManyStepsOfABodyThatCatchesEverything(t *testing.T) {
	r := NewRoutine()
	r.Begin(misusing(func(r *Routine) {
		for {
			func() {
				defer func() { _ = recover() }()
				_ = r.IssueAll(make([]Step, MaxSteps+1))
			}()
		}
	}), nil, 1)
	if !r.Resume() || !errors.Is(r.Err, functions.ErrTooLarge) || !r.IsLost() {
		t.Fatalf("lost %v, error %v", r.IsLost(), r.Err)
	}
	go r.Close()
}

// TestBodyThatEndsItsGoroutine fails, and nobody else ends.
func TestBodyThatEndsItsGoroutine(t *testing.T) {
	for name, body := range map[string]func(r *Routine){
		"at once":      func(*Routine) { runtime.Goexit() },
		"after a step": func(r *Routine) { _ = r.IssueOne(step()); runtime.Goexit() },
		"deferred": func(r *Routine) {
			defer runtime.Goexit()
			_ = r.IssueOne(step())
		},
	} {
		r := NewRoutine()
		r.Begin(misusing(body), nil, 1)
		for !r.Resume() {
		}
		if !errors.Is(r.Err, functions.ErrPanic) || !r.IsLost() {
			t.Errorf("%s: lost %v, error %v", name, r.IsLost(), r.Err)
		}
		go r.Close()
	}
}

// TestEndlessCallsForARunThatIsOver: a body that tries forever what fails at once, since it belongs to the run before, comes to an end.
func TestEndlessCallsForARunThatIsOver(t *testing.T) {
	for name, body := range map[string]func(r *Routine){
		"recovers not": func(r *Routine) {
			for r.Enter(r.Number()-1) != nil {
			}
		},
		"recovers": func(r *Routine) {
			for {
				func() {
					defer func() { _ = recover() }()
					_ = r.Enter(r.Number() - 1)
				}()
			}
		},
	} {
		r := NewRoutine()
		r.Begin(misusing(func(*Routine) {}), nil, 1)
		r.Resume()
		r.Begin(misusing(body), nil, 1)
		if !r.Resume() || !errors.Is(r.Err, functions.ErrBadCall) || r.IsLost() != (name == "recovers") {
			t.Errorf("%s: lost %v, error %v", name, r.IsLost(), r.Err)
		}
		go r.Close()
	}
}

// TestEndlessCallsOnOtherGoroutines: goroutines that try forever what fails at once, since they are not the body's, end, at the bound and
// not before; their deferred functions run, and the body that waits for them fails.
func TestEndlessCallsOnOtherGoroutines(t *testing.T) {
	r := NewRoutine()
	defer r.Close()
	r.Begin(misusing(func(r *Routine) {
		var group sync.WaitGroup
		for range 40 {
			group.Go(func() {
				for r.Enter(r.Number()) != nil {
				}
			})
		}
		group.Wait()
	}), nil, 1)
	if !r.Resume() || !errors.Is(r.Err, functions.ErrBadCall) || r.IsLost() {
		t.Errorf("lost %v, error %v", r.IsLost(), r.Err)
	}
	for over := range 2 {
		r.Begin(misusing(func(r *Routine) {
			returned := false
			var group sync.WaitGroup
			group.Go(func() {
				for range MaxSteps + over {
					_ = r.Enter(r.Number())
				}
				returned = true
			})
			if group.Wait(); returned != (over == 0) {
				t.Errorf("%d over the bound: returned %v", over, returned)
			}
		}), nil, 1)
		r.Resume()
	}
}

// TestFewUnwindsAreOutlived: some layers that catch everything and go on do not cost the routine; a body that pauses between its tries
// holds the worker for a few pauses only.
func TestFewUnwindsAreOutlived(t *testing.T) {
	for tries, lost := range map[int]bool{maxUnwinds: false, maxUnwinds + 1: true} {
		r := NewRoutine()
		r.Begin(misusing(func(r *Routine) {
			for range tries {
				func() {
					defer func() { _ = recover() }()
					_ = r.IssueOne(step())
				}()
			}
		}), nil, 1)
		r.Resume()
		if r.Stop(); r.IsLost() != lost {
			t.Errorf("after %d tries: lost %v", tries, r.IsLost())
		}
		go r.Close()
	}
	if maxUnwinds > 10 {
		t.Errorf("a body may pause %d times between two tries", maxUnwinds)
	}
}
