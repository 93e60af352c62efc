package kafka_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/kafka"
	"github.com/concordat-dev/concordat/twopc"
)

var ctx = context.Background()

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantErr checks that an error is what was expected, and says all the words.
func wantErr(t testing.TB, err, want error, words ...string) {
	t.Helper()
	if err == nil || !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error does not say %q: %v", word, err)
		}
	}
}

// eventually waits for a fact that is to come true soon.
func eventually(t testing.TB, what string, fact func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !fact(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("in 30 seconds it did not come true: %s", what)
		}
	}
}

// logLines collects what is logged.
type logLines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logLines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func (l *logLines) has(words ...string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
next:
	for line := range strings.Lines(l.buf.String()) {
		for _, word := range words {
			if !strings.Contains(line, word) {
				continue next
			}
		}
		return true
	}
	return false
}

// A ledger writes down what came, and tells it to the world.
type order struct {
	Ledger string
	N      int
}

const errRefused functions.Failure = "test: refused"

var (
	events  = functions.NewEgress[order]("events")
	ledgers = functions.NewType[[]int]("test/ledger")
	enter   = functions.Upsert(ledgers, "enter", func(ctx *functions.Ctx, all *[]int, n int) error {
		*all = append(*all, n)
		ctx.Emit(events.Record(ctx.Self().ID, order{ctx.Self().ID, n}))
		return nil
	})
	entries = functions.View(ledgers, "entries", func(_ *functions.Ctx, all []int) ([]int, error) { return all, nil })
	book    = twopc.NewReturning("test/book", func(tx *twopc.Tx, o order) (int, error) {
		if o.N < 0 {
			return 0, errRefused
		}
		return 2 * o.N, tx.Do(enter.On(o.Ledger, o.N))
	})
)

// parts are those of the program.
func parts() []functions.Part { return []functions.Part{ledgers, book} }

// toEnter routes orders, in JSON, to ledgers: those with an even number as calls, the others as transactions.
var toEnter = kafka.FromJSON(func(_ *kgo.Record, o order) (functions.Message, error) {
	if o.N%2 == 0 {
		return enter.On(o.Ledger, o.N), nil
	}
	return book.With(o).Drop(), nil
})

// fake starts a cluster in this process with topics of some partitions.
func fake(t testing.TB, partitions int32, topics ...string) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, topics...))
	must(t, err)
	t.Cleanup(c.Close)
	return c
}

// client makes a client of a cluster.
func client(t testing.TB, brokers []string, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(brokers...)}, options...)...)
	must(t, err)
	t.Cleanup(c.Close)
	return c
}

// produceOrders writes orders to a topic, with the ledger for a key.
func produceOrders(t testing.TB, c *kgo.Client, topic string, orders ...order) {
	t.Helper()
	var records []*kgo.Record
	for _, o := range orders {
		records = append(records, &kgo.Record{Topic: topic, Key: []byte(o.Ledger), Value: fmt.Appendf(nil, `{"Ledger": %q, "N": %d}`, o.Ledger, o.N)})
	}
	must(t, c.ProduceSync(ctx, records...).FirstErr())
}

// consumer reads what is committed of a topic, from its start.
type consumer struct {
	client *kgo.Client
	all    []*kgo.Record
	came   atomic.Int64 // how many there are
}

func consume(t testing.TB, brokers []string, topic string) *consumer {
	return &consumer{client: client(t, brokers, kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(50*time.Millisecond))}
}

// wait reads until there are n records, and returns all that there are. How fast they come depends on what else the machine does: it gives
// up when none has come for two minutes.
func (c *consumer) wait(t testing.TB, n int) []*kgo.Record {
	t.Helper()
	for last := time.Now(); len(c.all) < n; {
		bounded, cancel := context.WithDeadline(ctx, last.Add(2*time.Minute))
		came := c.client.PollFetches(bounded).Records()
		cancel()
		switch {
		case len(came) > 0:
			last = time.Now()
		case time.Since(last) > 2*time.Minute:
			t.Fatalf("there are %d records, want %d, and for two minutes none has come", len(c.all), n)
		}
		c.all = append(c.all, came...)
		c.came.Store(int64(len(c.all)))
	}
	return c.all
}

// rest reads what there is until nothing more has come for a while.
func (c *consumer) rest() []*kgo.Record {
	for {
		bounded, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		more := c.client.PollFetches(bounded).Records()
		cancel()
		if len(more) == 0 {
			return c.all
		}
		c.all = append(c.all, more...)
	}
}

// flakyDialer makes connections that are cut when a request is out and its answer is not in: so the answer is lost.
type flakyDialer struct {
	every atomic.Int64 // one in so many reads; 0: none
	seen  atomic.Int64
	lost  atomic.Int64
}

func (f *flakyDialer) dial(ctx context.Context, network, host string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, host)
	return &flakyConn{conn, f}, err
}

type flakyConn struct {
	net.Conn
	dialer *flakyDialer
}

func (c *flakyConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	f := c.dialer
	if every := f.every.Load(); every > 0 && f.seen.Add(1)%every == 0 {
		f.lost.Add(1)
		_ = c.Close()
		return 0, &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	}
	return n, err
}

// topicEnd counts the records of a topic, with the marks of transactions.
func topicEnd(t testing.TB, brokers []string, topic string) (n int64) {
	t.Helper()
	listed, err := kadm.NewClient(client(t, brokers)).ListEndOffsets(ctx, topic)
	must(t, err)
	listed.Each(func(o kadm.ListedOffset) { n += o.Offset })
	return n
}

// world is an engine between two topics.
type world struct {
	t       testing.TB
	brokers []string
	dir     string
	log     logLines
	ingress kafka.IngressOptions
	egress  kafka.EgressOptions
	more    map[string]engine.Egress
	workers int

	source *kafka.Ingress
	engine *engine.Engine
}

func newWorld(t testing.TB, brokers []string) *world {
	w := &world{t: t, brokers: brokers, dir: t.TempDir(), workers: 2}
	w.ingress = kafka.IngressOptions{Brokers: brokers, Topics: []string{"in"}, Route: toEnter, Refresh: 200 * time.Millisecond, Logger: w.log.logger()}
	w.egress = kafka.EgressOptions{Brokers: brokers, TransactionalID: "test", Record: kafka.ToTopic("out", kafka.JSON[order])}
	return w
}

// try opens the engine.
func (w *world) try() (err error) {
	w.t.Helper()
	w.source, err = kafka.NewIngress(w.ingress)
	must(w.t, err)
	out, err := kafka.NewEgress(w.egress)
	must(w.t, err)
	egresses := map[string]engine.Egress{"events": out}
	for name, g := range w.more {
		egresses[name] = g
	}
	w.engine, err = engine.Open(engine.Options{Dir: w.dir, ReserveBytes: -1, Workers: w.workers, Logger: w.log.logger(),
		Sources: map[string]engine.Source{"orders": w.source}, Egresses: egresses}, parts()...)
	return err
}

func (w *world) open() {
	w.t.Helper()
	must(w.t, w.try())
}

func (w *world) close() {
	w.t.Helper()
	must(w.t, w.engine.Close())
}

// entered is what is in a ledger.
func (w *world) entered(ledger string) []int {
	w.t.Helper()
	all, err := engine.Ask(ctx, w.engine, entries.On(ledger))
	if !errors.Is(err, functions.ErrNotFound) {
		must(w.t, err)
	}
	return all
}
