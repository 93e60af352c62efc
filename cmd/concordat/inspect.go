package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"text/tabwriter"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/concordat-dev/concordat/internal/cli"
	"github.com/concordat-dev/concordat/internal/offline"
	"github.com/concordat-dev/concordat/ycsb/page"
)

// offlineDirectory is a directory of an engine's data that is only read.
type offlineDirectory struct {
	Dir  string `arg:"" help:"The directory of an engine's data, or a backup. No engine may have it open. Nothing in it is changed."`
	JSON bool   `name:"json" help:"Write JSON."`
}

type inspectCommand struct{ offlineDirectory }

// Help is shown by kong.
func (*inspectCommand) Help() string {
	return `It says how the directory was made, what its log and its table consist of, how many rows there are of each kind, and what is left to do:
timers, unfinished runs of coordinator functions, sagas that are stuck, and records that wait for the receivers of egresses. What was sealed
and is only in the log counts as if it were in the table. It reads all rows.`
}

type verifyCommand struct{ offlineDirectory }

// Help is shown by kong.
func (*verifyCommand) Help() string {
	return `It reads each entry of the log and each block of the table's files and checks its sum, and decodes each row; it goes on behind damage, to
tell all of it. The exit status is 1 if something is damaged. The end of an append that a crash has cut short is no damage.`
}

// options are those of reading the directory, and a function that clears what showed its progress.
func (c *offlineDirectory) options(p *program) (o offline.Options, done func()) {
	show := newReading(p.stderr)
	return offline.Options{Dir: c.Dir, Progress: show.show}, show.close
}

// failed is the error of a directory that could not be read.
func (c *offlineDirectory) failed(p *program, err error) error {
	if p.ctx.Err() != nil {
		return errors.Join(cli.ErrInterrupted, err)
	}
	return fmt.Errorf("%w: %w", cli.ErrInput, err)
}

// Run is called by kong.
func (c *inspectCommand) Run(p *program) error {
	o, done := c.options(p)
	report, err := offline.Inspect(p.ctx, o)
	done()
	switch {
	case err != nil:
		return c.failed(p, err)
	case c.JSON:
		return writeJSON(p.stdout, report)
	}
	return writeReport(p.stdout, &report)
}

// Run is called by kong.
func (c *verifyCommand) Run(p *program) error {
	o, done := c.options(p)
	found, err := offline.Verify(p.ctx, o)
	done()
	if err != nil {
		return c.failed(p, err)
	}
	if c.JSON {
		err = writeJSON(p.stdout, found)
	} else {
		err = writeVerification(p.stdout, &found)
	}
	if err == nil && found.Damaged > 0 {
		return cli.ErrTold
	}
	return err
}

func writeJSON(w io.Writer, v any) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return out.Encode(v)
}

func writeVerification(w io.Writer, v *offline.Verification) error {
	for _, d := range v.Damage {
		if _, err := fmt.Fprintln(w, "damaged:", d); err != nil {
			return err
		}
	}
	what := "no damage"
	if v.Damaged > 0 {
		what = page.Thousands(v.Damaged) + " damaged"
	}
	_, err := fmt.Fprintf(w, "verified: %s entries, %s rows, %d files, %s: %s\n",
		page.Thousands(v.Entries), page.Thousands(v.Rows), v.Files, sizeOf(v.Bytes), what)
	return err
}

// sizeOf is a number of bytes as people read it.
func sizeOf(bytes int64) string {
	const step = 1024
	if bytes < step {
		return fmt.Sprintf("%d B", bytes)
	}
	size, unit := float64(bytes)/step, 0
	for ; size >= step; unit++ {
		size /= step
	}
	return fmt.Sprintf("%.1f %ciB", size, "KMGTPE"[unit])
}

// writeReport writes a report for people.
func writeReport(w io.Writer, r *offline.Report) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(cells string, args ...any) { fmt.Fprintf(t, cells+"\n", args...) }
	line("directory\t%s", r.Dir)
	line("format\tversion %d, %d shards", r.Format, r.Shards)
	line("id\t%s", orNone(r.ID))
	line("epochs\t%s, the last sealed %s", page.Thousands(r.Epochs), orNone(r.Sealed))
	line("log\t%d segments, %s, entries %d to %d, %s of them not in the table yet",
		r.Log.Segments, sizeOf(r.Log.Bytes), r.Log.First, r.Log.Last, page.Thousands(r.Log.Behind))
	line("table\t%d files, %s", r.Table.Files, sizeOf(r.Table.Bytes))
	writeCounts(line, "ROWS", r.Rows)
	writeCounts(line, "INSTANCES", r.Instances)
	writeWork(line, r)
	writeEnds(line, r)
	return t.Flush()
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

func writeCounts(line func(cells string, args ...any), title string, counts []offline.Count) {
	line("\n%s\tNUMBER\tBYTES", title)
	for _, c := range counts {
		line("%s\t%s\t%s", c.Name, page.Thousands(c.Rows), sizeOf(c.Bytes))
	}
}

// writeWork writes what is left to do.
func writeWork(line func(cells string, args ...any), r *offline.Report) {
	if r.Timers.Count > 0 {
		line("\ntimers\t%s, the earliest due %s", page.Thousands(r.Timers.Count), r.Timers.Earliest)
	} else {
		line("\ntimers\tnone")
	}
	line("parked or suspect\t%s", page.Thousands(r.Parked))
	line("stuck sagas\t%s", page.Thousands(r.Stuck.Count))
	if len(r.Runs) > 0 {
		line("\nUNFINISHED\tRUNS\tWITH JOURNALS\tBEING UNDONE\tSTUCK\tOLDEST ID")
	}
	for _, c := range r.Runs {
		line("%s\t%s\t%s\t%s\t%s\t%d", c.Function, page.Thousands(c.Runs), page.Thousands(c.Journals), page.Thousands(c.Undoing),
			page.Thousands(c.Stuck), c.Oldest)
	}
	if len(r.Stuck.Sagas) > 0 {
		line("\nSTUCK ID\tFUNCTION\tREQUEST\tFAILURE")
	}
	for _, s := range r.Stuck.Sagas {
		line("%d\t%s\t%s\t%s", s.ID, s.Function, s.RequestID, s.Failure)
	}
	if more := r.Stuck.Count - int64(len(r.Stuck.Sagas)); more > 0 {
		line("and %s more", page.Thousands(more))
	}
}

// writeEnds writes how far egresses and ingresses are.
func writeEnds(line func(cells string, args ...any), r *offline.Report) {
	if len(r.Egresses) > 0 {
		line("\nEGRESS\tLAST RECORD\tWAITING\tPARKED")
	}
	for _, g := range r.Egresses {
		line("%s\t%d\t%s\t%s", g.Name, g.Last, page.Thousands(g.Waiting), page.Thousands(g.Parked))
	}
	if len(r.Ingresses) > 0 {
		line("\nINGRESS\tPOSITION")
	}
	for _, f := range r.Ingresses {
		line("%s\t%d", path.Join(f.Name, f.Partition), f.Position)
	}
}

// reading shows how much of a directory was read. Without a terminal it shows nothing.
type reading struct {
	line  *cli.Line // nil without a terminal
	bar   *progressbar.ProgressBar
	stage string
}

func newReading(w io.Writer) *reading { return &reading{line: cli.NewLine(w)} }

// show is an offline.Options' Progress.
func (r *reading) show(stage string, done float64) {
	if r.line == nil {
		return
	}
	if r.bar == nil || stage != r.stage {
		r.close()
		r.stage = stage
		r.bar = progressbar.NewOptions(barSteps,
			progressbar.OptionSetWriter(r.line), progressbar.OptionSetWidth(r.line.Room(barText, barColumns)), progressbar.OptionClearOnFinish(),
			progressbar.OptionSetPredictTime(false), progressbar.OptionThrottle(50*time.Millisecond),
			progressbar.OptionSetDescription("reading "+stage))
	}
	// An error here is one of drawing a bar; what is read is worth more.
	_ = r.bar.Set(int(done * barSteps))
}

// close clears the bar.
func (r *reading) close() {
	if r.bar != nil {
		_ = r.bar.Finish() // an error here is one of drawing, as above
		r.bar = nil
	}
}
