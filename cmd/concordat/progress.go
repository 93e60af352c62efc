package main

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/concordat-dev/concordat/internal/cli"
	"github.com/concordat-dev/concordat/ycsb"
	"github.com/concordat-dev/concordat/ycsb/page"
)

// progress shows how far a run is: a bar for each stage, with the rate and the p99 of the last moment. Without a terminal it shows nothing.
type progress struct {
	line     *cli.Line // nil without a terminal
	protocol string
	bar      *progressbar.ProgressBar
	last     ycsb.Progress
	rate     float64
}

func newProgress(w io.Writer, protocol string) *progress {
	return &progress{protocol: protocol, line: cli.NewLine(w)}
}

const (
	barSteps   = 1000 // the length of a stage in the bar's own units
	barText    = 56   // what is written before the bar, mostly, and the percentage
	barColumns = 30   // what the bar has, if there is room
)

// show is a ycsb.Driving's OnProgress.
func (p *progress) show(now ycsb.Progress) {
	if p.line == nil {
		return
	}
	if p.bar == nil || now.Stage != p.last.Stage {
		p.close()
		p.bar = progressbar.NewOptions(barSteps,
			progressbar.OptionSetWriter(p.line), progressbar.OptionSetWidth(p.line.Room(barText, barColumns)), progressbar.OptionClearOnFinish(),
			progressbar.OptionSetPredictTime(false), progressbar.OptionThrottle(50*time.Millisecond))
		p.last, p.rate = now, float64(now.Count)/max(now.Spent.Seconds(), 0.01)
		if now.Stage == "run" {
			p.rate = 0 // its count goes on from the warm-up's
		}
	}
	p.bar.Describe(p.describe(now))
	// An error here is one of drawing a bar; the run is worth more.
	_ = p.bar.Set(int(now.Done * barSteps))
	p.last = now
}

// describe names the stage, the rate since the last time, and the p99 if it is known.
func (p *progress) describe(now ycsb.Progress) string {
	if spent := now.Spent - p.last.Spent; spent > 10*time.Millisecond && now.Count >= p.last.Count {
		p.rate = float64(now.Count-p.last.Count) / spent.Seconds()
	}
	text := fmt.Sprintf("%-12s %-7s %10s/s", p.protocol, now.Stage, page.Thousands(int64(p.rate)))
	if now.P99 > 0 {
		text += fmt.Sprintf("  p99 %.2f ms", now.P99.Seconds()*1000)
	}
	return text
}

// close clears the bar.
func (p *progress) close() {
	if p.bar != nil {
		_ = p.bar.Finish() // an error here is one of drawing, as above
		p.bar = nil
	}
}
