// Package log is an append-only log: numbered entries of bytes, each durable when Append returns, after one write and one sync.
//
// The log is a row of segments, files of one size that are filled one after the other:
//
//	<16 hex digits>.log   segment, named by its number: they count up from 1
//	<16 hex digits>.old   segment that was cut off from the front, kept to be written again
//	MARK                  how far the log was synced, and what was deleted from either end
//
// A segment begins with a header; frames follow, one for each entry, without gaps. A frame has the entry's number, term and length, the sum
// of the frame before it, and a sum over all of these and the entry. So the sums are a chain: a frame counts only behind the one that it
// was written behind. All numbers are little-endian.
//
//	header   magic, log's id, segment's number, number of its first entry, sum of the frame before that, sum of the header: 8 bytes each
//	frame    length (4), place among the entries of its append (4), number (8), term (8), sum of the frame before (8), sum (8), entry
//
// After a crash the last append may be there in part: it was never acknowledged and is cut. Everything else that does not read as it was
// written is damage, and an error that names file and offset. What tells the two apart is evidence that the broken frame had been synced: a
// frame of a later append behind it, or the mark. The mark is written after each sync and not synced itself, so it costs
// little and a power failure may set it back; but then only the very last append can be taken for one that was torn.
//
// New segments are written full of zeros, and those that are cut off are used again: to overwrite blocks that the file has already is
// faster than to grow it, since no metadata is to be synced.
//
// A log is for one process. Append, DeleteFront and DeleteBack are called by one goroutine at a time; the other methods by any.
//
// It fits raft.LogStore of hashicorp/raft, which package raftlog makes of it: entries are deleted exactly, from the front and from the back,
// numbers need not begin at 1, and a log that is empty may go on with another one.
//
// Own code and not github.com/hashicorp/raft-wal, because that checks sums at the tail only, keeps its metadata in a second store with a sync
// of its own at each change of segments, and does not run on a file system of ours, so that no crash of it could be simulated.
package log
