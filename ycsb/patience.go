package ycsb

import (
	"fmt"
	"time"
)

// patienceAfterFailure is how long an audit waits for an answer of a store that is known not to go on.
const patienceAfterFailure = 5 * time.Second

// patiently calls do, which blocks, and returns its error, or ErrStore if it makes no progress: if waits says for all of the patience
// that something is under way, and answers does not change. It counts seconds in which the program ran, so that one that was stopped
// meanwhile has lost no patience. After ErrStore do still runs and must have nothing to do with what the caller goes on to use.
func patiently(patience time.Duration, what string, answers func() uint64, waits func() bool, do func() error) error {
	if patience == 0 {
		return do()
	}
	done := make(chan error, 1)
	go func() { done <- do() }()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last, waited, idle := answers(), false, time.Duration(0)
	for {
		select {
		case err := <-done:
			return err
		case <-tick.C:
		}
		now, waiting := answers(), waits()
		if idle += time.Second; now != last || !waiting || !waited {
			idle = 0
		}
		last, waited = now, waiting
		if idle >= patience {
			return fmt.Errorf("%w: nothing was answered for %v in the %s; is its disk full?", ErrStore, idle, what)
		}
	}
}

func always() bool { return true }

// waits reports whether an operation of the mix is under way.
func (r *mixRun) waits() bool {
	if r.driving.Rate == 0 {
		return true
	}
	for _, c := range r.runners {
		if c.begun.Load() > c.done.Load() {
			return true
		}
	}
	return false
}

// answers is how many operations have been answered.
func (r *mixRun) answers() (n uint64) {
	for _, c := range r.runners {
		n += c.done.Load()
	}
	return n
}
