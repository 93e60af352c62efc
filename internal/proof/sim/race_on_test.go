//go:build race

package sim

// raceEnabled makes large tests smaller: the race detector slows them down tenfold.
const raceEnabled = true
