package ycsb

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Mix is the share of each kind of operation. The shares sum to 1.
type Mix struct {
	Read, Update, Transfer float64
}

// ParseMix reads "read=25,update=25,transfer=50": shares that sum to 1, or percent that sum to 100. A kind that is left out
// is 0.
func ParseMix(s string) (Mix, error) {
	var m Mix
	shares := map[string]*float64{"read": &m.Read, "update": &m.Update, "transfer": &m.Transfer}
	seen := make(map[string]bool)
	for part := range strings.SplitSeq(s, ",") {
		name, text, ok := strings.Cut(strings.TrimSpace(part), "=")
		share := shares[name]
		value, err := strconv.ParseFloat(text, 64)
		switch {
		case !ok:
			return Mix{}, fmt.Errorf("mix: %q is not of the form kind=share, e.g. read=50,update=0,transfer=50", part)
		case share == nil:
			return Mix{}, fmt.Errorf("mix: no kind of operation is called %q; there are read, update and transfer", name)
		case seen[name]:
			return Mix{}, fmt.Errorf("mix: %s is given twice", name)
		case err != nil || math.IsNaN(value) || math.IsInf(value, 0):
			return Mix{}, fmt.Errorf("mix: %q is not a number, in %q", text, part)
		}
		*share, seen[name] = value, true
	}
	if math.Abs(m.sum()-100) < 1e-6 {
		m = Mix{m.Read / 100, m.Update / 100, m.Transfer / 100}
	}
	return m, m.Validate()
}

func (m Mix) sum() float64 { return m.Read + m.Update + m.Transfer }

// Validate reports shares that are negative or do not sum to 1.
func (m Mix) Validate() error {
	if m.Read < 0 || m.Update < 0 || m.Transfer < 0 {
		return fmt.Errorf("mix: a share is negative: %v", m)
	}
	if !(math.Abs(m.sum()-1) < 1e-6) {
		return errors.New("mix: the shares must sum to 1, or to 100 as percent: " + m.String())
	}
	return nil
}

// String returns the mix in the form that [ParseMix] reads.
func (m Mix) String() string {
	return fmt.Sprintf("read=%g,update=%g,transfer=%g", m.Read, m.Update, m.Transfer)
}

// MarshalJSON writes an object of shares.
func (m Mix) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Read     float64 `json:"read"`
		Update   float64 `json:"update"`
		Transfer float64 `json:"transfer"`
	}(m))
}

// share returns the share of a kind.
func (m Mix) share(k Kind) float64 { return [...]float64{m.Read, m.Update, m.Transfer}[k] }

// pick returns the kind that u, uniform in [0,1), stands for.
func (m Mix) pick(u float64) Kind {
	switch {
	case u < m.Read:
		return Read
	case u < m.Read+m.Update:
		return Update
	}
	return Move
}
