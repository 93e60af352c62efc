package figures

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/concordat-dev/concordat/locks"
	"github.com/concordat-dev/concordat/ycsb"
	"github.com/concordat-dev/concordat/ycsb/accounts"
	"github.com/concordat-dev/concordat/ycsb/mill"
)

// Protocols of a cell besides those of package accounts.
const (
	floorProtocol = "floor"
	limitProtocol = "limit"
)

func isYardstick(protocol string) bool { return protocol == floorProtocol || protocol == limitProtocol }

// Workloads of a cell.
const (
	rowsWorkload  = ""
	tpccWorkload  = "tpcc"
	hotelWorkload = "hotel"
	millWorkload  = "mill"
)

// noTransactions is the Build of a program without support for transactions.
const noTransactions = "notransactions"

// Cell is one configuration that is measured. Cells are compared and stored as a whole: one that is changed in any field is
// another one.
type Cell struct {
	// Name tells the cell apart from all others of its experiment; quotes use it. By convention its parts are joined by slashes.
	Name string `json:"name"`
	// Panel is the picture that the cell is in, if the experiment has several.
	Panel string `json:"panel,omitempty"`
	// Line is the line of the picture and the row of the table.
	Line string `json:"line"`
	// X is where on the line it is.
	X float64 `json:"x"`

	// Workload is "" for rows, "tpcc", "hotel" or "mill".
	Workload string `json:"workload,omitempty"`
	// Scale is the number of warehouses of tpcc; of hotel 0 is the mix of its origin and 1 reservations only.
	Scale int `json:"scale,omitempty"`
	// Protocol is plain, saga, serializable, floor or limit.
	Protocol string `json:"protocol"`
	// Policy of the locks. Default: detect.
	Policy string `json:"policy,omitempty"`
	// Build is a build tag of the program that measures, or "".
	Build string `json:"build,omitempty"`
	// Procs is GOMAXPROCS. Default: Go's.
	Procs int `json:"procs,omitempty"`
	// Workers of the engine. Default: the engine's.
	Workers int `json:"workers,omitempty"`
	// CacheBytes of the engine. Default: the engine's.
	CacheBytes int64 `json:"cache_bytes,omitempty"`

	// Kafka has requests come from a topic of Apache Kafka and answers go to one, on a broker of this machine.
	Kafka bool `json:"kafka,omitempty"`
	// NoAnswers has answers go to no topic then.
	NoAnswers bool `json:"no_answers,omitempty"`

	Keys          int      `json:"keys,omitempty"`
	Mix           ycsb.Mix `json:"mix,omitzero"`
	Theta         float64  `json:"theta,omitempty"`          // above 0: zipfian
	HotOperations float64  `json:"hot_operations,omitempty"` // share of the draws that are of one hot key
	Rollbacks     float64  `json:"rollbacks,omitempty"`
	Parties       int      `json:"parties,omitempty"`

	// Stages has a CPU profile taken of the measured part, and split by the stages of the engine.
	Stages bool `json:"stages,omitempty"`

	// Beside is what goes on beside the requests of mill.
	Beside mill.Work `json:"beside,omitzero"`

	// Clients of the closed loop, or outstanding operations of an open one. Default: 512.
	Clients int `json:"clients,omitempty"`
	// LoadOf names an earlier cell; the loop is then an open one, with LoadShare of that cell's rate.
	LoadOf    string  `json:"load_of,omitempty"`
	LoadShare float64 `json:"load_share,omitempty"`
	// Search has the highest rate searched of which 95 % is achieved, beginning at LoadShare of LoadOf's rate.
	Search bool `json:"search,omitempty"`

	Rounds          int     `json:"rounds"`
	WarmupSeconds   float64 `json:"warmup_s"`
	DurationSeconds float64 `json:"duration_s"`
}

// maxRounds bounds how often a cell is measured.
const maxRounds = 100

// Validate reports everything that is wrong with the cell by itself.
func (c Cell) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("cell %s: "+format, append([]any{c.Name}, args...)...))
		}
	}
	check(c.Name != "" && !strings.ContainsAny(c.Name, " \t\n<>"), "the name %q is empty or has spaces or angle brackets", c.Name)
	check(c.Line != "", "it is on no line")
	check(slices.Contains([]string{rowsWorkload, tpccWorkload, hotelWorkload, millWorkload}, c.Workload), "there is no workload %q", c.Workload)
	check(c.Rounds >= 1 && c.Rounds <= maxRounds, "%d rounds are not between 1 and %d", c.Rounds, maxRounds)
	check(c.Build == "" || c.Build == noTransactions, "there is no build tag %q", c.Build)
	check(c.Procs >= 0 && c.Procs <= 1024, "GOMAXPROCS: %d is not between 0 and 1024", c.Procs)
	check((c.LoadOf == "") == (c.LoadShare == 0), "LoadOf and LoadShare belong together")
	check(!c.Search || c.LoadOf != "" && c.Workload == rowsWorkload, "a search is of rows and begins at a share of another cell's rate")
	check(!c.Stages || c.Workload == rowsWorkload && c.Protocol != floorProtocol && !c.Search,
		"stages are those of an engine with rows, and of no search")
	check(!c.Kafka || c.Workload == rowsWorkload && !isYardstick(c.Protocol) && c.Protocol != string(accounts.Plain) && !c.Stages && !c.Search,
		"what goes over topics is rows of an engine with transactions, and neither stages nor a search")
	check(c.Kafka || !c.NoAnswers, "answers go to no topic without Kafka anyway")
	check(c.LoadShare >= 0 && c.LoadShare <= 2, "a load of %g of the maximum is not between 0 and 2", c.LoadShare)
	check(!math.IsNaN(c.X) && !math.IsInf(c.X, 0), "x is %g", c.X)
	check(c.WarmupSeconds >= 0 && c.DurationSeconds > 0, "a warm-up of %g s and a duration of %g s", c.WarmupSeconds, c.DurationSeconds)
	_, policyErr := c.policy()
	if !isYardstick(c.Protocol) {
		_, err := accounts.ParseProtocol(c.Protocol)
		check(err == nil, "%v", err)
		hasPlain := c.Workload == rowsWorkload || c.Workload == millWorkload
		check(err != nil || hasPlain || c.Protocol != string(accounts.Plain), "%s has no plain protocol", c.Workload)
	} else {
		check(c.Workload == rowsWorkload, "%s has no %s", c.Workload, c.Protocol)
	}
	check(c.Workload == millWorkload || c.Beside == mill.Work{}, "nothing goes on beside %q", c.Workload)
	errs = append(errs, c.Beside.Validate())
	if c.Workload == rowsWorkload {
		errs = append(errs, c.config(0, 0).Validate())
	}
	return errors.Join(append(errs, policyErr)...)
}

func (c Cell) policy() (locks.Policy, error) {
	return locks.ParsePolicy(cmp.Or(c.Policy, locks.Detect.String()))
}

// driving is how the cell is driven; a rate of 0 is a closed loop.
func (c Cell) driving(seed uint64, rate float64) ycsb.Driving {
	return ycsb.Driving{
		Clients: c.Clients, Rate: rate, Seed: seed,
		Warmup: seconds(c.WarmupSeconds), Duration: seconds(c.DurationSeconds), Patience: patience,
	}
}

// patience is how long a measurement waits for any answer at all; on a full disk there may be none.
const patience = 30 * time.Second

// config is the configuration of a cell of rows.
func (c Cell) config(seed uint64, rate float64) ycsb.Config {
	config := ycsb.Config{Driving: c.driving(seed, rate), Keys: c.Keys, Mix: c.Mix, Rollbacks: c.Rollbacks, Parties: c.Parties}
	config.Distribution, config.Theta = ycsb.SkewedBy(c.Theta)
	if c.HotOperations > 0 {
		config.Distribution, config.HotOperations = ycsb.Hotspot, c.HotOperations
		config.HotData = 1 / float64(max(c.Keys, 1))
	}
	return config
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// expected is about how long it takes to measure the cell once; only for telling how long all will take.
func (c Cell) expected() time.Duration {
	const processAndLoad, perKey, topics = 400 * time.Millisecond, 15 * time.Microsecond, 500 * time.Millisecond
	one := seconds(c.WarmupSeconds + c.DurationSeconds)
	if c.Search {
		one *= searchProbes
	}
	load := time.Duration(c.Keys) * perKey
	switch c.Workload {
	case tpccWorkload, hotelWorkload:
		load = 3 * time.Second
	case millWorkload:
		load = 500 * time.Millisecond
	}
	if c.Kafka {
		load += topics
	}
	return processAndLoad + load + one
}

// searchProbes is about how many probes a search makes.
const searchProbes = 8
