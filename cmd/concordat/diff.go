package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/concordat-dev/concordat/internal/cli"
	"github.com/concordat-dev/concordat/ycsb"
)

// errSlower: a diff found something slower.
var errSlower = errors.New("the second file is slower")

type diffCommand struct {
	A          string  `arg:"" name:"A.json" help:"Results of run, floor, limit or compare with --repeat: what was before."`
	B          string  `arg:"" name:"B.json" help:"Results of the same command: what is now."`
	Tolerance  float64 `default:"0.05" help:"Share by which B may be slower."`
	Confidence float64 `default:"0.95" help:"Probability with which all intervals together hold."`
}

// Help is shown by kong.
func (*diffCommand) Help() string {
	return `Runs of the same configuration are paired in their order. Of each figure the ratio of B to A is shown, with the
interval that it is in (Student's t on the logarithms of the paired ratios, corrected for their number).

The exit status is 1 if a figure of B is slower by more than the tolerance with all of its interval, 0 if none is, and 2 if
the files cannot be compared. For the narrowest intervals let the runs of A and B take turns, and repeat them ten times.`
}

// Run is called by kong.
func (c *diffCommand) Run(p *program) error {
	comparing := ycsb.Comparing{Tolerance: c.Tolerance, Confidence: c.Confidence}
	if c.Tolerance == 0 {
		comparing.Tolerance = -1 // none; 0 is the library's default
	}
	var errs []error
	if c.Tolerance < 0 {
		errs = append(errs, fmt.Errorf("tolerance: %g is negative", c.Tolerance))
	}
	if err := usage(append(errs, comparing.Validate(), notZero(zero{"confidence", c.Confidence == 0}))...); err != nil {
		return err
	}
	a, errA := ycsb.ReadReports(c.A)
	b, errB := ycsb.ReadReports(c.B)
	if err := errors.Join(errA, errB); err != nil {
		return fmt.Errorf("%w: %w", cli.ErrInput, err)
	}
	ratios, err := ycsb.Compare(a, b, comparing)
	if err != nil {
		return fmt.Errorf("%w: %w", cli.ErrInput, err)
	}
	p.note(ycsb.Uncompared(a, b)...)
	return p.writeRatios(ratios, c.Tolerance)
}

// writeRatios writes a table for each configuration, and returns errSlower if something is.
func (p *program) writeRatios(ratios []ycsb.Ratio, tolerance float64) error {
	slower := 0
	for i, r := range ratios {
		if i == 0 || ratios[i-1].What != r.What {
			fmt.Fprintf(p.stdout, "%s, %d pairs\n", r.What, r.Pairs)
			if err := writeTable(p.stdout, ratios[i:]); err != nil {
				return err
			}
		}
		if r.Verdict == ycsb.Slower {
			slower++
		}
	}
	if slower > 0 {
		return fmt.Errorf("%w by more than %g %% in %d of %d figures", errSlower, tolerance*100, slower, len(ratios))
	}
	return nil
}

// writeTable writes the ratios of the first configuration.
func writeTable(w io.Writer, ratios []ycsb.Ratio) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "\tA\tB\tB/A\tfrom\tto\t\t")
	for _, r := range ratios {
		if r.What != ratios[0].What {
			break
		}
		fmt.Fprintf(tw, "%s\t%.5g\t%.5g\t%.3f\t%.3f\t%.3f\t%s\t\n", r.Figure, r.A, r.B, r.Ratio, r.Low, r.High, r.Verdict)
	}
	fmt.Fprintln(tw)
	return tw.Flush()
}
