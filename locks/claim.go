package locks

// Claim is one owner's relation to one lock: what it holds there and what it
// waits for. It is an intrusive list node, to be embedded by the caller, so that
// acquiring and releasing allocate nothing. The zero value with Owner (and Ref)
// set is ready for use, and again after Release. It must not be copied or moved,
// nor its Owner changed, while it holds or waits.
type Claim[R any] struct {
	// Owner is who claims. The owners of one lock's claims are distinct.
	Owner Owner
	// Ref is what the caller wants to find again on a grant. Not read here.
	Ref R

	lock   *Lock[R] // set while it holds or waits
	links  [2]link[R]
	held   Mode
	wanted Mode
	// vouches is the policy whose check let this claim wait, Detect if none did:
	// then all owners that it waits for were checked against it (see admit).
	vouches Policy
}

// Held returns the mode that c holds.
func (c *Claim[R]) Held() Mode { return c.held }

// Wanted returns the mode that c waits for, None if it doesn't wait.
func (c *Claim[R]) Wanted() Mode { return c.wanted }

// Waiting says whether c waits.
func (c *Claim[R]) Waiting() bool { return c.wanted != None }

// chain picks the pair of links that a list runs through. An upgrade stands in
// two lists at once, hence two pairs.
type chain uint8

const (
	holding chain = iota // Lock.holders; and Lock.exclusives, as those hold nothing yet
	waiting              // Lock.upgrades and Lock.queue
)

type link[R any] struct{ prev, next *Claim[R] }

// list is a doubly linked list of claims. Every operation is O(1).
type list[R any] struct{ head, tail *Claim[R] }

func (s *list[R]) push(c *Claim[R], k chain) {
	c.links[k] = link[R]{prev: s.tail}
	if s.tail == nil {
		s.head = c
	} else {
		s.tail.links[k].next = c
	}
	s.tail = c
}

func (s *list[R]) remove(c *Claim[R], k chain) {
	at := c.links[k]
	if at.prev == nil {
		s.head = at.next
	} else {
		at.prev.links[k].next = at.next
	}
	if at.next == nil {
		s.tail = at.prev
	} else {
		at.next.links[k].prev = at.prev
	}
	c.links[k] = link[R]{}
}
