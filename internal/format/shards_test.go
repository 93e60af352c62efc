package format

import (
	"fmt"
	"testing"
)

// TestPlacesNeverChange: a directory that was written years ago is read with today's code.
func TestPlacesNeverChange(t *testing.T) {
	if got := InstanceShard(TypeHash("bank/account"), "alice", DefaultShards); got != 58 {
		t.Errorf("bank/account alice is on shard %d", got)
	}
	if got := RequestShard(RequestHash("t1"), DefaultShards); got != 7 {
		t.Errorf("request t1 is on shard %d", got)
	}
}

// TestShardsAreEven: ids that count up spread evenly, of instances and of requests.
func TestShardsAreEven(t *testing.T) {
	const ids, mean = 64_000, 64_000 / DefaultShards
	var instances, requests [DefaultShards]int
	hash := TypeHash("bank/account")
	for i := range ids {
		id := fmt.Sprint(i)
		instances[InstanceShard(hash, id, DefaultShards)]++
		requests[RequestShard(RequestHash(id), DefaultShards)]++
	}
	for shard := range DefaultShards {
		if n := instances[shard]; n < mean*8/10 || n > mean*12/10 {
			t.Errorf("%d of %d instances are on shard %d", n, ids, shard)
		}
		if n := requests[shard]; n < mean*8/10 || n > mean*12/10 {
			t.Errorf("%d of %d requests are on shard %d", n, ids, shard)
		}
	}
}
