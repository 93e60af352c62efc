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
	w        io.Writer // nil without a terminal
	protocol string
	bar      *progressbar.ProgressBar
	last     ycsb.Progress
	rate     float64
}

func newProgress(w io.Writer, protocol string) *progress {
	p := &progress{protocol: protocol}
	if cli.Terminal(w) {
		p.w = w
	}
	return p
}

// barSteps is the length of a stage in the bar's own units.
const barSteps = 1000

// show is a ycsb.Driving's OnProgress.
func (p *progress) show(now ycsb.Progress) {
	if p.w == nil {
		return
	}
	if p.bar == nil || now.Stage != p.last.Stage {
		p.close()
		p.bar = progressbar.NewOptions(barSteps,
			progressbar.OptionSetWriter(p.w), progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish(),
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
