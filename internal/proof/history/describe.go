package history

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Bounds of what is shown of a transaction.
const (
	mostOps      = 8
	mostElements = 8
)

// describe says what transactions did with these keys; nil is all keys.
func (h *History) describe(txs, keys []int32) []Node {
	nodes := make([]Node, len(txs))
	for i, tx := range txs {
		t := &h.txs[tx]
		nodes[i] = Node{Line: int(t.line), Process: int(t.process), Start: t.start, End: t.end, Status: t.status}
		from, to := h.opsOf(tx)
		for op := from; op < to; op++ {
			o := &h.ops[op]
			if keys != nil && !slices.Contains(keys, o.key()) {
				continue
			}
			if len(nodes[i].Ops) == mostOps {
				nodes[i].Ops = append(nodes[i].Ops, "...")
				break
			}
			nodes[i].Ops = append(nodes[i].Ops, h.opText(o))
		}
	}
	return nodes
}

func (h *History) opText(o *operation) string {
	key := h.keys[o.key()]
	switch o.kind() {
	case opWrite:
		verb := Write
		if h.Header.Workload == ListAppend {
			verb = Append
		}
		return fmt.Sprintf("%s %s %d", verb, key, o.value)
	case opAdd:
		return fmt.Sprintf("add %s %+d", key, o.value)
	case opAbsent:
		return fmt.Sprintf("read %s: nothing", key)
	case opOdd:
		return fmt.Sprintf("read %s: %s", key, listText(h.odd[o.value]))
	}
	if h.Header.Workload == ListAppend {
		return fmt.Sprintf("read %s: %s", key, listText(h.lists[o.key()][:o.value]))
	}
	return fmt.Sprintf("read %s: %d", key, o.value)
}

// listText shows the end of a list.
func listText(list []int64) string {
	var parts []string
	if len(list) > mostElements {
		parts = append(parts, fmt.Sprintf("(%d more)", len(list)-mostElements))
		list = list[len(list)-mostElements:]
	}
	for _, v := range list {
		parts = append(parts, strconv.FormatInt(v, 10))
	}
	return "[" + strings.Join(parts, " ") + "]"
}
