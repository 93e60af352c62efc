// Package topics runs the workload of package ycsb over Kafka, as the system that this one grew out of was measured: the load generator writes
// *requests* to a topic, the engine takes them from there, and the *answers* come back on another topic. An operation lasts until its answer
// can be read by a consumer that reads what is committed.
//
// Rows are loaded and audited without Kafka. Start reading here, then request.go.
package topics

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/kafka"
	"github.com/concordat-dev/concordat/ycsb"
	"github.com/concordat-dev/concordat/ycsb/accounts"
)

// DefaultPartitions is how many partitions the topics have.
const DefaultPartitions = 8

// Options say how a target is opened.
type Options struct {
	accounts.Options
	// Brokers are some of the cluster's, as host:port. Default: a broker is started for the target, which needs Java and Maven.
	Brokers []string
	// Partitions of the topics, which are made anew for each target. Default: DefaultPartitions.
	Partitions int
	// Unordered lets requests for one row overtake each other; see kafka.IngressOptions.
	Unordered bool
	// NoAnswers has no answers written to a topic: an operation lasts until its effects are durable, which it hears of in the process. So only the way in is
	// measured.
	NoAnswers bool
}

// Parameters are what the report of a run says of its target.
func Parameters(noAnswers bool) map[string]string {
	if noAnswers {
		return map[string]string{"kafka": "requests only"}
	}
	return map[string]string{"kafka": "yes"}
}

// Target runs the workload over topics. It is a [ycsb.Target] that can also insert and update.
type Target struct {
	*rows
	broker            *Broker // nil: there is a cluster
	requests, answers string  // topics
	producer          *kgo.Client
	consumer          *kgo.Client
	consuming         sync.WaitGroup

	next    atomic.Uint64 // the correlation of the next request
	waiting [waitingParts]waitingPart
}

// rows are loaded and audited directly.
type rows struct{ target *accounts.Target }

// Load implements [ycsb.Target].
func (r *rows) Load(ctx context.Context, key int, row ycsb.Row) error {
	return r.target.Load(ctx, key, row)
}

// Balance implements [ycsb.Target].
func (r *rows) Balance(ctx context.Context, key int) (int64, error) {
	return r.target.Balance(ctx, key)
}

// Counters implements [ycsb.Counter].
func (r *rows) Counters() ycsb.Counters { return r.target.Counters() }

// waitingParts is how many maps of waiting operations there are: clients seldom meet at one.
const waitingParts = 64

type waitingPart struct {
	mu  sync.Mutex
	ops map[uint64]chan error
	_   [48]byte
}

var _ interface {
	ycsb.Target
	ycsb.Updater
	ycsb.Inserter
	ycsb.Counter
} = (*Target)(nil)

// topicsTimeout bounds how long the brokers may take to make the topics.
const topicsTimeout = 30 * time.Second

// Open makes the topics, opens an engine between them and makes both a target.
func Open(ctx context.Context, o Options) (_ *Target, err error) {
	run := strings.ToLower(rand.Text()[:8])
	t := &Target{requests: "ycsb-requests-" + run, answers: "ycsb-answers-" + run}
	for i := range t.waiting {
		t.waiting[i].ops = map[uint64]chan error{}
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.Close())
		}
	}()
	if len(o.Brokers) == 0 {
		if t.broker, err = StartBroker(ctx); err != nil {
			return t, err
		}
		o.Brokers = []string{t.broker.Address()}
	}
	ctx, cancel := context.WithTimeout(ctx, topicsTimeout)
	defer cancel()
	if t.producer, err = newClient(o.Brokers, kgo.ProducerLinger(0), kgo.DefaultProduceTopic(t.requests)); err != nil {
		return t, err
	}
	made, err := kadm.NewClient(t.producer).CreateTopics(ctx, int32(cmp.Or(o.Partitions, DefaultPartitions)), -1, nil, t.requests, t.answers)
	if err = errors.Join(err, made.Error()); err != nil {
		return t, fmt.Errorf("topics: make the topics: %w", err)
	}
	source, err := kafka.NewIngress(kafka.IngressOptions{
		Brokers: o.Brokers, Topics: []string{t.requests}, Route: router(o.Protocol), Answers: "answers", ReplyTopics: []string{t.answers},
		Unordered: o.Unordered, Logger: o.Logger,
	})
	if err != nil {
		return t, err
	}
	answers, err := t.takeAnswers(o)
	if err != nil {
		return t, err
	}
	o.Sources, o.Egresses = map[string]engine.Source{"requests": source}, map[string]engine.Egress{"answers": answers}
	target, err := accounts.Open(o.Options)
	if err != nil {
		return t, err
	}
	t.rows = &rows{target}
	if t.consumer != nil {
		t.consuming.Go(t.consume)
	}
	return t, nil
}

// Of a topic that was just made a client may hear only of some partitions. metadataMinAge is how soon it asks again, and fetchMaxWait how soon it fetches
// from those that it has heard of since, if there is nothing in the others. Both are 5 s by default, in which a closed loop comes to stand still.
const (
	metadataMinAge = 100 * time.Millisecond
	fetchMaxWait   = 100 * time.Millisecond
)

func newClient(brokers []string, options ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append(options, kgo.SeedBrokers(brokers...), kgo.MetadataMinAge(metadataMinAge), kgo.FetchMaxWait(fetchMaxWait))...)
}

// takeAnswers makes the egress that gets the answers, and the consumer of their topic, if they go to one.
func (t *Target) takeAnswers(o Options) (_ engine.Egress, err error) {
	record := kafka.Answers(kafka.NoResult)
	if o.NoAnswers {
		return engine.Callback(func(_ context.Context, r engine.Record) error {
			answer, err := record(r)
			if err == nil {
				t.take(answer)
			}
			return err
		}), nil
	}
	if t.consumer, err = newClient(o.Brokers, kgo.ConsumeTopics(t.answers), kgo.FetchIsolationLevel(kgo.ReadCommitted())); err != nil {
		return nil, err
	}
	return kafka.NewEgress(kafka.EgressOptions{Brokers: o.Brokers, TransactionalID: t.answers, Record: record, Logger: o.Logger})
}

// Close closes the engine, and ends a broker of its own; topics of a cluster stay.
func (t *Target) Close() (err error) {
	if t.rows != nil {
		err = t.target.Close()
	}
	for _, c := range []*kgo.Client{t.producer, t.consumer} {
		if c != nil {
			c.Close()
		}
	}
	t.consuming.Wait()
	return errors.Join(err, t.broker.Close())
}

// consume gives the answers to those who wait for them.
func (t *Target) consume() {
	for {
		fetches := t.consumer.PollFetches(context.Background())
		if fetches.IsClientClosed() {
			return
		}
		fetches.EachRecord(t.take)
	}
}

// take takes an answer.
func (t *Target) take(r *kgo.Record) {
	var correlation uint64
	failed, failure := false, ""
	for _, h := range r.Headers {
		switch h.Key {
		case kafka.CorrelationHeader:
			correlation = binary.BigEndian.Uint64(h.Value)
		case kafka.StatusHeader:
			failed = string(h.Value) == "failed"
		case kafka.FailureHeader:
			failure = string(h.Value)
		}
	}
	var err error
	if failed {
		err = failureOf(failure)
	}
	t.settle(correlation, err)
}

// failureOf is the failure that an answer tells.
func failureOf(text string) error {
	for _, known := range []functions.Failure{ycsb.ErrInsufficientFunds, ycsb.ErrRefused, functions.ErrNotFound, functions.ErrExists} {
		if strings.Contains(text, string(known)) {
			return fmt.Errorf("%w: %s", known, text)
		}
	}
	return errors.New(text)
}

// settle ends an operation, once.
func (t *Target) settle(correlation uint64, err error) {
	part := &t.waiting[correlation%waitingParts]
	part.mu.Lock()
	done := part.ops[correlation]
	delete(part.ops, correlation)
	part.mu.Unlock()
	if done != nil {
		done <- err
	}
}

// do writes a request and waits for its answer.
func (t *Target) do(ctx context.Context, key string, r *request) error {
	value, err := codec.Encode(r) // the type has pointers, but no value contains itself: that is not looked for
	if err != nil {
		return err
	}
	correlation, done := t.next.Add(1), make(chan error, 1)
	part := &t.waiting[correlation%waitingParts]
	part.mu.Lock()
	part.ops[correlation] = done
	part.mu.Unlock()
	record := &kgo.Record{Key: []byte(key), Value: value,
		Headers: []kgo.RecordHeader{{Key: kafka.CorrelationHeader, Value: binary.BigEndian.AppendUint64(nil, correlation)}}}
	t.producer.Produce(ctx, record, func(_ *kgo.Record, err error) {
		if err != nil {
			t.settle(correlation, fmt.Errorf("%w: %w", ycsb.ErrUnknown, err))
		}
	})
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
