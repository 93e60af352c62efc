package engine

import (
	"testing"
	"time"
)

// TestWaitIndex: each wait is counted where its bound is the first that it does not exceed, and bounds grow by at most a quarter.
func TestWaitIndex(t *testing.T) {
	for i := range numWaitBounds {
		bound := WaitBound(i)
		if got := waitIndex(bound); got != i {
			t.Errorf("a wait of %v is counted in entry %d, want %d", bound, got, i)
		}
		if i+1 < numWaitBounds {
			if got := waitIndex(bound + 1); got != i+1 {
				t.Errorf("a wait of %v is counted in entry %d, want %d", bound+1, got, i+1)
			}
			if next := WaitBound(i + 1); next <= bound || float64(next) > 1.2501*float64(bound) {
				t.Errorf("the bound after %v is %v", bound, next)
			}
		}
	}
	for d, want := range map[time.Duration]int{-1: 0, 0: 0, time.Hour: numWaitBounds - 1, 1<<63 - 1: numWaitBounds - 1} {
		if got := waitIndex(d); got != want {
			t.Errorf("a wait of %v is counted in entry %d, want %d", d, got, want)
		}
	}
}
