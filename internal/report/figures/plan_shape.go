package figures

import "fmt"

func (p planner) deadlocks() Experiment {
	e := Experiment{
		Name: "deadlocks", Title: "Deadlocks",
		About: "Cycles of waiting transactions that were broken, in a closed loop of 512 clients. The victim is run again by the engine, so no " +
			"client sees a deadlock; 10 keys are there to show that there are some.",
		X:     shareAxis,
		Shows: []Show{{Field: Deadlocked}, {Field: Deadlocks}, {Field: Transfers}, {Field: Retries}, {Field: Failed}},
		Paper: "deadlocks",
		Compared: "Comparable with care: how many deadlocks there are depends on how long locks are held, which were round trips between " +
			"processes there and is a fraction of an epoch here, and on how many transfers are under way at once. In the paper both members of a cycle could abort, and " +
			"a victim was an answer to the client.",
	}
	for _, keys := range []int{10, 100, 5000} {
		for _, share := range []float64{0.25, 0.5, 0.75, 1} {
			if p.quick && (share == 0.5 || share == 0.75) {
				continue
			}
			e.Cells = append(e.Cells, p.timed(Cell{
				Name: fmt.Sprintf("%d/%g", keys, share), Line: keysPanel(keys), X: share,
				Protocol: "serializable", Keys: keys, Mix: mix(share),
			}, false))
		}
	}
	return e
}

func (p planner) rollbacks() Experiment {
	e := Experiment{
		Name: "rollbacks", Title: "Rollbacks",
		About: "Transfers among 5,000 keys, of which a share is refused after the debit was made: a saga compensates, a transaction aborts. " +
			"Shown are all transfers that were answered with what they asked for, refused ones included; the failed ones are exactly those.",
		X:     Axis{Label: "share of transfers that are refused"},
		Shows: []Show{{Field: Answered, Chart: true}, {Field: P99}, {Field: Failed}},
		Paper: "rollbacks",
		Compared: "The order of the two can be compared. There an abort costs a serializable transaction as many messages as a commit; here " +
			"neither leaves the process.",
	}
	for _, protocol := range protocols {
		for _, share := range of(p, 0, 0.25, 0.5, 0.75, 1) {
			e.Cells = append(e.Cells, p.timed(Cell{
				Name: fmt.Sprintf("%s/%g", protocol, share), Line: protocol, X: share, Protocol: protocol, Keys: 5000, Mix: mix(1), Rollbacks: share,
			}, true))
		}
	}
	return e
}

func (p planner) scaling() Experiment {
	e := Experiment{
		Name: "scaling", Title: "Scaling over workers and processors",
		About: "One and two workers on a Go runtime that may use 1, 2 or 3 processors (GOMAXPROCS) of the machine; clients, workers, the sealer and " +
			"the store's compactions share them. A third processor slot helps on two processors, as a thread that waits for a sync keeps its slot for a moment.",
		X:     Axis{Label: "GOMAXPROCS", Ticks: []float64{1, 2, 3}},
		Shows: []Show{{Field: Rate, Chart: true}, {Field: P99}},
		Paper: "scaling",
		Compared: "Hardly comparable: the paper adds machines, here two workers share one machine with their clients and one disk. What it shows is that " +
			"neither protocol loses by a second worker.",
	}
	for _, share := range []float64{0.1, 1} {
		for _, protocol := range protocols {
			for workers := 1; workers <= 2; workers++ {
				for procs := 1; procs <= 3; procs++ {
					if p.quick && (share < 1 || procs == 3) {
						continue
					}
					plural := map[int]string{1: "1 worker", 2: "2 workers"}[workers]
					e.Cells = append(e.Cells, p.timed(Cell{
						Name: fmt.Sprintf("%s/%g/%d/%d", protocol, share, workers, procs), Panel: fmt.Sprintf("%g %% transfers", share*100),
						Line: protocol + ", " + plural, X: float64(procs), Protocol: protocol, Workers: workers, Procs: procs, Keys: 5000, Mix: mix(share),
					}, false))
				}
			}
		}
	}
	return e
}
