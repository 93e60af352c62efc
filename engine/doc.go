// Package engine runs functions and coordinator functions durably on one machine.
//
// An [Engine] is opened on a directory with the parts of a program: function types and coordinator functions. Clients ask it
// for a request with [Engine.Do], [Ask] or [Engine.Submit]. Instances are spread over shards, shards over workers. A worker is
// the one goroutine that touches the instances of its shards, so there are no locks on the data path. Workers exchange messages
// through mailboxes.
//
// Inside the engine everything moves at memory speed; nothing leaves it before the epoch that produced it is sealed. An epoch
// is what happens between two cuts. At a cut all workers are at rest; their dirty rows become one batch, which the sealer writes
// with one sync while the next epoch runs; then replies and egress records of the sealed epoch are released.
//
// Start reading at epoch.go (the life of an epoch), then worker.go, plain.go, transaction.go and sagas.go (what happens within
// one), seal.go (what is written), directory.go and recover.go. options.go ends with what a simulator replaces.
package engine
