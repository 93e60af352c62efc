package figures

import "fmt"

// The experiments beyond the paper.

const onlyOurs = "The paper has nothing like it."

func (p planner) policies() Experiment {
	e := Experiment{
		Name: "policies", Title: "Deadlock policies side by side",
		About: "Serializable transfers, 512 clients. Detect finds cycles in the wait-for graph; WaitDie and WoundWait never let one arise, by age; " +
			"NoWait refuses whatever is locked. Whoever gives way is run again, up to 1,000 times.",
		X:        Axis{Label: "keys", Log: true},
		Shows:    []Show{{Field: Rate, Chart: true, Log: true}, {Field: P99, Chart: true, Log: true}, {Field: Retries}, {Field: Failed}},
		Compared: onlyOurs + " Its graph is our Detect; Beldi uses WaitDie.",
	}
	for _, policy := range []string{"detect", "wait-die", "wound-wait", "no-wait"} {
		for _, keys := range []int{10, 100, 5000} {
			e.Cells = append(e.Cells, p.timed(Cell{
				Name: fmt.Sprintf("%s/%d", policy, keys), Line: policy, X: float64(keys), Protocol: "serializable", Policy: policy, Keys: keys, Mix: mix(1),
			}, false))
		}
	}
	return e
}

// sweep makes an experiment of both protocols over a range of something.
func (p planner) sweep(e Experiment, values []float64, cell func(x float64) Cell) Experiment {
	for _, protocol := range protocols {
		for _, x := range values {
			c := cell(x)
			c.Name, c.Line, c.X, c.Protocol = fmt.Sprintf("%s/%g", protocol, x), protocol, x, protocol
			e.Cells = append(e.Cells, p.timed(c, false))
		}
	}
	return e
}

func (p planner) hotKey() Experiment {
	return p.sweep(Experiment{
		Name: "hot-key", Title: "One hot key",
		About: "Transfers among 5,000 keys; each end of a transfer is the one hot key with the given probability, and otherwise any other.",
		X:     Axis{Label: "share of the draws that are the hot key"}, Shows: []Show{rateLinear, p99Log, {Field: Retries}}, Compared: onlyOurs,
	}, of(p, 0, 0.1, 0.25, 0.5, 0.75, 0.9), func(x float64) Cell { return Cell{Keys: 5000, Mix: mix(1), HotOperations: x} })
}

var (
	rateLinear = Show{Field: Rate, Chart: true}
	p99Log     = Show{Field: P99, Chart: true, Log: true}
)

func (p planner) zipf() Experiment {
	return p.sweep(Experiment{
		Name: "zipf", Title: "Skew",
		About: "Transfers among 5,000 keys, drawn with Zipf's distribution; 0 is uniform, 0.99 is YCSB's.",
		X:     Axis{Label: "Zipf's exponent"}, Shows: []Show{rateLinear, p99Log, {Field: Retries}},
		Compared: onlyOurs + " Styx reports that the paper's system fails from 0.9.",
	}, of(p, 0, 0.4, 0.6, 0.8, 0.9, 0.99, 1.2), func(x float64) Cell { return Cell{Keys: 5000, Mix: mix(1), Theta: x} })
}

func (p planner) parties() Experiment {
	return p.sweep(Experiment{
		Name: "parties", Title: "Transfers with more parties",
		About: "One account pays all others, 5,000 keys. A transfer of 16 parties is one committed operation, and changes eight times as many rows as one of 2.",
		X:     Axis{Label: "accounts in a transfer", Log: true, Ticks: []float64{2, 3, 4, 6, 8, 12, 16}}, Shows: []Show{{Field: Rate, Chart: true, Log: true}, p99Log, {Field: Retries}},
		Compared: onlyOurs,
	}, of(p, 2.0, 3, 4, 8, 12, 16), func(x float64) Cell { return Cell{Keys: 5000, Mix: mix(1), Parties: int(x)} })
}

func (p planner) memory() Experiment {
	const keys = 200_000
	return p.sweep(Experiment{
		Name: "memory", Title: "Larger than memory",
		About: "Transfers among 200,000 uniform keys, about 80 MB of encoded rows, with caches from a fraction of that to more than enough. A miss reads the store. " +
			"The files are still in the operating system's page cache, so this is the cost of decoding and of the store's own lookups rather than that of a slow disk.",
		X: Axis{Label: "cache, MiB", Log: true, Ticks: []float64{4, 16, 64, 256}}, Shows: []Show{rateLinear, p99Log}, Compared: onlyOurs + " Its state is in memory.",
	}, of(p, 4.0, 16, 64, 256), func(x float64) Cell { return Cell{Keys: keys, Mix: mix(1), CacheBytes: int64(x) << 20} })
}

func (p planner) locks() Experiment {
	e := Experiment{
		Name: "locks", Title: "How long locks are waited for, and how long a deadlock stands",
		About: "Serializable transfers, 512 clients. A wait is from a call's request for a lock to its grant (or to giving up). A deadlock is found from when the last " +
			"of its cycle began to wait to when a victim is told; the percentiles are of the last 1,024 deadlocks. Percentiles of waits have the warm-up in them.",
		X: Axis{Label: "keys", Log: true},
		Shows: []Show{{Field: WaitP50, Chart: true, Log: true}, {Field: WaitP99, Chart: true, Log: true}, {Field: DetectP50, Chart: true, Log: true}, {Field: DetectP99},
			{Field: Waits}, {Field: Deadlocks}},
		Compared: onlyOurs + " There a deadlock is found by messages along the edges.",
	}
	for _, share := range []float64{0.5, 1} {
		for _, keys := range of(p, 5, 10, 100, 1000, 5000) {
			e.Cells = append(e.Cells, p.timed(Cell{
				Name: fmt.Sprintf("%g/%d", share, keys), Line: fmt.Sprintf("%g %% transfers", share*100), X: float64(keys),
				Protocol: "serializable", Keys: keys, Mix: mix(share),
			}, false))
		}
	}
	return e
}

func (p planner) applications() Experiment {
	e := Experiment{
		Name: "applications", Title: "TPC-C and hotel reservations",
		About: "TPC-C's new-order and payment on one warehouse of full scale, in the standard's proportion, without think times (so no tpmC), audited by the " +
			"consistency conditions of clause 3.3.2; about one in a hundred new orders is rolled back, as it should be. Hotel reservations are DeathStarBench's and Beldi's: " +
			"the travel mix (60 % searches, 39 % recommendations) and reservations and cancellations only, audited for overbooking.",
		X: Axis{Label: "clients", Log: true, Ticks: []float64{32, 512}}, Shows: []Show{{Field: Rate, Chart: true, Log: true}, p99Log, {Field: Failed}, {Field: Retries}},
		Compared: onlyOurs + " Beldi's and Boki's figures for the hotel are of clusters of functions in the cloud.",
	}
	for _, w := range []struct {
		name, panel, workload string
		scale                 int
	}{
		{"tpcc", "TPC-C, one warehouse", tpccWorkload, 1}, {"travel", "hotel, travel mix", hotelWorkload, 0},
		{"reserve", "hotel, reservations and cancellations", hotelWorkload, 1},
	} {
		for _, protocol := range protocols {
			for _, clients := range []int{32, 512} {
				if p.quick && clients == 512 {
					continue
				}
				e.Cells = append(e.Cells, p.timed(Cell{
					Name: fmt.Sprintf("%s/%s/%d", w.name, protocol, clients), Panel: w.panel, Line: protocol, X: float64(clients),
					Workload: w.workload, Scale: w.scale, Protocol: protocol, Clients: clients,
				}, false))
			}
		}
	}
	return e
}

func (p planner) floor() Experiment {
	e := Experiment{
		Name: "floor", Title: "Against careful hand-written Go",
		About: "Transfers only. Floor is the same transfers in hand-written Go, with the same rows, codec, request ids and store, and mutexes instead of functions; plain is " +
			"two separate calls without a protocol, each durable by itself. Limit is what the log alone allows: one goroutine " +
			"that writes the same rows to it.",
		X: Axis{Label: "clients", Log: true, Ticks: []float64{1, 32, 512, 2048}},
		Shows: []Show{
			{Field: Rate, Chart: true, Log: true}, {Field: P50, Chart: true, Log: true}, {Field: P99}, {Field: Written},
			{Field: AppendP50}, {Field: AppendP99},
		},
		Compared: onlyOurs,
	}
	for _, keys := range of(p, 10, 100, 5000) {
		clients := []int{1, 32, 512}
		switch {
		case p.quick && keys == 5000:
			clients = []int{1, 512}
		case p.quick:
			continue
		case keys == 5000:
			clients = append(clients, 2048)
		}
		for _, protocol := range []string{"plain", "saga", "serializable", floorProtocol, limitProtocol} {
			for _, n := range clients {
				e.Cells = append(e.Cells, p.timed(Cell{
					Name: fmt.Sprintf("%s/%d/%d", protocol, keys, n), Panel: keysPanel(keys), Line: protocol, X: float64(n),
					Protocol: protocol, Keys: keys, Mix: mix(1), Clients: n,
				}, n >= 512 || n == 1 && keys == 5000))
			}
		}
	}
	return e
}
