package kafka_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/kafka"
)

// checkFlow checks that a topic has the orders 1 to n of each ledger, once and in order.
func checkFlow(t testing.TB, records []*kgo.Record, ledgers, n int) {
	t.Helper()
	next := map[string]int{}
	for _, r := range records {
		var o order
		must(t, json.Unmarshal(r.Value, &o))
		if string(r.Key) != o.Ledger {
			t.Fatalf("the order %+v has the key %q", o, r.Key)
		}
		if next[o.Ledger]++; o.N != next[o.Ledger] {
			t.Fatalf("ledger %s: order %d came where %d is due", o.Ledger, o.N, next[o.Ledger])
		}
	}
	if len(records) != ledgers*n {
		t.Fatalf("there are %d records, want %d", len(records), ledgers*n)
	}
}

// TestTopicToTopicExactlyOnce: orders of one topic become events of another, each once and in the order of its key, while the engine is closed and
// opened again and answers of the brokers get lost in both directions.
func TestTopicToTopicExactlyOnce(t *testing.T) {
	const ledgers, rounds, each = 7, 10, 40
	c := fake(t, 3, "in", "out")
	w := newWorld(t, c.ListenAddrs())
	var flaky flakyDialer
	w.ingress.Client, w.egress.Client = []kgo.Opt{kgo.Dialer(flaky.dial)}, []kgo.Opt{kgo.Dialer(flaky.dial)}
	producer := client(t, w.brokers)
	out := consume(t, w.brokers, "out")
	flaky.every.Store(20)
	for round := range rounds {
		w.open()
		var orders []order
		for n := range each {
			for l := range ledgers {
				orders = append(orders, order{fmt.Sprint("l", l), round*each + n + 1})
			}
		}
		produceOrders(t, producer, "in", orders...)
		out.wait(t, (round*each+each/2)*ledgers) // somewhere in the midst
		_ = w.engine.Close()                     // what is not delivered comes again
	}
	flaky.every.Store(0)
	w.open()
	checkFlow(t, out.wait(t, ledgers*rounds*each), ledgers, rounds*each)
	w.close()
	checkFlow(t, out.rest(), ledgers, rounds*each)
	if flaky.lost.Load() < 10 {
		t.Errorf("%d answers were lost, that proves little", flaky.lost.Load())
	}
}

// TestOutcomesByRequestID: what became of a record can be asked for by its place in its topic.
func TestOutcomesByRequestID(t *testing.T) {
	c := fake(t, 1, "in", "out")
	w := newWorld(t, c.ListenAddrs())
	w.open()
	produceOrders(t, client(t, w.brokers), "in", order{"a", 3}, order{"a", -1})
	outcome := func(offset int64) (o engine.Outcome) {
		eventually(t, "it is known", func() bool {
			var err error
			o, err = w.engine.Outcome(ctx, functions.Address{Type: "test/book"}, kafka.RequestID("orders", "in", 0, offset, []byte("a")))
			must(t, err)
			return o.State != engine.NotKnown && o.State != engine.Running
		})
		return o
	}
	var result int
	good, bad := outcome(0), outcome(1)
	must(t, good.Decode(&result))
	if result != 6 {
		t.Errorf("the result is %d", result)
	}
	wantErr(t, bad.Err, errRefused)
	w.close()
}

// TestRequestIDs: they tell records apart, and keys that are long or no text are in them as a hash.
func TestRequestIDs(t *testing.T) {
	for _, c := range []struct {
		key  string
		want string
	}{
		{"", "orders/in-3-42"},
		{"alice", "orders/in-3-42/alice"},
		{"\xff", "orders/in-3-42/a8100ae6aa1940d0b663bb31cd466142"},
	} {
		if got := kafka.RequestID("orders", "in", 3, 42, []byte(c.key)); got != c.want {
			t.Errorf("key %q: %s, want %s", c.key, got, c.want)
		}
	}
}

// TestAskAndAnswer: outcomes go to the reply topic that a record asks for, once, with its correlation and the request id, over restarts.
func TestAskAndAnswer(t *testing.T) {
	c := fake(t, 2, "in", "out", "replies", "others")
	w := newWorld(t, c.ListenAddrs())
	w.ingress.Answers, w.ingress.ReplyTopics, w.ingress.DeadLetters = "answers", []string{"replies", "others"}, "dead"
	w.ingress.Route = kafka.FromJSON(func(_ *kgo.Record, o order) (functions.Message, error) { return book.With(o).Drop(), nil })
	setUp := func() {
		answers, err := kafka.NewEgress(kafka.EgressOptions{Brokers: w.brokers, TransactionalID: "answers", Record: kafka.Answers(kafka.Result[int])})
		must(t, err)
		dead, err := kafka.NewEgress(kafka.EgressOptions{Brokers: w.brokers, TransactionalID: "dead", Record: kafka.DeadLetters("others")})
		must(t, err)
		w.more = map[string]engine.Egress{"answers": answers, "dead": dead}
		w.open()
	}
	ask := func(n int, topic string) *kgo.Record {
		r := &kgo.Record{Topic: "in", Key: []byte("a"), Value: fmt.Appendf(nil, `{"Ledger": "a", "N": %d}`, n),
			Headers: []kgo.RecordHeader{{Key: kafka.CorrelationHeader, Value: fmt.Append(nil, "c", n)}}}
		if topic != "" {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: kafka.ReplyTopicHeader, Value: []byte(topic)})
		}
		return r
	}
	producer := client(t, w.brokers)
	replies, others := consume(t, w.brokers, "replies"), consume(t, w.brokers, "others")
	const each = 20
	for round := range 3 {
		setUp()
		for n := range each {
			must(t, producer.ProduceSync(ctx, ask(round*each+n+1, "")).FirstErr())
		}
		replies.wait(t, round*each+each/2)
		_ = w.engine.Close()
	}
	setUp()
	must(t, producer.ProduceSync(ctx, ask(-1, "others"), ask(7, "secret")).FirstErr())
	for i, r := range replies.wait(t, 3*each) {
		n := i + 1
		if got := headers(r); string(r.Key) != "a" || string(r.Value) != fmt.Sprint(2*n) || got[kafka.CorrelationHeader] != fmt.Sprint("c", n) ||
			got[kafka.StatusHeader] != "succeeded" || got[kafka.RequestHeader] == "" {
			t.Fatalf("answer %d is %s = %s, %v", n, r.Key, r.Value, got)
		}
	}
	slices.SortFunc(others.wait(t, 2), func(a, b *kgo.Record) int { return len(a.Value) - len(b.Value) })
	failed, poison := headers(others.all[0]), headers(others.all[1])
	if failed[kafka.StatusHeader] != "failed" || failed[kafka.FailureHeader] != errRefused.Error() {
		t.Errorf("the answer to what failed is %v", failed)
	}
	if poison[kafka.ReasonHeader] != `kafka: the reply topic "secret" is not one of IngressOptions.ReplyTopics` {
		t.Errorf("the record that wants its answer elsewhere has %v", poison)
	}
	w.close()
	if n := len(replies.rest()); n != 3*each {
		t.Errorf("%d answers, want %d", n, 3*each)
	}
}

func headers(r *kgo.Record) map[string]string {
	all := map[string]string{}
	for _, h := range r.Headers {
		all[h.Key] = string(h.Value)
	}
	return all
}

// TestPartitionsInParallel: a partition whose records wait holds up no other, and what waits of it is bounded.
func TestPartitionsInParallel(t *testing.T) {
	c := fake(t, 2, "in", "out")
	w := newWorld(t, c.ListenAddrs())
	w.ingress.MaxWaiting = 50
	release := make(chan struct{})
	w.ingress.Route = func(r *kgo.Record) (functions.Message, error) {
		if r.Partition == 0 {
			<-release
		}
		return toEnter(r)
	}
	w.ingress.Client = []kgo.Opt{kgo.FetchMaxPartitionBytes(2000)}
	w.open()
	producer := client(t, w.brokers, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(2000))
	const n = 1000
	for i := range n {
		for p := range int32(2) {
			producer.Produce(ctx, &kgo.Record{Topic: "in", Partition: p, Value: fmt.Appendf(nil, `{"Ledger": "l%d", "N": %d}`, p, 2*i)}, nil)
		}
	}
	must(t, producer.Flush(ctx))
	eventually(t, "the other partition is read", func() bool { return len(w.entered("l1")) == n })
	time.Sleep(200 * time.Millisecond) // the first one could have been fetched by now
	if got := len(w.entered("l0")); got > 0 {
		t.Fatalf("%d records of the first partition are there", got)
	}
	if waiting := w.source.Waiting(0); waiting < 50 || waiting > 200 {
		t.Errorf("%d records of the first partition wait, the bound is 50 and those of one fetch", waiting)
	}
	close(release)
	eventually(t, "the first one is read", func() bool { return len(w.entered("l0")) == n })
	w.close()
}

// TestLargeRecordsWait: records that wait are bounded by what they take, too: 8 MiB, and those of one fetch.
func TestLargeRecordsWait(t *testing.T) {
	c := fake(t, 1, "in", "out")
	w := newWorld(t, c.ListenAddrs())
	release := make(chan struct{})
	w.ingress.Route = func(r *kgo.Record) (functions.Message, error) {
		<-release
		return toEnter(r)
	}
	w.ingress.Client = []kgo.Opt{kgo.FetchMaxPartitionBytes(600 << 10)}
	w.open()
	const n, size = 60, 512 << 10
	producer := client(t, w.brokers, kgo.ProducerBatchCompression(kgo.NoCompression()))
	for i := range n {
		value := fmt.Appendf(nil, `{"Ledger": "l", "N": %d, "More": "%s"}`, 2*i, strings.Repeat("x", size))
		must(t, producer.ProduceSync(ctx, &kgo.Record{Topic: "in", Value: value}).FirstErr())
	}
	const most = 8 << 20 / size
	eventually(t, "as many wait as may", func() bool { return w.source.Waiting(0) >= most-2 })
	time.Sleep(300 * time.Millisecond) // all could have been fetched by now
	if waiting := w.source.Waiting(0); waiting > most+2 {
		t.Errorf("%d records of half a MiB wait, the bound is %d and those of one fetch", waiting, most)
	}
	close(release)
	eventually(t, "all are read", func() bool { return len(w.entered("l")) == n })
	w.close()
}
