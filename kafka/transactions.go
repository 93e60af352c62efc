package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// cluster is the broker of an egress, through franz-go.
type cluster struct{ options EgressOptions }

// fetchMaxWait is how long a broker waits for records before it answers that there are none. A partition that goes on after a pause is in
// the next request, so this bounds how long it waits beside others that have nothing.
const fetchMaxWait = 100 * time.Millisecond

// metadataMinAge is how soon a client asks again who leads a partition: it bounds how long it stands still after a lost connection.
const metadataMinAge = 250 * time.Millisecond

// newClient makes a client. What the package needs comes behind what the user wants.
func newClient(brokers []string, user []kgo.Opt, own ...kgo.Opt) (*kgo.Client, *reach, error) {
	r := &reach{asked: brokers}
	options := []kgo.Opt{kgo.SeedBrokers(brokers...), kgo.ClientID("concordat"), kgo.FetchMaxWait(fetchMaxWait), kgo.MetadataMinAge(metadataMinAge),
		kgo.WithHooks(r)}
	client, err := kgo.NewClient(append(append(options, user...), own...)...)
	if err != nil {
		return nil, nil, fmt.Errorf("kafka: %w", err)
	}
	return client, r, nil
}

// deliveryTimeout bounds how long a record waits for brokers that do not answer, before the engine hears of it and tries again.
const deliveryTimeout = 15 * time.Second

func producerOptions() []kgo.Opt {
	return []kgo.Opt{
		kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerLinger(0), kgo.RecordDeliveryTimeout(deliveryTimeout), kgo.UnknownTopicRetries(2),
		kgo.RetryTimeout(deliveryTimeout),
	}
}

// note is the value of a record of the position topic. All have the transactional id as their key.
type note struct {
	Owner  string  `json:"owner"`            // who has claimed the transactional id
	Record *uint64 `json:"record,omitempty"` // all records up to it are written; none: it is a claim
}

// keys of the position topic: a claim must not take the place of a position.
const (
	claimKey    = "claim"
	positionKey = "position"
)

func (c *cluster) noteOf(key string, n note) *kgo.Record {
	value, err := json.Marshal(n)
	if err != nil {
		panic("kafka: a note always encodes: " + err.Error())
	}
	return &kgo.Record{Topic: c.options.PositionTopic, Key: []byte(key), Value: value}
}

// newClient makes a client that can also read the position topic. There is one at a time: hooks such as kprom's take no two.
func (c *cluster) newClient(own ...kgo.Opt) (*kgo.Client, *reach, error) {
	return newClient(c.options.Brokers, c.options.Client, append(own,
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.ConsumeResetOffset(kgo.NoResetOffset()))...)
}

// Claim implements Broker. It notes the claim in a transaction of its own. That is at the end of the position topic then, so whoever has read
// up to it has read all that was ever committed.
func (c *cluster) Claim(ctx context.Context, owner string) (_ Session, written uint64, err error) {
	client, reached, err := c.newClient(append(producerOptions(), kgo.TransactionalID(c.options.TransactionalID), kgo.TransactionTimeout(c.options.Timeout))...)
	if err != nil {
		return nil, 0, err
	}
	t := &transactions{cluster: c, client: client}
	defer func() {
		if err != nil {
			t.Close()
			err = reached.why(err)
		}
	}()
	if err := checkVersion(ctx, client); err != nil {
		return nil, 0, err
	}
	if err := c.makeTopic(ctx, client); err != nil {
		return nil, 0, err
	}
	if _, _, err := client.ProducerID(ctx); err != nil { // it ends what was left under the id
		return nil, 0, err
	}
	claim := c.noteOf(claimKey, note{Owner: owner})
	if err := t.transact(ctx, claim); err != nil {
		return nil, 0, err
	}
	if written, err = c.lastBefore(ctx, client, claim.Offset); err != nil {
		return nil, 0, fmt.Errorf("read the topic %s: %w", c.options.PositionTopic, err)
	}
	return t, written, nil
}

// neededVersion is that of transactions in which each one has an epoch of its own: KIP-890, part 2.
const neededVersion = 2

// checkVersion refuses brokers whose transactions are too old.
func checkVersion(ctx context.Context, client *kgo.Client) error {
	request := kmsg.NewPtrApiVersionsRequest()
	request.ClientSoftwareName, request.ClientSoftwareVersion = "concordat", "1"
	answer, err := request.RequestWith(ctx, client)
	if err != nil {
		return err
	}
	if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
		return err
	}
	for _, f := range answer.FinalizedFeatures {
		if f.Name == "transaction.version" && f.MaxVersionLevel >= neededVersion {
			return nil
		}
	}
	return fmt.Errorf("%w: transaction.version is below %d", ErrOldBroker, neededVersion)
}

// makeTopic makes the position topic if it is missing.
func (c *cluster) makeTopic(ctx context.Context, client *kgo.Client) error {
	admin, topic := kadm.NewClient(client), c.options.PositionTopic
	details, err := admin.Metadata(ctx, topic)
	if err != nil {
		return err
	}
	switch d := details.Topics[topic]; {
	case errors.Is(d.Err, kerr.UnknownTopicOrPartition):
	case d.Err != nil:
		return fmt.Errorf("topic %s: %w", topic, d.Err)
	case len(d.Partitions) != 1:
		return fmt.Errorf("%w: %s has %d partitions, want 1", ErrForeignPosition, topic, len(d.Partitions))
	default:
		return nil
	}
	configs := map[string]*string{"cleanup.policy": kadm.StringPtr("compact"), "segment.bytes": kadm.StringPtr("16777216")}
	made, err := admin.CreateTopic(ctx, 1, -1, configs, topic)
	if err == nil {
		err = made.Err
	}
	if errors.Is(err, kerr.TopicAlreadyExists) {
		return nil
	}
	return err
}

// Reading back goes to earlier and earlier offsets: a position is near the end as a rule.
const (
	firstLook  = 64
	lookFactor = 16
)

// lastBefore is the last position that is committed before an offset, which has a claim of ours; 0 if there is none.
func (c *cluster) lastBefore(ctx context.Context, client *kgo.Client, offset int64) (written uint64, err error) {
	start, _, err := c.bounds(ctx, client)
	if err != nil {
		return 0, err
	}
	for look := int64(firstLook); ; look *= lookFactor {
		from, found := max(offset-look, start), false
		err := c.read(ctx, client, from, func(at int64, n *note) bool {
			if n != nil && n.Record != nil && at < offset {
				written, found = *n.Record, true
			}
			return at < offset
		})
		if err != nil || found || from == start {
			return written, err
		}
	}
}

// ownerTimeout bounds how long the end of the position topic is waited for. What is not seen then makes no difference to what is written.
const ownerTimeout = 2 * time.Second

// Owner implements Broker.
func (c *cluster) Owner(ctx context.Context) (owner string, err error) {
	client, reached, err := c.newClient()
	if err != nil {
		return "", err
	}
	defer client.Close()
	defer func() { err = reached.why(err) }()
	start, end, err := c.bounds(ctx, client)
	if err != nil || start == end {
		return "", err
	}
	bounded, cancel := context.WithTimeout(ctx, ownerTimeout)
	defer cancel()
	err = c.read(bounded, client, max(end-firstLook, start), func(at int64, n *note) bool {
		if n != nil {
			owner = n.Owner
		}
		return at < end-1
	})
	if bounded.Err() != nil && ctx.Err() == nil {
		err = nil
	}
	return owner, err
}

// bounds are the first offset of the position topic, and one behind the last that is decided.
func (c *cluster) bounds(ctx context.Context, client *kgo.Client) (start, end int64, err error) {
	admin, topic := kadm.NewClient(client), c.options.PositionTopic
	starts, err := admin.ListStartOffsets(ctx, topic)
	if err != nil {
		return 0, 0, err
	}
	ends, err := admin.ListCommittedOffsets(ctx, topic)
	if err != nil {
		return 0, 0, err
	}
	first, _ := starts.Lookup(topic, 0)
	last, _ := ends.Lookup(topic, 0)
	return first.Offset, last.Offset, errors.Join(first.Err, last.Err)
}

// read calls see with what is committed in the position topic, in order, from an offset on, until it returns false. The marks that end
// transactions have no note.
func (c *cluster) read(ctx context.Context, client *kgo.Client, from int64, see func(at int64, n *note) bool) error {
	topic := c.options.PositionTopic
	client.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NoResetOffset().At(from)}})
	defer client.RemoveConsumePartitions(map[string][]int32{topic: {0}})
	for {
		fetches := client.PollFetches(ctx)
		if err := errors.Join(ctx.Err(), fetches.Err()); err != nil {
			return err
		}
		for _, r := range fetches.Records() {
			n, err := readNote(r)
			if err != nil {
				return err
			}
			if !see(r.Offset, n) {
				return nil
			}
		}
	}
}

// readNote reads a record of the position topic; nil if it is a mark.
func readNote(r *kgo.Record) (*note, error) {
	if r.Attrs.IsControl() {
		return nil, nil
	}
	n := new(note)
	if key := string(r.Key); key != claimKey && key != positionKey {
		return nil, fmt.Errorf("%w: the record at offset %d of %s has the key %q", ErrForeignPosition, r.Offset, r.Topic, key)
	}
	if err := json.Unmarshal(r.Value, n); err != nil {
		return nil, fmt.Errorf("%w: the record at offset %d of %s: %w", ErrForeignPosition, r.Offset, r.Topic, err)
	}
	return n, nil
}

// transactions is the session of an egress.
type transactions struct {
	cluster *cluster
	client  *kgo.Client
}

// Commit implements Session.
func (t *transactions) Commit(ctx context.Context, records []*kgo.Record, owner string, last uint64) error {
	return t.transact(ctx, append(records[:len(records):len(records)], t.cluster.noteOf(positionKey, note{Owner: owner, Record: &last}))...)
}

// transact writes records in one transaction.
func (t *transactions) transact(ctx context.Context, records ...*kgo.Record) error {
	if err := t.client.BeginTransaction(); err != nil {
		return err
	}
	if err := t.client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return err // the next claim aborts it
	}
	return t.client.EndTransaction(ctx, kgo.TryCommit)
}

// Close implements Session.
func (t *transactions) Close() { t.client.Close() }
