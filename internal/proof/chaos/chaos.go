// Package chaos puts an engine in a process of its own, kills that again and again under load, and checks what its clients saw.
//
// The engine runs in a *child*: the same program, started with [Serve]. The *keeper* starts a child whenever there is none. The
// clients of package record run in the parent and outlive every child; they reach it through its standard input and output. A
// client whose child dies does not know what became of its request: mostly it asks again, under the same id, until it is told;
// sometimes it gives up, and its history says "unknown". The *monkey* does things to the child: kill -9, SIGSTOP, a polite
// SIGTERM, a disk that fills up.
//
// In the end every request is asked once more: whoever was told an outcome is told the same. The histories of lists, of a bank
// and of sagas, all made at once on one directory, are then checked by package history.
//
// Start reading at Run; keeper.go has the processes, monkey.go what is done to them, disk.go what may be filled up, client.go what
// clients make of it.
package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/concordat-dev/concordat/internal/proof/history"
	"github.com/concordat-dev/concordat/internal/proof/history/record"
)

// Options say what is done.
type Options struct {
	// Dir is an empty directory, for the engine and the histories. Required.
	Dir string
	// Child makes the command that runs Serve on a directory. Required.
	Child func(dir string) *exec.Cmd
	// Kills is how often the child is killed. Default: 20, or none with Fills.
	Kills int
	// Fills is how often the disk is filled up until requests are refused. It needs Disk. Default: 0.
	Fills int
	// Disk is where the engine is, in its directory [EngineDir]. With Fills it has to be a small file system of its own, with nothing on
	// it, such as a tmpfs: see [CheckDisk]. Default: Dir.
	Disk string
	// Clients of each of the three workloads. Default: 8.
	Clients int
	// Seed of what clients and monkey choose. Two runs with one seed choose the same and still meet different moments.
	Seed uint64
	// Progress is called after each thing that was done to the child. Optional.
	Progress func(Counts)
}

// EngineDir is the name of the engine's directory. Like all that a run makes it stays, for whoever wants to look.
const EngineDir = "engine"

func (o Options) withDefaults() Options {
	if o.Kills == 0 && o.Fills == 0 {
		o.Kills = 20
	}
	if o.Clients == 0 {
		o.Clients = 8
	}
	return o
}

// Validate reports what is wrong with the options.
func (o Options) Validate() error {
	switch {
	case o.Dir == "" || o.Child == nil:
		return errors.New("chaos: Dir and Child are required")
	case o.Kills < 0 || o.Fills < 0 || o.Clients < 0:
		return fmt.Errorf("chaos: Kills is %d, Fills %d and Clients %d: none may be negative", o.Kills, o.Fills, o.Clients)
	case o.Fills > 0 && o.Disk == "":
		return errors.New("chaos: Fills needs a Disk: filling up the disk that everybody uses is no test")
	}
	if o.Fills > 0 {
		if err := CheckDisk(o.Disk, o.Dir); err != nil {
			return fmt.Errorf("chaos: Disk: %w", err)
		}
	}
	return nil
}

// Counts are what happened.
type Counts struct {
	Kills     int // kill -9
	Opening   int // of those, while the child was still recovering
	Stops     int // SIGSTOP, and SIGCONT a while later
	Restarts  int // SIGTERM: the child closes its engine
	Fills     int // disks filled until a request was refused or the child died
	NoSpace   int // requests refused for want of space
	Answered  int // requests whose outcome the client was told
	Lost      int // times that a child died with a request under way
	Repeats   int // requests asked again under their id meanwhile
	GivenUp   int // requests whose client gave up
	AskedLast int // requests asked once more in the end
}

// Result is what a run found.
type Result struct {
	Counts
	Reports []*history.Report
	// Changed are requests that were told one outcome and later another.
	Changed []string
}

// OK reports whether nothing is wrong.
func (r *Result) OK() bool {
	for _, report := range r.Reports {
		if !report.OK() {
			return false
		}
	}
	return len(r.Changed) == 0
}

// Run runs clients and monkey until the child was killed as often as was wanted, or ctx ends, lets everything settle, and checks.
// It blocks for about a third of a second for each kill. What was wrong with the engine is in the result; an error means that
// the run could not be made, or that it tested too little.
func Run(ctx context.Context, o Options) (*Result, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	disk := o.Disk
	if disk == "" {
		disk = o.Dir
	}
	k := newKeeper(func() *exec.Cmd { return o.Child(filepath.Join(disk, EngineDir)) })
	r := &run{options: o, disk: disk, keeper: k, told: map[string]told{}}
	err := r.all(ctx)
	err = errors.Join(err, k.close())
	if err != nil {
		return nil, fmt.Errorf("chaos: %w", err)
	}
	return r.check()
}

// run is one run.
type run struct {
	options Options
	disk    string
	keeper  *keeper
	streams []*stream

	mu      sync.Mutex
	counts  Counts
	told    map[string]told // by request id
	changed []string
}

// count changes the counts.
func (r *run) count(change func(*Counts)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.counts)
}

// stream is one workload with its history.
type stream struct {
	path     string
	writer   *history.Writer
	recorder *record.Recorder
}

// workloads are those that run at once.
var workloads = []history.Workload{history.ListAppend, history.Bank, history.Sagas}

// requestsPerDeed is about how many sagas there are between two kills or fills: an upper bound makes enough accounts for their notes.
const requestsPerDeed = 500

func (r *run) begin() error {
	for _, w := range workloads {
		o := record.Options{
			Workload: w, Requests: requestsPerDeed * (r.options.Kills + r.options.Fills + 1), Prefix: string(w) + "/", Seed: r.options.Seed,
		}
		path := filepath.Join(r.options.Dir, string(w)+".jsonl")
		writer, err := history.Create(path, o.Header())
		if err != nil {
			return err
		}
		s := &stream{path: path, writer: writer}
		r.streams = append(r.streams, s)
		if s.recorder, err = record.New(o, writer); err != nil {
			return err
		}
	}
	return nil
}

// all runs everything but the checks.
func (r *run) all(ctx context.Context) (err error) {
	defer func() {
		for _, s := range r.streams {
			err = errors.Join(err, s.writer.Close())
		}
	}()
	if err := r.begin(); err != nil {
		return err
	}
	go r.keeper.run()
	patient := r.doer(nil)
	for _, s := range r.streams {
		if err := s.recorder.Prepare(context.Background(), patient); err != nil {
			return err
		}
	}
	if err := r.underLoad(ctx); err != nil {
		return err
	}
	if err := r.askAll(); err != nil {
		return err
	}
	for _, s := range r.streams {
		if err := errors.Join(s.recorder.Surprise(), s.recorder.Settle(context.Background(), patient)); err != nil {
			return err
		}
	}
	return nil
}

// underLoad lets the monkey loose while the clients run.
func (r *run) underLoad(ctx context.Context) error {
	over, stop := context.WithCancel(context.Background())
	defer stop()
	var group sync.WaitGroup
	errs := make([]error, len(r.streams)*r.options.Clients)
	for i, s := range r.streams {
		for c := range r.options.Clients {
			group.Go(func() {
				client := s.recorder.Client(c)
				do := r.doer(rand.New(rand.NewPCG(r.options.Seed, uint64(1000*i+c))))
				at := i*r.options.Clients + c
				for over.Err() == nil && errs[at] == nil {
					errs[at] = client.Step(context.Background(), do)
				}
			})
		}
	}
	err := r.monkey(ctx, rand.New(rand.NewPCG(r.options.Seed, 1<<32)))
	stop()
	group.Wait()
	return errors.Join(err, errors.Join(errs...), r.keeper.failed())
}

// check checks the histories.
func (r *run) check() (*Result, error) {
	result := &Result{Counts: r.counts, Changed: r.changed}
	for _, s := range r.streams {
		h, err := history.Load(s.path)
		if err != nil {
			return nil, fmt.Errorf("chaos: %w", err)
		}
		result.Reports = append(result.Reports, history.Check(h))
	}
	return result, r.enough()
}

// enough is an error if the run tested too little: a check that saw nothing proves nothing.
func (r *run) enough() error {
	c := r.counts
	if c.Kills < r.options.Kills || c.Fills < r.options.Fills {
		return nil // interrupted
	}
	switch {
	case c.Kills > 0 && (c.Answered < 20*c.Kills || c.Lost < c.Kills || c.Repeats == 0):
		return fmt.Errorf("chaos: %d kills met only %d answers, %d lost requests and %d repeats: too little", c.Kills, c.Answered, c.Lost, c.Repeats)
	case c.AskedLast == 0:
		return errors.New("chaos: nothing was asked again in the end")
	case r.options.Fills > 0 && c.NoSpace == 0:
		return fmt.Errorf("chaos: the disk was full %d times and no request was refused for it", c.Fills)
	}
	return nil
}

// settleTime bounds the wait for a child that serves.
const settleTime = 60 * time.Second
