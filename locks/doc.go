// Package locks is the lock table of one instance. A lock is taken by owners in
// a mode, shared or exclusive; an owner's relation to one lock is a claim, which
// holds, waits, or both at once (an upgrade); claims that wait stand in one FIFO
// queue, seen as levels; a policy decides who may wait for whom, who is refused,
// and who is wounded.
//
// Locking is strict two-phase (Eswaran, Gray, Lorie, Traiger, "The notions of
// consistency and predicate locks in a database system", CACM 1976): the caller
// acquires as calls arrive and releases everything at the decision.
//
// The package is pure: no goroutines, clocks, or allocations. Start with
// lock.go; admit.go has the policies, levels.go the view that package deadlock
// reads.
package locks
