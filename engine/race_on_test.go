//go:build race

package engine_test

// raceEnabled makes large tests smaller: the race detector slows them down tenfold.
const raceEnabled = true
