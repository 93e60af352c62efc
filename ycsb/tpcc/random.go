package tpcc

import (
	"math/rand/v2"
	"strings"
)

// between returns a number from lo to hi, both included.
func between(rng *rand.Rand, lo, hi int) int { return lo + rng.IntN(hi-lo+1) }

// nuRand is the non-uniform random function of clause 2.1.6 over lo to hi, with its constants A and C.
type nuRand struct{ a, c, lo, hi int }

func (n nuRand) draw(rng *rand.Rand) int {
	return ((rng.IntN(n.a+1)|between(rng, n.lo, n.hi))+n.c)%(n.hi-n.lo+1) + n.lo
}

// The constants A of clause 2.1.6 for the ranges of the standard.
const (
	namesA     = 255
	customersA = 1023
	itemsA     = 8191
)

// newNURand makes the function over lo to hi. fullA is the constant A for a range of full numbers; for a smaller one it is halved
// until its share of the range is no larger. c is brought into the range 0 to A.
func newNURand(fullA, full, c, lo, hi int) nuRand {
	a := fullA
	for a > 1 && (a+1)*full > (fullA+1)*(hi-lo+1) {
		a >>= 1
	}
	return nuRand{a: a, c: c % (a + 1), lo: lo, hi: hi}
}

// constants are the constants C of NURand, chosen once for the data and once for a run (clause 2.1.6.1).
type constants struct {
	_                            struct{} `cbor:",toarray"`
	LoadName, Name, ID, ItemName int
}

// newConstants chooses them. Those for last names differ between load and run by 65 to 119, but neither 96 nor 112.
func newConstants(rng *rand.Rand) constants {
	delta := between(rng, 65, 119)
	for delta == 96 || delta == 112 {
		delta = between(rng, 65, 119)
	}
	c := constants{LoadName: rng.IntN(namesA + 1), ID: rng.IntN(customersA + 1), ItemName: rng.IntN(itemsA + 1)}
	if c.Name = c.LoadName + delta; c.Name > namesA {
		c.Name = c.LoadName - delta
	}
	return c
}

// syllables of last names, clause 4.3.2.3.
var syllables = [...]string{"BAR", "OUGHT", "ABLE", "PRI", "PRES", "ESE", "ANTI", "CALLY", "ATION", "EING"}

// lastName is the last name of a number from 0 to 999.
func lastName(n int) string { return syllables[n/100] + syllables[n/10%10] + syllables[n%10] }

const (
	letters  = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	digits   = "0123456789"
	original = "ORIGINAL"
)

// randomText returns lo to hi characters of an alphabet: the standard's a-strings and n-strings (clause 4.3.2.2).
func randomText(rng *rand.Rand, alphabet string, lo, hi int) string {
	text := make([]byte, between(rng, lo, hi))
	for i := range text {
		text[i] = alphabet[rng.IntN(len(alphabet))]
	}
	return string(text)
}

// randomData is the data of an item or a stock: one in ten has "ORIGINAL" somewhere (clause 4.3.3.1).
func randomData(rng *rand.Rand) string {
	data := randomText(rng, letters, 26, 50)
	if rng.IntN(10) > 0 {
		return data
	}
	at := rng.IntN(len(data) - len(original) + 1)
	return data[:at] + original + data[at+len(original):]
}

func isOriginal(data string) bool { return strings.Contains(data, original) }
