package tpcc

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func seeded() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

// TestNURandAtFullScale: the constants A are the standard's, and the function is the one of clause 2.1.6.
func TestNURandAtFullScale(t *testing.T) {
	for _, n := range []nuRand{
		newNURand(namesA, fullNames, 77, 0, 999), newNURand(customersA, fullCustomers, 77, 1, 3000), newNURand(itemsA, fullItems, 77, 1, 100_000),
	} {
		a, c := seeded(), seeded()
		for range 1000 {
			want := ((c.IntN(n.a+1)|(n.lo+c.IntN(n.hi-n.lo+1)))+77)%(n.hi-n.lo+1) + n.lo
			if got := n.draw(a); got != want {
				t.Fatalf("%+v draws %d, want %d", n, got, want)
			}
		}
	}
	if n := newNURand(namesA, fullNames, 0, 0, 999); n.a != 255 {
		t.Errorf("A is %d for names", n.a)
	}
	if n := newNURand(customersA, fullCustomers, 0, 1, 3000); n.a != 1023 {
		t.Errorf("A is %d for customers", n.a)
	}
	if n := newNURand(itemsA, fullItems, 0, 1, 100_000); n.a != 8191 {
		t.Errorf("A is %d for items", n.a)
	}
}

// TestNURandOfSmallRanges: every number can be drawn, none outside, and as in the standard some much more often than others.
func TestNURandOfSmallRanges(t *testing.T) {
	for _, n := range []nuRand{
		newNURand(customersA, fullCustomers, 500, 1, 30), newNURand(itemsA, fullItems, 500, 1, 100), newNURand(namesA, fullNames, 5, 0, 29),
		newNURand(itemsA, fullItems, 8000, 1, 10),
	} {
		if (n.a+1)&n.a != 0 || n.a < 1 || n.c > n.a {
			t.Errorf("%+v: A is no power of two less one, or C is over it", n)
		}
		rng, seen := seeded(), map[int]int{}
		const draws = 100_000
		for range draws {
			seen[n.draw(rng)]++
		}
		most := 0
		for number, times := range seen {
			if most = max(most, times); number < n.lo || number > n.hi {
				t.Errorf("%+v draws %d", n, number)
			}
		}
		if size := n.hi - n.lo + 1; len(seen) != size || most*size < draws*5/4 {
			t.Errorf("%+v draws %d of %d numbers, the most frequent %d times of %d", n, len(seen), size, most, draws)
		}
	}
}

// TestConstants: those of last names differ by what clause 2.1.6.1 allows.
func TestConstants(t *testing.T) {
	rng := seeded()
	for range 10_000 {
		c := newConstants(rng)
		delta := max(c.Name-c.LoadName, c.LoadName-c.Name)
		if delta < 65 || delta > 119 || delta == 96 || delta == 112 || c.Name < 0 || c.Name > 255 || c.LoadName > 255 || c.ID > 1023 || c.ItemName > 8191 {
			t.Fatalf("%+v, a difference of %d", c, delta)
		}
	}
}

func TestLastName(t *testing.T) {
	for number, want := range map[int]string{0: "BARBARBAR", 371: "PRICALLYOUGHT", 999: "EINGEINGEING", 40: "BARPRESBAR"} {
		if got := lastName(number); got != want {
			t.Errorf("%d is %s, want %s", number, got, want)
		}
	}
}

// TestRandomData: lengths are those of the standard, and one in ten is original.
func TestRandomData(t *testing.T) {
	rng, originals := seeded(), 0
	lengths := map[int]bool{}
	for range 10_000 {
		data := randomData(rng)
		lengths[len(data)] = true
		if len(data) < 26 || len(data) > 50 {
			t.Fatalf("%d characters", len(data))
		}
		if isOriginal(data) {
			originals++
		}
	}
	if originals < 900 || originals > 1100 || len(lengths) != 25 {
		t.Errorf("%d of 10,000 are original, %d lengths", originals, len(lengths))
	}
	if text := randomText(rng, digits, 16, 16); len(text) != 16 || strings.Trim(text, digits) != "" {
		t.Errorf("%q is not 16 digits", text)
	}
}
