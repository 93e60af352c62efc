package ycsb

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Distribution says how keys are drawn.
type Distribution string

// The distributions.
const (
	// Uniform draws each key equally often.
	Uniform Distribution = "uniform"
	// Zipfian draws the key of rank r in proportion to 1/r^Theta; the ranks are scattered over the keys. Rows that the run
	// inserts are not drawn.
	Zipfian Distribution = "zipfian"
	// Latest draws the row that is r-th from the newest in proportion to 1/r^Theta.
	Latest Distribution = "latest"
	// Hotspot draws a share of the keys, the first, with a share of the draws; within both parts each key equally often. Rows
	// that the run inserts are not drawn.
	Hotspot Distribution = "hotspot"
)

var distributions = []Distribution{Uniform, Zipfian, Latest, Hotspot}

// Defaults and bounds of a [Config].
const (
	DefaultTheta = 0.99 // YCSB's skew of [Zipfian]
	MaxTheta     = 4
	MaxParties   = 16 // of a transfer
	MaxSnapshot  = 64 // rows of a snapshot
	MaxScan      = 100_000
	MinShare     = 1e-9 // of anything that is not 0: a smaller share would never come up
)

// ParseDistribution reads the name of a distribution.
func ParseDistribution(s string) (Distribution, error) {
	if d := Distribution(strings.ToLower(s)); slices.Contains(distributions, d) {
		return d, nil
	}
	return "", fmt.Errorf("distribution: %q is none of uniform, zipfian, latest and hotspot", s)
}

// Config says what a run on rows does. The zero value is a closed loop of 512 clients that make transfers between 5,000
// uniform keys for 10 seconds.
type Config struct {
	// Driving says how hard and for how long.
	Driving
	// Keys is the number of rows that are loaded. Default 5,000, at least 1 and as many as a transfer or a snapshot has, at
	// most MaxKeys.
	Keys int
	// Mix is the share of each kind. Default: transfers only.
	Mix Mix
	// Distribution of the keys. Upper and lower case are the same. Default Uniform.
	Distribution Distribution
	// Theta is the skew of Zipfian and Latest, 0 < Theta <= MaxTheta. Default 0.99. A skew of 0 is Uniform, see [SkewedBy].
	Theta float64
	// HotData is Hotspot's share of the keys, and HotOperations that of the draws, both 0 to 1. Default 0.2 and 0.8 if both
	// are 0.
	HotData, HotOperations float64
	// Rollbacks is the share of transfers, 0 to 1, that fail explicitly once their debit has been made. A target without a
	// protocol (plain) loses money by them, and the audit says so. Default 0.
	Rollbacks float64
	// Parties is how many rows a transfer has: one pays all others. Default 2, at most MaxParties.
	Parties int
	// SnapshotKeys is how many rows a snapshot reads. Default 10, or all if there are fewer; at most MaxSnapshot.
	SnapshotKeys int
	// MinScan and MaxScan bound how many rows a scan reads. Default 1 and 1,000.
	MinScan, MaxScan int
	// ScanLengths says how the lengths between are drawn: Uniform, or Zipfian with short ones more often. Default Uniform.
	ScanLengths Distribution
	// Shape of the rows.
	Shape Shape
	// ReadOneField has reads return one field instead of all.
	ReadOneField bool
	// WriteAllFields has updates overwrite all fields instead of one.
	WriteAllFields bool
}

// SkewedBy returns the distribution that is Zipfian with this skew, and its Theta: with 0 that is Uniform.
func SkewedBy(theta float64) (Distribution, float64) {
	if theta == 0 {
		return Uniform, 0
	}
	return Zipfian, theta
}

func (c Config) withDefaults() Config {
	c.Driving = c.Driving.withDefaults()
	c.Keys = cmp.Or(c.Keys, 5000)
	c.Mix = cmp.Or(c.Mix, Mix{Transfer: 1})
	c.Distribution = Distribution(strings.ToLower(string(cmp.Or(c.Distribution, Uniform))))
	c.Theta = cmp.Or(c.Theta, DefaultTheta)
	if c.HotData == 0 && c.HotOperations == 0 {
		c.HotData, c.HotOperations = 0.2, 0.8
	}
	c.Parties = cmp.Or(c.Parties, 2)
	c.SnapshotKeys = cmp.Or(c.SnapshotKeys, min(10, c.Keys))
	c.MinScan = cmp.Or(c.MinScan, 1)
	c.MaxScan = cmp.Or(c.MaxScan, max(1000, c.MinScan))
	c.ScanLengths = Distribution(strings.ToLower(string(cmp.Or(c.ScanLengths, Uniform))))
	c.Shape = c.Shape.withDefaults()
	return c
}

// Validate reports everything that is wrong with the configuration, defaults filled in.
func (c Config) Validate() error {
	c = c.withDefaults()
	var e checks
	e.check(c.Keys >= 1 && c.Keys <= MaxKeys, "keys: %d is not between 1 and %d", c.Keys, MaxKeys)
	e.check(c.Mix.Transfer == 0 || c.Parties != 2 || c.Keys != 1, "keys: a transfer needs two distinct keys, and there is 1")
	e.check(c.Mix.Transfer == 0 || c.Parties <= 2 || c.Keys >= c.Parties, "keys: a transfer needs %d distinct keys, and there are %d", c.Parties, c.Keys)
	e.check(c.Mix.Snapshot == 0 || c.Keys >= c.SnapshotKeys, "keys: a snapshot needs %d distinct keys, and there are %d", c.SnapshotKeys, c.Keys)
	e.check(c.distinct() <= c.drawn() || c.distinct() > c.Keys, "hotspot: %d distinct keys are needed, and only %d are ever drawn", c.distinct(), c.drawn())
	e.check(c.Theta > 0 && c.Theta <= MaxTheta, "theta: %g is not above 0 and at most %d", c.Theta, MaxTheta)
	e.share("hotspot: share of the keys", c.HotData)
	e.share("hotspot: share of the draws", c.HotOperations)
	e.check(c.Distribution != Hotspot || c.HotData > 0 || c.HotOperations == 0, "hotspot: no key is hot, and they are to get %g of the draws", c.HotOperations)
	e.check(c.Distribution != Hotspot || c.HotData < 1 || c.HotOperations == 1, "hotspot: all keys are hot, and they are to get %g of the draws", c.HotOperations)
	e.share("rollbacks", c.Rollbacks)
	e.check(c.Parties >= 2 && c.Parties <= MaxParties, "parties: %d is not between 2 and %d", c.Parties, MaxParties)
	e.check(c.SnapshotKeys >= 1 && c.SnapshotKeys <= MaxSnapshot, "snapshot: %d keys are not between 1 and %d", c.SnapshotKeys, MaxSnapshot)
	e.check(c.MinScan >= 1 && c.MinScan <= c.MaxScan && c.MaxScan <= MaxScan, "scan: lengths from %d to %d are not between 1 and %d", c.MinScan, c.MaxScan, MaxScan)
	e.check(c.ScanLengths == Uniform || c.ScanLengths == Zipfian, "scan: lengths are uniform or zipfian, not %q", c.ScanLengths)
	e.check(c.Shape.Fields >= 1 && c.Shape.Fields <= MaxFields, "fields: %d is not between 1 and %d; for bigger rows use longer fields", c.Shape.Fields, MaxFields)
	e.check(c.Shape.FieldBytes >= 1 && c.Shape.FieldBytes <= MaxFieldBytes, "fields: %d bytes are not between 1 and %d", c.Shape.FieldBytes, MaxFieldBytes)
	_, err := ParseDistribution(string(c.Distribution))
	return errors.Join(c.Driving.Validate(), e.err(), c.Mix.Validate(), err)
}

// share checks a number that is a share of 1.
func (c *checks) share(name string, v float64) {
	c.check(v >= 0 && v <= 1, "%s: %g is not between 0 and 1", name, v)
	c.check(!(v > 0 && v < MinShare), "%s: %g is so small that it would never come up; at least %g, or 0", name, v, MinShare)
}

// distinct is how many distinct keys an operation of the mix has at most.
func (c Config) distinct() int {
	n := 1
	if c.Mix.Transfer > 0 {
		n = max(n, c.Parties)
	}
	if c.Mix.Snapshot > 0 {
		n = max(n, c.SnapshotKeys)
	}
	return n
}

// drawn is how many of the keys are ever drawn.
func (c Config) drawn() int {
	hot := c.hotKeys(c.Keys)
	switch {
	case c.Distribution == Hotspot && c.HotOperations == 1:
		return hot
	case c.Distribution == Hotspot && c.HotOperations == 0:
		return c.Keys - hot
	}
	return c.Keys
}

// hotKeys is how many of the keys are hot under Hotspot: at least one, if there are to be draws of it.
func (c Config) hotKeys(keys int) int {
	hot := int(float64(keys) * c.HotData)
	if hot == 0 && c.HotOperations > 0 {
		return 1
	}
	return hot
}
