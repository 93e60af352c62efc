// Package kafka connects an engine to Kafka: an ingress takes the records of topics, each once, and an egress writes records to topics, each
// once as a consumer sees them that reads what is committed.
//
//   - An *ingress* reads partitions of topics and makes of each record a call or the start of a coordinator function, by a [Route] of the
//     user's. How far a partition is read is in the engine's epochs, with what the records led to; no consumer group has a part in it.
//   - An *egress* writes the engine's records in Kafka transactions. Each transaction also writes, to the egress's own *position topic*, up to
//     which record it goes, so that nobody has to remember a write whose answer was lost.
//   - An *answer* is the outcome of a record that asked for one, written to its *reply topic*.
//   - A *dead letter* is a record of a topic that no call can be made of, with the reason.
//
// ingress.go and reader.go are the way in, egress.go and transactions.go the way out.
//
// # Why a position topic
//
// Kafka offers two places for a position that commits with a transaction: the offsets of a consumer group, and a record of a topic. The
// offsets of a group that has no members are deleted after offsets.retention.minutes, a week by default. A position that has gone says
// "nothing was written", and records whose writing the engine had not noted yet would be written twice. To write such offsets also takes two more
// requests for each transaction, to a coordinator that is another broker as a rule. A compacted topic keeps the last record of a key
// forever, and takes part in a transaction like any other partition. It costs a topic for each egress, of one partition. Nobody but the
// egress writes to it, so once the egress has claimed its transactional id everything in it is decided, and the last position is near its end.
package kafka
