package page

import (
	"fmt"
	"math"

	"github.com/concordat-dev/concordat/ycsb"
)

// chart is a picture for the page, as charts.html draws it: lengths are in the picture's own units, of which its text is 13 high. The page
// needs two simple pictures; a library that draws would be a tenth of the program, fonts and formats that no browser needs.
type chart struct {
	Title         string // for those who hear the page
	Width, Height float64
	Plot          area // where the data are
	X, Y          axis
	Bars          []bar
	Lines         []line
}

type area struct{ Left, Top, Right, Bottom float64 }

// MiddleX and MiddleY are where the names of the axes are.
func (a area) MiddleX() float64 { return (a.Left + a.Right) / 2 }
func (a area) MiddleY() float64 { return (a.Top + a.Bottom) / 2 }

// slot is the middle of the i-th of n equal parts, from the left.
func (a area) slot(i, n int) float64 {
	return a.Left + (a.Right-a.Left)*(float64(i)+0.5)/float64(n)
}

// height is where a share of the height is, from below.
func (a area) height(share float64) float64 { return a.Bottom - (a.Bottom-a.Top)*share }

type axis struct {
	Name  string
	Ticks []tick
}

type tick struct {
	At    float64
	Label string
}

type bar struct {
	X, Y, Width, Height float64
	Middle              float64
	Label               string
	Look                look
}

type line struct {
	Name    string
	Look    look
	Points  []point
	LegendX float64 // where its name stands, above the data
}

type point struct{ X, Y float64 }

// look is how a protocol is drawn everywhere: colours of Okabe and Ito, which colour-blind people can tell apart, and shapes about 0,0.
type look struct{ Color, Shape string }

func lookOf(protocol string, n int) look {
	known := map[string]int{"plain": 0, "saga": 1, "serializable": 2, "floor": 3, "limit": 4}
	if i, ok := known[protocol]; ok {
		n = i
	}
	const (
		triangle = "M0-6L5.5 4h-11z"
		square   = "M-4.5-4.5h9v9h-9z"
		circle   = "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z"
		diamond  = "M0-6L6 0 0 6-6 0z"
		bowTie   = "M-5-5L5 5V-5L-5 5z"
		drop     = "M0 6L-5.5-4h11z"
	)
	looks := []look{
		{"#e69f00", triangle}, {"#009e73", square}, {"#0072b2", circle}, {"#444444", diamond}, {"#d55e00", bowTie}, {"#cc79a7", drop},
	}
	return looks[n%len(looks)]
}

// throughput has a bar for each report: committed operations a second.
func throughput(reports []ycsb.Report) chart {
	c := chart{
		Title: "committed operations a second, by protocol", Width: 680, Height: 380, Plot: area{70, 15, 665, 320},
		X: axis{Name: "protocol"}, Y: axis{Name: "committed (thousands a second)"},
	}
	most := 0.0
	for _, r := range reports {
		most = max(most, r.CommittedPerS/1000)
	}
	top := max(most*1.1, 0.1) // room for the label of the highest bar
	for _, v := range steps(top) {
		c.Y.Ticks = append(c.Y.Ticks, tick{c.Plot.height(v / top), fmt.Sprintf("%g", v)})
	}
	width := min(96, 0.8*(c.Plot.Right-c.Plot.Left)/float64(len(reports)))
	for i, r := range reports {
		rate, middle := r.CommittedPerS/1000, c.Plot.slot(i, len(reports))
		c.X.Ticks = append(c.X.Ticks, tick{middle, r.Protocol})
		y := c.Plot.height(rate / top)
		c.Bars = append(c.Bars, bar{
			X: middle - width/2, Y: y, Width: width, Height: c.Plot.Bottom - y, Middle: middle,
			Label: fmt.Sprintf("%.1f", rate), Look: lookOf(r.Protocol, i),
		})
	}
	return c
}

// steps are the round numbers from 0 to top, about five of them.
func steps(top float64) (values []float64) {
	unit := math.Pow(10, math.Floor(math.Log10(top/5)))
	for _, digit := range []float64{1, 2, 5, 10} {
		if step := digit * unit; top/step <= 6 {
			for i := 0.0; i*step <= top; i++ {
				values = append(values, math.Round(i*step*1e6)/1e6) // a tenth three times is not exactly 0.3
			}
			return values
		}
	}
	panic("page: ten times a unit is less than a sixth of what has fewer than fifty")
}

// percentiles has a line for each report: the percentiles of the latency of all its operations, on a logarithmic scale.
func percentiles(reports []ycsb.Report) chart {
	c := chart{
		Title: "percentiles of the latency, by protocol", Width: 680, Height: 420, Plot: area{70, 40, 665, 360},
		X: axis{Name: "percentile of all operations"}, Y: axis{Name: "latency (milliseconds, logarithmic)"},
	}
	names := []string{"p50", "p95", "p99", "p99.9", "max"}
	for i, name := range names {
		c.X.Ticks = append(c.X.Ticks, tick{c.Plot.slot(i, len(names)), name})
	}
	all := make([][]float64, len(reports)) // logarithms of milliseconds
	low, high := math.Inf(1), math.Inf(-1)
	for i, r := range reports {
		l := r.LatencyMS["all"]
		for _, ms := range []float64{l.P50, l.P95, l.P99, l.P999, l.Max} {
			log := math.Log10(max(ms, 0.001)) // the histograms' resolution; a logarithm has no zero
			all[i], low, high = append(all[i], log), min(low, log), max(high, log)
		}
	}
	low, high = math.Floor(low), max(math.Ceil(high), math.Floor(low)+1)
	y := func(log float64) float64 { return c.Plot.height((log - low) / (high - low)) }
	c.Y.Ticks = decades(low, high, y)
	for i, r := range reports {
		entry := (c.Plot.Right - c.Plot.Left) / float64(max(len(reports), 5))
		l := line{Name: r.Protocol, Look: lookOf(r.Protocol, i), LegendX: c.Plot.Left + float64(i)*entry}
		for x, log := range all[i] {
			l.Points = append(l.Points, point{c.Plot.slot(x, len(names)), y(log)})
		}
		c.Lines = append(c.Lines, l)
	}
	return c
}

// decades marks 1, 2 and 5 of each power of ten with plain numbers; of many decades only the powers.
func decades(low, high float64, y func(log float64) float64) (ticks []tick) {
	digits := []float64{1, 2, 5}
	if high-low > 4 {
		digits = digits[:1]
	}
	for exponent := low; exponent <= high; exponent++ {
		for _, digit := range digits {
			if log := exponent + math.Log10(digit); log <= high {
				ticks = append(ticks, tick{y(log), fmt.Sprintf("%g", math.Round(math.Pow(10, log)*1e6)/1e6)})
			}
		}
	}
	return ticks
}
