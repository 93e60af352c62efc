package history

import "fmt"

// lists is a list-append history whose versions are known: the longest list that was read for a key shows them all, in their order,
// except for values that nobody read. The version of length n is the list's first n elements.
//
// The edges, with Elle's inferences and one more:
//
//	ww  from the transaction of an element to that of the next one
//	wr  from the transaction of the last element that was read, to its reader
//	rw  from the reader to the transaction of the next element
//
// The one more: a value that is in no list, of a transaction that happened, comes after all that was read. So whoever read the
// longest list precedes it by rw, and whoever wrote the list's end by ww. With it the graph has a cycle exactly if no order explains
// the history: in an order along the edges, each reader comes behind all that it saw and before all that it did not see.
type lists struct {
	h        *History
	found    *findings
	at       []int32 // by key: where its versions begin; one more at the end
	elements []int32 // by version: the operation that appended its last element, -1 if none did or its transaction failed
	place    []int32 // by operation, see the constants
	happened []bool  // by transaction
	unseen   map[int32][]int32
	bad      map[int32][]badElement
}

// place of an append is that of its element in the list, from 0. That of a read is the length of the list without the reader's own
// appends. noPlace is an append that nobody read, or a read that tells nothing that another of its transaction did not.
const noPlace = -1

// badElement is an element that must not be there.
type badElement struct {
	place  int32
	writer int32 // operation of a failed transaction, -1: nobody's
}

func newLists(h *History, found *findings) *lists {
	l := &lists{
		h: h, found: found, at: make([]int32, len(h.keys)+1), place: make([]int32, len(h.ops)),
		happened: make([]bool, len(h.txs)), unseen: map[int32][]int32{}, bad: map[int32][]badElement{},
	}
	for i := range h.txs {
		l.happened[i] = h.txs[i].status == OK
	}
	for i := range l.place {
		l.place[i] = noPlace
	}
	for k := range h.keys {
		l.at[k+1] = l.at[k] + int32(len(h.lists[k]))
	}
	l.elements = make([]int32, l.at[len(h.keys)])
	for k := range int32(len(h.keys)) {
		l.placeElements(k)
	}
	for k := range int32(len(h.keys)) {
		l.gatherUnseen(k)
	}
	l.readAll()
	l.reportBad()
	return l
}

// versions are the elements of a key's list.
func (l *lists) versions(key int32) []int32 { return l.elements[l.at[key]:l.at[key+1]] }

// placeElements finds who appended each element of a key's list.
func (l *lists) placeElements(key int32) {
	h := l.h
	elements := l.versions(key)
	for i, value := range h.lists[key] {
		elements[i] = -1
		w := h.writerOf(key, value)
		if w < 0 {
			l.bad[key] = append(l.bad[key], badElement{int32(i), -1})
			continue
		}
		op := h.writes[w]
		tx := h.ops[op].tx
		switch {
		case l.place[op] != noPlace:
			what := fmt.Sprintf("The list %s has the value %d twice: as element %d and %d.", h.keys[key], value, l.place[op]+1, i+1)
			l.found.add(DuplicateAppend, what, []int32{key}, tx)
			continue
		case h.txs[tx].status == Failed:
			l.bad[key] = append(l.bad[key], badElement{int32(i), op})
		default:
			elements[i] = op
			l.happened[tx] = true
		}
		l.place[op] = int32(i)
	}
}

// gatherUnseen notes the appends to a key that happened and that nobody read.
func (l *lists) gatherUnseen(key int32) {
	var unseen []int32
	for _, op := range l.h.writesOf(key) {
		if tx := l.h.ops[op].tx; l.place[op] == noPlace && l.happened[tx] {
			unseen = append(unseen, tx)
		}
	}
	if len(unseen) > 0 {
		l.unseen[key] = firstInTime(l.h, unseen)
	}
}

// mostUnseen bounds the edges to values that nobody read.
const mostUnseen = 8

// firstInTime leaves of many transactions those before which none of the others had ended: the rest comes behind them in real time,
// and need no edges of its own. Of few it leaves all, so that a cycle needs real time in its name only if it needs it at all.
func firstInTime(h *History, txs []int32) []int32 {
	if len(txs) <= mostUnseen {
		return txs
	}
	earliest := int64(forever)
	for _, tx := range txs {
		earliest = min(earliest, h.txs[tx].end)
	}
	var first []int32
	for _, tx := range txs {
		if h.txs[tx].start <= earliest {
			first = append(first, tx)
		}
	}
	return first
}

// edges is an edgeSource.
func (l *lists) edges(emit func(from, to int32, kind EdgeKind, key int32)) {
	for k := range int32(len(l.h.keys)) {
		l.versionEdges(k, emit)
	}
	for op := range l.h.ops {
		if l.place[op] != noPlace && l.h.ops[op].kind() == opRead {
			l.readEdges(int32(op), emit)
		}
	}
	for _, tie := range l.h.ties {
		emit(tie[0], tie[1], Process, -1)
	}
}

func (l *lists) versionEdges(key int32, emit func(from, to int32, kind EdgeKind, key int32)) {
	last := int32(-1)
	for _, op := range l.versions(key) {
		if op < 0 {
			continue
		}
		tx := l.h.ops[op].tx
		if last >= 0 && last != tx {
			emit(last, tx, WW, key)
		}
		last = tx
	}
	if last >= 0 {
		for _, tx := range l.unseen[key] {
			if tx != last {
				emit(last, tx, WW, key)
			}
		}
	}
}

func (l *lists) readEdges(op int32, emit func(from, to int32, kind EdgeKind, key int32)) {
	o := &l.h.ops[op]
	key, tx := o.key(), o.tx
	elements, length := l.versions(key), l.place[op]
	for i := length - 1; i >= 0; i-- {
		if elements[i] >= 0 {
			if writer := l.h.ops[elements[i]].tx; writer != tx {
				emit(writer, tx, WR, key)
			}
			break
		}
	}
	for _, e := range elements[length:] {
		if e >= 0 {
			if writer := l.h.ops[e].tx; writer != tx {
				emit(tx, writer, RW, key)
			}
			return
		}
	}
	for _, writer := range l.unseen[key] {
		if writer != tx {
			emit(tx, writer, RW, key)
		}
	}
}
