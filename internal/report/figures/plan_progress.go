package figures

import (
	"time"

	"github.com/concordat-dev/concordat/ycsb/mill"
)

// besides is what goes on beside the requests of the experiment on progress, in the order of its axis.
var besides = []struct {
	name, axis string
	work       mill.Work
}{
	{"nothing", "nothing", mill.Work{}},
	{"30us", "30 µs", mill.Work{Chains: 1, Cost: 30 * time.Microsecond, By: mill.Send}},
	{"1ms", "1 ms", mill.Work{Chains: 1, Cost: time.Millisecond, By: mill.Send}},
	{"10ms", "10 ms", mill.Work{Chains: 1, Cost: 10 * time.Millisecond, By: mill.Send}},
	{"100ms", "100 ms", mill.Work{Chains: 1, Cost: 100 * time.Millisecond, By: mill.Send}},
	{"backlog", "backlog", mill.Work{Chains: 100_000, Cost: 50 * time.Microsecond, By: mill.Send}},
	{"timers", "timers", mill.Work{Chains: 100, Cost: time.Millisecond, By: mill.Timer}},
	{"transactions", "trans.", mill.Work{Chains: 16, Cost: time.Millisecond, By: mill.Transaction}},
}

// progress is the latency of requests beside functions that take time.
func (p planner) progress() Experiment {
	e := Experiment{
		Name: "progress", Title: "Requests beside functions that take time",
		About: "A closed loop of 8 clients on an engine with one worker, which everything below shares. A plain request is one operation; a saga and a transaction are two. " +
			"No request meets a lock. Beside them runs nothing; or a function that sends to itself forever, at 30 µs to 100 ms a message; or a backlog of 100,000 such " +
			"messages of 50 µs, each of which is followed by another, so that it never gets shorter; or 100 timers that are due every 10 ms and take 1 ms each, ten times what the worker " +
			"can do; or 16 chains of transactions (trans.) that take two instances in either order, 1 ms each. Promised is `MaxDrain` (50 ms), two seals (the longest of the run) and the one operation " +
			"that runs. Requests and messages are counted before and after: what was acknowledged happened once, and no message was lost or came twice.",
		X: Axis{Label: "what runs beside the requests"},
		Shows: []Show{
			{Field: P50, Chart: true, Log: true}, {Field: P99, Chart: true, Log: true}, {Field: Longest, Chart: true, Log: true, Bound: Promised},
			{Field: Promised}, {Field: Sealed}, {Field: Rate, Chart: true, Log: true}, {Field: Turns},
		},
		Compared: onlyOurs,
	}
	for x, beside := range besides {
		e.X.Names = append(e.X.Names, beside.axis)
		for _, protocol := range append([]string{"plain"}, protocols...) {
			if p.quick && (protocol == "saga" || x%2 == 0) { // 30 µs, 10 ms, the backlog, transactions
				continue
			}
			e.Cells = append(e.Cells, p.timed(Cell{
				Name: protocol + "/" + beside.name, Line: protocol, X: float64(x), Protocol: protocol, Workload: millWorkload,
				Beside: beside.work, Workers: 1, Clients: 8,
			}, false))
		}
	}
	return e
}
