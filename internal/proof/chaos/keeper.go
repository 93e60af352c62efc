package chaos

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/concordat-dev/concordat/engine"
)

// errDied: the child died before it answered.
var errDied = errors.New("the child died")

// child is a process that serves, or has served.
type child struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stderr bytes.Buffer // to be read once it is dead
	ready  chan struct{}
	dead   chan struct{}

	mu      sync.Mutex
	to      *cbor.Encoder
	last    uint64
	waiting map[uint64]chan answer // nil once it is dead
	opening error                  // why its engine did not open
}

// start starts a child. It serves once ready is closed.
func start(cmd *exec.Cmd) (*child, error) {
	c := &child{cmd: cmd, ready: make(chan struct{}), dead: make(chan struct{}), waiting: map[uint64]chan answer{}}
	cmd.Stderr = &c.stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c.stdin, c.to = stdin, cbor.NewEncoder(stdin)
	go c.listen(stdout)
	return c, nil
}

// listen hands out the answers until the child is dead.
func (c *child) listen(stdout io.Reader) {
	for from := cbor.NewDecoder(stdout); ; {
		var a answer
		if from.Decode(&a) != nil {
			break
		}
		if a.N == 0 {
			c.mu.Lock()
			c.opening = a.err()
			c.mu.Unlock()
			if c.opening == nil {
				close(c.ready)
			}
			continue
		}
		c.mu.Lock()
		to := c.waiting[a.N]
		delete(c.waiting, a.N)
		c.mu.Unlock()
		if to != nil {
			to <- a
		}
	}
	_ = c.cmd.Wait() // how it died is in its ProcessState
	c.mu.Lock()
	c.waiting = nil
	c.mu.Unlock()
	close(c.dead)
}

// ask asks and waits for the answer, or for the child's death.
func (c *child) ask(a ask) (answer, error) {
	to := make(chan answer, 1)
	c.mu.Lock()
	if c.waiting == nil {
		c.mu.Unlock()
		return answer{}, errDied
	}
	c.last++
	a.N = c.last
	c.waiting[a.N] = to
	err := c.to.Encode(&a)
	c.mu.Unlock()
	if err != nil {
		<-c.dead
		return answer{}, errDied
	}
	select {
	case got := <-to:
		return got, nil
	case <-c.dead:
		select {
		case got := <-to:
			return got, nil
		default:
			return answer{}, errDied
		}
	}
}

func (c *child) signal(s syscall.Signal) { _ = c.cmd.Process.Signal(s) } // it may be dead already

// isReady reports whether it serves.
func (c *child) isReady() bool {
	select {
	case <-c.ready:
		return true
	default:
		return false
	}
}

// keeper keeps a child running.
type keeper struct {
	command func() *exec.Cmd
	ended   chan struct{}

	mu      sync.Mutex
	changed sync.Cond
	child   *child // the newest; nil before the first
	number  int    // of children so far
	wanted  bool   // somebody is about to end the child
	stopped bool
	err     error
}

func newKeeper(command func() *exec.Cmd) *keeper {
	k := &keeper{command: command, ended: make(chan struct{})}
	k.changed.L = &k.mu
	return k
}

// run starts one child after the other until the keeper is closed or one ends by itself.
func (k *keeper) run() {
	defer close(k.ended)
	for {
		k.mu.Lock()
		if k.stopped || k.err != nil {
			k.mu.Unlock()
			return
		}
		c, err := start(k.command())
		if err != nil {
			k.fail(err)
			k.mu.Unlock()
			return
		}
		k.child, k.wanted = c, false
		k.number++
		k.changed.Broadcast()
		k.mu.Unlock()
		<-c.dead
		k.judge(c)
	}
}

// fail notes an error; mu is held.
func (k *keeper) fail(err error) {
	if k.err == nil {
		k.err = err
	}
	k.changed.Broadcast()
}

// judge decides whether a child may have died. One that found no space may: then it is tried again after a while.
func (k *keeper) judge(c *child) {
	k.mu.Lock()
	defer k.mu.Unlock()
	noSpace := bytes.Contains(c.stderr.Bytes(), []byte(syscall.ENOSPC.Error())) || errors.Is(c.opening, engine.ErrNoSpace)
	switch {
	case noSpace:
		k.mu.Unlock()
		time.Sleep(50 * time.Millisecond)
		k.mu.Lock()
	case !k.wanted && !k.stopped:
		k.fail(fmt.Errorf("the child ended by itself: %v, opening: %w\n%s", c.cmd.ProcessState, c.opening, tail(c.stderr.Bytes())))
	}
}

// tail is the end of what a child had to say.
func tail(b []byte) []byte { return b[max(0, len(b)-8<<10):] }

// serving waits for a child that serves.
func (k *keeper) serving() (*child, error) {
	deadline := time.After(settleTime)
	for {
		k.mu.Lock()
		for k.child == nil && k.err == nil {
			k.changed.Wait()
		}
		c, n, err := k.child, k.number, k.err
		k.mu.Unlock()
		if err != nil {
			return nil, err
		}
		select {
		case <-c.ready:
			select {
			case <-c.dead:
			default:
				return c, nil
			}
		case <-c.dead:
		case <-deadline:
			return nil, fmt.Errorf("no child has served for %v", settleTime)
		}
		k.next(n)
	}
}

// next waits for a child after number n, or an error.
func (k *keeper) next(n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for k.number == n && k.err == nil && !k.stopped {
		k.changed.Wait()
	}
}

// end sends a signal that ends the child, waits until it is dead and the next one is there, and reports whether it served.
func (k *keeper) end(with syscall.Signal) (served bool) {
	k.mu.Lock()
	c, n := k.child, k.number
	k.wanted = true
	k.mu.Unlock()
	served = c.isReady()
	c.signal(with)
	<-c.dead
	k.next(n)
	return served
}

// failed is why there are no children any more, or nil.
func (k *keeper) failed() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.err
}

// close ends the last child politely and the keeper with it.
func (k *keeper) close() error {
	k.mu.Lock()
	k.stopped = true
	c := k.child
	k.changed.Broadcast()
	k.mu.Unlock()
	if c == nil {
		return nil
	}
	c.signal(syscall.SIGCONT)
	c.signal(syscall.SIGTERM)
	select {
	case <-c.dead:
	case <-time.After(settleTime):
		_ = c.cmd.Process.Kill()
		return fmt.Errorf("the child did not close its engine within %v", settleTime)
	}
	<-k.ended
	if err := k.failed(); err != nil {
		return err
	}
	if state := c.cmd.ProcessState; !state.Success() {
		return fmt.Errorf("the last child ended with %v\n%s", state, tail(c.stderr.Bytes()))
	}
	return nil
}

// ChildOptions are the engine's options in a child, but for its directory.
func ChildOptions(dir string) engine.Options {
	return engine.Options{
		Dir:          dir,
		MaxDrain:     time.Millisecond, // epochs are cut by force now and then
		ReserveBytes: reserveBytes,
		CacheBytes:   8 << 20,
		Fatal: func(err error) {
			fmt.Fprintln(os.Stderr, "chaos: the engine failed:", err)
			os.Exit(1)
		},
	}
}

// reserveBytes is the space below which the engine refuses requests. Fills leave less.
const reserveBytes = 24 << 20
