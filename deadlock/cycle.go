package deadlock

import (
	"fmt"
	"strings"

	"github.com/concordat-dev/concordat/locks"
)

// Cycle is one deadlock and how it was broken.
type Cycle struct {
	// Victim is the member to abort: the youngest, that is the one with the
	// largest ID.
	Victim locks.Owner
	// Edges are a shortest cycle through the victim, beginning with what the
	// victim waits for: the blocker of each edge is the waiter of the next, and
	// the last blocker is the victim.
	Edges []Edge
}

// Edge says that Waiter waits for Blocker at one lock.
type Edge struct {
	Waiter, Blocker locks.Owner
	Resource        int        // as given to Add
	Wants           locks.Mode // what Waiter waits for; exclusive if it is an upgrade
	Holds           locks.Mode // what Blocker holds; None if it only waits ahead of Waiter
}

// String says the edge in one line.
func (e Edge) String() string {
	blocker := fmt.Sprintf("%v, which holds %v", e.Blocker, e.Holds)
	if e.Holds == locks.None {
		blocker = fmt.Sprintf("%v, which waits ahead", e.Blocker)
	}
	return fmt.Sprintf("%v wants resource %d %v, waits for %s", e.Waiter, e.Resource, e.Wants, blocker)
}

// String says the victim and each edge, a line each.
func (c Cycle) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "victim %v, the youngest of %d", c.Victim, len(c.Edges))
	for _, e := range c.Edges {
		fmt.Fprintf(&b, "\n  %v", e)
	}
	return b.String()
}
