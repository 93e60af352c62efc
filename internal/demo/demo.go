package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// Options say how the demo runs.
type Options struct {
	// Dir is a directory for the data of both engines, which the caller removes. Required.
	Dir string
	// Address is where the page is served: a host and a port of the loopback interface; port 0 is one that is free. Required.
	Address string
	// Engine returns the command of a process that calls [RunEngine] with this directory and address. Required.
	Engine func(dir, address string) *exec.Cmd
	// OnServing is called once the page can be opened. Required.
	OnServing func(url string)
}

// Demo is both sides, and what has happened on them.
type Demo struct {
	sides  []*Side
	hot    atomic.Bool
	ctx    context.Context
	acting sync.WaitGroup

	mu     sync.Mutex
	busy   string // the action that is under way
	over   bool   // no action begins any more
	events []event
}

// maxEvents is how many events are kept, the latest.
const maxEvents = 30

// Run runs the demo until ctx is over. Errors: an address that is not the loopback interface's or cannot be listened on, a directory that cannot be
// made, an engine that does not start.
func Run(ctx context.Context, o Options) error {
	host, _, err := net.SplitHostPort(o.Address)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("demo: %s is no address of the loopback interface: others could press the buttons", o.Address)
	}
	listener, err := net.Listen("tcp", o.Address)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d := &Demo{ctx: ctx}
	var all sync.WaitGroup
	failures := make(chan error, 2)
	for _, of := range []protocol{sagas, txs} {
		dir := filepath.Join(o.Dir, of.name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return errors.Join(fmt.Errorf("demo: %w", err), listener.Close())
		}
		s := newSide(of, newProcess(o.Engine, dir, d.tellProcess), &d.hot, d.note)
		d.sides = append(d.sides, s)
	}
	for _, s := range d.sides {
		all.Go(func() {
			err := s.run(ctx)
			if failures <- err; err != nil {
				cancel() // an engine does not start: there is nothing to show
			}
		})
	}
	page := &http.Server{Handler: d.handler(), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, BaseContext: func(net.Listener) context.Context { return ctx }}
	served := make(chan error, 1)
	go func() { served <- page.Serve(listener) }()
	o.OnServing("http://" + listener.Addr().String())
	select {
	case <-ctx.Done():
	case err = <-served:
	}
	cancel()
	closing := page.Close()
	all.Wait()
	d.mu.Lock()
	d.over = true
	d.mu.Unlock()
	d.acting.Wait()
	return errors.Join(err, closing, <-failures, <-failures)
}

// note notes an event.
func (d *Demo) note(e event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e.At = time.Now()
	d.events = append(d.events, e)
	d.events = d.events[max(0, len(d.events)-maxEvents):]
}

// press begins an action on both sides, unless one is under way or the engines have not started.
func (d *Demo) press(name string) error {
	do := actions[name]
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over {
		return errors.New("the demo ends")
	}
	if d.busy != "" {
		return fmt.Errorf("%q is still under way", d.busy)
	}
	for _, s := range d.sides {
		if phase := s.state().Phase; phase != phaseRunning {
			return fmt.Errorf("the %s side is %s", s.name, phase)
		}
	}
	d.busy = name
	d.acting.Go(func() {
		var both sync.WaitGroup
		for _, s := range d.sides {
			both.Go(func() { s.act(d.ctx, do) })
		}
		both.Wait()
		d.mu.Lock()
		d.busy = ""
		d.mu.Unlock()
	})
	return nil
}

// heat makes an account hot, or no longer.
func (d *Demo) heat() {
	d.mu.Lock()
	hot := !d.hot.Load()
	d.hot.Store(hot)
	d.mu.Unlock()
	if hot {
		d.note(event{Title: "A hot key", Lines: []string{
			"Half of all transfers have to do with one account now: " + names[0] + ". Serializable transfers wait for its lock, in the order in which they come.",
		}})
		return
	}
	d.note(event{Title: "No hot key any more", Lines: []string{"All accounts are drawn alike again."}})
}

// state is what the page shows.
type state struct {
	Sides  []sideState `json:"sides"`
	Hot    bool        `json:"hot"`
	Busy   string      `json:"busy"`
	Events []event     `json:"events"`
	Now    time.Time   `json:"now"`
}

// sideState is what the page shows of a side.
type sideState struct {
	Name    string   `json:"name"`
	Phase   string   `json:"phase"`
	PID     int      `json:"pid"`
	Starts  int      `json:"starts"`
	URL     string   `json:"url"`
	Console string   `json:"console"` // "" if there is none
	Money   money    `json:"money"`
	Adds    bool     `json:"adds"`
	Done    uint64   `json:"done"`
	Refused uint64   `json:"refused"`
	Under   int64    `json:"under"`
	Looks   int      `json:"looks"`
	Halves  int      `json:"halves"`
	Moments []moment `json:"moments"`
}

func (s *Side) state() sideState {
	pid, starts, _ := s.process.state()
	done, refused := s.books.counts()
	s.mu.Lock()
	defer s.mu.Unlock()
	st := sideState{
		Name: s.name, Phase: s.phase, PID: pid, Starts: starts, URL: s.process.url(), Money: s.money, Adds: s.money.adds(), Done: done, Refused: refused,
		Under: s.under.Load(), Looks: s.looks, Halves: s.halves, Moments: s.meter.last(),
	}
	if s.console {
		st.Console = st.URL + consolePath
	}
	if pid == 0 && st.Phase == phaseRunning {
		st.Phase = phaseDown // it has ended by itself, and is started again
	}
	return st
}

// state is what the page shows now.
func (d *Demo) state() state {
	st := state{Hot: d.hot.Load(), Now: time.Now()}
	for _, s := range d.sides {
		st.Sides = append(st.Sides, s.state())
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	st.Busy, st.Events = d.busy, append([]event{}, d.events...)
	return st
}
