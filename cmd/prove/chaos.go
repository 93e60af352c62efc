package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/concordat-dev/concordat/internal/cli"
	"github.com/concordat-dev/concordat/internal/proof/chaos"
	"github.com/concordat-dev/concordat/ycsb"
)

type chaosCommand struct {
	Kills   int    `default:"200" help:"How often the process is killed."`
	Fills   int    `default:"0" help:"How often its disk is filled up. That needs --disk, or the right to mount a small one."`
	Clients int    `default:"8" help:"Clients of each of the three workloads: lists, a bank, sagas."`
	Seed    uint64 `default:"1" help:"What clients and monkey choose depends on it; the moments do not."`
	Dir     string `placeholder:"DIR" help:"Where the engine and the histories are, for the time of the run. Default: the system's directory for temporary files."`
	Disk    string `placeholder:"DIR" help:"Where a small file system for the engine is mounted, with nothing on it, to be filled up with --fills. Default: a tmpfs of 256 MiB that is mounted for the time of the run."`
	ledgerFlag
}

// mostOften bounds kills and fills.
const mostOften = 1_000_000

// Run is called by kong.
func (c *chaosCommand) Run(p *program) (err error) {
	if err := c.validate(); err != nil {
		return fmt.Errorf("%w: chaos: %w", cli.ErrUsage, err)
	}
	if err := c.openLedger(p); err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(c.Dir, "prove-chaos-")
	if err != nil {
		return fmt.Errorf("%w: chaos: %w", cli.ErrUsage, err)
	}
	disk, unmount, err := c.smallDisk(dir)
	if err != nil {
		return errors.Join(fmt.Errorf("%w: chaos: %w", cli.ErrUsage, err), os.RemoveAll(dir))
	}
	began, bar := time.Now(), newBar(p.stderr, c.Kills+c.Fills, "kills")
	result, err := chaos.Run(p.ctx, chaos.Options{
		Dir: dir, Disk: disk, Kills: c.Kills, Fills: c.Fills, Clients: c.Clients, Seed: c.Seed,
		Child:    func(dir string) *exec.Cmd { return exec.Command(program, "chaos-child", "--dir", dir) },
		Progress: func(n chaos.Counts) { bar.set(n.Kills + n.Fills) },
	})
	bar.close()
	if err = errors.Join(err, unmount()); err != nil {
		err = fmt.Errorf("%w; what is left of it is in %s", err, dir)
	}
	if result == nil {
		return err
	}
	return c.finish(p, result, dir, time.Since(began), err)
}

// validate checks the flags. A disk is filled up only if it is there for that.
func (c *chaosCommand) validate() error {
	switch {
	case c.Kills < 0 || c.Fills < 0 || c.Kills > mostOften || c.Fills > mostOften || c.Clients < 1 || c.Clients > ycsb.MaxClients || c.Kills+c.Fills == 0:
		return fmt.Errorf("--kills and --fills must be 0 to %d and not both 0, --clients 1 to %d", mostOften, ycsb.MaxClients)
	case c.Disk != "" && c.Fills == 0:
		return errors.New("--disk is for what --fills fills up; say how often, or leave it out (--dir says where an engine is that is only killed)")
	case c.Disk == "":
		return nil
	}
	if err := chaos.CheckDisk(c.Disk, cmp.Or(c.Dir, os.TempDir())); err != nil {
		return fmt.Errorf("--disk: %w", err)
	}
	return nil
}

// smallDisk is the file system that is filled up, if one is: the one of --disk, or one that is made.
func (c *chaosCommand) smallDisk(dir string) (disk string, unmount func() error, err error) {
	if c.Fills == 0 || c.Disk != "" {
		return c.Disk, func() error { return nil }, nil
	}
	disk = filepath.Join(dir, "disk")
	if err := os.Mkdir(disk, 0o755); err != nil {
		return "", nil, err
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=256m"); err != nil {
		return "", nil, fmt.Errorf("mount a tmpfs to fill up: %w; give a small file system with --disk", err)
	}
	return disk, func() error { return syscall.Unmount(disk, 0) }, nil
}

// clean removes what the run has made.
func (c *chaosCommand) clean(dir string) error {
	err := os.RemoveAll(dir)
	if c.Disk != "" {
		err = errors.Join(err, os.RemoveAll(filepath.Join(c.Disk, chaos.EngineDir)))
	}
	return err
}

// finish tells what was found, also by a run that tested too little: err says so. The histories of a run that found something are kept,
// and no error hides a violation.
func (c *chaosCommand) finish(p *program, r *chaos.Result, dir string, took time.Duration, err error) error {
	violations, checked, textErr := c.tell(p, r, took)
	n := r.Counts
	err = errors.Join(err, textErr, c.note("chaos", took, violations, map[string]int{
		"kills": n.Kills, "kills_during_recovery": n.Opening, "stops": n.Stops, "restarts": n.Restarts, "full_disks": n.Fills,
		"requests": n.Answered, "asked_again": n.AskedLast, "transactions_checked": checked,
	}))
	switch {
	case violations > 0:
		fmt.Fprintf(p.text, "everything is in %s\n", dir)
		return errors.Join(cli.ErrTold, err)
	case err != nil:
		return err
	case p.ctx.Err() != nil:
		return errors.Join(cli.ErrInterrupted, c.clean(dir))
	}
	return c.clean(dir)
}

// tell tells what was done and found.
func (c *chaosCommand) tell(p *program, r *chaos.Result, took time.Duration) (violations, checked int, err error) {
	n := r.Counts
	fmt.Fprintf(p.text, "%d kills in %v (%d during recovery), %d stops, %d restarts, %d full disks\n",
		n.Kills, took.Round(time.Millisecond), n.Opening, n.Stops, n.Restarts, n.Fills)
	fmt.Fprintf(p.text, "%d requests answered; %d were under way when the process died, %d times one was asked again, %d were given up; %d refused for want of space\n",
		n.Answered, n.Lost, n.Repeats, n.GivenUp, n.NoSpace)
	fmt.Fprintf(p.text, "%d requests asked once more in the end, %d told something else\n", n.AskedLast, len(r.Changed))
	violations = len(r.Changed)
	for _, line := range r.Changed {
		fmt.Fprintln(p.text, "VIOLATED:", line)
	}
	for _, report := range r.Reports {
		err = errors.Join(err, report.WriteText(p.text))
		checked += report.Transactions + report.Sagas
		violations += len(report.Anomalies) + report.More
	}
	return violations, checked, err
}

// chaosChildCommand is what chaos starts and kills.
type chaosChildCommand struct {
	Dir string `required:"" help:"The engine's directory."`
}

// Run is called by kong.
func (c *chaosChildCommand) Run(p *program) error {
	return chaos.Serve(chaos.ChildOptions(c.Dir), os.Stdin, p.stdout)
}
