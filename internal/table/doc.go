// Package table keeps rows of which each change is durable once it is in a log, and which are written to a store in large portions later.
//
//	Seal ── one append, one sync ──► log ── cut off behind what is durable in the store ──┐
//	  │                                                                                   │
//	  └─► overlay: layers of rows in memory ── the oldest layer, as sorted tables ──► store (Pebble without a log of its own)
//
// What is sealed goes into the newest layer of the overlay. When that has grown to Options.LayerBytes it is frozen, and another one begins.
// Frozen layers are applied to the store one after the other, the oldest first, each as tables that the store takes all at once, together
// with the row that says up to which entry of the log the store has got. So a row that changes a hundred times between two layers is written
// once; and as a layer is taken whole or not at all, what the store has after a crash is the log up to some entry. The rest is read from the log
// again, and applied at once. Entries are cut off from the log's front once the store has made durable what they are applied to, but for the
// last one: so a log that is missing is noticed.
//
// Reads look into the layers from the newest to the oldest, and then into the store. A [View] is all of them as they were at one moment.
//
// A layer that cannot be written, since the disk is full, is tried again until it can: the log has it.
//
// Layers and log are bounded together, by Options.OverlayBytes: what is in a layer is the entry of the log itself. At the bound Seal waits for
// a layer to be applied.
package table
