// Package chart draws line charts that can be read: axes with units, a legend in a strip above the data, colours of Okabe and Ito
// that colour-blind people can tell apart, and for each line a marker and a dash pattern of its own as well. Lines can be stacked as
// bars instead; then the order of the legend is that of the parts of a bar, and large parts have their number in them.
//
// A [Chart] has [Axis]es and [Line]s of [Point]s. [Chart.WriteTo] renders it as SVG or PNG.
package chart

import (
	"fmt"
	"image/color"
	"io"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Chart is a picture of lines.
type Chart struct {
	Title string
	X, Y  Axis
	Lines []Line
	// Stacked has what the lines have at a name stand on top of each other in one bar, that of the first line at the bottom. The X axis
	// has Names then, and the Y axis is linear.
	Stacked bool
	// Footer is small print under the chart.
	Footer string
}

// Axis is an axis; the zero value is linear.
type Axis struct {
	Label string // with its unit
	Log   bool
	// Names are shown at 0, 1, 2 and so on instead of numbers. There is nothing between names, so points are not joined; those of
	// different lines stand side by side.
	Names []string
	// Ticks are the only places that are marked, if there are any.
	Ticks []float64
}

// Line is points that are joined.
type Line struct {
	Name   string
	Look   Look
	Points []Point
}

// Point is a value with its range; Low and High are Y if there is none.
type Point struct{ X, Y, Low, High float64 }

// Look is how a line is drawn. Two lines of a chart differ in at least one of its numbers.
type Look struct {
	Hue  int  // its colour
	Mark int  // its marker and dash pattern
	Pale bool // of something from elsewhere
}

// Hues is how many different ones there are; a Hue is taken modulo that.
const Hues = 7

var hues = [Hues]color.RGBA{
	{0, 114, 178, 255},   // blue
	{0, 158, 115, 255},   // green
	{230, 159, 0, 255},   // orange
	{0, 0, 0, 255},       // black
	{213, 94, 0, 255},    // vermilion
	{204, 121, 167, 255}, // purple
	{86, 180, 233, 255},  // sky
}

var (
	marks  = []draw.GlyphDrawer{draw.CircleGlyph{}, draw.SquareGlyph{}, draw.TriangleGlyph{}, draw.PlusGlyph{}, draw.CrossGlyph{}, draw.RingGlyph{}, draw.BoxGlyph{}, draw.PyramidGlyph{}}
	dashes = [][]vg.Length{nil, {vg.Points(7), vg.Points(3)}, {vg.Points(2), vg.Points(2)}, {vg.Points(9), vg.Points(3), vg.Points(2), vg.Points(3)}}
)

func (l Look) color() color.Color {
	c := hues[l.Hue%len(hues)]
	if l.Pale {
		mix := func(v uint8) uint8 { return uint8((int(v) + 2*190) / 3) }
		c = color.RGBA{mix(c.R), mix(c.G), mix(c.B), 255}
	}
	return c
}

func (l Look) line() draw.LineStyle {
	return draw.LineStyle{Color: l.color(), Width: vg.Points(1.6), Dashes: dashes[l.Mark%len(dashes)]}
}

func (l Look) glyph() draw.GlyphStyle {
	return draw.GlyphStyle{Color: l.color(), Shape: marks[l.Mark%len(marks)], Radius: vg.Points(3.5)}
}

// Sizes.
const (
	width      = 165 * vg.Millimeter
	plotHeight = 88 * vg.Millimeter
	footRow    = 6 * vg.Millimeter
	labelRow   = 6 * vg.Millimeter // of an axis
	titleRow   = 8 * vg.Millimeter
	legendRow  = 6 * vg.Millimeter
	sampleLine = 11 * vg.Millimeter // of a line, in the legend
	fontSize   = 11
)

// WriteTo renders the chart; format is "svg" or "png". A chart without points is an error.
func (c Chart) WriteTo(w io.Writer, format string) error {
	p, err := c.plot()
	if err != nil {
		return fmt.Errorf("chart %s: %w", c.Title, err)
	}
	rows := c.legendRows(p.X.Tick.Label)
	head := titleRow + legendRow*vg.Length(len(rows)) + 2*vg.Millimeter
	canvas, err := draw.NewFormattedCanvas(width, plotHeight+head+footRow, format)
	if err != nil {
		return fmt.Errorf("chart %s: %w", c.Title, err)
	}
	dc := draw.New(canvas)
	dc.SetColor(color.White)
	dc.Fill(dc.Rectangle.Path())
	c.drawHead(dc, p.X.Tick.Label, rows)
	c.drawFooter(dc, p.X.Tick.Label)
	data := draw.Crop(dc, labelRow+2*vg.Millimeter, -margin, footRow+labelRow, -head)
	c.drawLabels(data, p.X.Tick.Label)
	p.Draw(data)
	if _, err := canvas.WriteTo(w); err != nil {
		return fmt.Errorf("chart %s: %w", c.Title, err)
	}
	return nil
}

// legendRows cuts the lines into rows that fit the width.
func (c Chart) legendRows(style text.Style) (rows [][]Line) {
	left := vg.Length(-1)
	for _, l := range c.Lines {
		need := entryWidth(style, l)
		if left < need {
			rows = append(rows, nil)
			left = width - 2*margin
		}
		rows[len(rows)-1] = append(rows[len(rows)-1], l)
		left -= need
	}
	return rows
}

const margin = 5 * vg.Millimeter

func entryWidth(style text.Style, l Line) vg.Length {
	return sampleLine + 2*vg.Millimeter + style.Width(l.Name) + 6*vg.Millimeter
}

// drawHead draws the title and under it the legend.
func (c Chart) drawHead(dc draw.Canvas, style text.Style, rows [][]Line) {
	style.XAlign, style.YAlign = draw.XLeft, draw.YCenter
	title := style
	title.Font.Size = 13
	y := dc.Max.Y - titleRow/2 - vg.Millimeter
	dc.FillText(title, vg.Point{X: dc.Min.X + margin, Y: y}, c.Title)
	y -= titleRow/2 + legendRow/2
	for _, row := range rows {
		x := dc.Min.X + margin
		for _, l := range row {
			c.drawSample(dc, l.Look, x, y)
			dc.FillText(style, vg.Point{X: x + sampleLine + 2*vg.Millimeter, Y: y}, l.Name)
			x += entryWidth(style, l)
		}
		y -= legendRow
	}
}

// drawSample draws how a line looks, in the legend.
func (c Chart) drawSample(dc draw.Canvas, l Look, x, y vg.Length) {
	if c.Stacked {
		left, right, low, high := x, x+sampleLine, y-legendRow/4, y+legendRow/4
		dc.FillPolygon(l.color(), []vg.Point{{X: left, Y: low}, {X: right, Y: low}, {X: right, Y: high}, {X: left, Y: high}})
		return
	}
	if len(c.X.Names) == 0 {
		dc.StrokeLine2(l.line(), x, y, x+sampleLine, y)
	}
	dc.DrawGlyph(l.glyph(), vg.Point{X: x + sampleLine/2, Y: y})
}

// drawLabels draws the labels of the axes left of the plot and below it. The plot's own labels take room above and beside it when an
// axis is logarithmic, as they are then thought to stand where their number would.
func (c Chart) drawLabels(data draw.Canvas, style text.Style) {
	style.XAlign, style.YAlign = draw.XCenter, draw.YCenter
	dy := labelRow / 2
	dx := dy + vg.Millimeter
	data.FillText(style, vg.Point{X: data.Center().X, Y: data.Min.Y - dy}, c.X.Label)
	style.Rotation = math.Pi / 2
	data.FillText(style, vg.Point{X: data.Min.X - dx, Y: data.Center().Y}, c.Y.Label)
}

// drawFooter draws the small print, cut off where it does not fit.
func (c Chart) drawFooter(dc draw.Canvas, style text.Style) {
	style.XAlign, style.YAlign = draw.XLeft, draw.YCenter
	style.Font.Size, style.Color = 7, color.Gray{110}
	words := c.Footer
	for style.Width(words) > width-2*margin {
		words = words[:len(words)-1]
	}
	dc.FillText(style, vg.Point{X: dc.Min.X + margin, Y: dc.Min.Y + footRow/2}, words)
}

// plot makes the axes and the lines.
func (c Chart) plot() (*plot.Plot, error) {
	p := plot.New()
	for _, style := range []*text.Style{&p.X.Tick.Label, &p.Y.Tick.Label} {
		style.Font.Variant = "Sans"
		style.Font.Size = fontSize
	}
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = color.Gray{225}, color.Gray{240}
	p.Add(grid)
	var xs, ys extent
	if c.Stacked {
		if err := c.stack(p, &xs, &ys); err != nil {
			return nil, err
		}
	}
	for i, l := range c.Lines {
		points := c.shown(l.Points)
		if c.Stacked || len(points) == 0 {
			continue
		}
		if len(c.X.Names) > 0 {
			points = beside(points, float64(i)-float64(len(c.Lines)-1)/2)
		}
		if err := addLine(p, l.Look, points, len(c.X.Names) == 0); err != nil {
			return nil, err
		}
		for _, pt := range points {
			xs.add(pt.X, pt.X)
			ys.add(pt.Low, pt.High)
		}
	}
	if !xs.any {
		return nil, fmt.Errorf("there is nothing to draw")
	}
	xs.set(&p.X, c.X)
	ys.set(&p.Y, c.Y)
	switch {
	case c.Stacked:
		p.Y.Min = 0
	case !c.Y.Log:
		p.Y.Min = min(0, p.Y.Min)
	}
	return p, nil
}

// shown are the points that the axes can show: a logarithm has no zero.
func (c Chart) shown(points []Point) (shown []Point) {
	for _, pt := range points {
		if c.X.Log && pt.X <= 0 || c.Y.Log && pt.Y <= 0 {
			continue
		}
		if c.Y.Log && pt.Low <= 0 {
			pt.Low = pt.Y
		}
		shown = append(shown, pt)
	}
	return shown
}

// beside moves points by so many places of those that lines have beside each other at a name.
func beside(points []Point, places float64) []Point {
	const place = 0.12 // of the way to the next name
	moved := slices.Clone(points)
	for i := range moved {
		moved[i].X += places * place
	}
	return moved
}

// addLine draws a line with its markers and ranges, or only those.
func addLine(p *plot.Plot, look Look, points []Point, joined bool) error {
	xys := make(plotter.XYs, len(points))
	ranges := struct {
		plotter.XYs
		plotter.YErrors
	}{xys, make(plotter.YErrors, len(points))}
	for i, pt := range points {
		xys[i] = plotter.XY{X: pt.X, Y: pt.Y}
		ranges.YErrors[i].Low, ranges.YErrors[i].High = pt.Y-pt.Low, pt.High-pt.Y
	}
	line, dots, err := plotter.NewLinePoints(xys)
	if err != nil {
		return err
	}
	line.LineStyle, dots.GlyphStyle = look.line(), look.glyph()
	bars, err := plotter.NewYErrorBars(ranges)
	if err != nil {
		return err
	}
	bars.LineStyle = draw.LineStyle{Color: look.color(), Width: vg.Points(1)}
	bars.CapWidth = 2 * vg.Millimeter
	if joined {
		p.Add(line)
	}
	p.Add(bars, dots)
	return nil
}

// extent is where values are.
type extent struct {
	any       bool
	low, high float64
}

func (e *extent) add(low, high float64) {
	if !e.any {
		*e = extent{true, low, high}
	}
	e.low, e.high = min(e.low, low), max(e.high, high)
}

// set gives an axis its range and ticks, with room so that no marker is on the frame.
func (e extent) set(to *plot.Axis, a Axis) {
	switch {
	case len(a.Names) > 0:
		to.Min, to.Max = -0.4, float64(len(a.Names))-0.6
		to.Tick.Marker = names(a.Names)
	case a.Log:
		to.Scale = plot.LogScale{}
		room := max(math.Pow(e.high/e.low, 0.05), 1.12)
		to.Min, to.Max = e.low/room, e.high*room
		if to.Max/to.Min < 10 { // so that there are some ticks of 1, 2 and 5
			to.Min, to.Max = min(to.Min, niceBelow(e.low)), max(to.Max, niceAbove(e.high))
		}
		to.Tick.Marker = decades{}
	default:
		room := max(e.high-e.low, e.high*0.05, 1e-9) * 0.05
		to.Min, to.Max = e.low-room, e.high+room
		to.Tick.Marker = plain{}
	}
	if len(a.Ticks) > 0 {
		to.Tick.Marker = fixed(a.Ticks)
	}
}
