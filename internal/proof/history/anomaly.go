package history

// Kind is the name of an anomaly.
//
// The names of cycles form two ladders, from the worst to the mildest; what breaks a rung breaks all isolation levels above the one
// that first forbids it. [Check] gives each cycle the worst name that it deserves, and a more specific one where there is one:
//
//	G0        ww only                    write cycle: not even read uncommitted (Adya 1999, 3.1)
//	G1c       ww, wr                     circular information flow: not read committed (Adya, 3.2)
//	G-single  exactly one rw             read skew: not snapshot isolation, not consistent view (Adya, 4.2)
//	           lost update               ... of two transactions that wrote one key (P4 of Berenson et al., SIGMOD 1995)
//	           fractured read            ... that saw one key of a transaction and not another (Bailis et al., SIGMOD 2014)
//	G2-item   several rw                 write skew among items: not serializable (Adya, 3.3.4)
//
// A cycle that needs the order of real time, or of one process, has the same names one ladder down: serializable perhaps, but not
// strictly. The third rung there is what people call a stale read. This is the split of Elle ("-realtime", "-process").
//
// The other anomalies need no cycle. G1a and G1b are Adya's (3.2); dirty update, garbage read, duplicate append, incompatible order
// and internal inconsistency are Elle's (sections 4 and 6).
type Kind string

// The anomalies that need no cycle.
const (
	// G1a, aborted read: a value was read of a transaction that failed.
	G1a Kind = "G1a (aborted read)"
	// G1b, intermediate read: a value was read that its own transaction had replaced.
	G1b Kind = "G1b (intermediate read)"
	// DirtyUpdate: a transaction that happened wrote on top of a value of one that failed.
	DirtyUpdate Kind = "dirty update"
	// GarbageRead: a value was read that nobody wrote.
	GarbageRead Kind = "garbage read"
	// DuplicateAppend: a list has a value twice that was appended once.
	DuplicateAppend Kind = "duplicate append"
	// IncompatibleOrder: of two lists of one key neither is the beginning of the other.
	IncompatibleOrder Kind = "incompatible order"
	// Internal: a transaction does not see its own writes, or does not see again what it saw.
	Internal Kind = "internal inconsistency"
)

// The anomalies that are cycles, from the worst to the mildest.
const (
	G0            Kind = "G0 (write cycle)"
	G1c           Kind = "G1c (circular information flow)"
	GSingle       Kind = "G-single (read skew)"
	LostUpdate    Kind = "lost update"
	FracturedRead Kind = "fractured read"
	G2            Kind = "G2-item (write skew)"
	G0RealTime    Kind = "G0-realtime (writes against real time)"
	G1cRealTime   Kind = "G1c-realtime (read of the future)"
	StaleRead     Kind = "stale read"
	G2RealTime    Kind = "G2-realtime"
)

// NotLinearizable: no order of the operations on a key explains them.
const NotLinearizable Kind = "not linearizable"

// Anomalies of banks and sagas.
const (
	// WrongTotal: a transaction saw all accounts, and together they held more or less than there is.
	WrongTotal Kind = "wrong total"
	// WrongBalance: a transaction saw balances that no set of transfers that may have happened by then explains.
	WrongBalance Kind = "wrong balance"
	// StepTwice: a step was done, or undone, more than once.
	StepTwice Kind = "step twice"
	// UndoWithoutStep: a compensation without its step, or before it.
	UndoWithoutStep Kind = "compensation without step"
	// UndoOrder: a step was compensated before one that came after it.
	UndoOrder Kind = "compensations out of order"
	// HalfSaga: a saga that has ended is neither done nor undone, or not what its client was told.
	HalfSaga Kind = "half a saga"
)

// EdgeKind is why one transaction must come before another.
type EdgeKind uint8

// The kinds of edges.
const (
	WW       EdgeKind = iota // the second replaced what the first had written
	WR                       // the second read what the first had written
	RW                       // the second replaced what the first had read
	RWTime                   // the same, where real time tells that the second's value is the later one
	Process                  // the second followed the first in one process
	RealTime                 // the second began after the first had ended
	numEdgeKinds
)

var edgeNames = [...]string{WW: "ww", WR: "wr", RW: "rw", RWTime: "rw by time", Process: "process", RealTime: "real time"}

func (k EdgeKind) String() string { return edgeNames[k] }

// Anomaly is something that a strictly serializable system never shows.
type Anomaly struct {
	Kind Kind
	// What is a sentence that says what was seen.
	What string
	// Nodes are the transactions in question: of a cycle, in its order.
	Nodes []Node
	// Edges are those of the cycle, the i-th from Nodes[i] to the next one, the last to the first. Other anomalies have none.
	Edges []Edge
}

// Node is a transaction in an anomaly.
type Node struct {
	// Line is where it is in the file; the first transaction of a history that was built has 2.
	Line       int
	Process    int
	Start, End int64 // End is the largest int64 if it is unknown
	Status     Status
	// Ops are its operations on the keys in question, as text.
	Ops []string
}

// Edge is an edge of a cycle.
type Edge struct {
	Kind EdgeKind
	Key  string // "" for orders in time
}
