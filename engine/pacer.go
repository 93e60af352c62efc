package engine

import (
	"math"
	"slices"
	"time"
)

// pacer makes the rounds of a worker smaller while messages are costly.
type pacer struct {
	size  int // of the next round
	inRow int // messages that had begun, since one that had not: at most as many as a round has
	turn  line
	fed   int  // the ingress that had its turn last
	calls bool // of what has begun, it is the turn of a client's call

	steps int           // messages that tookStep was told of, since it last came to a round
	spent time.Duration // with them

	sharing bool                    // messages have lately taken so long that the lines share the time
	last    line                    // of the message that was handled last
	used    [numLines]time.Duration // while they share it
}

// charge is told how long the last message has taken. What has begun is charged little: it holds locks that others wait for.
func (p *pacer) charge(d time.Duration) {
	if p.last < lineArrivals {
		d = min(d, 2*slice)
	}
	if p.last == lineRequests {
		d = max(d, slice/8) // taking one is little, and begins much
	}
	p.used[p.last] += max(d, time.Microsecond)
}

// ahead is how much more time than others a line may have used and come before them.
var ahead = [numLines]time.Duration{lineBegun: slice, linePlain: 2 * slice, lineCostlyPlain: slice}

// settled reports whether the lines where something waits have used about the same, and what has begun not much more.
func (p *pacer) settled(waits [numLines]bool) bool {
	least, most := time.Duration(math.MaxInt64), time.Duration(math.MinInt64)
	for l := range numLines {
		switch {
		case !waits[l]:
		case l < lineArrivals:
			most = max(most, p.used[l]-2*slice)
		default:
			least, most = min(least, p.used[l]), max(most, p.used[l])
		}
	}
	return least == math.MaxInt64 || most-least <= slice/2
}

// pick returns the line that has used the least time of those where something waits; false if nothing does. What has begun comes before
// what has not for a slice more.
func (p *pacer) pick(waits [numLines]bool) (least line, ok bool) {
	for l := range numLines {
		if waits[l] && (!ok || p.used[l]-ahead[l] < p.used[least]-ahead[least]) {
			least, ok = l, true
		}
	}
	for l := range numLines {
		if ok && !waits[l] {
			p.used[l] = max(p.used[l], p.used[least])
		}
	}
	return least, ok
}

// prefer has something of the line come next, or of the one after it; while messages are costly, of the line.
func (p *pacer) prefer(l line) {
	p.inRow, p.turn, p.calls = roundSize, l, l == linePlain
	p.used[l] = min(p.used[l], slices.Min(p.used[:])-2*slice)
}

// took is told how long a round has taken.
func (p *pacer) took(handled int, d time.Duration) {
	switch {
	case d >= slice && handled > 0:
		p.size = max(1, min(p.size, int(int64(handled)*int64(slice)/int64(d))))
	case d < slice/2:
		p.size = min(2*p.size, roundSize)
	}
}

// tookStep is took for a stepped engine, whose rounds are of one message: so many of them count as one round as others have in it.
func (p *pacer) tookStep(handled int, d time.Duration) {
	p.steps, p.spent = p.steps+handled, p.spent+d
	if p.steps >= p.size || p.spent >= slice {
		p.took(p.steps, p.spent)
		p.steps, p.spent = 0, 0
	}
}

// mayGoOn reports whether a message that has begun may come before those that have not: for about a slice.
func (p *pacer) mayGoOn() bool {
	return p.inRow < p.size
}
