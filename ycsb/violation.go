package ycsb

import (
	"fmt"
	"maps"
	"slices"
)

// Violation is a condition of an audit that does not hold: two values that should be the same, and are not.
type Violation struct {
	Condition   string // its name or number
	Where       string // such as "warehouse 1, district 2"
	Left, Right string // what is compared
	LeftValue   int64
	RightValue  int64
}

// Error names the condition, the place and both values.
func (v Violation) Error() string {
	return fmt.Sprintf("condition %s: %s: %s is %d, but %s is %d", v.Condition, v.Where, v.Left, v.LeftValue, v.Right, v.RightValue)
}

// MaxViolations is how many violations of one condition are told one by one; of the others there is their number.
const MaxViolations = 5

// Violations collects violations. The zero value has none. It is for one goroutine.
type Violations struct {
	all  []error
	seen map[string]int
}

// Add adds a violation.
func (v *Violations) Add(what Violation) {
	if v.seen == nil {
		v.seen = map[string]int{}
	}
	if v.seen[what.Condition]++; v.seen[what.Condition] <= MaxViolations {
		v.all = append(v.all, what)
	}
}

// Differ adds a violation if the values are not the same.
func (v *Violations) Differ(condition, where, left string, leftValue int64, right string, rightValue int64) {
	if leftValue != rightValue {
		v.Add(Violation{condition, where, left, right, leftValue, rightValue})
	}
}

// Acknowledged adds a violation of the condition "acknowledged" if fewer things were added than clients were told of, or more
// than those and the ones of unknown outcome together.
func (v *Violations) Acknowledged(where, things string, added, committed, unknown int64) {
	if added < committed || added > committed+unknown {
		v.Add(Violation{
			Condition: "acknowledged", Where: where, Left: "number of " + things, LeftValue: added,
			Right: fmt.Sprintf("number acknowledged (besides %d unknown)", unknown), RightValue: committed,
		})
	}
}

// Errors returns all, with the number of those left out.
func (v *Violations) Errors() []error {
	all := slices.Clone(v.all)
	for _, condition := range slices.Sorted(maps.Keys(v.seen)) {
		if more := v.seen[condition] - MaxViolations; more > 0 {
			all = append(all, fmt.Errorf("condition %s: %d more violations", condition, more))
		}
	}
	return all
}
