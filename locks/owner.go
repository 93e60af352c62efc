package locks

import "fmt"

// Mode says how strongly a lock is held or wanted. Its zero value is None.
type Mode uint8

const (
	None      Mode = iota // not at all
	Shared                // with other shared holders
	Exclusive             // alone; covers Shared
)

// String returns "none", "shared" or "exclusive".
func (m Mode) String() string {
	switch m {
	case None:
		return "none"
	case Shared:
		return "shared"
	case Exclusive:
		return "exclusive"
	}
	return fmt.Sprintf("mode(%d)", uint8(m))
}

// Owner is who asks for locks: one attempt of a transaction, or a single call.
type Owner struct {
	// ID is unique and ages: smaller is older. A retried transaction keeps its
	// ID, so that it grows old and cannot starve.
	ID uint64
	// Attempt counts retries. It is part of the identity, so that what is known
	// of an earlier attempt is never believed of a later one.
	Attempt uint32
	// Single marks one plain or saga call. It holds its lock only while it runs
	// and waits nowhere else, so it can be in no deadlock: it is never refused,
	// never wounded, and wounds nobody.
	Single bool
}

// String returns "id/attempt", and "id/single" for a single call.
func (o Owner) String() string {
	if o.Single {
		return fmt.Sprintf("%d/single", o.ID)
	}
	return fmt.Sprintf("%d/%d", o.ID, o.Attempt)
}

// Result is the answer to Acquire.
type Result uint8

const (
	Granted Result = iota // the claim holds the mode now
	Waits                 // the claim stands in the queue; a later Release or Withdraw grants it
	Refused               // the policy forbids to wait; nothing changed
)

// String returns "granted", "waits" or "refused".
func (r Result) String() string {
	switch r {
	case Granted:
		return "granted"
	case Waits:
		return "waits"
	case Refused:
		return "refused"
	}
	return fmt.Sprintf("result(%d)", uint8(r))
}
