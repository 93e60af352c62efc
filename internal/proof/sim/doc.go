// Package sim runs the real engine, its protocols and its storage in one thread from a seed, lets everything go wrong that can,
// and audits what is left.
//
// A [World] is a bank whose program leaves traces; an [Order] is a request to it; [Clients] are who gives orders, and what they
// know; a [Driver] runs one stepped engine for them, on a [Clock] and a [Disk] of its own; a [Snapshot] is a moment at which the
// power fails; a [Recovery] opens an engine on what is left and goes on; [Books] are the final states and [Audit] is who checks
// them. A ledger follows the rows of every sealed epoch from the outside, and an oracle follows who waits for whom.
//
// To read it, begin with world.go (what runs), audit.go (what must be true), driver.go (how it is run) and disk.go (what a crash
// may leave).
package sim
