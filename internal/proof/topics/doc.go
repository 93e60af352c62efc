// Package topics runs an engine between topics of Kafka, in simulation: an ingress and three egresses against a model of a broker.
//
//   - The *model* of a broker ([broker]) loses any answer, also that to a commit; commits late, when the request was long on its way; aborts a
//     transaction that is old; and fences whoever had a transactional id before it was claimed again.
//   - A *world* is a stepped engine on a disk that crashes, a source that reads the model's records, and the egresses of package kafka, which
//     write to the model. Egresses of processes that have died come back as *zombies* and write what they had.
//   - A *seed* decides everything: what records there are, who does something next, what gets lost, and when the process dies.
//
// [Run] runs a seed and accounts for every record: it took effect once or was refused, its events are there once, it was answered once, or its
// dead letter is there once; and all that in the order of its key. Start reading at world.go.
package topics
