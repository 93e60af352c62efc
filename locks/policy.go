package locks

import "fmt"

// Policy says what becomes of a request that would have to wait. Its zero value
// is Detect. The transactions of one system use one policy: the promises of
// WaitDie and WoundWait hold only if every owner keeps the rule.
//
// Wait-die and wound-wait: Rosenkrantz, Stearns, Lewis, "System level
// concurrency control for distributed database systems", TODS 1978.
type Policy uint8

const (
	// Detect lets everybody wait; cycles are found and broken by package deadlock.
	Detect Policy = iota
	// WaitDie lets an owner wait only for younger ones; otherwise it is refused.
	WaitDie
	// WoundWait lets an owner wait only for older ones; younger ones in its way
	// are wounded, that is to be aborted by the caller.
	WoundWait
	// NoWait refuses whatever can't be granted at once.
	NoWait
)

var policyNames = [...]string{Detect: "detect", WaitDie: "wait-die", WoundWait: "wound-wait", NoWait: "no-wait"}

// String returns "detect", "wait-die", "wound-wait" or "no-wait".
func (p Policy) String() string {
	if int(p) < len(policyNames) {
		return policyNames[p]
	}
	return fmt.Sprintf("policy(%d)", uint8(p))
}

// ParsePolicy is the inverse of String. It fails on every other text.
func ParsePolicy(s string) (Policy, error) {
	for p, name := range policyNames {
		if s == name {
			return Policy(p), nil
		}
	}
	return Detect, fmt.Errorf("locks: unknown policy %q: want detect, wait-die, wound-wait or no-wait", s)
}

// MarshalText returns what String returns. It fails on a value that is no policy.
func (p Policy) MarshalText() ([]byte, error) {
	if int(p) >= len(policyNames) {
		return nil, fmt.Errorf("locks: %v is no policy", p)
	}
	return []byte(policyNames[p]), nil
}

// UnmarshalText accepts what ParsePolicy accepts; on error p is unchanged.
func (p *Policy) UnmarshalText(text []byte) error {
	parsed, err := ParsePolicy(string(text))
	if err != nil {
		return err
	}
	*p = parsed
	return nil
}
