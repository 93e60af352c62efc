package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// sameHangup is how long after a SIGHUP another one is taken for the same: of a terminal that is closed both the shell and the system
// tell the programs in it.
const sameHangup = time.Second

// Context ends with the first SIGINT, SIGTERM or SIGHUP; the second ends the program at once, with 128 and its number as the status. A
// program that was started to ignore SIGHUP, as by nohup, goes on to do so. Until stop is called, which has to be when the context is
// no longer needed, a write to a pipe that nobody reads is an error and not the end of the program.
func Context() (ctx context.Context, stop context.CancelFunc) {
	caught := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		caught = append(caught, syscall.SIGHUP)
	}
	signals, pipes := make(chan os.Signal, 2), make(chan os.Signal, 1)
	signal.Notify(signals, caught...)
	signal.Notify(pipes, syscall.SIGPIPE) // and never looked at: whoever writes gets EPIPE. Ignored, it would be so in children, too
	ctx, cancel := context.WithCancelCause(context.Background())
	stopped := make(chan struct{})
	go func() {
		first, at := os.Signal(nil), time.Time{}
		for {
			select {
			case s := <-signals:
				if first == nil {
					first, at = s, time.Now()
					cancel(fmt.Errorf("caught %v: %w", s, context.Canceled))
				} else if s != syscall.SIGHUP || first != s || time.Since(at) > sameHangup {
					os.Exit(128 + int(s.(syscall.Signal)))
				}
			case <-stopped:
				return
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		signal.Stop(pipes)
		cancel(nil)
		close(stopped)
	}
}
