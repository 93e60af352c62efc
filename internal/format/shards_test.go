package format

import (
	"fmt"
	"testing"
)

// TestPlacesNeverChange: a directory that was written years ago is read with today's code.
func TestPlacesNeverChange(t *testing.T) {
	if got := InstanceShard(NameHash("bank/account"), "alice", DefaultShards); got != 58 {
		t.Errorf("bank/account alice is on shard %d", got)
	}
	if got := RequestShard("t1", DefaultShards); got != 7 {
		t.Errorf("request t1 is on shard %d", got)
	}
	alice := Request{NameHash("bank/account"), "alice", "t1"}
	if got := alice.Shard(DefaultShards); got != 58 {
		t.Errorf("request t1 for bank/account alice is on shard %d", got)
	}
	if got := (Request{Name: NameHash("bank/transfer"), ID: "t1"}).Shard(DefaultShards); got != 7 {
		t.Errorf("request t1 for bank/transfer is on shard %d", got)
	}
}

// TestShardsAreEven: ids that count up spread evenly, of instances and of requests.
func TestShardsAreEven(t *testing.T) {
	const ids, mean = 64_000, 64_000 / DefaultShards
	var instances, requests [DefaultShards]int
	hash := NameHash("bank/account")
	for i := range ids {
		id := fmt.Sprint(i)
		instances[InstanceShard(hash, id, DefaultShards)]++
		requests[Request{Name: hash, ID: id}.Shard(DefaultShards)]++
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
