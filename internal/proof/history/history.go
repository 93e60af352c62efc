package history

import (
	"fmt"
	"math"
)

// Limits of a history: transactions, operations and records have 31-bit numbers, of which edges leave 29 for transactions.
const (
	maxTxs  = 1<<29 - 1
	maxKeys = 1<<29 - 1
	maxOps  = math.MaxInt32
)

// History is a recorded history in memory: about 32 bytes for each transaction, 16 for each operation and 8 for each element of a
// list. That a list is read again and again costs nothing: a list that is the beginning of the longest one seen for its key is
// kept as its length. A History does not change any more.
type History struct {
	Header Header

	txs  []transaction
	ops  []operation
	keys []string

	lists [][]int64 // by key: the longest list that was read
	odd   [][]int64 // lists that were no beginning of it, nor it of them

	writes  []int32 // appends and writes, as operations: by key, then by value
	writeAt []int32 // by key: where its writes begin; one more at the end
	ties    [][2]int32

	steps    []Step
	outcomes []Outcome
}

// transaction is what is kept of a Tx. Its operations end where the next one's begin.
type transaction struct {
	start, end int64 // no end: forever
	first      int32 // operation
	process    int32
	line       int32
	status     Status
}

const forever = math.MaxInt64

// operation is what is kept of an Op. Reads of transactions that are not OK are not kept.
type operation struct {
	value int64 // opRead of a list: its length; opOdd: which of the odd lists
	tx    int32
	what  uint32 // key, then opWhat
}

// opWhat is the kind of an operation.
type opWhat uint8

const (
	opWrite  opWhat = iota // or append
	opAdd                  // to a balance
	opRead                 // a value, or a list by its length
	opAbsent               // a read that found nothing
	opOdd                  // a read of one of the odd lists
	whatBits = 3
)

func newOperation(tx, key int32, what opWhat, value int64) operation {
	return operation{value: value, tx: tx, what: uint32(key)<<whatBits | uint32(what)}
}

func (o *operation) key() int32   { return int32(o.what >> whatBits) }
func (o *operation) kind() opWhat { return opWhat(o.what & (1<<whatBits - 1)) }

// opsOf are the operations of a transaction, as a range.
func (h *History) opsOf(tx int32) (from, to int32) {
	if int(tx)+1 < len(h.txs) {
		return h.txs[tx].first, h.txs[tx+1].first
	}
	return h.txs[tx].first, int32(len(h.ops))
}

// Transactions is the number of transactions.
func (h *History) Transactions() int { return len(h.txs) }

// Builder makes a History, record by record, in any order.
type Builder struct {
	h   *History
	ids map[string]int32
	raw rawTx
}

// NewBuilder begins a history.
func NewBuilder(header Header) (*Builder, error) {
	if err := header.Validate(); err != nil {
		return nil, err
	}
	return &Builder{h: &History{Header: header}, ids: map[string]int32{}}, nil
}

// intern returns the number of a key.
func (b *Builder) intern(key []byte) int32 {
	if id, ok := b.ids[string(key)]; ok {
		return id
	}
	id := int32(len(b.h.keys))
	name := string(key)
	b.ids[name] = id
	b.h.keys = append(b.h.keys, name)
	if b.h.Header.Workload == ListAppend {
		b.h.lists = append(b.h.lists, nil)
	}
	return id
}

// Add takes a transaction; t may be used again. An error says what no client can have seen in it.
func (b *Builder) Add(t *Tx) error {
	b.raw = rawTx{process: t.Process, start: t.Start, end: t.End, status: t.Status, ops: b.raw.ops[:0]}
	for i := range t.Ops {
		o := &t.Ops[i]
		b.raw.ops = append(b.raw.ops, rawOp{
			kind: o.Kind, key: b.intern([]byte(o.Key)), value: o.Value, list: o.List, absent: o.Absent, result: t.Status == OK,
		})
	}
	return b.addRaw(int32(len(b.h.txs)+2), &b.raw)
}

// writeKinds is the operation that changes something, by workload.
var writeKinds = map[Workload]OpKind{ListAppend: Append, Register: Write, Bank: Add, Counter: Add, Sagas: Read}

func (b *Builder) addRaw(line int32, t *rawTx) error {
	h := b.h
	switch {
	case t.process < 0:
		return fmt.Errorf("the process is %d", t.process)
	case t.start < 0:
		return fmt.Errorf("the start, %d, is negative", t.start)
	case t.status != Unknown && t.end < t.start:
		return fmt.Errorf("the end, %d, is before the start, %d", t.end, t.start)
	case t.start == forever || t.end == forever:
		return fmt.Errorf("the times, %d and %d, are too large", t.start, t.end)
	case len(h.txs) == maxTxs || len(h.keys) > maxKeys || len(h.ops)+len(t.ops) > maxOps:
		return fmt.Errorf("the history is too large: at most %d transactions, %d keys, %d operations", maxTxs, maxKeys, maxOps)
	}
	if err := b.checkOps(t); err != nil {
		return err
	}
	tx := int32(len(h.txs))
	kept := transaction{start: t.start, end: t.end, first: int32(len(h.ops)), process: t.process, line: line, status: t.status}
	if t.status == Unknown {
		kept.end = forever
	}
	h.txs = append(h.txs, kept)
	for i := range t.ops {
		b.keep(tx, &t.ops[i], t.status)
	}
	return nil
}

// checkOps checks that the operations are ones of the workload and complete.
func (b *Builder) checkOps(t *rawTx) error {
	workload, sum := b.h.Header.Workload, int64(0)
	write := writeKinds[workload]
	for i := range t.ops {
		o := &t.ops[i]
		switch {
		case o.kind != Read && o.kind != write:
			return fmt.Errorf("a %s history has no %q", workload, o.kind)
		case o.kind == Read && t.status == OK && !o.result:
			return fmt.Errorf("a read of %q has no result, in a transaction that is ok", b.h.keys[o.key])
		case o.kind == Read && o.absent && workload != Register:
			return fmt.Errorf("the read of %q found nothing, which only a register can be", b.h.keys[o.key])
		case o.kind == Add:
			sum += o.value
		}
	}
	switch {
	case workload == Counter && len(t.ops) != 1:
		return fmt.Errorf("the transaction has %d operations, and those on counters have one each", len(t.ops))
	case workload == Bank && sum != 0:
		return fmt.Errorf("the transaction adds %d to the sum of all balances", sum)
	}
	return nil
}

// keep keeps an operation of the transaction tx.
func (b *Builder) keep(tx int32, o *rawOp, status Status) {
	h := b.h
	if o.kind == Read && status != OK {
		return
	}
	kept := newOperation(tx, o.key, opWrite, o.value)
	switch {
	case o.kind == Add:
		kept = newOperation(tx, o.key, opAdd, o.value)
	case o.kind == Read && h.Header.Workload == ListAppend:
		kept = h.keepList(tx, o)
	case o.kind == Read && o.absent:
		kept = newOperation(tx, o.key, opAbsent, 0)
	case o.kind == Read:
		kept = newOperation(tx, o.key, opRead, o.value)
	}
	h.ops = append(h.ops, kept)
}

// keepList keeps a list that was read, by its length if it can.
func (h *History) keepList(tx int32, o *rawOp) operation {
	longest := h.lists[o.key]
	common := min(len(longest), len(o.list))
	for i, v := range longest[:common] {
		if v != o.list[i] {
			h.odd = append(h.odd, append([]int64(nil), o.list...))
			return newOperation(tx, o.key, opOdd, int64(len(h.odd)-1))
		}
	}
	if common < len(o.list) {
		h.lists[o.key] = append(longest, o.list[common:]...)
	}
	return newOperation(tx, o.key, opRead, int64(len(o.list)))
}
