package figures

import (
	"bytes"
	"fmt"
	"strings"
)

// readme makes results/README.md.
func readme(exhibits []exhibit) []byte {
	var w bytes.Buffer
	fmt.Fprint(&w, readmeHead+"This folder is written by `make results`; do not edit it. It also writes this as one page, report.html, and what each measurement said,\n"+
		"raw/*.json; they are not kept in the repository.\n\n")
	for _, origin := range origins(exhibits) {
		fmt.Fprintf(&w, "- `%s`\n", origin)
	}
	fmt.Fprintf(&w, "\n%s\n", howMeasured)
	if quick(exhibits) {
		fmt.Fprintf(&w, "\n**%s**\n", quickWarning)
	}
	fmt.Fprintf(&w, "\n%s\n\n", paperWords(readPaper()))
	for _, x := range exhibits {
		fmt.Fprintf(&w, "- [%s](#%s)\n", x.Experiment.Title, anchor(x.Experiment.Title))
	}
	for _, x := range exhibits {
		x.markdown(&w)
	}
	return w.Bytes()
}

// readmeHead begins the README of a directory of results.
const readmeHead = "# Results\n\n"

// What holds for all experiments.
const (
	howMeasured = "Clients, engine and disk share the machine. Every answer is given after its sync, every write has a request id whose outcome is kept, " +
		"only what was committed counts, latency runs from the intended start, and money is counted before and after each measurement: a wrong sum would have failed the run. " +
		"A cell that was measured several times shows the median and, in parentheses, the range; the charts show the range as a bar. " +
		"The row is the paper's: a balance and 10 fields of 36 bytes."
	quickWarning = "Some of this is of a quick run (`make results-quick`): one round of a second. Its shape can be looked at, its numbers should not be quoted."
)

func paperWords(p Paper) string {
	return fmt.Sprintf("*The paper* is %s. Its set-up: %s. Where its numbers stand beside ours, they are context: nothing was measured side by side.", p.Source, p.Setup)
}

// anchor is what GitHub makes of a heading.
func anchor(title string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-':
			return r
		case r == ' ':
			return '-'
		}
		return -1
	}, strings.ToLower(title))
}

func (x exhibit) markdown(w *bytes.Buffer) {
	e := x.Experiment
	fmt.Fprintf(w, "\n## %s\n\n%s\n\n", e.Title, e.About)
	for _, wrong := range x.Wrong {
		fmt.Fprintf(w, "**WRONG AUDIT** %s\n\n", wrong)
	}
	if missing := x.Summary.missing(); missing != "" {
		fmt.Fprintf(w, "Not measured: %s.\n\n", missing)
	}
	for _, p := range x.Charts {
		fmt.Fprintf(w, "![%s](%s/%s.svg)\n", p.chart.Title+", "+p.chart.Y.Label, chartsDir, p.Name)
	}
	for _, t := range x.Tables {
		t.markdown(w)
	}
	for _, note := range x.Notes {
		fmt.Fprintf(w, "\nThe paper: %s.\n", note)
	}
	fmt.Fprintf(w, "\n*Can this be compared?* %s\n\n", e.Compared)
	fmt.Fprintf(w, "[CSV](%s/%s.csv), made by `%s`.\n", csvDir, e.Name, x.Summary.origin())
}

func (t table) markdown(w *bytes.Buffer) {
	fmt.Fprintf(w, "\n**%s**\n\n| %s |\n|---%s|\n", t.Title, strings.Join(t.Head, " | "), strings.Repeat("|---:", len(t.Head)-1))
	for _, row := range t.Rows {
		fmt.Fprintf(w, "| %s |\n", strings.Join(row, " | "))
	}
}
