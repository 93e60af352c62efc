package history

import (
	"fmt"
	"slices"
)

// ownView is what a transaction knows of a key: while it is read, operation by operation.
type ownView struct {
	tx     int32
	length int32 // of the list without its own appends; -1: not read yet
	own    int32 // how many own appends
	last   int32 // operation of the last of them
}

// readAll looks at each read of each transaction: does it see the transaction's own writes, and see again what it saw? Was the
// value that it saw the last one of its writer? It leaves in place what the read tells of other transactions.
func (l *lists) readAll() {
	views := make([]ownView, len(l.h.keys))
	for k := range views {
		views[k].tx = -1
	}
	for i := range l.h.ops {
		o := &l.h.ops[i]
		v := &views[o.key()]
		if v.tx != o.tx {
			*v = ownView{tx: o.tx, length: -1}
		}
		switch o.kind() {
		case opWrite:
			v.own, v.last = v.own+1, int32(i)
		case opOdd:
			l.reportOdd(o)
		case opRead:
			l.read(int32(i), o, v)
		}
	}
}

// read checks a read against what its transaction knows.
func (l *lists) read(op int32, o *operation, v *ownView) {
	seen := l.versions(o.key())[:o.value]
	if !l.endsWithOwn(seen, v) {
		l.found.add(Internal, fmt.Sprintf("A transaction read %s and did not see just its own appends at the end.", l.h.keys[o.key()]),
			[]int32{o.key()}, o.tx)
		return
	}
	length := int32(len(seen)) - v.own
	switch {
	case v.length >= 0 && v.length != length:
		l.found.add(Internal, fmt.Sprintf("A transaction read %s twice and saw two states of it.", l.h.keys[o.key()]), []int32{o.key()}, o.tx)
		return
	case v.length >= 0:
		return
	}
	v.length, l.place[op] = length, length
	if length > 0 && seen[length-1] >= 0 {
		l.checkFinal(o, seen[length-1])
	}
}

// endsWithOwn reports whether the last elements are the transaction's own appends, in their order, and the one before is not.
func (l *lists) endsWithOwn(seen []int32, v *ownView) bool {
	others := len(seen) - int(v.own)
	if others < 0 || others > 0 && seen[others-1] >= 0 && l.h.ops[seen[others-1]].tx == v.tx {
		return false
	}
	last := int32(-1)
	for _, op := range seen[others:] {
		if op <= last || l.h.ops[op].tx != v.tx {
			return false
		}
		last = op
	}
	return v.own == 0 || last == v.last
}

// checkFinal checks that the append whose element was read last is the last one of its transaction to that key.
func (l *lists) checkFinal(read *operation, element int32) {
	writer := l.h.ops[element].tx
	_, end := l.h.opsOf(writer)
	for i := element + 1; i < end; i++ {
		if o := &l.h.ops[i]; o.kind() == opWrite && o.key() == read.key() {
			what := fmt.Sprintf("A transaction read %s as it was in the midst of another: %d came last, before %d was appended.",
				l.h.keys[read.key()], l.h.ops[element].value, o.value)
			l.found.add(G1b, what, []int32{read.key()}, writer, read.tx)
			return
		}
	}
}

// reportOdd reports a list that does not fit the longest one of its key.
func (l *lists) reportOdd(o *operation) {
	list, longest := l.h.odd[o.value], l.h.lists[o.key()]
	at := 0
	for at < len(list) && at < len(longest) && list[at] == longest[at] {
		at++
	}
	if sorted := slices.Sorted(slices.Values(list)); len(slices.Compact(sorted)) < len(list) {
		what := fmt.Sprintf("A value is in the list %s twice: %s.", l.h.keys[o.key()], listText(list))
		l.found.add(DuplicateAppend, what, []int32{o.key()}, o.tx)
		return
	}
	if at == len(list) {
		panic("history: a list was kept apart although it is the beginning of the longest one")
	}
	value := list[at]
	if w := l.h.writerOf(o.key(), value); w < 0 {
		what := fmt.Sprintf("The value %d was read from %s, and nobody appended it.", value, l.h.keys[o.key()])
		l.found.add(GarbageRead, what, []int32{o.key()}, o.tx)
		return
	}
	what := fmt.Sprintf("Two lists of %s differ in element %d: %s and %s.", l.h.keys[o.key()], at+1,
		listText(list[:at+1]), listText(longest[:min(at+1, len(longest))]))
	l.found.add(IncompatibleOrder, what, []int32{o.key()}, o.tx)
}

// reportBad reports each element that nobody appended or whose transaction failed, with the first transaction that read it, and the
// first that wrote on top of it.
func (l *lists) reportBad() {
	if len(l.bad) == 0 {
		return
	}
	readers := map[[2]int32]int32{} // by key and place
	for i := len(l.h.ops) - 1; i >= 0; i-- {
		o := &l.h.ops[i]
		if o.kind() != opRead {
			continue
		}
		for _, b := range l.bad[o.key()] {
			if int64(b.place) < o.value {
				readers[[2]int32{o.key(), b.place}] = o.tx
			}
		}
	}
	for k := range int32(len(l.h.keys)) {
		for _, b := range l.bad[k] {
			l.reportElement(k, b, readers[[2]int32{k, b.place}])
		}
	}
}

func (l *lists) reportElement(key int32, b badElement, reader int32) {
	value := l.h.lists[key][b.place]
	if b.writer < 0 {
		what := fmt.Sprintf("The value %d was read from %s, and nobody appended it.", value, l.h.keys[key])
		l.found.add(GarbageRead, what, []int32{key}, reader)
		return
	}
	failed := l.h.ops[b.writer].tx
	what := fmt.Sprintf("The value %d was read from %s, and its transaction had failed.", value, l.h.keys[key])
	l.found.add(G1a, what, []int32{key}, failed, reader)
	for _, op := range l.versions(key)[b.place+1:] {
		if op >= 0 {
			what := fmt.Sprintf("The value %d was appended to %s on top of %d, whose transaction had failed.",
				l.h.ops[op].value, l.h.keys[key], value)
			l.found.add(DirtyUpdate, what, []int32{key}, failed, l.h.ops[op].tx)
			return
		}
	}
}
