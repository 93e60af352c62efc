package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"syscall"
	"time"
)

// monkey does things to the child until it has been killed, and the disk filled, as often as was wanted.
func (r *run) monkey(ctx context.Context, rng *rand.Rand) error {
	between := func(from, to time.Duration) time.Duration { return from + time.Duration(rng.Int64N(int64(to-from))) }
	fills, kills := r.options.Fills, r.options.Kills
	for ctx.Err() == nil && (kills > 0 || fills > 0) && r.keeper.failed() == nil {
		switch n := rng.IntN(10); {
		case fills > 0 && (kills == 0 || n == 0):
			fills--
			if err := r.fill(ctx); err != nil {
				return err
			}
		case n == 1:
			r.pause(between(10*time.Millisecond, 300*time.Millisecond))
		case n == 2:
			r.keeper.end(syscall.SIGTERM)
			r.count(func(c *Counts) { c.Restarts++ })
		case n == 3 && kills > 0: // before it has recovered, or soon after
			kills--
			time.Sleep(between(0, 60*time.Millisecond))
			r.kill()
		case kills > 0:
			kills--
			if _, err := r.keeper.serving(); err != nil {
				return err
			}
			time.Sleep(between(5*time.Millisecond, 400*time.Millisecond))
			r.kill()
		}
		if r.options.Progress != nil {
			r.mu.Lock()
			counts := r.counts
			r.mu.Unlock()
			r.options.Progress(counts)
		}
	}
	return r.keeper.failed()
}

func (r *run) kill() {
	served := r.keeper.end(syscall.SIGKILL)
	r.count(func(c *Counts) {
		if c.Kills++; !served {
			c.Opening++
		}
	})
}

// pause stops the process for a while: its clients wait, and its clock jumps.
func (r *run) pause(d time.Duration) {
	c, err := r.keeper.serving()
	if err != nil {
		return // the loop above sees it
	}
	c.signal(syscall.SIGSTOP)
	time.Sleep(d)
	c.signal(syscall.SIGCONT)
	r.count(func(c *Counts) { c.Stops++ })
}

// fillTime bounds the wait for the engine to notice that the disk is full.
const fillTime = 20 * time.Second

// fill fills the disk until a request is refused, and makes room again. One that ctx cuts short does not count. What the engine itself
// gives back meanwhile, old parts of its log above all, is filled too.
func (r *run) fill(ctx context.Context) error {
	refused := func() int {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.counts.NoSpace
	}
	before := refused()
	ballast, err := fillUp(ctx, r.disk)
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(fillTime); refused() == before && ctx.Err() == nil; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("the disk is full, and for %v no request was refused", fillTime), ballast.Close())
		}
		if err := writeUntilFull(ctx, ballast, r.disk); err != nil {
			return errors.Join(err, ballast.Close())
		}
	}
	if refused() != before {
		r.count(func(c *Counts) { c.Fills++ })
	}
	return ballast.Close()
}

// leaveBytes is what a fill leaves: less than the engine's reserve, so that it refuses; enough for what it has admitted.
const leaveBytes = reserveBytes / 2

// fillUp fills a disk until there is little space left, or ctx ends. The space is taken until the file is closed, or the process has
// ended in whatever way: the file has no name.
func fillUp(ctx context.Context, disk string) (*os.File, error) {
	file, err := os.CreateTemp(disk, "ballast-*")
	if err != nil {
		return nil, err
	}
	if err := errors.Join(os.Remove(file.Name()), writeUntilFull(ctx, file, disk)); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// writeUntilFull writes to a file on a disk until there is little space left there, or ctx ends.
func writeUntilFull(ctx context.Context, file *os.File, disk string) error {
	for chunk := make([]byte, 1<<20); ctx.Err() == nil; {
		var s syscall.Statfs_t
		if err := syscall.Statfs(disk, &s); err != nil {
			return err
		}
		if s.Bavail*uint64(s.Bsize) < leaveBytes {
			return nil
		}
		if _, err := file.Write(chunk); errors.Is(err, syscall.ENOSPC) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}
