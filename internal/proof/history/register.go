package history

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
)

// registers is a register history as a graph. A version is the last write of a transaction to a key; a slot is a version, or a
// key's state before all writes.
//
// What is known of the order of versions, and holds in every strictly serializable system:
//
//   - a transaction that reads one version and writes another puts it behind that one (the write follows the read);
//   - the state without value is before all versions;
//   - a version whose writer began after another's had ended is behind that one.
//
// The edges: ww from the writer of a version to those that read and replaced it; wr from the writer to the readers; rw from a
// reader to those that replaced what it read, and by time to those whose version real time puts behind. Of the latter the first
// ones in real time suffice. Values that nobody read or replaced have no place in the order, so some violations stay unseen.
type registers struct {
	h        *History
	found    *findings
	slot     []int32 // by operation: of a read, what it read of others; noPlace: nothing new
	happened []bool  // by transaction
	final    []bool  // by place in h.writes: a version
	childAt  []int32 // by slot: where its children begin
	children []int32 // transactions that read a version and replaced it
	pairs    [][2]int32
	byStart  []int32 // versions that happened, by key and start of their writer, as places in h.writes
	startAt  []int32 // by key
	minEnd   []int64 // by place in byStart: the earliest end of its writer and the following ones of the key
}

// keyView is what a transaction knows of a register while it is read.
type keyView struct {
	tx      int32
	slot    int32 // what it read of others, or noPlace
	written bool
	value   int64 // if written
}

func newRegisters(h *History, found *findings) *registers {
	r := &registers{
		h: h, found: found, slot: make([]int32, len(h.ops)), happened: make([]bool, len(h.txs)), final: make([]bool, len(h.writes)),
	}
	for i := range h.txs {
		r.happened[i] = h.txs[i].status == OK
	}
	r.findFinal()
	r.readAll()
	r.groupChildren()
	r.orderByStart()
	return r
}

// initial is the slot of a key before all writes.
func (r *registers) initial(key int32) int32 { return int32(len(r.h.writes)) + key }

// writer is the transaction of a version.
func (r *registers) writer(version int32) int32 { return r.h.ops[r.h.writes[version]].tx }

// findFinal marks the last write of each transaction to each key.
func (r *registers) findFinal() {
	last := map[int32]int32{} // by transaction, of one key
	for k := range int32(len(r.h.keys)) {
		clear(last)
		for _, op := range r.h.writesOf(k) {
			last[r.h.ops[op].tx] = max(op, last[r.h.ops[op].tx])
		}
		for i, op := range r.h.writesOf(k) {
			r.final[r.h.writeAt[k]+int32(i)] = last[r.h.ops[op].tx] == op
		}
	}
}

// readAll goes through all transactions and notes what each read of others, and what it replaced.
func (r *registers) readAll() {
	views := make([]keyView, len(r.h.keys))
	for k := range views {
		views[k].tx = -1
	}
	for i := range r.h.ops {
		o := &r.h.ops[i]
		v := &views[o.key()]
		if v.tx != o.tx {
			*v = keyView{tx: o.tx, slot: noPlace}
		}
		r.slot[i] = noPlace
		if o.kind() != opWrite {
			r.read(int32(i), o, v)
			continue
		}
		if v.slot != noPlace && !v.written {
			r.pairs = append(r.pairs, [2]int32{v.slot, o.tx})
		}
		v.written, v.value = true, o.value
	}
}

func (r *registers) read(op int32, o *operation, v *keyView) {
	key := []int32{o.key()}
	name := r.h.keys[o.key()]
	if v.written {
		if o.kind() == opAbsent || o.value != v.value {
			r.found.add(Internal, fmt.Sprintf("A transaction wrote %d to %s and then read something else.", v.value, name), key, o.tx)
		}
		return
	}
	slot, ok := r.slotRead(o)
	switch {
	case !ok || v.slot == slot:
	case v.slot != noPlace:
		r.found.add(Internal, fmt.Sprintf("A transaction read %s twice and saw two values.", name), key, o.tx)
	default:
		r.slot[op], v.slot = slot, slot
	}
}

// slotRead finds what was read, and reports if it cannot have been.
func (r *registers) slotRead(o *operation) (slot int32, ok bool) {
	if o.kind() == opAbsent {
		return r.initial(o.key()), true
	}
	name, key := r.h.keys[o.key()], []int32{o.key()}
	w := r.h.writerOf(o.key(), o.value)
	if w < 0 {
		r.found.add(GarbageRead, fmt.Sprintf("The value %d was read from %s, and nobody wrote it.", o.value, name), key, o.tx)
		return 0, false
	}
	switch writer := r.writer(w); {
	case writer == o.tx:
		r.found.add(Internal, fmt.Sprintf("A transaction read the value %d of %s before it wrote it.", o.value, name), key, o.tx)
	case r.h.txs[writer].status == Failed:
		r.found.add(G1a, fmt.Sprintf("The value %d was read from %s, and its transaction had failed.", o.value, name), key, writer, o.tx)
	case !r.final[w]:
		what := fmt.Sprintf("The value %d was read from %s, which its own transaction had replaced.", o.value, name)
		r.found.add(G1b, what, key, writer, o.tx)
	default:
		r.happened[writer] = true
		return w, true
	}
	return 0, false
}

func (r *registers) groupChildren() {
	slots := len(r.h.writes) + len(r.h.keys)
	r.childAt = make([]int32, slots+1)
	for _, p := range r.pairs {
		r.childAt[p[0]+1]++
	}
	for s := range slots {
		r.childAt[s+1] += r.childAt[s]
	}
	next := slices.Clone(r.childAt)
	r.children = make([]int32, len(r.pairs))
	for _, p := range r.pairs {
		r.children[next[p[0]]] = p[1]
		next[p[0]]++
	}
	r.pairs = nil
}

// orderByStart sorts the versions of each key that happened by the start of their writers.
func (r *registers) orderByStart() {
	h := r.h
	r.startAt = make([]int32, len(h.keys)+1)
	for k := range int32(len(h.keys)) {
		from := len(r.byStart)
		for w := h.writeAt[k]; w < h.writeAt[k+1]; w++ {
			if r.final[w] && r.happened[r.writer(w)] {
				r.byStart = append(r.byStart, w)
			}
		}
		slices.SortFunc(r.byStart[from:], func(a, b int32) int {
			return cmp.Or(cmp.Compare(h.txs[r.writer(a)].start, h.txs[r.writer(b)].start), cmp.Compare(a, b))
		})
		r.startAt[k+1] = int32(len(r.byStart))
		r.minEnd = append(r.minEnd, make([]int64, len(r.byStart)-from)...)
		earliest := int64(forever)
		for i := len(r.byStart) - 1; i >= from; i-- {
			earliest = min(earliest, h.txs[r.writer(r.byStart[i])].end)
			r.minEnd[i] = earliest
		}
	}
}

// firstBehind are the versions of a key that real time puts behind a moment, without those that it puts behind one of these.
func (r *registers) firstBehind(key int32, moment int64) []int32 {
	at, end := int(r.startAt[key]), int(r.startAt[key+1])
	started := func(i int) int64 { return r.h.txs[r.writer(r.byStart[i])].start }
	from := at + sort.Search(end-at, func(i int) bool { return started(at+i) > moment })
	to := from
	for to < end && started(to) <= r.minEnd[from] {
		to++
	}
	return r.byStart[from:to]
}

// mostChildren bounds the edges to transactions that replaced the same version: a second one is a violation already.
const mostChildren = 4

func (r *registers) childrenOf(slot int32) []int32 {
	children := r.children[r.childAt[slot]:r.childAt[slot+1]]
	return children[:min(len(children), mostChildren)]
}

// edges is an edgeSource.
func (r *registers) edges(emit func(from, to int32, kind EdgeKind, key int32)) {
	for w, op := range r.h.writes {
		for _, child := range r.childrenOf(int32(w)) {
			emit(r.h.ops[op].tx, child, WW, r.h.ops[op].key())
		}
	}
	for op, slot := range r.slot {
		if slot != noPlace {
			r.readEdges(&r.h.ops[op], slot, emit)
		}
	}
	for _, tie := range r.h.ties {
		emit(tie[0], tie[1], Process, -1)
	}
}

func (r *registers) readEdges(o *operation, slot int32, emit func(from, to int32, kind EdgeKind, key int32)) {
	behind, kind := int64(-1), RW
	if int(slot) < len(r.h.writes) {
		writer := r.writer(slot)
		emit(writer, o.tx, WR, o.key())
		behind, kind = r.h.txs[writer].end, RWTime
	}
	for _, child := range r.childrenOf(slot) {
		if child != o.tx {
			emit(o.tx, child, RW, o.key())
		}
	}
	for _, version := range r.firstBehind(o.key(), behind) {
		if writer := r.writer(version); writer != o.tx {
			emit(o.tx, writer, kind, o.key())
		}
	}
}
