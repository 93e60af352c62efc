package ycsb

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// Bounds of a [Config].
const (
	MaxClients  = 46_656 // clients of a run: 36^3, as ids have three base-36 digits for them
	MaxRate     = 10_000_000
	MaxDuration = 24 * time.Hour
)

// Distribution says how keys are drawn.
type Distribution string

// The distributions.
const (
	// Uniform draws each key equally often.
	Uniform Distribution = "uniform"
	// Zipfian draws the key of rank r in proportion to 1/r^Theta; the ranks are scattered over the keys.
	Zipfian Distribution = "zipfian"
)

// DefaultTheta is YCSB's skew of [Zipfian].
const DefaultTheta = 0.99

// Config says what a run does. The zero value is a closed loop of 512 clients that make transfers between 5,000 uniform keys
// for 10 seconds.
type Config struct {
	// Keys is the number of rows. Default 5,000, at least 1, at least 2 if there are transfers, at most MaxKeys.
	Keys int
	// Clients is how many operations are under way at once: in a closed loop each client starts its next operation when it
	// has the answer to the last; in an open loop it bounds the outstanding ones, and what arrives while all are busy waits.
	// Default 512.
	Clients int
	// Rate makes it an open loop: so many operations a second arrive at even intervals, whether or not earlier ones are
	// answered, and latency counts from the intended arrival. Default 0: a closed loop.
	Rate float64
	// Mix is the share of each kind. Default: transfers only.
	Mix Mix
	// Distribution of the keys. Default Uniform.
	Distribution Distribution
	// Theta is the skew of Zipfian, 0 < Theta <= 4. Default 0.99.
	Theta float64
	// Duration is how long the measured part lasts: operations that start in it count. Default 10 s.
	Duration time.Duration
	// Warmup comes before it and is not measured. Default 0.
	Warmup time.Duration
	// Rollbacks is the share of transfers, 0 to 1, that fail explicitly once their debit has been made. A target without a
	// protocol (plain) loses money by them, and the audit says so. Default 0.
	Rollbacks float64
	// Seed makes the operations of each client repeatable. Default 0, which is a seed like any other.
	Seed uint64
	// NoIDs sends writes without request ids: then nothing is kept to recognise a repeat by.
	NoIDs bool
	// OnProgress, if set, is called about five times a second, by one goroutine at a time. It must not block for long.
	OnProgress func(Progress)
}

// Progress is how far a run is.
type Progress struct {
	Stage string        // "load", "audit", "warm-up" or "run"
	Done  float64       // share of the stage that is done, 0 to 1
	Count uint64        // rows or operations of the stage so far
	Total uint64        // rows of the stage; 0 for a stage that ends by time
	Spent time.Duration // time since the stage began
}

func (c Config) withDefaults() Config {
	if c.Keys == 0 {
		c.Keys = 5000
	}
	if c.Clients == 0 {
		c.Clients = 512
	}
	if c.Mix == (Mix{}) {
		c.Mix = Mix{Transfer: 1}
	}
	if c.Distribution == "" {
		c.Distribution = Uniform
	}
	if c.Theta == 0 {
		c.Theta = DefaultTheta
	}
	if c.Duration == 0 {
		c.Duration = 10 * time.Second
	}
	return c
}

// ParseDistribution reads the name of a distribution.
func ParseDistribution(s string) (Distribution, error) {
	if d := Distribution(strings.ToLower(s)); d == Uniform || d == Zipfian {
		return d, nil
	}
	return "", fmt.Errorf("distribution: %q is neither uniform nor zipfian", s)
}

// Validate reports everything that is wrong with the configuration, defaults filled in.
func (c Config) Validate() error {
	c = c.withDefaults()
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(c.Keys >= 1 && c.Keys <= MaxKeys, "keys: %d is not between 1 and %d", c.Keys, MaxKeys)
	check(c.Keys != 1 || c.Mix.Transfer == 0, "keys: a transfer needs two distinct keys, and there is 1")
	check(c.Clients >= 1 && c.Clients <= MaxClients, "clients: %d is not between 1 and %d", c.Clients, MaxClients)
	check(c.Rate >= 0 && c.Rate <= MaxRate, "rate: %g operations a second is not between 0 and %d", c.Rate, MaxRate)
	check(c.Theta > 0 && c.Theta <= 4, "theta: %g is not above 0 and at most 4", c.Theta)
	check(c.Duration > 0 && c.Duration <= MaxDuration, "duration: %v is not above 0 and at most %v", c.Duration, MaxDuration)
	check(c.Warmup >= 0 && c.Warmup <= MaxDuration, "warmup: %v is not between 0 and %v", c.Warmup, MaxDuration)
	check(c.Rollbacks >= 0 && c.Rollbacks <= 1 && !math.IsNaN(c.Rollbacks), "rollbacks: %g is not between 0 and 1", c.Rollbacks)
	_, err := ParseDistribution(string(c.Distribution))
	return errors.Join(append(errs, c.Mix.Validate(), err)...)
}
