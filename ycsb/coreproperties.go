package ycsb

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// known is what is done with a property: set changes the configuration, or means is why nothing is done.
type known struct {
	set   func(c *Config, value string) error
	means string
}

// properties are the known ones: those of YCSB's core workload and client, and those that are Concordat's own.
var properties = map[string]known{
	"recordcount":               {set: number(func(c *Config) *int { return &c.Keys }, 1)},
	"operationcount":            {set: setOperations},
	"maxexecutiontime":          {set: setSeconds(func(c *Config) *time.Duration { return &c.Duration })},
	"threadcount":               {set: number(func(c *Config) *int { return &c.Clients }, 1)},
	"threads":                   {set: number(func(c *Config) *int { return &c.Clients }, 1)},
	"target":                    {set: fraction(func(c *Config) *float64 { return &c.Rate })},
	"readproportion":            {set: fraction(func(c *Config) *float64 { return &c.Mix.Read })},
	"updateproportion":          {set: fraction(func(c *Config) *float64 { return &c.Mix.Update })},
	"insertproportion":          {set: fraction(func(c *Config) *float64 { return &c.Mix.Insert })},
	"scanproportion":            {set: fraction(func(c *Config) *float64 { return &c.Mix.Scan })},
	"readmodifywriteproportion": {set: fraction(func(c *Config) *float64 { return &c.Mix.Modify })},
	"transferproportion":        {set: fraction(func(c *Config) *float64 { return &c.Mix.Transfer })},
	"snapshotproportion":        {set: fraction(func(c *Config) *float64 { return &c.Mix.Snapshot })},
	"rollbackproportion":        {set: fraction(func(c *Config) *float64 { return &c.Rollbacks })},
	"transferparties":           {set: number(func(c *Config) *int { return &c.Parties }, 1)},
	"snapshotkeys":              {set: number(func(c *Config) *int { return &c.SnapshotKeys }, 1)},
	"requestdistribution":       {set: setRequestDistribution},
	"zipfiantheta":              {set: setTheta},
	"hotspotdatafraction":       {set: fraction(func(c *Config) *float64 { return &c.HotData })},
	"hotspotopnfraction":        {set: fraction(func(c *Config) *float64 { return &c.HotOperations })},
	"minscanlength":             {set: number(func(c *Config) *int { return &c.MinScan }, 1)},
	"maxscanlength":             {set: number(func(c *Config) *int { return &c.MaxScan }, 1)},
	"scanlengthdistribution":    {set: setScanLengths},
	"fieldcount":                {set: number(func(c *Config) *int { return &c.Shape.Fields }, 1)},
	"fieldlength":               {set: number(func(c *Config) *int { return &c.Shape.FieldBytes }, 1)},
	"readallfields":             {set: boolean(func(c *Config, all bool) { c.ReadOneField = !all })},
	"writeallfields":            {set: boolean(func(c *Config, all bool) { c.WriteAllFields = all })},
	"fieldlengthdistribution":   {set: only("fieldlengthdistribution", "constant")},
	"insertorder":               {set: only("insertorder", "ordered", "hashed"), means: "rows lie where a hash of their id puts them, and a scan walks in the order of the keys, whatever the order of insertion"},

	"workload":                               {means: "there is one workload on rows"},
	"table":                                  {means: "the rows are of one type"},
	"insertstart":                            {means: "rows are numbered from 0"},
	"insertcount":                            {means: "all rows that are missing are loaded"},
	"zeropadding":                            {means: "ids always have 8 digits"},
	"dataintegrity":                          {means: "the sum of all balances is audited instead"},
	"measurementtype":                        {means: "latencies are always measured with HDR histograms"},
	"histogram.buckets":                      {means: "latencies are always measured with HDR histograms"},
	"hdrhistogram.fileoutput":                {means: "the JSON has the histograms"},
	"hdrhistogram.output.path":               {means: "the JSON has the histograms"},
	"hdrhistogram.percentiles":               {means: "p50, p95, p99 and p99.9 are written"},
	"timeseries.granularity":                 {means: "use --interval"},
	"measurement.interval":                   {means: "latency counts from the intended start in an open loop, and from the actual one in a closed loop"},
	"measurement.trackjvm":                   {means: "there is no JVM"},
	"measurement.raw.output_file":            {means: "the JSON has the histograms"},
	"exporter":                               {means: "use --json"},
	"exportfile":                             {means: "use --json"},
	"status.interval":                        {means: "progress is shown on a terminal"},
	"core_workload_insertion_retry_limit":    {means: "insertions are not repeated"},
	"core_workload_insertion_retry_interval": {means: "insertions are not repeated"},
}

// has reports whether one of the properties has a key like this.
func (p Properties) has(like func(key string) bool) bool {
	return slices.ContainsFunc(p, func(p Property) bool { return like(p.Key) })
}

func isProportion(key string) bool {
	return strings.HasSuffix(key, "proportion") && key != "rollbackproportion"
}

// Apply sets in the configuration what the properties say, and returns a note for each that means nothing here. If one of
// them is a proportion of the mix, those that are not given are 0; a property that is not known, or a value that is none, is an
// error that says where. A number of operations, without a time, makes an end of the Duration that was set before. What is wrong
// with the whole is for [Config.Validate].
func (p Properties) Apply(c *Config) (notes []string, err error) {
	var errs []error
	counted := p.last()
	if counted.has(isProportion) {
		c.Mix = Mix{}
	}
	if counted.has(func(key string) bool { return key == "operationcount" }) {
		c.Duration = 0
	}
	for _, property := range counted {
		k, ok := properties[property.Key]
		if !ok {
			errs = append(errs, fmt.Errorf("%s: no property is called %q; did you mean %q?", property.Where, property.Key, nearest(property.Key)))
			continue
		}
		if k.set != nil {
			if err := k.set(c, property.Value); err != nil {
				errs = append(errs, fmt.Errorf("%s: %s: %w", property.Where, property.Key, err))
				continue
			}
		}
		if k.means != "" {
			notes = append(notes, fmt.Sprintf("%s: %s=%s means nothing here: %s", property.Where, property.Key, property.Value, k.means))
		}
	}
	if c.Distribution == Zipfian && c.Theta == 0 && counted.has(func(key string) bool { return key == "zipfiantheta" }) {
		c.Distribution, c.Theta = SkewedBy(0)
	}
	return notes, errors.Join(errs...)
}

// number sets a whole number that is at least least; to the library 0 would be the default.
func number(field func(*Config) *int, least int) func(*Config, string) error {
	return func(c *Config, value string) error {
		n, err := strconv.Atoi(value)
		if err != nil {
			return fmt.Errorf("%q is not a whole number", value)
		}
		if n < least {
			return fmt.Errorf("%d is less than %d", n, least)
		}
		*field(c) = n
		return nil
	}
}

func fraction(field func(*Config) *float64) func(*Config, string) error {
	return func(c *Config, value string) (err error) {
		if *field(c), err = strconv.ParseFloat(value, 64); err != nil {
			return fmt.Errorf("%q is not a number", value)
		}
		return nil
	}
}

func boolean(set func(*Config, bool)) func(*Config, string) error {
	return func(c *Config, value string) error {
		switch strings.ToLower(value) { // as Java reads them, except that nonsense is not false
		case "true":
			set(c, true)
		case "false":
			set(c, false)
		default:
			return fmt.Errorf("%q is neither true nor false", value)
		}
		return nil
	}
}

// only accepts some values, which change nothing.
func only(key string, values ...string) func(*Config, string) error {
	return func(_ *Config, value string) error {
		if slices.Contains(values, strings.ToLower(value)) {
			return nil
		}
		return fmt.Errorf("there is no %s %q here; there is %s", key, value, strings.Join(values, ", "))
	}
}

// setOperations reads 0 as YCSB does: no end by the number of operations.
func setOperations(c *Config, value string) (err error) {
	if c.Operations, err = strconv.ParseUint(value, 10, 64); err != nil {
		return fmt.Errorf("%q is not a whole number", value)
	}
	return nil
}

func setSeconds(field func(*Config) *time.Duration) func(*Config, string) error {
	return func(c *Config, value string) error {
		n, err := strconv.ParseUint(value, 10, 32)
		if err != nil || n == 0 {
			return fmt.Errorf("%q is not a number of seconds above 0", value)
		}
		*field(c) = time.Duration(n) * time.Second
		return nil
	}
}

func setRequestDistribution(c *Config, value string) (err error) {
	c.Distribution, err = ParseDistribution(value)
	return err
}

func setScanLengths(c *Config, value string) error {
	d, err := ParseDistribution(value)
	if err != nil || d != Uniform && d != Zipfian {
		return fmt.Errorf("%q is neither uniform nor zipfian", value)
	}
	c.ScanLengths = d
	return nil
}

func setTheta(c *Config, value string) error {
	if err := fraction(func(c *Config) *float64 { return &c.Theta })(c, value); err != nil {
		return err
	}
	if !(c.Theta >= 0 && c.Theta <= MaxTheta) {
		return fmt.Errorf("%g is not between 0 and %d", c.Theta, MaxTheta)
	}
	return nil
}

// nearest is the known property that is the fewest edits away.
func nearest(key string) string {
	names := slices.Sorted(maps.Keys(properties))
	return slices.MinFunc(names, func(a, b string) int { return edits(key, a) - edits(key, b) })
}

// edits is how many characters have to be inserted, deleted or replaced to make a out of b (Levenshtein).
func edits(a, b string) int {
	a, b = strings.ToLower(a), strings.ToLower(b)
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
