package chart

import (
	"bytes"
	"fmt"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gonum.org/v1/plot"
)

func sample(x, y Axis) Chart {
	c := Chart{Title: "Rate - 5,000 keys", X: x, Y: y, Footer: strings.Repeat("where it comes from; ", 20)}
	for i, name := range []string{"serializable", "saga", "plain", "floor", "paper: serializable", "paper: saga"} {
		l := Line{Name: name, Look: Look{Hue: i % 4, Mark: i % 4, Pale: i >= 4}}
		for j := range 5 {
			v := math.Pow(10, float64(j)/float64(i+1)) * 100
			l.Points = append(l.Points, Point{X: float64(j), Y: v, Low: v * 0.9, High: v * 1.1})
		}
		c.Lines = append(c.Lines, l)
	}
	return c
}

// TestWriteTo renders all kinds of axes; CHARTS names a directory to look at them in.
func TestWriteTo(t *testing.T) {
	axes := []Axis{{Label: "linear, a second"}, {Label: "logarithmic, ms", Log: true}}
	xs := append(axes, Axis{Label: "named", Names: []string{"a", "b", "c", "d", "e"}}, Axis{Label: "ticks", Log: true, Ticks: []float64{1, 2, 4}})
	for i, x := range xs {
		for j, y := range axes {
			var image bytes.Buffer
			if err := sample(x, y).WriteTo(&image, "png"); err != nil {
				t.Fatal(err)
			}
			if dir := os.Getenv("CHARTS"); dir != "" {
				if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("sample-%d-%d.png", i, j)), image.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			decoded, err := png.Decode(&image)
			if err != nil || decoded.Bounds().Dx() < 400 {
				t.Errorf("%v, %v", decoded, err)
			}
		}
	}
}

// TestText: the picture has its title, its axes, and every line's name, the legend in more than one row if need be.
func TestText(t *testing.T) {
	var out bytes.Buffer
	c := sample(Axis{Label: "load"}, Axis{Label: "latency, ms", Log: true})
	if err := c.WriteTo(&out, "svg"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Rate - 5,000 keys", ">load<", "latency, ms", "paper: serializable", "where it comes from"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the picture does not say %q", want)
		}
	}
	p, err := c.plot()
	if err != nil {
		t.Fatal(err)
	}
	rows, lines := c.legendRows(p.X.Tick.Label), 0
	for _, row := range rows {
		need := 2 * margin
		for _, l := range row {
			need += entryWidth(p.X.Tick.Label, l)
		}
		if need > width {
			t.Errorf("a row of the legend is %v wide, the picture %v", need, width)
		}
		lines += len(row)
	}
	if len(rows) < 2 || lines != len(c.Lines) {
		t.Errorf("the legend has %d rows with %d lines", len(rows), lines)
	}
}

// TestNothing: a picture without a point that can be shown is an error; points that a logarithm cannot show are left out.
func TestNothing(t *testing.T) {
	c := Chart{Y: Axis{Log: true}, Lines: []Line{{Points: []Point{{X: 1, Y: 0}}}, {}}}
	if err := c.WriteTo(new(bytes.Buffer), "svg"); err == nil {
		t.Error("nothing was drawn")
	}
	c.Lines[1].Points = []Point{{X: 1, Y: 3, Low: 0, High: 3}}
	if err := c.WriteTo(new(bytes.Buffer), "svg"); err != nil {
		t.Errorf("one point: %v", err)
	}
	if err := c.WriteTo(new(bytes.Buffer), "gif?"); err == nil {
		t.Error("there is no such format")
	}
}

// TestTicks: ticks are labelled, are within the axis, and there are enough and not too many to read.
func TestTicks(t *testing.T) {
	for _, c := range []struct {
		ticks     plot.Ticker
		low, high float64
	}{
		{plain{}, 0, 1}, {plain{}, 0, 123_456}, {plain{}, 95, 105}, {plain{}, -0.05, 1.05}, {plain{}, 0, 0.003},
		{decades{}, 1, 10}, {decades{}, 0.1, 900}, {decades{}, 90, 2_000_000}, {decades{}, 150, 2300},
	} {
		ticks := c.ticks.Ticks(c.low, c.high)
		if len(ticks) < 3 || len(ticks) > 15 {
			t.Errorf("%d ticks from %g to %g: %v", len(ticks), c.low, c.high, ticks)
		}
		seen := make(map[string]bool)
		for _, tick := range ticks {
			if tick.Label == "" || seen[tick.Label] || len(tick.Label) > 7 || tick.Value < c.low*0.99-1e-9 || tick.Value > c.high*1.01+1e-9 {
				t.Errorf("a tick %v of %v", tick, ticks)
			}
			seen[tick.Label] = true
		}
	}
	for v, want := range map[float64]string{0: "0", 0.05: "0.05", 1000: "1000", 20_000: "20k", 1_500_000: "1.5M", -0.2: "-0.2", 0.1 + 0.2: "0.3"} {
		if got := label(v); got != want {
			t.Errorf("label(%g) = %q, want %q", v, got, want)
		}
	}
}

func TestNice(t *testing.T) {
	for v, want := range map[float64][2]float64{1: {1, 1}, 3: {2, 5}, 7: {5, 10}, 0.15: {0.1, 0.2}, 50: {50, 50}} {
		if below, above := niceBelow(v), niceAbove(v); math.Abs(below-want[0]) > 1e-9 || math.Abs(above-want[1]) > 1e-9 {
			t.Errorf("around %g: %g and %g, want %v", v, below, above, want)
		}
	}
}

// TestNamesAreNotJoined: between names there is nothing, so there is no line; what two lines have at one name stands side by side.
func TestNamesAreNotJoined(t *testing.T) {
	points := []Point{{X: 0, Y: 1, Low: 1, High: 1}, {X: 1, Y: 2, Low: 2, High: 2}, {X: 2, Y: 3, Low: 3, High: 3}}
	joined := make(map[bool]int)
	for _, named := range []bool{true, false} {
		c := Chart{Title: "t", X: Axis{Label: "x"}, Lines: []Line{{Name: "a", Points: points}}}
		if named {
			c.X.Names = []string{"one", "two", "three"}
		}
		var out bytes.Buffer
		if err := c.WriteTo(&out, "svg"); err != nil {
			t.Fatal(err)
		}
		joined[named] = strings.Count(out.String(), fmt.Sprintf("stroke:#%02X%02X%02X", hues[0].R, hues[0].G, hues[0].B))
	}
	if joined[true] != joined[false]-2 { // the line, and its sample in the legend
		t.Errorf("strokes %v", joined)
	}
	if a, b := beside(points, -0.5), beside(points, 0.5); a[1].X >= 1 || b[1].X <= 1 || b[1].X-a[1].X > 0.2 || points[1].X != 1 {
		t.Errorf("%v and %v of %v", a, b, points)
	}
}

// TestStacked: what lines have at a name stands on top of each other, in the order of the lines, as high as it is; large parts have their
// number.
func TestStacked(t *testing.T) {
	c := Chart{Title: "t", X: Axis{Names: []string{"saga,\n10 keys", "two"}}, Y: Axis{Label: "µs"}, Stacked: true}
	for i, heights := range [][]float64{{3, 1}, {7.125, 0.125}, {0.25, 4}} {
		l := Line{Name: fmt.Sprint("part ", i), Look: Look{Hue: i, Pale: i == 2}}
		for x, y := range heights {
			l.Points = append(l.Points, Point{X: float64(x), Y: y, Low: y, High: y})
		}
		c.Lines = append(c.Lines, l)
	}
	parts, highest := c.parts()
	if want := (part{c.Lines[2].Look, 1, 1.125, 5.125}); len(parts) != 6 || parts[0].from != 0 || parts[5] != want || highest != 10.375 {
		t.Errorf("%+v of bars up to %g, want the last to be %+v", parts, highest, want)
	}
	p, err := c.plot()
	if err != nil {
		t.Fatal(err)
	}
	if p.Y.Min != 0 || p.Y.Max < 10.375 || p.Y.Max > 11.5 {
		t.Errorf("from %g to %g, for bars of 10.375 and 5.125", p.Y.Min, p.Y.Max)
	}
	var out bytes.Buffer
	if err := c.WriteTo(&out, "svg"); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		">3<": true, ">7.1<": true, ">0.25<": false, ">0.12<": false, ">4<": true, "part 2": true, "10 keys": true,
	} {
		if strings.Contains(out.String(), text) != want {
			t.Errorf("it says %s: %v", text, !want)
		}
	}
	c.Lines = nil
	if _, err := c.plot(); err == nil {
		t.Error("bars of nothing were drawn")
	}
}
