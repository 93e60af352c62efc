package kafka_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/kafka"
)

// numbered are orders first to last of a ledger, of which all are calls.
func numbered(ledger string, first, last int) (all []order) {
	for n := first; n <= last; n++ {
		all = append(all, order{ledger, 2 * n})
	}
	return all
}

// waitFor waits until a ledger has what numbered makes.
func (w *world) waitFor(ledger string, first, last int) {
	w.t.Helper()
	var want []int
	for _, o := range numbered(ledger, first, last) {
		want = append(want, o.N)
	}
	eventually(w.t, fmt.Sprintf("ledger %s has orders %d to %d", ledger, first, last), func() bool {
		got := w.entered(ledger)
		if len(got) > len(want) || !slices.Equal(got, want[:len(got)]) {
			w.t.Fatalf("ledger %s has %v, want %v", ledger, got, want)
		}
		return len(got) == len(want)
	})
}

// stopped is why a partition is not read any more, once it is not.
func (w *world) stopped(partition int32) (err error) {
	w.t.Helper()
	eventually(w.t, "a partition stops", func() bool {
		for _, p := range w.source.Partitions() {
			if p.Partition == partition && p.Stopped != nil {
				err = p.Stopped
			}
		}
		return err != nil
	})
	return err
}

// TestStart: a topic begins where it is to, also over a restart before the first record; partitions that it gets later begin at their earliest
// record.
func TestStart(t *testing.T) {
	for _, c := range []struct {
		name  string
		start func(middle time.Time) kafka.Start
		first int
	}{
		{"earliest", func(time.Time) kafka.Start { return kafka.Earliest() }, 1},
		{"latest", func(time.Time) kafka.Start { return kafka.Latest() }, 21},
		{"time", kafka.At, 11},
	} {
		t.Run(c.name, func(t *testing.T) {
			cluster := fake(t, 1, "in", "out")
			w := newWorld(t, cluster.ListenAddrs())
			producer := client(t, w.brokers)
			produceOrders(t, producer, "in", numbered("a", 1, 10)...)
			time.Sleep(5 * time.Millisecond)
			middle := time.Now()
			time.Sleep(5 * time.Millisecond)
			produceOrders(t, producer, "in", numbered("a", 11, 20)...)
			w.ingress.Start = c.start(middle)
			w.open()
			eventually(t, "it has begun", func() bool { return len(w.source.Partitions()) == 1 })
			if c.first <= 20 {
				w.waitFor("a", c.first, 20)
			}
			w.close()
			produceOrders(t, producer, "in", numbered("a", 21, 30)...)
			w.open() // where it was, not at the end
			w.waitFor("a", c.first, 30)
			_, err := kadm.NewClient(producer).UpdatePartitions(ctx, 2, "in")
			must(t, err)
			manual := client(t, w.brokers, kgo.RecordPartitioner(kgo.ManualPartitioner()))
			must(t, manual.ProduceSync(ctx, &kgo.Record{Topic: "in", Partition: 1, Key: []byte("b"), Value: []byte(`{"Ledger": "b", "N": 2}`)}).FirstErr())
			w.waitFor("b", 1, 1)
			w.close()
		})
	}
}

// TestPoisonStopsItsPartition, and no other, and is tried again when the engine is opened again.
func TestPoisonStopsItsPartition(t *testing.T) {
	c := fake(t, 2, "in", "out")
	w := newWorld(t, c.ListenAddrs())
	w.open()
	producer := client(t, w.brokers, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	put := func(partition int32, value string) {
		must(t, producer.ProduceSync(ctx, &kgo.Record{Topic: "in", Partition: partition, Value: []byte(value)}).FirstErr())
	}
	put(0, `{"Ledger": "a", "N": 2}`)
	put(0, `no JSON`)
	put(0, `{"Ledger": "a", "N": 4}`)
	wantErr(t, w.stopped(0), kafka.ErrPoison, "offset 1 of in/0", "invalid character")
	put(1, `{"Ledger": "b", "N": 2}`)
	w.waitFor("b", 1, 1)
	w.waitFor("a", 1, 1)
	if !w.log.has("not read any more", "partition=0", "offset 1") {
		t.Error("nobody is told")
	}
	w.close()
	route := w.ingress.Route
	w.ingress.Route = func(r *kgo.Record) (functions.Message, error) {
		if string(r.Value) == "no JSON" {
			return nil, nil // the new version of the program passes it over
		}
		return route(r)
	}
	w.open()
	w.waitFor("a", 1, 2)
	w.close()
}

// TestDeadLetters: what Route refuses, and what it panics at, and what the engine does not take, goes to the egress of dead letters, once, and the
// partition goes on; one that is too large goes without its value.
func TestDeadLetters(t *testing.T) {
	c := fake(t, 1, "in", "out", "dead")
	w := newWorld(t, c.ListenAddrs())
	w.ingress.DeadLetters = "letters"
	route := w.ingress.Route
	w.ingress.Route = func(r *kgo.Record) (functions.Message, error) {
		switch {
		case strings.HasPrefix(string(r.Value), "panic"):
			panic("test: at once")
		case strings.HasPrefix(string(r.Value), "nobody"):
			return enter.On("", 2), nil
		}
		return route(r)
	}
	letters, err := kafka.NewEgress(kafka.EgressOptions{Brokers: w.brokers, TransactionalID: "letters", Record: kafka.DeadLetters("dead")})
	must(t, err)
	w.more = map[string]engine.Egress{"letters": letters}
	w.open()
	large := "panic" + strings.Repeat("x", 2<<20)
	producer := client(t, w.brokers, kgo.ProducerBatchMaxBytes(4<<20), kgo.ProducerBatchCompression(kgo.SnappyCompression()))
	for _, value := range []string{`{"Ledger": "a", "N": 2}`, "no JSON", "panic", "nobody", large, `{"Ledger": "a", "N": 4}`} {
		must(t, producer.ProduceSync(ctx, &kgo.Record{Topic: "in", Key: []byte("k"), Value: []byte(value),
			Headers: []kgo.RecordHeader{{Key: "trace", Value: []byte("t")}}}).FirstErr())
	}
	w.waitFor("a", 1, 2)
	reasons := []string{"invalid character", "test: at once", "the id of a instance is empty", "test: at once"}
	dead := consume(t, w.brokers, "dead")
	for i, r := range dead.wait(t, len(reasons)) {
		h := headers(r)
		if !strings.Contains(h[kafka.ReasonHeader], reasons[i]) || h[kafka.OriginHeader] != fmt.Sprint("in-0-", i+1) {
			t.Errorf("dead letter %d has %v, want the reason %q", i, h, reasons[i])
		}
		if whole := i < 3; whole != (string(r.Key) == "k") || whole != (len(r.Value) > 0) || whole != (h["trace"] == "t") {
			t.Errorf("dead letter %d has the key %q, %d bytes, %v", i, r.Key, len(r.Value), h)
		}
	}
	w.close()
	if n := len(dead.rest()); n != len(reasons) {
		t.Errorf("%d dead letters, want %d", n, len(reasons))
	}
}

// TestLostRecords: where records were deleted before they were read the partition stops, or goes on behind them, as the user wants; never
// without a word: here while nobody reads it, in TestLostWhileReading while somebody does.
func TestLostRecords(t *testing.T) {
	c := fake(t, 1, "in", "out")
	w := newWorld(t, c.ListenAddrs())
	producer := client(t, w.brokers)
	w.open()
	produceOrders(t, producer, "in", numbered("a", 1, 10)...)
	w.waitFor("a", 1, 10)
	w.close()
	produceOrders(t, producer, "in", numbered("a", 11, 20)...)
	must(t, c.DeleteRecords("in", 0, 15))
	w.open()
	wantErr(t, w.stopped(0), kafka.ErrLost, "offsets 10 to 14")
	w.waitFor("a", 1, 10)
	w.close()
	w.ingress.Lost = kafka.SkipLost
	w.open()
	eventually(t, "it goes on behind them", func() bool { return len(w.entered("a")) == 15 })
	if got := w.entered("a"); got[10] != 32 || !w.log.has("records are lost", "offsets 10 to 14") {
		t.Errorf("the ledger has %v", got)
	}
	w.close()
}

// TestLostWhileReading: so it is with records that are deleted in front of an ingress that reads, but is behind.
func TestLostWhileReading(t *testing.T) {
	for _, lost := range []kafka.Lost{kafka.StopAtLost, kafka.SkipLost} {
		c := fake(t, 1, "in", "out")
		w := newWorld(t, c.ListenAddrs())
		w.ingress.Lost = lost
		producer := client(t, w.brokers)
		w.open()
		produceOrders(t, producer, "in", numbered("a", 1, 10)...)
		w.waitFor("a", 1, 10)
		found, err := kadm.NewClient(producer).Metadata(ctx, "in")
		must(t, err)
		var behind atomic.Bool
		behind.Store(true)
		held := make(chan struct{}, 1)
		c.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
			asked := r.(*kmsg.FetchRequest)
			others := len(asked.Topics) > 0 && kadm.TopicID(asked.Topics[0].TopicID) != found.Topics["in"].ID // one that goes on names none
			if !behind.Load() || others {
				return nil, nil, false
			}
			select {
			case held <- struct{}{}:
			default:
			}
			return nil, errors.New("the connection is lost"), true // it asks again
		})
		<-held
		produceOrders(t, producer, "in", numbered("a", 11, 20)...)
		must(t, c.DeleteRecords("in", 0, 15))
		behind.Store(false)
		if lost == kafka.StopAtLost {
			wantErr(t, w.stopped(0), kafka.ErrLost, "offsets 10 to 14")
			w.waitFor("a", 1, 10)
		} else {
			eventually(t, "it goes on behind them", func() bool { return len(w.entered("a")) == 15 })
			if !w.log.has("records are lost", "offsets 10 to 14") {
				t.Error("the log says nothing of them")
			}
		}
		w.close()
	}
}

// TestFetchErrors: a partition that has fewer records than were read of it has lost some, and stops, whatever the user wants of those that retention
// deleted; so does one that may not be read any more.
func TestFetchErrors(t *testing.T) {
	for _, c := range []struct {
		code *kerr.Error
		want error
		text string
	}{
		{kerr.OffsetOutOfRange, kafka.ErrLost, "ends before offset 3"},
		{kerr.TopicAuthorizationFailed, kerr.TopicAuthorizationFailed, "TOPIC_AUTHORIZATION_FAILED"},
	} {
		cluster := fake(t, 1, "in", "out")
		w := newWorld(t, cluster.ListenAddrs())
		w.ingress.Lost, w.ingress.Refresh = kafka.SkipLost, time.Hour
		w.open()
		produceOrders(t, client(t, w.brokers), "in", numbered("a", 1, 3)...)
		w.waitFor("a", 1, 3)
		w.close()
		found, err := kadm.NewClient(client(t, w.brokers)).Metadata(ctx, "in")
		must(t, err)
		cluster.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
			cluster.KeepControl()
			asked := r.(*kmsg.FetchRequest)
			if len(asked.Topics) != 1 || kadm.TopicID(asked.Topics[0].TopicID) != found.Topics["in"].ID {
				return nil, nil, false
			}
			answer := r.ResponseKind().(*kmsg.FetchResponse)
			topic, partition := kmsg.NewFetchResponseTopic(), kmsg.NewFetchResponseTopicPartition()
			topic.Topic, topic.TopicID = asked.Topics[0].Topic, asked.Topics[0].TopicID
			partition.ErrorCode = c.code.Code
			topic.Partitions = append(topic.Partitions, partition)
			answer.Topics = append(answer.Topics, topic)
			return answer, nil, true
		})
		w.open()
		wantErr(t, w.stopped(0), c.want, c.text)
		w.close()
	}
}

// TestMarksAreNoLoss: the marks of transactions are read, too: a topic of which retention has deleted everything has lost nothing, and has no
// lag.
func TestMarksAreNoLoss(t *testing.T) {
	c := fake(t, 1, "in", "out")
	w := newWorld(t, c.ListenAddrs())
	producer := client(t, w.brokers, kgo.TransactionalID("producer"))
	for _, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort} {
		must(t, producer.BeginTransaction())
		produceOrders(t, producer, "in", numbered("a", 1, 3)...)
		must(t, producer.EndTransaction(ctx, end))
	}
	w.open()
	eventually(t, "all is read", func() bool {
		all := w.source.Partitions()
		return len(all) == 1 && all[0].Next == 8 && all[0].Lag() == 0
	})
	w.waitFor("a", 1, 3)
	w.close()
	must(t, c.DeleteRecords("in", 0, 8))
	w.open()
	produceOrders(t, client(t, w.brokers), "in", numbered("a", 4, 5)...)
	w.waitFor("a", 1, 5)
	w.close()
}

// TestTopicMadeAgain: a topic that was deleted and made again under its name is not taken for the old one: neither when the engine is opened,
// nor while it reads.
func TestTopicMadeAgain(t *testing.T) {
	c := fake(t, 1, "in", "out")
	w := newWorld(t, c.ListenAddrs())
	producer := client(t, w.brokers)
	w.open()
	produceOrders(t, producer, "in", numbered("a", 1, 3)...)
	w.waitFor("a", 1, 3)
	again := func() {
		must(t, c.DeleteTopic("in"))
		must(t, c.CreateTopic("in", 1, nil))
		produceOrders(t, client(t, w.brokers), "in", numbered("b", 1, 5)...)
	}
	again()
	wantErr(t, w.stopped(0), kafka.ErrAnotherTopic)
	w.close()
	w.open()
	wantErr(t, w.stopped(0), kafka.ErrAnotherTopic)
	if got := w.entered("b"); len(got) > 0 {
		t.Errorf("ledger b has %v", got)
	}
	w.close()
}

// TestIngressBadInput: no broker, and topics that are missing, are errors that say so, and are tried again.
func TestIngressBadInput(t *testing.T) {
	c := fake(t, 1, "out")
	w := newWorld(t, c.ListenAddrs())
	w.open()
	eventually(t, "the missing topic is told", func() bool { return w.log.has("an ingress failed", "UNKNOWN_TOPIC", `topic \"in\"`) })
	must(t, c.CreateTopic("in", 1, nil))
	produceOrders(t, client(t, w.brokers), "in", numbered("a", 1, 3)...)
	w.waitFor("a", 1, 3)
	w.close()

	_, err := kafka.NewIngress(kafka.IngressOptions{Answers: "x", MaxWaiting: -1, Refresh: -1, Lost: 7})
	wantErr(t, err, err, "Brokers is empty", "Topics is empty", "Route is nil", "Answers and ReplyTopics", "MaxWaiting", "Refresh", "Lost")
}

// TestLag: how far the partitions are is told.
func TestLag(t *testing.T) {
	c := fake(t, 1, "in", "out")
	w := newWorld(t, c.ListenAddrs())
	w.open()
	produceOrders(t, client(t, w.brokers), "in", numbered("a", 1, 5)...)
	eventually(t, "all are delivered", func() bool {
		all := w.source.Partitions()
		return len(all) == 1 && all[0].Topic == "in" && all[0].Next == 5 && all[0].End == 5 && all[0].Lag() == 0
	})
	if lag := (kafka.PartitionState{Next: 2, End: 5}).Lag(); lag != 3 {
		t.Errorf("the lag is %d", lag)
	}
	w.close()
}
