package format

import (
	"math"
	"time"
)

// Times of the wall clock stand in rows and keys as Unix times in nanoseconds.

// DueAfter is the Unix time in nanoseconds that is d after now; a negative d counts as zero. What is beyond the last time that
// can be told so (in the year 2262) is due then, not long ago.
func DueAfter(now time.Time, d time.Duration) int64 {
	at := UnixNano(now)
	if d > 0 && at > math.MaxInt64-int64(d) {
		return math.MaxInt64
	}
	return at + int64(max(d, 0))
}

// UnixNano is the Unix time in nanoseconds of a wall clock, which may show anything. What is beyond the first and the last time that can be
// told so, in the years 1677 and 2262, is these.
func UnixNano(t time.Time) int64 {
	switch seconds := t.Unix(); {
	case seconds <= math.MinInt64/int64(time.Second):
		return math.MinInt64
	case seconds >= math.MaxInt64/int64(time.Second):
		return math.MaxInt64
	}
	return t.UnixNano()
}
