package sim

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"
)

// process is one life of the engine: from its opening until it dies or the run is over. It runs on a goroutine of its own, because
// the engine's Fatal ends the goroutine that it is called on.
type process struct {
	life *life

	mu     sync.Mutex
	death  *Snapshot // what is left; nil while it lives
	failed bool      // an operation of the disk has failed
	stop   error     // what Fatal was told
	closed bool      // the engine was closed

	log   string        // that is being written
	fatal chan struct{} // closed by the first Fatal
}

// diskFaults is what is going to go wrong with the disk.
type diskFaults struct {
	crash, fail *armed
	slow        time.Duration
}

// armed is an event that waits for an operation of the disk.
type armed struct {
	event Event
	left  int
}

// due counts one operation down.
func (a *armed) due() bool {
	if a == nil {
		return false
	}
	a.left--
	return a.left == 0
}

var errInjected = errors.New("sim: the disk fails")

func newProcess(l *life) *process {
	p := &process{life: l, fatal: make(chan struct{})}
	l.d.Dead = p.dead
	l.d.Disk.OnOp = p.onOp
	l.d.Options.Fatal = p.onFatal
	return p
}

func (p *process) dead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.death != nil
}

// die ends the process: nothing that it does is heard from now on.
func (p *process) die(left Snapshot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.death == nil {
		p.death = &left
	}
}

// onOp lets an operation of the disk pass, fail, or be the last one.
func (p *process) onOp(op Op) error {
	if op.Kind == OpRemove || p.dead() { // the store removes old files when it comes to it
		return nil
	}
	l := p.life
	if op.File() == "log" && (op.Kind == OpCreate || op.Kind == OpReuse) {
		p.log = op.Path
	}
	l.trace("disk: %v", op)
	f := &l.faults
	if op.Kind == OpSync && f.slow > 0 && !l.d.stands.Load() {
		l.d.Clock.Drift(f.slow)
	}
	if f.crash.due() {
		e := f.crash.event
		f.crash = nil
		left := l.d.Snapshot(fmt.Sprintf("at: %v", op), e.Keep, e.Seed)
		l.did(e, "")
		p.die(left)
		return nil
	}
	if p.mayFail(op) && f.fail.due() {
		e := f.fail.event
		f.fail = nil
		l.did(e, "it fails")
		l.counts.Failures++
		p.mu.Lock()
		p.failed = true
		p.mu.Unlock()
		return errInjected
	}
	return nil
}

// mayFail reports whether an operation may fail. Of directories and markers it may not, nor of a log that is being closed, which is
// when it is written to though no epoch is, or another one is there: Pebble panics then, on a goroutine of its own or with a lock
// held, which ends a process too, but also the one that simulates it.
func (p *process) mayFail(op Op) bool {
	kind := op.File()
	if kind == "log" && (op.Path != p.log || p.life.d.written.Load()) {
		return false
	}
	return (op.Kind == OpWrite || op.Kind == OpSync) && (kind == "log" || kind == "table" || kind == "manifest")
}

// onFatal is the engine's Fatal.
func (p *process) onFatal(err error) {
	p.mu.Lock()
	first := p.stop == nil && p.death == nil
	if first {
		p.stop = err
	}
	p.mu.Unlock()
	if first {
		left := p.life.d.Snapshot("fail-stop", Keeps[len(err.Error())%len(Keeps)], p.life.plan.Seed)
		p.die(left)
		close(p.fatal)
	}
	runtime.Goexit()
}

// hangs is how long a process may go on after another goroutine has ended it. It does not show in the run.
const hangs = 200 * time.Millisecond

// await runs live until it returns or Fatal ends it.
func (p *process) await(live func() error) (err error) {
	done := make(chan error, 1)
	go func() {
		over := false
		defer func() {
			if v := recover(); v != nil {
				done <- panicText(v)
			} else if !over {
				done <- nil // Fatal
			}
		}()
		err := live()
		over = true
		done <- err
	}()
	select {
	case err = <-done:
	case <-p.fatal:
		select {
		case err = <-done:
		case <-time.After(hangs): // in the write that failed
		}
	}
	return err
}

// lead lives until the process dies, and says what is left then; nil if live came to its end.
func (p *process) lead(live func() error) (left *Snapshot, err error) {
	err = p.await(live)
	p.mu.Lock()
	left, failed, stop, closed := p.death, p.failed, p.stop, p.closed
	p.mu.Unlock()
	switch {
	case stop != nil && !failed:
		return nil, fmt.Errorf("the engine ended the process though nothing had failed: %w", stop)
	case stop != nil:
		p.life.counts.FailStops++
		go bury(p.life.d)
		return left, nil
	case left != nil && failed && err != nil && strings.Contains(err.Error(), errInjected.Error()):
		return left, nil // it had been struck by a crash as well
	case left == nil && failed && err != nil && strings.Contains(err.Error(), errInjected.Error()):
		shot := p.life.d.Snapshot("opening failed", 50, p.life.plan.Seed)
		return &shot, nil
	case closed:
		return left, err
	case err == nil && left == nil:
		return nil, nil
	}
	if p.life.d.Engine != nil {
		err = errors.Join(err, p.life.d.stepped.Abandon())
	}
	return left, err
}

// bury gives back what a process held that Fatal ended, as far as that is possible.
func bury(d *Driver) {
	defer func() { _ = recover() }() // it died in the middle of something
	if d.Engine != nil {
		_ = d.stepped.Abandon() // it fails: the disk has failed
	}
}
