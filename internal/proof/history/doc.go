// Package history checks what clients saw: it reads a recorded history of transactions and says whether some order of them, one
// after the other and true to real time, explains every result.
//
// A [Tx] is a transaction as its client recorded it: a process (a client that does one thing at a time), a start and an end, a
// [Status], and operations ([Op]). A history has one [Workload]: list-append, register, bank or saga, which says what its
// operations mean. A [Writer] writes it to a file, line by line, and [Load] reads it into a [History], compactly. [Check] makes a
// [Report] of it: counts, and each [Anomaly] by name, with the shortest cycle of transactions that shows it. A cycle is made of
// edges, each with an [EdgeKind]: ww, wr and rw are the dependencies of Adya's thesis, the others are orders in time.
//
// Reading order: format.go (what is recorded), history.go (how it is kept), check.go, then listappend.go for how results become
// edges, graph.go and scc.go for how a cycle is found, anomaly.go for what it is called.
//
// Sources: Atul Adya, "Weak Consistency: A Generalized Theory and Optimistic Implementations for Distributed Transactions", MIT
// 1999; Kyle Kingsbury and Peter Alvaro, "Elle: Inferring Isolation Anomalies from Experimental Observations", VLDB 2020.
package history
