package ycsb

import (
	"math"
	"testing"
)

// TestStudentsT: the quantiles are those of the printed tables.
func TestStudentsT(t *testing.T) {
	for _, test := range []struct {
		level   float64
		freedom int
		want    float64
	}{
		{0.95, 1, 12.706}, {0.95, 2, 4.303}, {0.95, 9, 2.262}, {0.99, 4, 4.604}, {0.999, 19, 3.883}, {0.5, 3, 0.765}, {0.9, 120, 1.658},
	} {
		if got := studentsT(test.level, test.freedom); math.Abs(got-test.want) > 0.0006 {
			t.Errorf("%g with %d degrees of freedom: %.4f, want %.3f", test.level, test.freedom, got, test.want)
		}
	}
}

func TestMeans(t *testing.T) {
	values := []float64{2, 8, 4, 1}
	for what, figures := range map[string][2]float64{
		"mean":           {mean(values), 3.75},
		"deviation":      {deviation(values), math.Sqrt((1.75*1.75 + 4.25*4.25 + 0.25*0.25 + 2.75*2.75) / 3)},
		"geometric mean": {geometricMean(values), math.Sqrt(math.Sqrt(64))},
	} {
		if math.Abs(figures[0]-figures[1]) > 1e-12 {
			t.Errorf("%s: %g, want %g", what, figures[0], figures[1])
		}
	}
}
