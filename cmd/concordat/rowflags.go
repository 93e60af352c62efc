package main

import (
	"fmt"

	"github.com/concordat-dev/concordat/locks"
	"github.com/concordat-dev/concordat/ycsb"
)

// workload are the flags of the workload on rows.
type workload struct {
	Keys          int      `default:"5000" help:"Rows. At least 1, and as many as a transfer has parties."`
	Mix           string   `default:"read=0,update=0,transfer=100" help:"Proportions of the operations, percent or shares of 1: read, update, transfer, insert, scan, readmodifywrite, snapshot."`
	Distribution  string   `default:"uniform" help:"How keys are drawn: uniform, zipfian, latest or hotspot."`
	Theta         float64  `default:"0.99" help:"Skew of zipfian and latest. 0: uniform."`
	Rollbacks     float64  `default:"0" help:"Share of the transfers, 0 to 1, that fail explicitly after their debit."`
	Parties       int      `default:"2" help:"Rows of a transfer, 2 to 16: one pays all others."`
	SnapshotKeys  int      `name:"snapshot-keys" default:"10" help:"Rows that a snapshot reads."`
	PropertyFiles []string `name:"properties" short:"P" placeholder:"FILE" sep:"none" help:"YCSB property file, or the name of one that comes along: workloada to workloadf, transfers. Flags that are given go before properties. Repeatable."`
	Properties    []string `name:"property" short:"p" placeholder:"KEY=VALUE" sep:"none" help:"A property, before those of the files. Repeatable."`
	driving
	engineFlags
	outputFlags
}

// settings are the flags, checked.
type settings struct {
	config  ycsb.Config
	policy  locks.Policy
	workers int
	kafka   bool     // requests and answers go over topics
	brokers []string // of a cluster; none: a broker is started

	noAnswers bool // requests alone do
	dir       string
	json      string
	repeat    int
	notes     []string // what properties and flags mean nothing here
	read      []string // property files

	external externals // targets that run elsewhere
}

// setters set a part of the configuration to what its flag says.
func (w workload) setters(t timing) map[string]func(*ycsb.Config) error {
	d := w.driving.config(t)
	return map[string]func(*ycsb.Config) error{
		"keys":          func(c *ycsb.Config) error { c.Keys = w.Keys; return nil },
		"clients":       func(c *ycsb.Config) error { c.Clients = d.Clients; return nil },
		"rate":          func(c *ycsb.Config) error { c.Rate = d.Rate; return nil },
		"duration":      func(c *ycsb.Config) error { c.Duration = d.Duration; return nil },
		"rollbacks":     func(c *ycsb.Config) error { c.Rollbacks = w.Rollbacks; return nil },
		"parties":       func(c *ycsb.Config) error { c.Parties = w.Parties; return nil },
		"snapshot-keys": func(c *ycsb.Config) error { c.SnapshotKeys = w.SnapshotKeys; return nil },
		"mix": func(c *ycsb.Config) (err error) {
			c.Mix, err = ycsb.ParseMix(w.Mix)
			return err
		},
		"distribution": func(c *ycsb.Config) (err error) {
			c.Distribution, err = ycsb.ParseDistribution(w.Distribution)
			return err
		},
		"theta": func(c *ycsb.Config) error { c.Theta = w.Theta; return nil },
	}
}

// settings checks the flags, of which the user has given some. All that is wrong with them is in the error, which is errUsage.
func (w workload) settings(t timing, given map[string]bool) (settings, error) {
	s := settings{dir: w.Dir, json: w.JSON, repeat: w.Repeat, read: w.PropertyFiles}
	errs := []error{w.outputFlags.check(), notZero(
		zero{"keys", w.Keys == 0}, zero{"clients", w.Clients == 0}, zero{"duration", t.Duration == 0},
		zero{"parties", w.Parties == 0}, zero{"snapshot-keys", w.SnapshotKeys == 0},
	)}
	add := func(err error) { errs = append(errs, err) }
	s.config.Driving = w.driving.config(t)
	setters := w.setters(t)
	for _, set := range setters {
		add(set(&s.config))
	}
	if len(w.PropertyFiles)+len(w.Properties) > 0 {
		notes, err := readProperties(w.PropertyFiles, w.Properties, &s.config)
		s.notes = notes
		add(err)
		for name, set := range setters {
			if given[name] {
				add(set(&s.config))
			}
		}
	}
	s.clamp(given)
	var err error
	s.policy, s.workers, err = w.engineFlags.parse()
	add(err)
	if usage(errs...) == nil { // otherwise it would be said twice
		add(s.config.Validate())
	}
	s.notes = append(s.notes, w.idle(s.config, given)...)
	return s, usage(errs...)
}

// idle names the flags that were given and that nothing comes of, as others are what they are.
func (w workload) idle(c ycsb.Config, given map[string]bool) (notes []string) {
	why := unused(c)
	for _, flag := range []struct {
		name  string
		usual bool
	}{
		{"theta", w.Theta == 0 || w.Theta == ycsb.DefaultTheta}, {"rollbacks", w.Rollbacks == 0}, {"parties", w.Parties == 2},
		{"snapshot-keys", w.SnapshotKeys == 10},
	} {
		if given[flag.name] && !flag.usual && why[flag.name] != "" {
			notes = append(notes, fmt.Sprintf("--%s means nothing here: %s", flag.name, why[flag.name]))
		}
	}
	return notes
}

// unused are the flags that make no difference, as others are what they are, and why.
func unused(c ycsb.Config) map[string]string {
	why := make(map[string]string)
	if c.Distribution != ycsb.Zipfian && c.Distribution != ycsb.Latest {
		why["theta"] = "the distribution is " + string(c.Distribution)
	}
	if c.Mix.Transfer == 0 {
		why["rollbacks"], why["parties"] = "there are no transfers", "there are no transfers"
	}
	if c.Mix.Snapshot == 0 {
		why["snapshot-keys"] = "there are no snapshots"
	}
	return why
}

// clamp makes a skew of 0 the uniform distribution, which it is, and the snapshots no larger than the data unless the user
// wants that.
func (s *settings) clamp(given map[string]bool) {
	if s.config.Distribution == ycsb.Zipfian && s.config.Theta == 0 {
		s.config.Distribution, s.config.Theta = ycsb.SkewedBy(0)
	}
	if !given["snapshot-keys"] {
		s.config.SnapshotKeys = min(s.config.SnapshotKeys, max(s.config.Keys, 1))
	}
}

// readProperties sets in the configuration what files and single properties say.
func readProperties(files, overrides []string, c *ycsb.Config) (notes []string, err error) {
	p, err := ycsb.ReadProperties(files, overrides)
	if err != nil {
		return nil, err
	}
	return p.Apply(c)
}
