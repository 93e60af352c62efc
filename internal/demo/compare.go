package demo

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/concordat-dev/concordat/server"
)

// compare is how the sides do, for the consoles of their engines. It has no sides until the money of each was counted.
func (d *Demo) compare() server.Comparison {
	c := server.Comparison{
		Load:    fmt.Sprintf("%d clients move money between %d accounts, on each side in an engine of its own", clients, len(names)),
		Running: true,
	}
	for _, s := range d.sides {
		side, counted := s.compared()
		if !counted {
			return server.Comparison{Load: c.Load}
		}
		c.Sides = append(c.Sides, side)
		c.Running = c.Running && s.state().Phase == phaseRunning
	}
	return c
}

// compared is how a side does, and whether its money was counted.
func (s *Side) compared() (side server.Side, counted bool) {
	st := s.state()
	side = server.Side{
		Name: s.name, About: s.about, Committed: st.Done, Failed: st.Refused, Retried: uint64(s.meter.retries()),
		Looks: uint64(st.Looks), HalfDone: uint64(st.Halves), Sum: st.Money.Total, Expect: st.Money.Must,
	}
	if n := len(st.Moments); n > 0 {
		last := st.Moments[n-1]
		side.PerSecond, side.P50, side.P99 = last.PerSecond, duration(last.P50), duration(last.P99)
	}
	return side, !st.Money.Counted.IsZero()
}

func duration(milliseconds float64) time.Duration {
	return time.Duration(milliseconds * float64(time.Millisecond))
}

// tellGap is how often an engine's process is told how the sides do.
const tellGap = 500 * time.Millisecond

// tellProcess writes the comparison to a process's standard input, a line of JSON each time, until that is closed: by the process's end, too.
// A process that does not read holds up nobody else.
func (d *Demo) tellProcess(stdin io.Writer) {
	for e := json.NewEncoder(stdin); e.Encode(d.compare()) == nil; time.Sleep(tellGap) {
		continue
	}
}

// told is what an engine's process was told last of how the sides do.
type told struct {
	mu sync.Mutex
	c  server.Comparison
}

// listen reads what the process is told, until its standard input ends.
func (t *told) listen(stdin io.Reader) {
	for lines := bufio.NewScanner(stdin); lines.Scan(); {
		var c server.Comparison
		if json.Unmarshal(lines.Bytes(), &c) != nil {
			continue // a line that the demo's end has cut off
		}
		t.mu.Lock()
		t.c = c
		t.mu.Unlock()
	}
}

// compare is an [server.Options.Compare].
func (t *told) compare(context.Context) (server.Comparison, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.c, nil
}
