package ycsb

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Kind is a kind of operation on rows.
type Kind uint8

// The kinds of operations.
const (
	Read      Kind = iota // of a row
	Update                // of a field of a row
	Move                  // a transfer
	Insertion             // of a new row
	Scan                  // of rows in the order of their keys
	Modify                // a read-modify-write
	Snapshot              // of the balances of several rows at once
	numKinds
)

var kindNames = [numKinds]string{"read", "update", "transfer", "insert", "scan", "readmodifywrite", "snapshot"}

// String returns the name of the kind: "read", "update", "transfer", "insert", "scan", "readmodifywrite" or "snapshot".
func (k Kind) String() string { return kindNames[k] }

// Mix is the share of each kind of operation. The shares sum to 1.
type Mix struct {
	Read     float64 `json:"read"`
	Update   float64 `json:"update"`
	Transfer float64 `json:"transfer"`
	Insert   float64 `json:"insert,omitempty"`
	Scan     float64 `json:"scan,omitempty"`
	Modify   float64 `json:"readmodifywrite,omitempty"`
	Snapshot float64 `json:"snapshot,omitempty"`
}

// shares are the fields in the order of the kinds.
func (m *Mix) shares() [numKinds]*float64 {
	return [...]*float64{&m.Read, &m.Update, &m.Transfer, &m.Insert, &m.Scan, &m.Modify, &m.Snapshot}
}

// share is the field with this name, or nil.
func (m *Mix) share(name string) *float64 {
	for k, share := range m.shares() {
		if kindNames[k] == name {
			return share
		}
	}
	return nil
}

// ParseMix reads "read=25,update=25,transfer=50": shares that sum to 1, or percent that sum to 100. A kind that is left out
// is 0. Upper and lower case are the same.
func ParseMix(s string) (Mix, error) {
	var m Mix
	seen := make(map[string]bool)
	for part := range strings.SplitSeq(s, ",") {
		name, text, ok := strings.Cut(strings.TrimSpace(part), "=")
		name = strings.ToLower(name)
		share := m.share(name)
		value, err := strconv.ParseFloat(text, 64)
		switch {
		case !ok:
			return Mix{}, fmt.Errorf("mix: %q is not of the form kind=share, e.g. read=50,update=0,transfer=50", part)
		case share == nil:
			return Mix{}, fmt.Errorf("mix: no kind of operation is called %q; there are %s", name, strings.Join(kindNames[:], ", "))
		case seen[name]:
			return Mix{}, fmt.Errorf("mix: %s is given twice", name)
		case err != nil || math.IsNaN(value) || math.IsInf(value, 0):
			return Mix{}, fmt.Errorf("mix: %q is not a number, in %q", text, part)
		}
		*share, seen[name] = value, true
	}
	if math.Abs(m.sum()-100) < sumTolerance {
		for _, share := range m.shares() {
			if *share > 0 {
				*share = max(*share/100, math.SmallestNonzeroFloat64) // which is for Validate to refuse
			}
		}
	}
	return m, m.Validate()
}

// sumTolerance is by how much shares may miss their sum.
const sumTolerance = 1e-6

func (m Mix) sum() (sum float64) {
	for _, share := range m.shares() {
		sum += *share
	}
	return sum
}

// Validate reports shares that are negative, less than [MinShare] and not 0, or do not sum to 1.
func (m Mix) Validate() error {
	for _, share := range m.shares() {
		if *share < 0 {
			return fmt.Errorf("mix: a share is negative: %v", m)
		}
		if *share > 0 && *share < MinShare {
			return fmt.Errorf("mix: a share is so small that it would never come up; at least %g, or 0: %v", MinShare, m)
		}
	}
	if !(math.Abs(m.sum()-1) < sumTolerance) {
		return fmt.Errorf("mix: the shares must sum to 1, or to 100 as percent: %v", m)
	}
	return nil
}

// String returns the mix in the form that [ParseMix] reads; of the kinds besides read, update and transfer only those that
// there are.
func (m Mix) String() string {
	var parts []string
	for k, share := range m.shares() {
		if Kind(k) <= Move || *share != 0 {
			parts = append(parts, fmt.Sprintf("%s=%g", kindNames[k], *share))
		}
	}
	return strings.Join(parts, ",")
}

// picker picks kinds: those that there are, each with the sum of the shares up to it.
type picker struct {
	kinds []Kind
	upTo  []float64
}

func (m Mix) picker() picker {
	var p picker
	sum := 0.0
	for k, share := range m.shares() {
		if *share > 0 {
			sum += *share
			p.kinds, p.upTo = append(p.kinds, Kind(k)), append(p.upTo, sum)
		}
	}
	return p
}

// pick returns the kind that u, uniform in [0,1), stands for.
func (p *picker) pick(u float64) Kind {
	last := len(p.kinds) - 1
	for i := range last {
		if u < p.upTo[i] {
			return p.kinds[i]
		}
	}
	return p.kinds[last]
}
