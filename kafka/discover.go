package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/concordat-dev/concordat/engine"
)

// requestTimeout bounds what is asked of the cluster besides records.
const requestTimeout = 30 * time.Second

// discoverForever looks for new partitions until ctx ends. An error ends the run, which begins anew.
func (run *ingressRun) discoverForever(ctx context.Context) {
	ticker := time.NewTicker(run.options.Refresh)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := run.discover(ctx); err != nil && ctx.Err() == nil {
			run.stop(err)
			return
		}
	}
}

// discover begins to read the partitions that are not read yet.
func (run *ingressRun) discover(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	found, err := run.admin.Metadata(bounded, run.options.Topics...)
	if err != nil {
		return fmt.Errorf("kafka: ask %s for the topics: %w", strings.Join(run.options.Brokers, ", "), run.reached.why(err))
	}
	known := run.knownTopics()
	for _, topic := range run.options.Topics {
		d, there := found.Topics[topic]
		switch {
		case !there:
			return fmt.Errorf("kafka: no broker tells of the topic %q", topic)
		case d.Err != nil:
			return fmt.Errorf("kafka: topic %q: %w", topic, d.Err)
		}
		if err := run.discoverIn(bounded, ctx, d, known[topic]); err != nil {
			return err
		}
	}
	return nil
}

// knownTopics are those of which the engine has positions.
func (run *ingressRun) knownTopics() map[string]bool {
	known := map[string]bool{}
	for _, name := range run.in.Partitions() {
		if i := strings.LastIndexByte(name, '/'); i >= 0 {
			known[name[:i]] = true
		}
	}
	return known
}

// discoverIn is discover in one topic. known says that it was read before.
func (run *ingressRun) discoverIn(bounded, ctx context.Context, topic kadm.TopicDetail, known bool) error {
	starts := &startOffsets{run: run, topic: topic.Topic, start: run.options.Start}
	if known {
		starts.start = Earliest()
	}
	for _, p := range topic.Partitions.Sorted() {
		run.mu.Lock()
		r := run.Ingress.readers[partitionName(topic.Topic, p.Partition)]
		run.mu.Unlock()
		if r != nil {
			if r.tag != topic.ID.String() {
				r.stopWith(fmt.Errorf("%w: %s", ErrAnotherTopic, topic.Topic))
			}
			continue
		}
		if err := run.begin(bounded, ctx, topic, p.Partition, starts); err != nil {
			return err
		}
	}
	return nil
}

// begin begins to read a partition where it was, or where it is to start.
func (run *ingressRun) begin(bounded, ctx context.Context, topic kadm.TopicDetail, partition int32, starts *startOffsets) error {
	to, err := run.in.Partition(partitionName(topic.Topic, partition))
	if err != nil {
		return err
	}
	r := newReader(run, to, topic.Topic, partition, topic.ID.String())
	position, tag := to.Position()
	switch {
	case tag == "":
		offset, err := starts.of(bounded, partition)
		if err != nil {
			return err
		}
		if err := to.Deliver(engine.Delivery{Position: uint64(offset), Tag: r.tag}); err != nil {
			return err
		}
		position = uint64(offset)
	case tag != r.tag:
		r.fail(fmt.Errorf("%w: %s", ErrAnotherTopic, topic.Topic))
	}
	r.next.Store(int64(position))
	r.wanted = int64(position)
	run.mu.Lock()
	run.Ingress.readers[to.Name()] = r
	run.mu.Unlock()
	if r.failed() != nil {
		return nil
	}
	run.readers.Go(func() { r.loop(ctx) })
	run.client.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic.Topic: {partition: kgo.NoResetOffset().At(int64(position))}})
	return nil
}

// startOffsets are where the partitions of a topic begin, asked for once.
type startOffsets struct {
	run    *ingressRun
	topic  string
	start  Start
	listed kadm.ListedOffsets
}

// of is where a partition begins.
func (s *startOffsets) of(ctx context.Context, partition int32) (int64, error) {
	if s.listed == nil {
		var err error
		switch {
		case s.start.latest:
			s.listed, err = s.run.admin.ListCommittedOffsets(ctx, s.topic)
		case !s.start.at.IsZero():
			s.listed, err = s.run.admin.ListOffsetsAfterMilli(ctx, s.start.at.UnixMilli(), s.topic)
		default:
			s.listed, err = s.run.admin.ListStartOffsets(ctx, s.topic)
		}
		if err != nil {
			return 0, fmt.Errorf("kafka: where the topic %q begins: %w", s.topic, err)
		}
	}
	o, found := s.listed.Lookup(s.topic, partition)
	if !found {
		o.Err = errors.New("no broker tells of it")
	}
	if o.Err != nil {
		return 0, fmt.Errorf("kafka: where partition %d of the topic %q begins: %w", partition, s.topic, o.Err)
	}
	return o.Offset, nil
}
