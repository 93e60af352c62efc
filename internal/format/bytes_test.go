package format

import (
	"encoding/hex"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/failures"
)

// TestBytes pins every byte that is written: what it has was on somebody's disk. A value that changes in any of them is misread by
// programs of before, or misreads what they wrote.
func TestBytes(t *testing.T) {
	call := Message{Type: "bank/account", Operation: "add", ID: "alice", Arg: []byte{7}}
	start := Message{Coordinator: "bank/transfer", Arg: []byte{8}}
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	outcome := make([]byte, OutcomeLen([]byte{1, 2}))
	PutOutcome(outcome, 0x0102030405060708, 0x1112131415161718, 9, false, []byte{1, 2})
	failed := make([]byte, OutcomeLen(nil))
	PutOutcome(failed, 1, 2, 3, true, nil)
	for _, c := range []struct {
		what string
		got  any // bytes, or a value to be encoded
		want string
	}{
		{"key of an instance", InstanceKey(nil, 0x0102, "bank/account", "alice"), "01026962616e6b2f6163636f756e7400616c696365"},
		{"key of an outcome", OutcomeIn(nil, 5, 1, Request{7, "ab", "id"}), "fffe6f0000000000000005000100000000000000070261626964"},
		{"key of an outcome of version 4", OutcomeKey(nil, 1, "id"), "00016f6964"},
		{"key of a timer", TimerKey(nil, 1, 2, 3), "00017400000000000000020000000000000003"},
		{"key of a message", NumberedKey(nil, 1, KindMessage, 2), "00016d0000000000000002"},
		{"key of a run", NumberedKey(nil, 1, KindCoordinator, 2), "0001630000000000000002"},
		{"key of a journal", JournalKey(nil, 1, 2), "00016a0000000000000002"},
		{"key of a step", JournalEntryKey(nil, 1, 2, 3), "00016a000000000000000200000003"},
		{"key of a journal's effects", JournalEffectsKey(nil, 1, 2, 3), "00016a0000000000000002ffffffff00000003"},
		{"key of starts", StartsKey(NumberedKey(nil, 1, KindMessage, 2)), "0001736d0000000000000002"},
		{"key of the trial", Prefix(nil, NodeShard, KindStarts), "ffff73"},
		{"key of the watermark", Prefix(nil, NodeShard, KindWatermark), "ffff77"},
		{"key of the format", Prefix(nil, NodeShard, KindFormat), "ffff66"},
		{"key of a record", EgressKey(nil, "out", 1), "ffff656f7574000000000000000001"},
		{"key of a parked record", ParkedKey(nil, "out", 1), "ffff716f7574000000000000000001"},
		{"key of an ingress", IngressKey(nil, "in"), "ffff70696e"},
		{"key of a partition", PartitionKey(nil, "in", "orders/3"), "ffff70696e006f72646572732f33"},

		{"outcome", outcome, "010203040506070800000000000000090411121314151617180102"},
		{"outcome that failed", failed, "00000000000000010000000000000003050000000000000002"},
		{"timer", Timer{From: Address{Type: "bank/account", ID: "bob"}, Message: call}, "a201a2016c62616e6b2f6163636f756e740263626f6202a4016c62616e6b2f6163636f756e7402636164640365616c696365054107"},
		{"message", Carried{Message: call, Arrived: true, Own: true}, "a6016c62616e6b2f6163636f756e7402636164640365616c69636505410710f511f5"},
		{"start", Carried{Message: start}, "a2046d62616e6b2f7472616e73666572054108"},
		{"message of a source", Carried{Message: call, Arrived: true, Ingress: "in", Record: &Taken{
			Ingress: "in", Partition: "orders/3", Key: "k", RequestID: "id", Shape: 5, Answer: &Answer{Egress: "out", Key: "k", Context: []byte{1}}}}, "a7016c62616e6b2f6163636f756e7402636164640365616c69636505410710f51262696e13a60162696e02686f72646572732f3303616b04626964050506a301636f757402616b034101"},
		{"run of a source", Run{Function: "bank/transfer", Input: []byte{8}, Record: &Taken{Ingress: "in", Partition: "orders/3"}}, "a3016d62616e6b2f7472616e7366657202410807a20162696e02686f72646572732f33"},
		{"position of a partition", Position{Position: 7, Tag: "t"}, "a20107026174"},
		{"run", Run{Function: "bank/transfer", Input: []byte{8}, RequestID: "id", Shape: 5}, "a4016d62616e6b2f7472616e73666572024108036269640605"},
		{"run of version 1", Run{Function: "bank/transfer", Input: []byte{8}, Journal: []byte{9}}, "a3016d62616e6b2f7472616e73666572024108054109"},
		{"head of a journal", JournalHead{Phase: 1, Failure: []byte{1}, Due: 2}, "a4010103410104a00502"},
		{"effects", JournalEffects{Sends: []Message{start}, Emits: []Emitted{{Egress: "out", Key: "k", Value: []byte{3}}}},
			"a20181a2046d62616e6b2f7472616e73666572054108" + "0281a301636f757402616b034103"},
		{"journal of version 2", JournalHead{Phase: 1, Failure: []byte{1}, Due: 2, Effects: JournalEffects{
			Sends: []Message{start}, Emits: []Emitted{{Egress: "out", Key: "k", Value: []byte{3}}}}}, "a4010103410104a20181a2046d62616e6b2f7472616e736665720541080281a301636f757402616b0341030502"},
		{"step", JournalEntry{Group: 1, Call: call, Undo: &call, Due: 2, State: 1, Result: []byte{3}, Undone: 1, Tries: 4, Shape: 5, Shape2: 6}, "aa010102a4016c62616e6b2f6163636f756e7402636164640365616c69636505410703a4016c62616e6b2f6163636f756e7402636164640365616c6963650541070502060107410309010a040b050c06"},
		{"sleep", JournalEntry{Group: 1, Sleep: 2, Due: 3, State: 2, Failure: []byte{4}}, "a7010102a00402050306020841040900"},
		{"starts", Starts{3}, "a10103"},
		{"trial", Trial{Below: 1, Due: 2}, "a201010202"},
		{"watermark", Watermark{Epoch: 1, NextID: 2, Timers: 3, Egress: map[string]uint64{"out": 4}, At: at, Time: 5}, "a601010202030304a1636f75740405781e323032362d30312d30325430333a30343a30352e3030303030303030365a0605"},
		{"format", Format{Version: Version, Shards: DefaultShards, Shapes: map[string]uint64{"bank/account": 5}}, "a3010502184003a16c62616e6b2f6163636f756e7405"},
		{"format of version 3", Format{Version: 3, Shards: DefaultShards}, "a20103021840"},
		{"record", Record{Egress: "out", Key: "k", Value: []byte{1}}, "a301636f757402616b034101"},
		{"record that was parked", Record{Egress: "out", Key: "k", Parked: "why"}, "a401636f757402616b03f60463776879"},
		{"parked record", Parked{Key: "k", Value: []byte{1}, Reason: "why", At: at}, "a401616b024101036377687904781e323032362d30312d30325430333a30343a30352e3030303030303030365a"},
		{"failure", failures.Encode(failures.ErrNotFound), "a201781d636f6e636f726461743a20696e7374616e6365206e6f7420666f756e640281781d636f6e636f726461743a20696e7374616e6365206e6f7420666f756e64"},
	} {
		data, isBytes := c.got.([]byte)
		if !isBytes {
			var err error
			if data, err = codec.Encode(c.got); err != nil {
				t.Fatal(err)
			}
		}
		if got := hex.EncodeToString(data); got != c.want {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
	}
}
