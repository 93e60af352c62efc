package engine

import (
	"testing"
	"time"
)

// TestBegunGoesOnForASlice: what has begun lets something new begin after as many messages as take a slice: after each one only if each
// takes as long as that. Otherwise all requests are under way at once, and meet at their locks.
func TestBegunGoesOnForASlice(t *testing.T) {
	for _, c := range []struct {
		each time.Duration
		want int
	}{{time.Microsecond, roundSize}, {50 * time.Microsecond, 20}, {slice, 1}, {100 * time.Millisecond, 1}} {
		p := pacer{size: roundSize}
		p.took(roundSize, roundSize*c.each)
		inRow := 0
		for p.mayGoOn() {
			p.inRow++
			inRow++
		}
		if inRow != c.want {
			t.Errorf("of messages that take %v, %d come in a row, want %d", c.each, inRow, c.want)
		}
	}
}
