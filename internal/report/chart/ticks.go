package chart

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
)

// label writes a tick's number: large ones with k and M, so that labels stay short.
func label(v float64) string {
	short := func(v float64, unit string) string {
		return strings.TrimSuffix(strconv.FormatFloat(math.Round(v*1e6)/1e6, 'f', -1, 64), ".") + unit
	}
	switch a := math.Abs(v); {
	case a < 1e-9:
		return "0"
	case a >= 1e6:
		return short(v/1e6, "M")
	case a >= 1e4:
		return short(v/1e3, "k")
	}
	return short(v, "")
}

// niceBelow and niceAbove are the next 1, 2 or 5 times a power of ten.
func niceBelow(v float64) float64 {
	scale := math.Pow(10, math.Floor(math.Log10(v)))
	for _, digit := range []float64{5, 2} {
		if digit*scale <= v*1.0001 {
			return digit * scale
		}
	}
	return scale
}

func niceAbove(v float64) float64 {
	scale := math.Pow(10, math.Floor(math.Log10(v)))
	for _, digit := range []float64{1, 2, 5} {
		if digit*scale >= v*0.9999 {
			return digit * scale
		}
	}
	return 10 * scale
}

// decades marks 1, 2 and 5 of each power of ten, or only the powers where there are many.
type decades struct{}

// Ticks implements plot.Ticker.
func (decades) Ticks(low, high float64) (ticks []plot.Tick) {
	digits := []float64{1, 2, 5}
	if high/low > 2e4 {
		digits = digits[:1]
	}
	for exponent := math.Floor(math.Log10(low)); exponent <= math.Ceil(math.Log10(high)); exponent++ {
		for _, digit := range digits {
			if v := digit * math.Pow(10, exponent); v >= low*0.999 && v <= high*1.001 {
				ticks = append(ticks, plot.Tick{Value: v, Label: label(v)})
			}
		}
	}
	return ticks
}

// plain marks even steps of 1, 2 or 5 times a power of ten, about six of them.
type plain struct{}

// Ticks implements plot.Ticker.
func (plain) Ticks(low, high float64) (ticks []plot.Tick) {
	step := niceAbove((high - low) / 6)
	for n := math.Ceil(low/step - 1e-9); n*step <= high+step*1e-9; n++ {
		ticks = append(ticks, plot.Tick{Value: n * step, Label: label(n * step)})
	}
	return ticks
}

// fixed marks certain numbers; those that are too close to the one before have no label.
type fixed []float64

// Ticks implements plot.Ticker.
func (f fixed) Ticks(float64, float64) (ticks []plot.Tick) {
	for _, v := range f {
		ticks = append(ticks, plot.Tick{Value: v, Label: label(v)})
	}
	return ticks
}

// names marks 0, 1, 2 and so on with names.
type names []string

// Ticks implements plot.Ticker.
func (n names) Ticks(float64, float64) (ticks []plot.Tick) {
	for i, name := range n {
		ticks = append(ticks, plot.Tick{Value: float64(i), Label: fmt.Sprint(name)})
	}
	return ticks
}
