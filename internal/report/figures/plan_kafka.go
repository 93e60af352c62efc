package figures

import (
	"fmt"
	"slices"
)

// kafka is the paper's main experiment, measured as the paper did: over topics of Apache Kafka, at both ends.
func (p planner) kafka() Experiment {
	e := Experiment{
		Name: "kafka", Title: "Over topics of Kafka, end to end",
		About: "The load generator writes requests to a topic of eight partitions, the engine takes them from there, and the answers come back on another topic, each " +
			"exactly once. An operation lasts from when it was meant to start until its answer can be read as committed. A closed loop of 2,048 clients (4,096 without answers), and an open " +
			"loop of half of its rate. Where there are no answers, an operation lasts until its effects are durable. Apache Kafka 4.1.0, one broker, runs on the same processors as the engine and the load generator.",
		X:     shareAxis,
		Shows: []Show{rateShow, {Field: TransferP50, Chart: true, Log: true}, {Field: TransferP95}, {Field: TransferP99}, {Field: Failed}},
		Paper: "transfers",
		Compared: "The paper's set-up has the same parts, so this is the sheet to compare with it: but its brokers, workers and functions had machines of their own (3 workers of 4 " +
			"processors, Python functions on more than 100 processors), and an effect of it is durable at the next checkpoint (10 s). Here everything shares the machine named below, and " +
			"each answer is durable in the engine's log before it goes out. The paper counts every response as throughput, deadlock victims and refusals included; here only what was " +
			"committed counts. Its latencies of transfers, p50 / p95 ms: 5,000 keys, all transfers, saga 143 / 249, serializable 146 / 240; 100 keys, half transfers, saga 159 / 553, serializable 674 / 2,541.",
	}
	for _, keys := range []int{100, 2000, 5000} {
		for _, protocol := range protocols {
			for _, share := range paperShares {
				if p.quick && (keys != 5000 || share != 1) {
					continue
				}
				e.Cells = append(e.Cells, p.overKafka(Cell{
					Name: fmt.Sprintf("%s/%d/%g", protocol, keys, share), Panel: keysPanel(keys), Line: protocol, X: share,
					Protocol: protocol, Keys: keys, Mix: mix(share),
				}))
			}
		}
	}
	for _, protocol := range protocols {
		for _, w := range []struct {
			keys  int
			share float64
		}{{5000, 1}, {100, 0.5}} {
			if p.quick {
				continue
			}
			of := fmt.Sprintf("%s/%d/%g", protocol, w.keys, w.share)
			e.Cells = append(e.Cells, p.overKafka(Cell{
				Name: "half/" + of, Panel: keysPanel(w.keys), Line: protocol + ", half of the rate", X: w.share,
				Protocol: protocol, Keys: w.keys, Mix: mix(w.share), LoadOf: of, LoadShare: 0.5,
			}))
		}
	}
	for _, protocol := range protocols {
		e.Cells = append(e.Cells, p.overKafka(Cell{
			Name: fmt.Sprintf("requests/%s/5000", protocol), Panel: keysPanel(5000), Line: protocol + ", no answers", X: 1,
			Protocol: protocol, Keys: 5000, Mix: mix(1), NoAnswers: true,
		}))
	}
	return e
}

func (p planner) overKafka(c Cell) Cell {
	c = p.timed(c, false)
	c.Kafka, c.Clients = true, 2048
	if c.NoAnswers {
		c.Clients = 4096 // as many as the partitions' records that may be under way
	}
	c.WarmupSeconds, c.DurationSeconds = min(c.WarmupSeconds, 0.4), min(c.DurationSeconds, 2) // there are many, and the broker is warm
	return c
}

// WithoutKafka is the plan without the cells that need a broker.
func (p Plan) WithoutKafka() Plan {
	p.Experiments = slices.DeleteFunc(slices.Clone(p.Experiments), Experiment.needsKafka)
	return p
}

// NeedsKafka reports whether anything of the plan needs a broker.
func (p Plan) NeedsKafka() bool { return slices.ContainsFunc(p.Experiments, Experiment.needsKafka) }

// needsKafka reports whether the experiment runs a broker.
func (e Experiment) needsKafka() bool {
	return slices.ContainsFunc(e.Cells, func(c Cell) bool { return c.Kafka })
}
