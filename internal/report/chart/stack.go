package chart

import (
	"image/color"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

const (
	barWidth      = 0.6  // of the way from one name to the next
	leastNumbered = 0.07 // share of the highest bar from which on a part has room for its number
)

// part is what a line has of a bar.
type part struct {
	look        Look
	x, from, to float64
}

// parts are those of all bars, and how high the highest one is.
func (c Chart) parts() (all []part, highest float64) {
	tops := make(map[float64]float64)
	for _, l := range c.Lines {
		for _, pt := range l.Points {
			from := tops[pt.X]
			tops[pt.X] += pt.Y
			all = append(all, part{l.Look, pt.X, from, tops[pt.X]})
			highest = max(highest, tops[pt.X])
		}
	}
	return all, highest
}

// stack draws the lines as bars.
func (c Chart) stack(p *plot.Plot, xs, ys *extent) error {
	all, highest := c.parts()
	for _, one := range all {
		if err := one.draw(p, one.to-one.from >= leastNumbered*highest); err != nil {
			return err
		}
		xs.add(one.x, one.x)
		ys.add(one.from, one.to)
	}
	return nil
}

// draw draws a part, with its number if there is room.
func (one part) draw(p *plot.Plot, numbered bool) error {
	left, right := one.x-barWidth/2, one.x+barWidth/2
	area, err := plotter.NewPolygon(plotter.XYs{{X: left, Y: one.from}, {X: right, Y: one.from}, {X: right, Y: one.to}, {X: left, Y: one.to}})
	if err != nil {
		return err
	}
	area.Color, area.LineStyle = one.look.color(), draw.LineStyle{Color: color.White, Width: vg.Points(0.8)}
	p.Add(area)
	if !numbered {
		return nil
	}
	number, err := plotter.NewLabels(plotter.XYLabels{
		XYs: plotter.XYs{{X: one.x, Y: (one.from + one.to) / 2}}, Labels: []string{strconv.FormatFloat(one.to-one.from, 'g', 2, 64)},
	})
	if err != nil {
		return err
	}
	style := &number.TextStyle[0]
	style.Font, style.Color = p.X.Tick.Label.Font, readableOn(one.look.color())
	style.XAlign, style.YAlign = text.XCenter, text.YCenter
	p.Add(number)
	return nil
}

// readableOn is black or white, whichever can be read on a colour.
func readableOn(c color.Color) color.Color {
	if color.GrayModel.Convert(c).(color.Gray).Y > 140 {
		return color.Black
	}
	return color.White
}
