package ycsb

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// newSleep makes a function that sleeps until a time, for one goroutine, and one that ends its use.
//
// Go's timers can be a millisecond late in an idle process (it waits in epoll, which counts in milliseconds): in an open loop with a
// low rate that would show up as latency. A thread in nanosleep is on time, but keeps the processor slot of the Go scheduler on which
// it went to sleep, one of two. So this waits for a timerfd, which wakes an idle process on time, and for the same time by Go's timer,
// which a busy one looks at more often. Without a timerfd it is Go's timer alone.
func newSleep() (sleep func(until time.Time), done func()) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return sleepByTimer, func() {}
	}
	timer := os.NewFile(uintptr(fd), "timerfd")
	return func(until time.Time) {
		for d := time.Until(until); d > 0; d = time.Until(until) {
			at := unix.ItimerSpec{Value: unix.NsecToTimespec(d.Nanoseconds())}
			if unix.TimerfdSettime(fd, 0, &at, nil) != nil || timer.SetReadDeadline(until) != nil {
				time.Sleep(d)
				continue
			}
			var expirations [8]byte
			_, _ = timer.Read(expirations[:]) // whichever is first; the loop looks at the clock
		}
	}, func() { _ = timer.Close() }
}
