package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/failures"
)

// reader delivers the records of one partition, in order, on a goroutine of its own. What it has not come to is bounded: with
// IngressOptions.MaxWaiting records, or maxWaitingBytes, the partition is paused, with half of that it goes on.
type reader struct {
	run       *ingressRun
	to        *engine.Partition
	topic     string
	partition int32
	tag       string // the topic's id
	wanted    int64  // the offset that is to be fetched next: the poller's

	next atomic.Int64 // the offset that is delivered next
	end  atomic.Int64 // of the partition, as far as is known

	mu      sync.Mutex
	waiting []*kgo.Record
	bytes   int // of those that wait
	paused  bool
	err     error // why it is over
	news    chan struct{}
}

func newReader(run *ingressRun, to *engine.Partition, topic string, partition int32, tag string) *reader {
	return &reader{run: run, to: to, topic: topic, partition: partition, tag: tag, news: make(chan struct{}, 1)}
}

func (r *reader) state() PartitionState {
	return PartitionState{Topic: r.topic, Partition: r.partition, Next: r.next.Load(), End: r.end.Load(), Stopped: r.failed()}
}

func (r *reader) failed() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// fail notes why the partition is not read any more, once.
func (r *reader) fail(err error) {
	r.mu.Lock()
	first := r.err == nil
	if first {
		r.err, r.waiting = err, nil
	}
	r.mu.Unlock()
	if first {
		r.run.options.Logger.Error("a partition is not read any more", "ingress", r.run.in.Name(), "topic", r.topic, "partition", r.partition,
			"offset", r.next.Load(), "error", err)
	}
	r.tell()
}

// stopWith is fail of a partition that is being fetched.
func (r *reader) stopWith(err error) {
	r.fail(err)
	r.run.client.RemoveConsumePartitions(map[string][]int32{r.topic: {r.partition}})
}

func (r *reader) tell() {
	select {
	case r.news <- struct{}{}:
	default:
	}
}

// take takes what was fetched. Only the goroutine that polls calls it.
func (r *reader) take(p kgo.FetchTopicPartition) {
	if p.Err != nil {
		r.takeError(p.Err)
		return
	}
	r.end.Store(max(r.end.Load(), p.LastStableOffset))
	if p.LogStartOffset > r.wanted && !r.goesOnBehind(p.LogStartOffset) {
		return
	}
	if len(p.Records) == 0 {
		return
	}
	r.wanted = p.Records[len(p.Records)-1].Offset + 1
	r.mu.Lock()
	pause := false
	if r.err == nil {
		r.waiting = append(r.waiting, p.Records...)
		for _, record := range p.Records {
			r.bytes += sizeOf(record)
		}
		pause = !r.paused && (len(r.waiting) >= r.run.options.MaxWaiting || r.bytes >= maxWaitingBytes)
		r.paused = r.paused || pause
	}
	if pause { // under the mutex, so that it does not overtake the end of the pause
		r.run.client.PauseFetchPartitions(map[string][]int32{r.topic: {r.partition}})
	}
	r.mu.Unlock()
	r.tell()
}

// goesOnBehind is what happens where the partition begins behind the offset that was wanted: it stops, or not, as the user wants.
func (r *reader) goesOnBehind(start int64) bool {
	lost := fmt.Errorf("%w: offsets %d to %d", ErrLost, r.wanted, start-1)
	if r.run.options.Lost == StopAtLost {
		r.stopWith(lost)
		return false
	}
	r.run.options.Logger.Error("records are lost, and reading goes on behind them", "ingress", r.run.in.Name(), "topic", r.topic,
		"partition", r.partition, "error", lost)
	r.wanted = start
	return true
}

// takeError takes the error of a partition that is not fetched any more, or one of a moment.
func (r *reader) takeError(err error) {
	switch {
	case errors.Is(err, kerr.OffsetOutOfRange):
		r.outOfRange(err)
	case errors.Is(err, kerr.UnknownTopicID), errors.Is(err, kerr.InconsistentTopicID):
		r.stopWith(fmt.Errorf("%w: %s: %w", ErrAnotherTopic, r.topic, err))
	case kerr.IsRetriable(err):
		r.run.options.Logger.Warn("a partition cannot be read now", "ingress", r.run.in.Name(), "topic", r.topic, "partition", r.partition, "error", err)
	default:
		r.stopWith(err)
	}
}

// outOfRange finds out which way the position is out of the partition, and goes on behind what is lost if it may.
func (r *reader) outOfRange(cause error) {
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	listed, err := r.run.admin.ListStartOffsets(ctx, r.topic)
	start, _ := listed.Lookup(r.topic, r.partition)
	switch err = errors.Join(err, start.Err); {
	case err != nil:
		r.run.stop(fmt.Errorf("kafka: %s: %w: %w", partitionName(r.topic, r.partition), cause, err)) // the run begins anew
	case start.Offset <= r.wanted:
		r.stopWith(fmt.Errorf("%w: the partition ends before offset %d: %w", ErrLost, r.wanted, cause))
	case r.goesOnBehind(start.Offset):
		r.run.client.RemoveConsumePartitions(map[string][]int32{r.topic: {r.partition}})
		r.run.client.AddConsumePartitions(map[string]map[int32]kgo.Offset{r.topic: {r.partition: kgo.NoResetOffset().At(start.Offset)}})
	}
}

// loop delivers until ctx ends or the partition stops.
func (r *reader) loop(ctx context.Context) {
	for ctx.Err() == nil {
		records := r.some()
		if records == nil {
			if r.failed() != nil {
				return
			}
			select {
			case <-r.news:
			case <-ctx.Done():
			}
			continue
		}
		for _, record := range records {
			if err := r.deliver(record); err != nil {
				if errors.Is(err, ErrPoison) {
					r.stopWith(err)
				} else if ctx.Err() == nil {
					r.run.stop(err)
				}
				return
			}
			r.next.Store(record.Offset + 1)
		}
	}
}

const (
	// maxWaitingBytes bounds the records of a partition that wait, besides those of one fetch.
	maxWaitingBytes = 8 << 20
	// maxPortion is how many records are taken from those that wait at once.
	maxPortion = 256
)

// sizeOf is about what a record takes in memory.
func sizeOf(r *kgo.Record) int {
	n := 256 + len(r.Key) + len(r.Value)
	for _, h := range r.Headers {
		n += len(h.Key) + len(h.Value)
	}
	return n
}

// some takes the next records, and ends the pause if few are left.
func (r *reader) some() []*kgo.Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := min(len(r.waiting), maxPortion)
	records := r.waiting[:n:n]
	for _, record := range records {
		r.bytes -= sizeOf(record)
	}
	if r.waiting = r.waiting[n:]; r.paused && len(r.waiting) <= r.run.options.MaxWaiting/2 && r.bytes <= maxWaitingBytes/2 {
		r.paused = false
		r.run.client.ResumeFetchPartitions(map[string][]int32{r.topic: {r.partition}})
	}
	if n == 0 {
		return nil
	}
	return records
}

// deliver delivers a record, or its dead letter. Its position is the offset behind it. The marks that end transactions are noted: otherwise a
// mark that retention deletes would be taken for a lost record.
func (r *reader) deliver(record *kgo.Record) error {
	d := engine.Delivery{Position: uint64(record.Offset) + 1, Tag: r.tag}
	if record.Attrs.IsControl() {
		return r.to.Deliver(d)
	}
	err := r.ask(&d, record)
	if err == nil {
		err = r.to.Deliver(d)
		if !errors.Is(err, engine.ErrUndeliverable) {
			return err
		}
	}
	poison := fmt.Errorf("%w: offset %d of %s: %w", ErrPoison, record.Offset, partitionName(r.topic, r.partition), err)
	if r.run.options.DeadLetters == "" {
		return poison
	}
	letter := deadLetter(record, err)
	if err = r.bury(d, record, letter); errors.Is(err, functions.ErrTooLarge) {
		letter.Key, letter.Value, letter.Headers, letter.Truncated = nil, nil, nil, true
		err = r.bury(d, record, letter)
	}
	if errors.Is(err, engine.ErrUndeliverable) {
		return fmt.Errorf("%w; its dead letter: %w", poison, err)
	}
	return err
}

// bury delivers a dead letter in the place of its record.
func (r *reader) bury(d engine.Delivery, record *kgo.Record, letter DeadLetter) error {
	emit := r.run.dead.Record(OrderKey(record.Key), letter)
	return r.to.Deliver(engine.Delivery{Position: d.Position, Tag: d.Tag, Emit: &emit})
}

// ask makes of a record what it asks for.
func (r *reader) ask(d *engine.Delivery, record *kgo.Record) (err error) {
	o := &r.run.options
	if d.Message, err = route(o.Route, record); err != nil || d.Message == nil {
		return err
	}
	if !o.Unordered {
		d.Key = OrderKey(record.Key)
	}
	if !o.NoOutcomes {
		d.RequestID = RequestID(r.run.in.Name(), record.Topic, record.Partition, record.Offset, record.Key)
	}
	if o.Answers != "" {
		d.Answer, err = answerTo(o, record)
	}
	return err
}

// route calls the user's function. A panic of it is an error.
func route(f Route, record *kgo.Record) (m functions.Message, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = failures.NewPanicError(p)
		}
	}()
	return f(record)
}

// answerTo says where the outcome of a record goes.
func answerTo(o *IngressOptions, record *kgo.Record) (*engine.AnswerTo, error) {
	to := replyTo{Topic: o.ReplyTopics[0], Key: record.Key}
	for _, h := range record.Headers {
		switch h.Key {
		case ReplyTopicHeader:
			to.Topic = string(h.Value)
		case CorrelationHeader:
			to.Correlation = h.Value
		}
	}
	if !slices.Contains(o.ReplyTopics, to.Topic) {
		return nil, fmt.Errorf("kafka: the reply topic %q is not one of IngressOptions.ReplyTopics", to.Topic)
	}
	context, err := codec.Encode(&to)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	return &engine.AnswerTo{Egress: o.Answers, Key: OrderKey(record.Key), Context: context}, nil
}
