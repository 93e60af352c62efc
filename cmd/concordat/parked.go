package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"text/tabwriter"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/internal/cli"
)

type parkedCommands struct {
	List  parkedList  `cmd:"" help:"List what is parked, and what is suspect."`
	Retry parkedRetry `cmd:"" help:"Let it be started once more when the directory is opened next."`
	Drop  parkedDrop  `cmd:"" help:"Drop it for good."`
}

// Help is shown by kong.
func (*parkedCommands) Help() string {
	return `A message or a run of a coordinator function that no process has survived is parked: it stays in its directory and does not run.
A suspect has been started at least twice without a process that survived; it is started again when the directory is opened.
These commands need no function of the program, and no engine that has the directory open.`
}

// parkedDirectory is a directory of an engine's data.
type parkedDirectory struct {
	Dir  string `arg:"" help:"The directory of an engine's data. No engine may have it open."`
	JSON bool   `name:"json" help:"Write JSON."`
}

// parkedChoice says what in a directory is meant.
type parkedChoice struct {
	parkedDirectory
	IDs []string `arg:"" name:"ID" optional:"" help:"What is meant, as list names it."`
	All bool     `help:"All that is parked, without what is suspect."`
}

type parkedList struct{ parkedDirectory }

type parkedRetry struct{ parkedChoice }

type parkedDrop struct{ parkedChoice }

// Help is shown by kong.
func (*parkedDrop) Help() string {
	return `A message is gone as if it had never been sent. A run is over as it stands: what a saga has done is not undone, and who asks under the
run's request id is told that it was dropped.`
}

// Run is called by kong.
func (c *parkedList) Run(p *program) error {
	all, err := engine.ParkedIn(c.Dir)
	if err != nil {
		return fmt.Errorf("%w: %w", cli.ErrInput, err)
	}
	return p.writeParked(all, c.JSON, "")
}

// Run is called by kong.
func (c *parkedRetry) Run(p *program) error {
	return c.do(p, engine.RetryParkedIn, "to be started once more")
}

// Run is called by kong.
func (c *parkedDrop) Run(p *program) error { return c.do(p, engine.DropParkedIn, "dropped") }

// do does something with what is meant, and says with what.
func (c *parkedChoice) do(p *program, do func(dir string, ids ...string) error, done string) error {
	if c.All == (len(c.IDs) > 0) {
		return usage(errors.New("say which, by their IDs, or --all"))
	}
	all, err := engine.ParkedIn(c.Dir)
	if err != nil {
		return fmt.Errorf("%w: %w", cli.ErrInput, err)
	}
	var chosen []engine.Parked
	if !c.All {
		byID := map[string]engine.Parked{}
		for _, one := range all {
			byID[one.ID] = one
		}
		for _, id := range c.IDs {
			chosen = append(chosen, byID[id])
		}
	}
	ids := c.IDs
	if c.All {
		chosen = slices.DeleteFunc(all, func(one engine.Parked) bool { return one.Suspect })
		for _, one := range chosen {
			ids = append(ids, one.ID)
		}
	}
	if err := do(c.Dir, ids...); err != nil {
		return fmt.Errorf("%w: %w", cli.ErrInput, err)
	}
	return p.writeParked(chosen, c.JSON, done)
}

// writeParked writes what is parked, or what was done with it.
func (p *program) writeParked(all []engine.Parked, asJSON bool, done string) error {
	if asJSON {
		out := json.NewEncoder(p.stdout)
		out.SetIndent("", "  ")
		return out.Encode(append([]engine.Parked{}, all...)) // an empty list, not null
	}
	if len(all) == 0 {
		_, err := fmt.Fprintln(p.stdout, "Nothing is parked.")
		return err
	}
	table := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tWHAT\tREQUEST\tSTARTS\tSTATE")
	for _, one := range all {
		state := "parked"
		if one.Suspect {
			state = "suspect"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\n", one.ID, one.Target, one.RequestID, one.Starts, state)
	}
	if err := table.Flush(); err != nil || done == "" {
		return err
	}
	_, err := fmt.Fprintf(p.stdout, "%d %s\n", len(all), done)
	return err
}
