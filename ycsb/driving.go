package ycsb

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Bounds of a [Driving].
const (
	MaxClients  = 46_656 // clients of a run: 36^3, as ids have three base-36 digits for them
	MaxRate     = 10_000_000
	MinRate     = 1e-6 // of an open loop: one operation in eleven days
	MaxDuration = 24 * time.Hour
	MaxMoments  = 3600 // entries of a time series; each takes a histogram of 24 KiB while the run lasts
)

// Arrivals says how the operations of an open loop arrive.
type Arrivals string

// The kinds of arrivals.
const (
	// Constant arrivals come at even intervals.
	Constant Arrivals = "constant"
	// Poisson arrivals come independently of each other, as those of many users do: the intervals are exponential.
	Poisson Arrivals = "poisson"
)

// ParseArrivals reads the name of a kind of arrivals.
func ParseArrivals(s string) (Arrivals, error) {
	if a := Arrivals(strings.ToLower(s)); a == Constant || a == Poisson {
		return a, nil
	}
	return "", fmt.Errorf("arrivals: %q is neither constant nor poisson", s)
}

// Driving says how hard and for how long a workload is driven. The zero value is a closed loop of 512 clients for 10 seconds.
type Driving struct {
	// Clients is how many operations are under way at once: in a closed loop each client starts its next operation when it
	// has the answer to the last; in an open loop it bounds the outstanding ones, and what arrives while all are busy waits.
	// Default 512.
	Clients int
	// Rate makes it an open loop: so many operations a second arrive, whether or not earlier ones are answered, and latency
	// counts from the intended arrival. From MinRate to MaxRate. Default 0: a closed loop.
	Rate float64
	// Arrivals says how they arrive; an open loop only. Upper and lower case are the same. Default Constant.
	Arrivals Arrivals
	// Duration is how long the measured part lasts: operations that start in it count. Default 10 s, or an hour if
	// Operations are given.
	Duration time.Duration
	// Warmup comes before it and is not measured. Default 0.
	Warmup time.Duration
	// Operations ends the measured part after so many operations, if Duration has not done so before. A closed loop shares
	// them out evenly among its clients beforehand. Default 0: only Duration ends it.
	Operations uint64
	// Interval is what an entry of the time series stands for, at most MaxDuration. Default: a second, or more if there would be over MaxMoments
	// entries, which is an error if an interval is given.
	Interval time.Duration
	// Seed makes the operations of each client, and Poisson arrivals, repeatable. Default 0, which is a seed like any other.
	Seed uint64
	// NoIDs sends writes without request ids: then nothing is kept to recognise a repeat by.
	NoIDs bool
	// Patience ends the run with [ErrStore] if operations are under way, of the load, the mix or an audit, and for so long none is
	// answered: a store whose disk is full may wait for room forever. What waits for an answer then is left behind. It counts in
	// whole seconds. Default 0: the run waits.
	Patience time.Duration
	// OnProgress, if set, is called about five times a second, by one goroutine at a time. It must not block for long.
	OnProgress func(Progress)
	// OnMeasured, if set, is called when the measured part begins, and what it returns when the last of its operations is answered:
	// before the audit, also if the run was interrupted meanwhile. It is not called if the run ends in the warm-up. Operations do not
	// wait for it.
	OnMeasured func() (over func())
}

// Progress is how far a run is.
type Progress struct {
	Stage string        // "load", "audit", "warm-up" or "run"
	Done  float64       // share of the stage that is done, 0 to 1
	Count uint64        // steps (rows, say) or operations of the stage so far
	Total uint64        // steps of the stage; 0 for a stage that ends by time
	Spent time.Duration // time since the stage began
	P99   time.Duration // of the operations of the last complete Interval or, in the first, of those so far; 0 if there are none
}

func (d Driving) withDefaults() Driving {
	if d.Clients == 0 {
		d.Clients = 512
	}
	d.Arrivals = Arrivals(strings.ToLower(string(cmp.Or(d.Arrivals, Constant))))
	if d.Duration == 0 {
		d.Duration = 10 * time.Second
		if d.Operations > 0 {
			d.Duration = time.Hour
		}
	}
	if d.Interval == 0 {
		const longest = MaxMoments * time.Second
		d.Interval = time.Second * max(1, (d.Duration+longest-1)/longest)
	}
	return d
}

// Validate reports everything that is wrong, defaults filled in.
func (d Driving) Validate() error {
	d = d.withDefaults()
	var c checks
	c.check(d.Clients >= 1 && d.Clients <= MaxClients, "clients: %d is not between 1 and %d", d.Clients, MaxClients)
	c.check(d.Rate == 0 || d.Rate >= MinRate && d.Rate <= MaxRate,
		"rate: %g operations a second is neither 0, for a closed loop, nor between %g and %d", d.Rate, MinRate, MaxRate)
	_, err := ParseArrivals(string(d.Arrivals))
	c.add(err)
	c.check(d.Arrivals != Poisson || d.Rate != 0, "arrivals: poisson arrivals need a rate; there is none, so the loop is closed")
	c.check(d.Duration > 0 && d.Duration <= MaxDuration, "duration: %v is not above 0 and at most %v", d.Duration, MaxDuration)
	c.check(d.Warmup >= 0 && d.Warmup <= MaxDuration, "warmup: %v is not between 0 and %v", d.Warmup, MaxDuration)
	c.check(d.Patience == 0 || d.Patience >= time.Second, "patience: %v is neither 0 nor at least a second", d.Patience)
	c.check(d.Interval > 0 && d.Interval <= MaxDuration, "interval: %v is not above 0 and at most %v", d.Interval, MaxDuration)
	c.check(d.Interval <= 0 || d.Duration/d.Interval <= MaxMoments, "interval: %v makes more than %d entries of %v", d.Interval, MaxMoments, d.Duration)
	return c.err()
}

// checks collects what is wrong.
type checks struct{ errs []error }

func (c *checks) check(ok bool, format string, args ...any) {
	if !ok {
		c.errs = append(c.errs, fmt.Errorf(format, args...))
	}
}

func (c *checks) add(err error) { c.errs = append(c.errs, err) }
func (c *checks) err() error    { return errors.Join(c.errs...) }
