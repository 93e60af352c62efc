package history

import (
	"cmp"
	"fmt"
	"slices"
)

// History ends the building. An error says what no client can have seen: a value written twice to one key, a process that did two
// transactions at a time. The builder cannot be used any more.
func (b *Builder) History() (*History, error) {
	h := b.h
	b.h, b.ids = nil, nil
	if n := h.Header.Accounts; n > 0 && len(h.keys) > n {
		return nil, fmt.Errorf("there are %d accounts or more, such as %q, and the header says %d", len(h.keys), h.keys[n], n)
	}
	h.groupWrites()
	if err := h.checkUnique(); err != nil {
		return nil, err
	}
	if err := h.orderProcesses(); err != nil {
		return nil, err
	}
	return h, h.checkSteps()
}

// groupWrites sorts the writes by key (a counting sort), then by value.
func (h *History) groupWrites() {
	if h.Header.Workload != ListAppend && h.Header.Workload != Register {
		return
	}
	h.writeAt = make([]int32, len(h.keys)+1)
	for i := range h.ops {
		if h.ops[i].kind() == opWrite {
			h.writeAt[h.ops[i].key()+1]++
		}
	}
	for k := range h.keys {
		h.writeAt[k+1] += h.writeAt[k]
	}
	h.writes = make([]int32, h.writeAt[len(h.keys)])
	next := slices.Clone(h.writeAt)
	for i := range h.ops {
		if h.ops[i].kind() == opWrite {
			k := h.ops[i].key()
			h.writes[next[k]] = int32(i)
			next[k]++
		}
	}
	for k := range int32(len(h.keys)) {
		slices.SortStableFunc(h.writesOf(k), func(a, b int32) int { return cmp.Compare(h.ops[a].value, h.ops[b].value) })
	}
}

// writesOf are the writes of a key, sorted by value.
func (h *History) writesOf(key int32) []int32 { return h.writes[h.writeAt[key]:h.writeAt[key+1]] }

// writerOf finds the write of a value among the writes of its key, as a place in h.writes, or -1.
func (h *History) writerOf(key int32, value int64) int32 {
	low, high := h.writeAt[key], h.writeAt[key+1]
	for low < high {
		middle := low + (high-low)/2
		if h.ops[h.writes[middle]].value < value {
			low = middle + 1
		} else {
			high = middle
		}
	}
	if low < h.writeAt[key+1] && h.ops[h.writes[low]].value == value {
		return low
	}
	return -1
}

func (h *History) checkUnique() error {
	for k := 0; k+1 < len(h.writeAt); k++ {
		writes := h.writesOf(int32(k))
		for i := 1; i < len(writes); i++ {
			a, b := &h.ops[writes[i-1]], &h.ops[writes[i]]
			if a.value == b.value {
				first, second := h.txs[a.tx].line, h.txs[b.tx].line
				return fmt.Errorf("line %d: the value %d was written to %q before, in line %d", max(first, second), a.value, h.keys[k], min(first, second))
			}
		}
	}
	return nil
}

// orderProcesses checks that each process did one thing at a time, and notes where one transaction began in the very nanosecond in
// which the last had ended: there the process tells what the clock does not.
func (h *History) orderProcesses() error {
	order := h.byProcess()
	last, lastOK := int32(-1), int32(-1)
	for _, tx := range order {
		t := &h.txs[tx]
		if t.status == Unknown {
			continue
		}
		if last >= 0 && h.txs[last].process == t.process {
			l := &h.txs[last]
			if l.end > t.start {
				return fmt.Errorf("line %d: process %d began a transaction at %d while another, in line %d, lasted until %d",
					t.line, t.process, t.start, l.line, l.end)
			}
		}
		if last = tx; t.status != OK {
			continue
		}
		if lastOK >= 0 && h.txs[lastOK].process == t.process && h.txs[lastOK].end == t.start {
			h.ties = append(h.ties, [2]int32{lastOK, tx})
		}
		lastOK = tx
	}
	return nil
}

// byProcess are the transactions by process, then by start. A file is usually written in about that order within each process, so
// that sorting finds little to do.
func (h *History) byProcess() []int32 {
	largest := int32(0)
	for i := range h.txs {
		largest = max(largest, h.txs[i].process)
	}
	order := make([]int32, len(h.txs))
	if int(largest) > 4*len(h.txs)+1024 {
		for i := range order {
			order[i] = int32(i)
		}
		slices.SortFunc(order, h.compareInProcess)
		return order
	}
	next := make([]int32, largest+2)
	for i := range h.txs {
		next[h.txs[i].process+1]++
	}
	for p := range largest {
		next[p+1] += next[p]
	}
	from := slices.Clone(next)
	for i := range h.txs {
		p := h.txs[i].process
		order[next[p]] = int32(i)
		next[p]++
	}
	for p := range largest + 1 {
		group := order[from[p]:next[p]]
		if !slices.IsSortedFunc(group, h.compareInProcess) {
			slices.SortFunc(group, h.compareInProcess)
		}
	}
	return order
}

func (h *History) compareInProcess(a, b int32) int {
	x, y := &h.txs[a], &h.txs[b]
	return cmp.Or(cmp.Compare(x.process, y.process), cmp.Compare(x.start, y.start), cmp.Compare(x.end, y.end), cmp.Compare(a, b))
}
