package history

import (
	"fmt"
	"time"

	"github.com/anishathalye/porcupine"
)

// Bounds of the search for an order of the operations on one key: the time for all keys together, and the operations on one, of
// which the search keeps sets. A key that is over them is left undecided.
const (
	linearTime = 20 * time.Second
	linearOps  = 20_000
)

// linearOp is what an operation asked, for the model of one key.
type linearOp struct {
	what  opWhat
	value int64
}

// linearState is the value of a key. A counter begins with 0, a register with none.
type linearState struct {
	value int64
	there bool
}

// linearModel is a register and a counter in one: what may follow what. The result of a read is part of the question.
func linearModel(begin linearState) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return begin },
		Step: func(state, input, _ any) (bool, any) {
			s, o := state.(linearState), input.(linearOp)
			switch o.what {
			case opWrite:
				return true, linearState{o.value, true}
			case opAdd:
				return true, linearState{s.value + o.value, true}
			case opAbsent:
				return !s.there, s
			}
			return s.there && s.value == o.value, s
		},
	}
}

// singleOps are the operations by key, if no transaction of the history has more than one that is kept.
func (h *History) singleOps() (byKey [][]int32, ok bool) {
	byKey = make([][]int32, len(h.keys))
	for tx := range int32(len(h.txs)) {
		from, to := h.opsOf(tx)
		if to-from > 1 {
			return nil, false
		}
		if to > from && h.txs[tx].status != Failed {
			key := h.ops[from].key()
			byKey[key] = append(byKey[key], from)
		}
	}
	return byKey, true
}

// checkLinear looks, for each key by itself, for an order of its operations that is true to real time and explains what they read:
// the key is linearizable (Herlihy and Wing, TOPLAS 1990) exactly if there is one. Linearizability is local, so that is all there
// is to check when each transaction is one operation. The search is Porcupine's; an operation whose outcome is unknown lasts for
// ever, so that it may take its place behind all reads, where it does not matter.
func checkLinear(h *History, found *findings) {
	byKey, ok := h.singleOps()
	if !ok {
		return
	}
	model := linearModel(linearState{there: h.Header.Workload == Counter})
	deadline := time.Now().Add(linearTime)
	for key, ops := range byKey {
		left := time.Until(deadline)
		if len(ops) > linearOps || left <= 0 {
			found.report.Undecided++
			continue
		}
		result, info := porcupine.CheckOperationsVerbose(model, h.linearHistory(ops), left)
		switch result {
		case porcupine.Ok:
			found.report.Linearizable++
		case porcupine.Unknown:
			found.report.Undecided++
		case porcupine.Illegal:
			found.addNotLinear(int32(key), ops, info)
		}
	}
}

func (h *History) linearHistory(ops []int32) []porcupine.Operation {
	all := make([]porcupine.Operation, len(ops))
	for i, op := range ops {
		o := &h.ops[op]
		t := &h.txs[o.tx]
		all[i] = porcupine.Operation{
			ClientId: int(t.process), Input: linearOp{o.kind(), o.value}, Call: t.start, Return: t.end, Metadata: o.tx,
		}
	}
	return all
}

// addNotLinear reports a key without order: the longest beginning of one that the search found, and the first operation to end that
// has no place in it.
func (f *findings) addNotLinear(key int32, ops []int32, info porcupine.LinearizationInfo) {
	var longest []porcupine.Operation
	for _, partition := range info.PartialLinearizationsOperations() {
		for _, partial := range partition {
			if len(partial) > len(longest) {
				longest = partial
			}
		}
	}
	placed := map[int32]bool{}
	var shown []int32
	for i, o := range longest {
		placed[o.Metadata.(int32)] = true
		if i >= len(longest)-3 {
			shown = append(shown, o.Metadata.(int32))
		}
	}
	stuck := int32(-1)
	for _, op := range ops {
		if tx := f.h.ops[op].tx; !placed[tx] && (stuck < 0 || f.h.txs[tx].end < f.h.txs[stuck].end) {
			stuck = tx
		}
	}
	if stuck >= 0 {
		shown = append(shown, stuck)
	}
	what := fmt.Sprintf("No order of the operations on %s explains what was read. The longest beginning of one has %d of %d operations; "+
		"these are its last ones, and behind them one that finds no place.", f.h.keys[key], len(longest), len(ops))
	f.add(NotLinearizable, what, []int32{key}, shown...)
}
