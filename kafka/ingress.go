package kafka

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
)

// Route makes of a record what it asks for: a call, or the start of a coordinator function. Nil, and no error: nothing, the record is passed
// over. An error, or a panic, says that it is poison. It is called from several goroutines, one for each partition; the record is
// its own only until it returns.
type Route func(r *kgo.Record) (functions.Message, error)

// IngressOptions say what an ingress reads, and what becomes of it.
type IngressOptions struct {
	// Brokers are some of the cluster's, as host:port. Required.
	Brokers []string
	// Topics are read, all partitions of each, also those that are added later. Required.
	Topics []string
	// Route makes of a record what it asks for. Required.
	Route Route

	// Start is where a topic begins that was not read before: at its earliest record by default. Partitions that a topic gets later begin at
	// their earliest record.
	Start Start

	// NoOutcomes keeps no outcomes: records become messages that nobody waits for, which is cheaper. By default each is a request, with the id
	// that [RequestID] tells. With Answers an outcome is answered all the same.
	NoOutcomes bool

	// Answers is the name of the engine's egress that gets the outcomes of records with a reply topic, see [Answers]; "": nobody is answered.
	Answers string
	// ReplyTopics are those that a record may have its answer sent to by ReplyTopicHeader. Without the header it goes to the first one. A record
	// that names another topic is poison. Required with Answers.
	ReplyTopics []string

	// DeadLetters is the name of the engine's egress that gets poison: records that Route refuses, or the engine; see [DeadLetter]. "": poison
	// stops its partition, until the engine is opened again. Records of topics that are gone, or made anew, always do.
	DeadLetters string

	// Lost says what to do where records were deleted before they were read: retention was shorter than the engine was closed, say. By default
	// the partition stops. SkipLost goes on with the earliest record that is there, and logs how many are lost.
	Lost Lost

	// Unordered lets records begin that have the key of earlier ones which have no outcome yet; see engine.Delivery.Key.
	Unordered bool

	// MaxWaiting bounds the records of a partition that are in memory and not delivered, besides those of one fetch (1 MiB by default). At the
	// bound, or with 8 MiB of them, the partition is paused. Default: 4096.
	MaxWaiting int

	// Refresh is how often new partitions are looked for. Default: 10 s.
	Refresh time.Duration

	// Client are further options of the client: SASL, TLS, hooks such as kprom's for metrics.
	Client []kgo.Opt

	// Logger is told of partitions that stop. Default: slog.Default().
	Logger *slog.Logger
}

// Start is where a topic begins that was not read before.
type Start struct {
	latest bool
	at     time.Time
}

// Earliest begins with the earliest record that is there. It is the zero Start.
func Earliest() Start { return Start{} }

// Latest begins behind the last record that is there when the ingress first runs.
func Latest() Start { return Start{latest: true} }

// At begins with the first record of that time or later.
func At(t time.Time) Start { return Start{at: t} }

// Lost says what to do where records were deleted before they were read.
type Lost uint8

// What to do where records were deleted before they were read.
const (
	StopAtLost Lost = iota
	SkipLost
)

// Errors that stop a partition. They are logged once, and in [Ingress.Partitions]; the others go on.
var (
	// ErrPoison: no call could be made of a record.
	ErrPoison = errors.New("kafka: poison")
	// ErrLost: records were deleted before they were read.
	ErrLost = errors.New("kafka: records were deleted before they were read")
	// ErrAnotherTopic: the topic was deleted and made again under the same name, so positions mean other records. To read it, give the ingress
	// another name.
	ErrAnotherTopic = errors.New("kafka: the topic was deleted and made again")
)

const (
	defaultMaxWaiting = 4096
	defaultRefresh    = 10 * time.Second
)

// Ingress reads topics; it is an engine.Source.
type Ingress struct {
	options IngressOptions
	dead    functions.Egress[DeadLetter]

	mu      sync.Mutex
	readers map[string]*reader // by the name of the partition; of the last run
}

// NewIngress makes an ingress, for one name in one engine's Options.Sources. It connects when the engine runs it.
func NewIngress(o IngressOptions) (*Ingress, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	if o.MaxWaiting == 0 {
		o.MaxWaiting = defaultMaxWaiting
	}
	if o.Refresh == 0 {
		o.Refresh = defaultRefresh
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return &Ingress{options: o, dead: functions.NewEgress[DeadLetter](o.DeadLetters)}, nil
}

func (o *IngressOptions) validate() error {
	var errs []error
	check := func(ok bool, text string) {
		if !ok {
			errs = append(errs, errors.New("kafka: "+text))
		}
	}
	check(len(o.Brokers) > 0, "IngressOptions.Brokers is empty")
	check(len(o.Topics) > 0, "IngressOptions.Topics is empty")
	check(!slices.Contains(o.Topics, ""), "IngressOptions.Topics has an empty name")
	check(o.Route != nil, "IngressOptions.Route is nil")
	check((o.Answers != "") == (len(o.ReplyTopics) > 0), "IngressOptions.Answers and ReplyTopics need each other")
	check(o.Lost <= SkipLost, "IngressOptions.Lost is neither StopAtLost nor SkipLost")
	check(o.MaxWaiting >= 0, "IngressOptions.MaxWaiting is negative")
	check(o.Refresh >= 0, "IngressOptions.Refresh is negative")
	return errors.Join(errs...)
}

// RequestID is the request id of a record that an ingress of that name has read: its outcome is asked for by it. A key that is longer than 64
// bytes, or no UTF-8, is in it as the hash that [OrderKey] makes.
func RequestID(ingress, topic string, partition int32, offset int64, key []byte) string {
	id := make([]byte, 0, len(ingress)+len(topic)+len(key)+32)
	id = append(append(append(id, ingress...), '/'), topic...)
	id = strconv.AppendInt(append(id, '-'), int64(partition), 10)
	id = strconv.AppendInt(append(id, '-'), offset, 10)
	if len(key) > 0 {
		id = append(append(id, '/'), OrderKey(key)...)
	}
	return string(id)
}

// maxKey is the longest key that is taken as it is.
const maxKey = 64

// OrderKey is a record's key as the engine has it: the key itself, or a hash of one that is longer than 64 bytes or no UTF-8.
func OrderKey(key []byte) string {
	if len(key) <= maxKey && utf8.Valid(key) {
		return string(key)
	}
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:16])
}

// partitionName is a partition's name in the engine.
func partitionName(topic string, partition int32) string {
	return topic + "/" + strconv.Itoa(int(partition))
}

// PartitionState is how far a partition is.
type PartitionState struct {
	Topic     string
	Partition int32
	Next      int64 // the offset that is delivered next
	End       int64 // of the partition, when it was last heard of; records behind it were not
	Stopped   error // why it is not read any more; nil: it is
}

// Lag is how many records are not delivered yet.
func (p PartitionState) Lag() int64 { return max(p.End-p.Next, 0) }

// Partitions tells how far the partitions are, by topic and number. It blocks for a moment at most.
func (g *Ingress) Partitions() (all []PartitionState) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, r := range g.readers {
		all = append(all, r.state())
	}
	slices.SortFunc(all, func(a, b PartitionState) int {
		if a.Topic != b.Topic {
			return strings.Compare(a.Topic, b.Topic)
		}
		return int(a.Partition - b.Partition)
	})
	return all
}

// Run implements engine.Source.
func (g *Ingress) Run(ctx context.Context, in *engine.Intake) error {
	client, reached, err := newClient(g.options.Brokers, g.options.Client,
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NoResetOffset()), kgo.KeepControlRecords())
	if err != nil {
		return err
	}
	defer client.Close()
	whole := ctx
	ctx, stop := context.WithCancelCause(whole)
	run := &ingressRun{Ingress: g, in: in, client: client, reached: reached, admin: kadm.NewClient(client), stop: stop}
	g.mu.Lock()
	g.readers = map[string]*reader{}
	g.mu.Unlock()
	defer run.readers.Wait()
	defer stop(nil)
	if err := run.discover(ctx); err != nil {
		return err
	}
	run.readers.Go(func() { run.discoverForever(ctx) })
	for {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			if whole.Err() != nil {
				return nil
			}
			return context.Cause(ctx)
		}
		fetches.EachPartition(run.take)
	}
}

// ingressRun is one run of an ingress.
type ingressRun struct {
	*Ingress
	in      *engine.Intake
	client  *kgo.Client
	reached *reach
	admin   *kadm.Client
	stop    context.CancelCauseFunc
	readers sync.WaitGroup
}

// take hands what was fetched to the partition's reader.
func (run *ingressRun) take(p kgo.FetchTopicPartition) {
	run.mu.Lock()
	r := run.Ingress.readers[partitionName(p.Topic, p.Partition)]
	run.mu.Unlock()
	if r != nil {
		r.take(p)
	}
}
