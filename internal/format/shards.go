package format

import "github.com/cespare/xxhash/v2"

// DefaultShards is how many shards a directory is made with.
const DefaultShards = 64

// Where a row is depends on names and the number of shards only, so that it never changes.

// TypeHash is what InstanceShard needs to know of a function type's name.
func TypeHash(typeName string) uint64 { return xxhash.Sum64String(typeName) }

// InstanceShard is the shard that an instance is on.
func InstanceShard(typeHash uint64, id string, shards uint64) uint16 {
	return uint16(Mix(typeHash^xxhash.Sum64String(id)) % shards)
}

// RequestHash is what a request id is known by in the filters of those that were seen.
func RequestHash(requestID string) uint64 { return Mix(xxhash.Sum64String(requestID)) }

// RequestShard is the shard that keeps the outcome of a request with this hash.
func RequestShard(requestHash, shards uint64) uint16 { return uint16(requestHash % shards) }

// Mix spreads the bits of x over all of it (the finalizer of splitmix64; Steele, Lea, Flood 2014).
func Mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
