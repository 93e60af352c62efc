package figures

import (
	"fmt"

	"github.com/concordat-dev/concordat/ycsb"
)

// The experiments of the paper.

// protocols are what is compared nearly everywhere.
var protocols = []string{"saga", "serializable"}

// mix is transfers and, for the rest, half reads and half updates, as in the paper.
func mix(transfers float64) ycsb.Mix {
	return ycsb.Mix{Read: (1 - transfers) / 2, Update: (1 - transfers) / 2, Transfer: transfers}
}

// paperShares are the shares of transfers in the paper.
var paperShares = []float64{0, 0.05, 0.10, 0.25, 0.50, 0.75, 1}

// keysPanel names a panel.
func keysPanel(keys int) string { return fmt.Sprintf("%s keys", format(float64(keys), 0)) }

var (
	shareAxis = Axis{Label: "share of transfers"}
	rateShow  = Show{Field: Rate, Chart: true, Log: true}
)

func (p planner) overhead() Experiment {
	e := Experiment{
		Name: "overhead", Title: "What transaction support costs those who do not use it",
		About: "Plain operations, half reads and half updates, on the engine as it is and on one that is built without support for " +
			"transactions (build tag `notransactions`: no look at an instance's lock).",
		X:     Axis{Label: "keys", Log: true},
		Shows: []Show{{Field: Rate, Chart: true}, {Field: P99}},
		Paper: "overhead",
		Compared: "The ratio of the two lines can be compared, the rates cannot: the paper's were of Python functions behind Kafka on a " +
			"cluster, ours are of Go functions in one process that syncs before each answer.",
	}
	for _, keys := range of(p, 100, 2000, 5000, 10_000) {
		for _, build := range []string{"", noTransactions} {
			line := "with transactions"
			if build != "" {
				line = "without transactions"
			}
			e.Cells = append(e.Cells, p.timed(Cell{
				Name: fmt.Sprintf("%s/%d", map[string]string{"": "with", noTransactions: "without"}[build], keys), Line: line, X: float64(keys),
				Protocol: "plain", Build: build, Keys: keys, Mix: mix(0),
			}, true))
		}
	}
	return e
}

func (p planner) transfers() Experiment {
	e := Experiment{
		Name: "transfers", Title: "Maximum throughput by share of transfers",
		About: "A closed loop of 512 clients, which is the maximum here: more clients wait longer and get no more done. Operations that are " +
			"no transfers are half reads and half updates. The search finds the maximum as the paper did, with an open loop whose rate is " +
			"raised for as long as 95 % of it is achieved; it should find what the closed loop did, or a little less, as it takes the rate " +
			"of the last success.",
		X:     shareAxis,
		Shows: []Show{rateShow, {Field: P99, Chart: true, Log: true}, {Field: Failed}},
		Paper: "transfers",
		Compared: "Rates cannot be compared: the paper's are of a StateFun fork on Flink with 3 workers of 4 processors, Python functions on " +
			"more than 100 processors and Kafka at both ends, where an effect is durable at the next checkpoint (10 s); ours are of one process " +
			"on the machine named below, clients included, with a sync before each answer. The paper counts every response as throughput, " +
			"deadlock victims and refusals included; here only what was committed counts. The shape can be compared: how much is left when all operations are " +
			"transfers, and whether few keys hurt.",
	}
	for _, keys := range of(p, 100, 2000, 5000, 10_000) {
		for _, protocol := range protocols {
			for _, share := range of(p, paperShares...) {
				important := (keys == 100 || keys == 5000) && (share == 0.1 || share == 0.5 || share == 1)
				e.Cells = append(e.Cells, p.timed(Cell{
					Name: fmt.Sprintf("%s/%d/%g", protocol, keys, share), Panel: keysPanel(keys), Line: protocol, X: share,
					Protocol: protocol, Keys: keys, Mix: mix(share),
				}, important))
			}
		}
	}
	for _, protocol := range protocols {
		for _, keys := range []int{100, 5000} {
			if p.quick && keys == 100 {
				continue
			}
			c := p.timed(Cell{
				Name: fmt.Sprintf("search/%s/%d/1", protocol, keys), Panel: keysPanel(keys), Line: protocol + ", rate search", X: 1,
				Protocol: protocol, Keys: keys, Mix: mix(1), Search: true, LoadOf: fmt.Sprintf("%s/%d/1", protocol, keys), LoadShare: 0.7,
				Clients: 2048,
			}, false)
			c.DurationSeconds = min(c.DurationSeconds, 2)
			e.Cells = append(e.Cells, c)
		}
	}
	return e
}

func (p planner) latency() Experiment {
	e := Experiment{
		Name: "latency", Title: "Latency by load",
		About: "An open loop at a share of the maximum, with at most 2,048 operations outstanding; a closed loop of 512 clients finds the maximum first (the single points at 100 %). Latency is that of a transfer, from " +
			"its intended start, so that waiting in line counts, to the durable answer.",
		X:     Axis{Label: "load, percent of the maximum"},
		Shows: []Show{{Field: TransferP50, Chart: true, Log: true}, {Field: TransferP95}, {Field: TransferP99, Chart: true, Log: true}, {Field: Rate}},
		Paper: "latency",
		Compared: "Hardly comparable: the paper's latency has two passes through Kafka and calls to remote functions in it, and no sync; ours is a " +
			"call in one process that waits for a sync. What can be compared is how far saga and serializable are apart.",
	}
	for _, w := range []struct {
		keys  int
		share float64
		words string
	}{{5000, 1, "5,000 keys, all transfers"}, {100, 0.5, "100 keys, half transfers"}} {
		for _, protocol := range protocols {
			base := Cell{Panel: w.words, Line: protocol, Protocol: protocol, Keys: w.keys, Mix: mix(w.share)}
			full := base
			full.Name, full.X, full.Line = fmt.Sprintf("%s/%d/100", protocol, w.keys), 100, protocol+", closed loop"
			e.Cells = append(e.Cells, p.timed(full, false))
			for _, load := range of(p, 10.0, 25, 40, 50, 60, 70, 80, 90, 95) {
				c := base
				c.Name, c.X = fmt.Sprintf("%s/%d/%g", protocol, w.keys, load), load
				c.LoadOf, c.LoadShare, c.Clients = full.Name, load/100, 2048
				e.Cells = append(e.Cells, p.timed(c, false))
			}
		}
	}
	return e
}
