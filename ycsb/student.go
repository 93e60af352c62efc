package ycsb

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// The statistics of [Compare]. Those of gonum would bring its linear algebra into every program that links this package, about 2 MB; what is
// difficult of them, the incomplete beta function, is gonum's.

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// deviation is the standard deviation of what values are a sample of.
func deviation(values []float64) float64 {
	middle, squares := mean(values), 0.0
	for _, v := range values {
		squares += (v - middle) * (v - middle)
	}
	return math.Sqrt(squares / float64(len(values)-1))
}

func geometricMean(values []float64) float64 {
	logs := make([]float64, len(values))
	for i, v := range values {
		logs[i] = math.Log(v)
	}
	return math.Exp(mean(logs))
}

// studentsT is how many deviations about zero hold a share of Student's t distribution, the share being level, above 0 and below 1.
// Outside ±t is the regularized incomplete beta function of freedom/(freedom+t²), with the parameters freedom/2 and 1/2 (Abramowitz and
// Stegun, 26.7.1).
func studentsT(level float64, freedom int) float64 {
	nu := float64(freedom)
	x := mathext.InvRegIncBeta(nu/2, 0.5, 1-level)
	return math.Sqrt(nu * (1 - x) / x)
}
