package server

import "time"

// Comparison is what the console shows side by side: one load, done in several ways. See [Options.Compare].
type Comparison struct {
	// Load says what all sides do, for people.
	Load string
	// Running reports whether the load goes on.
	Running bool
	// Sides are those that are compared, at most 8.
	Sides []Side
}

// Side is one way of doing the load. Counts are since it began.
type Side struct {
	Name        string        // such as "saga"
	About       string        // what it promises, in a sentence
	PerSecond   float64       // committed in the last second or so
	P50, P99    time.Duration // latency of those
	Committed   uint64
	Failed      uint64 // by a failure that was meant, such as no money
	Retried     uint64 // further attempts, after deadlocks
	Looks       uint64 // how often a reader from outside has added up everything
	HalfDone    uint64 // how many of these looks saw something half done
	Sum, Expect int64  // what is there in all, when it was last added up, and what is to be there
}

// maxSides bounds the sides of a comparison.
const maxSides = 8
