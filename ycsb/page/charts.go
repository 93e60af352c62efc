package page

import (
	"fmt"
	"image/color"
	"io"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/concordat-dev/concordat/ycsb"
)

// Chart is a plot with its legend in a strip above it, where it hides no data.
type Chart struct {
	plot   *plot.Plot
	legend []entry // empty if there is nothing to tell apart
	width  vg.Length
	height vg.Length
}

// entry is a name in the legend with what is drawn for it.
type entry struct {
	name string
	look look
}

const (
	legendHeight = 8 * vg.Millimeter
	legendGap    = 6 * vg.Millimeter // between entries
)

// WriteTo renders the chart; format is "svg" or "png".
func (c Chart) WriteTo(w io.Writer, format string) error {
	canvas, err := draw.NewFormattedCanvas(c.width, c.height, format)
	if err != nil {
		return fmt.Errorf("page: %w", err)
	}
	dc := draw.New(canvas)
	dc.SetColor(color.White)
	dc.Fill(dc.Rectangle.Path())
	if len(c.legend) > 0 {
		c.drawLegend(dc)
		dc = draw.Crop(dc, 0, 0, 0, -legendHeight)
	}
	c.plot.Draw(dc)
	if _, err := canvas.WriteTo(w); err != nil {
		return fmt.Errorf("page: %w", err)
	}
	return nil
}

// drawLegend puts the names side by side along the upper edge.
func (c Chart) drawLegend(dc draw.Canvas) {
	style := c.plot.X.Tick.Label
	style.YAlign, style.XAlign = draw.YCenter, draw.XLeft
	at := vg.Point{X: dc.Min.X + 20*vg.Millimeter, Y: dc.Max.Y - legendHeight/2}
	for _, e := range c.legend {
		end := vg.Point{X: at.X + 8*vg.Millimeter, Y: at.Y}
		dc.StrokeLine2(draw.LineStyle{Color: e.look.color, Width: vg.Points(1.5)}, at.X, at.Y, end.X, end.Y)
		dc.DrawGlyph(draw.GlyphStyle{Color: e.look.color, Shape: e.look.shape, Radius: vg.Points(4)},
			vg.Point{X: (at.X + end.X) / 2, Y: at.Y})
		dc.FillText(style, vg.Point{X: end.X + 2*vg.Millimeter, Y: at.Y}, e.name)
		at.X = end.X + 2*vg.Millimeter + style.Width(e.name) + legendGap
	}
}

// look is how a protocol is drawn everywhere: colours of Okabe and Ito, which colour-blind people can tell apart, and shapes.
type look struct {
	color color.Color
	shape draw.GlyphDrawer
}

func lookOf(protocol string, n int) look {
	known := map[string]int{"plain": 0, "saga": 1, "serializable": 2, "floor": 3, "limit": 4}
	if i, ok := known[protocol]; ok {
		n = i
	}
	looks := []look{
		{color.RGBA{230, 159, 0, 255}, draw.TriangleGlyph{}},
		{color.RGBA{0, 158, 115, 255}, draw.SquareGlyph{}},
		{color.RGBA{0, 114, 178, 255}, draw.CircleGlyph{}},
		{color.RGBA{0, 0, 0, 255}, draw.PlusGlyph{}},
		{color.RGBA{213, 94, 0, 255}, draw.CrossGlyph{}},
		{color.RGBA{204, 121, 167, 255}, draw.RingGlyph{}},
	}
	return looks[n%len(looks)]
}

func newPlot(x, y string) *plot.Plot {
	p := plot.New()
	p.X.Label.Text, p.Y.Label.Text = x, y
	for _, style := range []*text.Style{&p.X.Label.TextStyle, &p.Y.Label.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label} {
		style.Font.Variant = "Sans"
		style.Font.Size = 11
	}
	p.X.Label.Padding, p.Y.Label.Padding = 2*vg.Millimeter, 2*vg.Millimeter
	return p
}

// Throughput is a bar for each report: committed operations a second.
func Throughput(reports []ycsb.Report) (Chart, error) {
	p := newPlot("protocol", "committed (thousands a second)")
	names := make([]string, len(reports))
	labels := plotter.XYLabels{}
	for i, r := range reports {
		rate := r.CommittedPerS / 1000
		bar, err := plotter.NewBarChart(plotter.Values{rate}, 24*vg.Millimeter)
		if err != nil {
			return Chart{}, fmt.Errorf("page: %w", err)
		}
		bar.XMin, bar.Color, bar.LineStyle.Width = float64(i), lookOf(r.Protocol, i).color, 0
		p.Add(bar)
		names[i] = r.Protocol
		labels.XYs = append(labels.XYs, plotter.XY{X: float64(i), Y: rate})
		labels.Labels = append(labels.Labels, fmt.Sprintf("%.1f", rate))
	}
	values, err := plotter.NewLabels(labels)
	if err != nil {
		return Chart{}, fmt.Errorf("page: %w", err)
	}
	for i := range values.TextStyle {
		style := &values.TextStyle[i]
		style.Font.Variant, style.Font.Size, style.XAlign = "Sans", 11, draw.XCenter
	}
	values.Offset.Y = vg.Millimeter
	p.Add(values)
	p.NominalX(names...)
	p.X.Min, p.X.Max = -0.6, float64(len(reports))-0.4
	p.Y.Min, p.Y.Max = 0, max(p.Y.Max*1.1, 0.1)
	return Chart{plot: p, width: 170 * vg.Millimeter, height: 95 * vg.Millimeter}, nil
}

// Percentiles is a line for each report: the percentiles of the latency of all its operations, on a logarithmic scale.
func Percentiles(reports []ycsb.Report) (Chart, error) {
	p := newPlot("percentile of all operations", "latency (milliseconds, logarithmic)")
	grid := plotter.NewGrid()
	grid.Vertical.Width = 0
	grid.Horizontal.Color = color.Gray{220}
	p.Add(grid)
	var legend []entry
	low, high := math.Inf(1), 0.0
	for i, r := range reports {
		l := r.LatencyMS["all"]
		var points plotter.XYs
		for x, ms := range []float64{l.P50, l.P95, l.P99, l.P999, l.Max} {
			ms = max(ms, 0.001) // the histograms' resolution; a logarithm has no zero
			low, high = min(low, ms), max(high, ms)
			points = append(points, plotter.XY{X: float64(x), Y: ms})
		}
		line, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return Chart{}, fmt.Errorf("page: %w", err)
		}
		look := lookOf(r.Protocol, i)
		line.Color, line.Width = look.color, vg.Points(1.5)
		dots.Color, dots.Shape, dots.Radius = look.color, look.shape, vg.Points(4)
		p.Add(line, dots)
		legend = append(legend, entry{r.Protocol, look})
	}
	p.NominalX("p50", "p95", "p99", "p99.9", "max")
	p.X.Min, p.X.Max = -0.3, 4.3
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, decades{}
	p.Y.Min = math.Pow(10, math.Floor(math.Log10(low)))
	p.Y.Max = max(math.Pow(10, math.Ceil(math.Log10(high))), 10*p.Y.Min)
	return Chart{plot: p, legend: legend, width: 170 * vg.Millimeter, height: 105 * vg.Millimeter}, nil
}

// decades marks 1, 2 and 5 of each power of ten with plain numbers.
type decades struct{}

// Ticks implements plot.Ticker.
func (decades) Ticks(low, high float64) (ticks []plot.Tick) {
	for exponent := math.Floor(math.Log10(low)); exponent <= math.Ceil(math.Log10(high)); exponent++ {
		for _, digit := range []float64{1, 2, 5} {
			if v := digit * math.Pow(10, exponent); v >= low*0.999 && v <= high*1.001 {
				ticks = append(ticks, plot.Tick{Value: v, Label: fmt.Sprintf("%g", math.Round(v*1e6)/1e6)})
			}
		}
	}
	return ticks
}
