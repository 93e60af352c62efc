package main

import (
	"io"
	"sync/atomic"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/concordat-dev/concordat/internal/cli"
)

// bar shows how far a command is, on a terminal; anywhere else it shows nothing.
type bar struct {
	bar   *progressbar.ProgressBar
	count atomic.Int64
}

const (
	barText    = 46 // what is written beside the bar, mostly: what is counted, how many, how fast, how long
	barColumns = 30 // what the bar has, if there is room
)

// newBar makes a bar with so many units, -1 if that is not known.
func newBar(w io.Writer, units int, what string) *bar {
	line := cli.NewLine(w)
	if line == nil {
		return &bar{}
	}
	return &bar{bar: progressbar.NewOptions(units,
		progressbar.OptionSetWriter(line), progressbar.OptionSetDescription(what), progressbar.OptionShowCount(), progressbar.OptionShowIts(),
		progressbar.OptionSetWidth(line.Room(barText, barColumns)), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(100*time.Millisecond))}
}

// step moves the bar by one unit. It may be called by any goroutine.
func (b *bar) step() {
	b.count.Add(1)
	if b.bar != nil {
		_ = b.bar.Add(1) // an error here is one of drawing a bar; the run is worth more
	}
}

// set moves the bar to a number of units.
func (b *bar) set(units int) {
	if b.bar != nil {
		_ = b.bar.Set(units) // as above
	}
}

// close clears the bar.
func (b *bar) close() {
	if b.bar != nil {
		_ = b.bar.Finish() // as above
	}
}
