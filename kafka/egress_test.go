package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/internal/values"
	"github.com/concordat-dev/concordat/kafka"
)

// rawRecord is a record of an egress of bytes.
func rawRecord(seq uint64, value string) engine.Record {
	data, err := values.Encode([]byte(value))
	if err != nil {
		panic(err)
	}
	return engine.Record{Seq: seq, Key: "k", Value: data}
}

func rawRecords(first, last uint64) (all []engine.Record) {
	for seq := first; seq <= last; seq++ {
		all = append(all, rawRecord(seq, fmt.Sprint(seq)))
	}
	return all
}

func rawEgress(t testing.TB, brokers []string, options kafka.EgressOptions) engine.Egress {
	t.Helper()
	options.Brokers = brokers
	if options.TransactionalID == "" && !options.AtLeastOnce {
		options.TransactionalID = "test"
	}
	if options.Record == nil {
		options.Record = kafka.ToTopic("out", kafka.Raw)
	}
	g, err := kafka.NewEgress(options)
	must(t, err)
	t.Cleanup(func() { _ = g.Close() })
	return g
}

// wantValues checks that a topic has the numbers 1 to n as values, in order.
func wantValues(t testing.TB, records []*kgo.Record, n int) {
	t.Helper()
	for i, r := range records {
		if string(r.Value) != fmt.Sprint(i+1) {
			t.Fatalf("record %d is %s", i+1, r.Value)
		}
	}
	if len(records) != n {
		t.Fatalf("%d records, want %d", len(records), n)
	}
}

func wantPosition(t testing.TB, g engine.Egress, want uint64) {
	t.Helper()
	position, err := g.Position()
	must(t, err)
	if position != want {
		t.Fatalf("the position is %d, want %d", position, want)
	}
}

// TestPositionIsWithTheRecords: whoever opens the egress next knows what was written, however long ago, and after many claims that wrote
// nothing; what has been written is not written again.
func TestPositionIsWithTheRecords(t *testing.T) {
	c := fake(t, 1, "out")
	g := rawEgress(t, c.ListenAddrs(), kafka.EgressOptions{})
	wantPosition(t, g, 0)
	must(t, g.Write(ctx, rawRecords(1, 3)))
	must(t, g.Write(ctx, rawRecords(2, 5))) // as an engine that has missed an answer
	for range 40 {                          // more claims than are looked at first
		g = rawEgress(t, c.ListenAddrs(), kafka.EgressOptions{})
		wantPosition(t, g, 5)
	}
	c.Compact()
	g = rawEgress(t, c.ListenAddrs(), kafka.EgressOptions{})
	wantPosition(t, g, 5)
	must(t, g.Write(ctx, rawRecords(4, 6)))
	wantValues(t, consume(t, c.ListenAddrs(), "out").wait(t, 6), 6)
}

// TestThousandRecordsAreOneTransaction: what the engine hands over at once costs one transaction.
func TestThousandRecordsAreOneTransaction(t *testing.T) {
	c := fake(t, 1, "out")
	g := rawEgress(t, c.ListenAddrs(), kafka.EgressOptions{})
	wantPosition(t, g, 0)
	before := topicEnd(t, c.ListenAddrs(), "test.position")
	ends := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, TxnID: "test", Count: -1, Observe: true})
	must(t, g.Write(ctx, rawRecords(1, 1000)))
	if n := ends.Hits(); n != 1 {
		t.Errorf("%d transactions were ended, want 1", n)
	}
	if n := topicEnd(t, c.ListenAddrs(), "test.position") - before; n != 2 {
		t.Errorf("the position topic has grown by %d, want one note and one mark", n)
	}
	if n := topicEnd(t, c.ListenAddrs(), "out"); n != 1001 {
		t.Errorf("the topic has %d records and marks, want 1001", n)
	}
}

// TestZombieIsFenced: whoever claims the transactional id last may write; who had it before stops with an error that says so, and fences nobody.
func TestZombieIsFenced(t *testing.T) {
	c := fake(t, 1, "out")
	zombie := rawEgress(t, c.ListenAddrs(), kafka.EgressOptions{})
	wantPosition(t, zombie, 0)
	must(t, zombie.Write(ctx, rawRecords(1, 2)))
	heir := rawEgress(t, c.ListenAddrs(), kafka.EgressOptions{})
	wantPosition(t, heir, 2)
	if zombie.Write(ctx, rawRecords(3, 4)) == nil {
		t.Fatal("the zombie has written")
	}
	wantErr(t, zombie.Write(ctx, rawRecords(3, 4)), kafka.ErrFenced, `"test"`)
	must(t, heir.Write(ctx, rawRecords(3, 5)))
	wantErr(t, zombie.Write(ctx, rawRecords(3, 4)), kafka.ErrFenced)
	must(t, heir.Write(ctx, rawRecords(6, 6)))
	wantValues(t, consume(t, c.ListenAddrs(), "out").wait(t, 6), 6)
}

// TestRecordsThatBrokersDoNotTake are refused one by one, with what is at fault, and those around them are written.
func TestRecordsThatBrokersDoNotTake(t *testing.T) {
	for _, least := range []bool{false, true} {
		c := fake(t, 1, "out")
		record := func(r engine.Record) (*kgo.Record, error) {
			if r.Seq == 7 {
				return nil, errors.New("test: no record of ours")
			}
			return kafka.ToTopic("out", kafka.Raw)(r)
		}
		g := rawEgress(t, c.ListenAddrs(), kafka.EgressOptions{Record: record, AtLeastOnce: least})
		wantPosition(t, g, 0)
		records := rawRecords(1, 9)
		records[4] = rawRecord(5, strings.Repeat("x", 2<<20))
		refused := func(want uint64, word string) {
			t.Helper()
			err := g.Write(ctx, records)
			var bad *engine.Unacceptable
			if !errors.As(err, &bad) || bad.Seq != want || !strings.Contains(bad.Reason.Error(), word) {
				t.Fatalf("at least once %v: %v, want record %d to be refused for %q", least, err, want, word)
			}
			records = records[want-records[0].Seq+1:]
		}
		refused(5, "MESSAGE_TOO_LARGE")
		refused(7, "no record of ours")
		must(t, g.Write(ctx, records))
		var got []string
		consumer := consume(t, c.ListenAddrs(), "out")
		consumer.wait(t, 7)
		for _, r := range consumer.rest() {
			if value := string(r.Value); !least || !slices.Contains(got, value) {
				got = append(got, value)
			}
		}
		if fmt.Sprint(got) != "[1 2 3 4 6 8 9]" {
			t.Errorf("at least once %v: the topic has %v", least, got)
		}
	}
}

// TestOldBroker: without transactions of version 2 exactly once is refused, and at least once works.
func TestOldBroker(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "out"), kfake.MaxVersions(kversion.V3_9_0()))
	must(t, err)
	defer c.Close()
	_, err = rawEgress(t, c.ListenAddrs(), kafka.EgressOptions{}).Position()
	wantErr(t, err, kafka.ErrOldBroker)
	if errors.Is(err, engine.ErrNoPosition) {
		t.Error("the engine would open, and try forever")
	}
	g := rawEgress(t, c.ListenAddrs(), kafka.EgressOptions{AtLeastOnce: true})
	wantPosition(t, g, 0)
	must(t, g.Write(ctx, rawRecords(1, 3)))
	wantValues(t, consume(t, c.ListenAddrs(), "out").wait(t, 3), 3)
}

// TestForeignPositionTopic: a topic that is somebody else's is not taken for the egress's.
func TestForeignPositionTopic(t *testing.T) {
	c := fake(t, 3, "wide")
	_, err := rawEgress(t, c.ListenAddrs(), kafka.EgressOptions{PositionTopic: "wide"}).Position()
	wantErr(t, err, kafka.ErrForeignPosition, "wide", "3 partitions")
	c = fake(t, 1, "other")
	must(t, client(t, c.ListenAddrs()).ProduceSync(ctx, &kgo.Record{Topic: "other", Value: []byte("x")}).FirstErr())
	_, err = rawEgress(t, c.ListenAddrs(), kafka.EgressOptions{PositionTopic: "other"}).Position()
	wantErr(t, err, kafka.ErrForeignPosition, "other", "offset 0")
}

// TestBrokerAwayAtOpen: the engine opens without a broker, works, and delivers once there is one.
func TestBrokerAwayAtOpen(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits until no broker has answered")
	}
	c := fake(t, 1, "in", "out")
	address := c.ListenAddrs()
	w := newWorld(t, address)
	c.Close()
	w.open()
	must(t, w.engine.Do(ctx, enter.On("a", 1)))
	if !w.log.has("does not tell its position", "events") {
		t.Error("nobody is told")
	}
	var port int
	_, err := fmt.Sscanf(address[0][strings.LastIndexByte(address[0], ':')+1:], "%d", &port)
	must(t, err)
	c, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(port), kfake.SeedTopics(1, "in", "out"))
	must(t, err)
	defer c.Close()
	consume(t, address, "out").wait(t, 1)
	w.close()
}

// TestMissingTopic: an output topic that is missing holds up the egress, with an error that says so, until it is there.
func TestMissingTopic(t *testing.T) {
	c := fake(t, 1, "in")
	g := rawEgress(t, c.ListenAddrs(), kafka.EgressOptions{})
	wantPosition(t, g, 0)
	err := g.Write(ctx, rawRecords(1, 2))
	wantErr(t, err, err, "UNKNOWN_TOPIC_OR_PARTITION")
	var bad *engine.Unacceptable
	if errors.As(err, &bad) {
		t.Error("the record would be parked")
	}
	must(t, c.CreateTopic("out", 1, nil))
	must(t, g.Write(ctx, rawRecords(1, 2)))
	wantValues(t, consume(t, c.ListenAddrs(), "out").wait(t, 2), 2)
}

// TestEgressEnds: a Write whose context is over returns, and the next one finds out what it has done.
func TestEgressEnds(t *testing.T) {
	c := fake(t, 1, "out")
	g := rawEgress(t, c.ListenAddrs(), kafka.EgressOptions{})
	wantPosition(t, g, 0)
	over, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	<-over.Done()
	if g.Write(over, rawRecords(1, 2)) == nil {
		t.Error("a Write with a context that is over succeeds")
	}
	must(t, g.Write(ctx, rawRecords(1, 3)))
	wantValues(t, consume(t, c.ListenAddrs(), "out").wait(t, 3), 3)
}

// TestEgressOptions: what is missing is told.
func TestEgressOptions(t *testing.T) {
	_, err := kafka.NewEgress(kafka.EgressOptions{Timeout: -1})
	wantErr(t, err, err, "Brokers is empty", "Record is nil", "TransactionalID is empty", "Timeout is negative")
	_, err = kafka.NewEgress(kafka.EgressOptions{Brokers: []string{"x"}, Record: kafka.ToTopic("out", kafka.Raw), AtLeastOnce: true, TransactionalID: "x"})
	wantErr(t, err, err, "AtLeastOnce needs no TransactionalID")
}
