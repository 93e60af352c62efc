package format

import "github.com/cespare/xxhash/v2"

// DefaultShards is how many shards a directory is made with.
const DefaultShards = 64

// Where a row is depends on names and the number of shards only, so that it never changes.

// NameHash is what stands for the name of a function type or a coordinator function where there is no room for it.
func NameHash(name string) uint64 { return xxhash.Sum64String(name) }

// InstanceShard is the shard that an instance is on.
func InstanceShard(typeHash uint64, id string, shards uint64) uint16 {
	return uint16(Mix(typeHash^xxhash.Sum64String(id)) % shards)
}

// Request names a request with an id: what it is for, and the id. Requests for the same with one id are one request.
type Request struct {
	Name     uint64 // [NameHash] of the instance's type, or of the coordinator function
	Instance string // "" for a coordinator function
	ID       string
}

// Shard is where the request runs, and its outcome is kept: that of the instance. A coordinator function has no place of its own, and runs
// where the id says.
func (r Request) Shard(shards uint64) uint16 {
	if r.Instance != "" {
		return InstanceShard(r.Name, r.Instance, shards)
	}
	return RequestShard(r.ID, shards)
}

// RequestHash is what a request id is known by in the filter of those that were seen.
func RequestHash(requestID string) uint64 { return Mix(xxhash.Sum64String(requestID)) }

// RequestShard is the shard on which a coordinator function runs that is asked for under an id. Before format version 5 it kept the outcomes
// of all requests.
func RequestShard(requestID string, shards uint64) uint16 {
	return uint16(RequestHash(requestID) % shards)
}

// Mix spreads the bits of x over all of it (the finalizer of splitmix64; Steele, Lea, Flood 2014).
func Mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
