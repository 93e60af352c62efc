package main

import (
	"os"
	"strings"
	"time"

	"github.com/concordat-dev/concordat/internal/cli"
	"github.com/concordat-dev/concordat/internal/proof/ledger"
	"github.com/concordat-dev/concordat/ycsb"
)

// ledgerFlag is the flag of the commands that can note what they did.
type ledgerFlag struct {
	Ledger string `placeholder:"FILE" help:"Add a line to this file: what was done and found, and on which commit."`

	out *cli.Output
}

// openLedger opens the ledger, before anything is done.
func (f *ledgerFlag) openLedger(p *program) (err error) {
	f.out, err = p.outputs.OpenToAppend("ledger", f.Ledger)
	p.text = p.outputs.Text()
	return err
}

// note adds a line to the ledger, if there is one.
func (f *ledgerFlag) note(check string, took time.Duration, violations int, counts map[string]int) error {
	if !f.out.Used() {
		return nil
	}
	here := ycsb.ThisEnvironment()
	return ledger.Write(f.out, ledger.Entry{
		Date: time.Now().UTC().Truncate(time.Second), Commit: here.Commit, Go: here.Go, CPU: here.CPU,
		Command: again(withoutLedger(os.Args[1:])...), Check: check, Seconds: took.Seconds(), Counts: counts, Violations: violations,
	})
}

// again is the command line that does something again.
func again(args ...string) string {
	return cli.Command(append([]string{"go", "run", "./cmd/prove"}, args...)...)
}

// withoutLedger is a command line without the flag that says where it is noted.
func withoutLedger(args []string) (kept []string) {
	for i := 0; i < len(args); i++ {
		switch {
		case args[i] == "--ledger":
			i++
		case !strings.HasPrefix(args[i], "--ledger="):
			kept = append(kept, args[i])
		}
	}
	return kept
}
