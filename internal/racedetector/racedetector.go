// Package racedetector tells tests whether the race detector is on. It slows them down tenfold, and finds nothing in the thousandth seed of
// a simulation that has one goroutine: such tests take fewer there. Those whose goroutines meet take no fewer.
package racedetector

// Fewer is all, or few under the race detector.
func Fewer[N any](all, few N) N {
	if On {
		return few
	}
	return all
}
