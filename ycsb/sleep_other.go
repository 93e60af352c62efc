//go:build !linux

package ycsb

import "time"

// newSleep makes a function that sleeps until a time, and one that ends its use.
func newSleep() (sleep func(until time.Time), done func()) { return sleepByTimer, func() {} }
