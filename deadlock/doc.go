// Package deadlock finds and breaks deadlocks. Its graph is a wait-for graph
// over many locks (Holt, "Some deadlock properties of computer systems", ACM
// Computing Surveys 1972): owners wait for owners, as they stand on the levels
// of each lock (see locks.Lock.Levels; one such standing is a place). A cycle of
// owners that wait for each other is a deadlock; it is broken by aborting one of
// its members, the victim. An owner may wait at several locks at once and needs
// all of them.
//
// The package is pure, and its result depends on nothing but the order of its
// input. Start with graph.go; trim.go and search.go are the two halves of Break,
// unlink.go is what becomes of the queues when a victim leaves them.
package deadlock
