package ycsb

import (
	"syscall"
	"time"
)

// sleepUntil sleeps without the millisecond by which Go's timers can be late in an idle process (it waits in epoll, which
// counts in milliseconds): in an open loop with a low rate that would show up as latency.
func sleepUntil(t time.Time) {
	const late = 2 * time.Millisecond
	if d := time.Until(t); d > late {
		time.Sleep(d - late)
	}
	for d := time.Until(t); d > 0; d = time.Until(t) {
		rest := syscall.NsecToTimespec(d.Nanoseconds())
		if syscall.Nanosleep(&rest, nil) == syscall.ENOSYS {
			time.Sleep(d)
		}
	}
}
