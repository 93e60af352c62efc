package kafka

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/concordat-dev/concordat/engine"
)

// EgressOptions say where the records of an egress go.
type EgressOptions struct {
	// Brokers are some of the cluster's, as host:port. Required.
	Brokers []string

	// Record makes of a record of the engine what is produced; see [ToTopic], [Answers] and [DeadLetters]. An error parks the record: see
	// engine.ParkedRecords. Records with one key are in one partition, in their order, unless it chooses a partition. Required.
	Record func(engine.Record) (*kgo.Record, error)

	// TransactionalID names the egress towards the brokers. Whoever claims it last may write; who had it before is fenced. It must belong to
	// one egress of one directory, forever: with another one an egress does not know what it has written. Required, unless AtLeastOnce.
	TransactionalID string

	// PositionTopic is where the egress notes in each transaction up to which record it has written. It belongs to this egress alone, has
	// one partition and is compacted; it is made if it is missing. Default: TransactionalID and ".position".
	PositionTopic string

	// AtLeastOnce writes without transactions: cheaper, and records may be there twice after a crash, a lost answer, or behind one that is
	// refused. They are produced idempotently, so what the client retries by itself doubles nothing.
	AtLeastOnce bool

	// Timeout bounds a transaction; after it the broker aborts it. It also bounds how long consumers wait for what is behind the
	// transaction of a process that has died. Default: 10 s. The broker's transaction.max.timeout.ms bounds it.
	Timeout time.Duration

	// Client are further options of the client: SASL, TLS, hooks such as kprom's for metrics.
	Client []kgo.Opt

	// Logger is told of what is mended. Default: slog.Default().
	Logger *slog.Logger

	// Seams replace the cluster, for simulators.
	Seams Seams
}

// Seams replace what is outside of an egress.
type Seams struct {
	// Broker, if set, is asked in the place of the cluster. Brokers may be empty then.
	Broker Broker
}

// Errors of an egress. They hold up its records, and are logged each time.
var (
	// ErrFenced: another process has claimed the transactional id. It stays so until the engine is opened again.
	ErrFenced = errors.New("kafka: the transactional id is in use elsewhere")
	// ErrOldBroker: the brokers do not have transactions of version 2 (KIP-890: Kafka 4.0, or transaction.version=2). Older ones can leave
	// a record of an aborted transaction in the next one.
	ErrOldBroker = errors.New("kafka: the brokers are too old for exactly once")
	// ErrForeignPosition: the position topic has records that no egress has written.
	ErrForeignPosition = errors.New("kafka: the position topic is not an egress's")
)

const defaultTimeout = 10 * time.Second

// NewEgress makes an egress. It connects when the engine is opened; if no broker answers then, the engine opens all the same, and the egress goes on
// trying. One whose brokers are too old, or that is not authorised, keeps the engine from opening.
func NewEgress(o EgressOptions) (engine.Egress, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.PositionTopic == "" {
		o.PositionTopic = o.TransactionalID + ".position"
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.AtLeastOnce {
		return &plainEgress{options: o}, nil
	}
	b := o.Seams.Broker
	if b == nil {
		b = &cluster{options: o}
	}
	return &egress{options: o, name: rand.Text(), broker: b}, nil
}

func (o *EgressOptions) validate() error {
	var errs []error
	check := func(ok bool, text string) {
		if !ok {
			errs = append(errs, errors.New("kafka: "+text))
		}
	}
	check(len(o.Brokers) > 0 || o.Seams.Broker != nil, "EgressOptions.Brokers is empty")
	check(!o.AtLeastOnce || o.Seams.Broker == nil, "EgressOptions.AtLeastOnce has no use for Seams.Broker")
	check(o.Record != nil, "EgressOptions.Record is nil")
	check(o.AtLeastOnce || o.TransactionalID != "", "EgressOptions.TransactionalID is empty")
	check(!o.AtLeastOnce || (o.TransactionalID == "" && o.PositionTopic == ""), "EgressOptions.AtLeastOnce needs no TransactionalID and no PositionTopic")
	check(o.Timeout >= 0, "EgressOptions.Timeout is negative")
	return errors.Join(errs...)
}

// Broker is what an egress needs of Kafka. The simulator has another one, which loses answers.
type Broker interface {
	// Owner tells who has claimed the transactional id last, as far as that is committed; "" if nobody has.
	Owner(ctx context.Context) (string, error)
	// Claim ends whatever transaction was left under the transactional id, fences whoever had it, and tells up to which record is written.
	// After an error it may have done so or not.
	Claim(ctx context.Context, owner string) (Session, uint64, error)
}

// Session is what one claim of a transactional id allows.
type Session interface {
	// Commit writes records in one transaction, and that all up to last is written. After an error it may have happened or not, and
	// the session is over.
	Commit(ctx context.Context, records []*kgo.Record, owner string, last uint64) error
	// Close gives the session up. What it has left open is for the next claim to end.
	Close()
}

// egress writes in transactions.
//
// What became of a transaction whose answer is lost is not guessed: the session is given up, and before the next transaction the
// transactional id is claimed anew. The claim ends the transaction, one way or the other, and nothing of the old session can be written
// after it; then the position topic says which it was. So at every moment
//
//   - what the position topic has as committed is written, and nothing else is, and
//   - only the session of the last claim can change that.
//
// Who was fenced claims the id again only if nobody else has noted a claim since: its transaction was too slow, and the broker
// aborted it. Otherwise two processes have the id, and the older one stops. Should the newer one not have come to note its claim, it
// is the one that is fenced, and fails to open: that is only a matter of who stops, not of what is written.
type egress struct {
	options EgressOptions
	name    string // of this opening, as the position topic has it
	broker  Broker

	session Session
	written uint64 // the last record that is written, while there is a session
	claimed bool   // this opening has claimed the id before
	fenced  error  // for good
}

// positionTimeout bounds how long opening an engine waits for the brokers.
const positionTimeout = 10 * time.Second

// Position implements engine.Egress.
func (e *egress) Position() (uint64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), positionTimeout)
	defer cancel()
	err := e.begin(ctx)
	if err != nil && !isPermanent(err) {
		err = fmt.Errorf("%w: %w", engine.ErrNoPosition, err)
	}
	return e.written, err
}

// isPermanent reports whether an error stays until a person does something.
func isPermanent(err error) bool {
	return slices.ContainsFunc([]error{
		ErrFenced, ErrOldBroker, ErrForeignPosition, kerr.TopicAuthorizationFailed, kerr.TransactionalIDAuthorizationFailed, kerr.ClusterAuthorizationFailed,
		kerr.SaslAuthenticationFailed, kerr.InvalidTransactionTimeout, kerr.InvalidTopicException,
	}, func(target error) bool { return errors.Is(err, target) })
}

// begin makes a session, if there is none.
func (e *egress) begin(ctx context.Context) error {
	if e.session != nil || e.fenced != nil {
		return e.fenced
	}
	if e.claimed {
		switch owner, err := e.broker.Owner(ctx); {
		case err != nil:
			return fmt.Errorf("kafka: who has the transactional id %q: %w", e.options.TransactionalID, err)
		case owner != e.name:
			e.fenced = fmt.Errorf("%w: %q", ErrFenced, e.options.TransactionalID)
			return e.fenced
		}
	}
	s, written, err := e.broker.Claim(ctx, e.name)
	if err != nil {
		return fmt.Errorf("kafka: claim the transactional id %q: %w", e.options.TransactionalID, err)
	}
	e.session, e.written, e.claimed = s, written, true
	return nil
}

// end gives the session up.
func (e *egress) end() {
	if e.session != nil {
		e.session.Close()
		e.session = nil
	}
}

// Write implements engine.Egress.
func (e *egress) Write(ctx context.Context, records []engine.Record) error {
	if err := e.begin(ctx); err != nil {
		return err
	}
	first, _ := slices.BinarySearchFunc(records, e.written+1, func(r engine.Record, seq uint64) int { return int(int64(r.Seq) - int64(seq)) })
	produced, refused := make([]*kgo.Record, 0, len(records)-first), error(nil)
	for _, r := range records[first:] {
		p, err := produce(e.options.Record, r)
		if err != nil {
			refused = engine.Refuse(r.Seq, err)
			break
		}
		produced = append(produced, p)
	}
	if err := e.write(ctx, records[first:first+len(produced)], produced); err != nil {
		return err
	}
	return refused
}

// produce makes of a record what is produced.
func produce(make func(engine.Record) (*kgo.Record, error), r engine.Record) (*kgo.Record, error) {
	p, err := make(r)
	switch {
	case err != nil:
		return nil, err
	case p == nil:
		return nil, errors.New("kafka: EgressOptions.Record has made nothing of it")
	case p.Topic == "":
		return nil, errors.New("kafka: EgressOptions.Record has given it no topic")
	}
	return p, nil
}

// write writes records in one transaction; in several, to find the one at fault, if the broker takes one of them for too large.
func (e *egress) write(ctx context.Context, records []engine.Record, produced []*kgo.Record) error {
	if len(records) == 0 {
		return nil
	}
	if err := e.begin(ctx); err != nil {
		return err
	}
	last := records[len(records)-1].Seq
	err := e.session.Commit(ctx, produced, e.name, last)
	if err == nil {
		e.written = last
		return nil
	}
	e.end()
	if !isTooLarge(err) {
		return fmt.Errorf("kafka: write the records %d to %d: %w", records[0].Seq, last, err)
	}
	half := len(records) / 2
	if half == 0 {
		return engine.Refuse(last, err)
	}
	if err := e.write(ctx, records[:half], produced[:half]); err != nil {
		return err
	}
	return e.write(ctx, records[half:], produced[half:])
}

// isTooLarge reports whether a record was refused that will always be.
func isTooLarge(err error) bool {
	return errors.Is(err, kerr.MessageTooLarge) || errors.Is(err, kerr.RecordListTooLarge)
}

// Close implements engine.Egress.
func (e *egress) Close() error {
	e.end()
	return nil
}

// plainEgress writes without transactions.
type plainEgress struct {
	options EgressOptions
	client  *kgo.Client
}

// Position implements engine.Egress: it cannot know.
func (e *plainEgress) Position() (uint64, error) { return 0, nil }

// Write implements engine.Egress.
func (e *plainEgress) Write(ctx context.Context, records []engine.Record) error {
	if e.client == nil {
		client, _, err := newClient(e.options.Brokers, e.options.Client, producerOptions()...)
		if err != nil {
			return err
		}
		e.client = client
	}
	produced, refused := make([]*kgo.Record, 0, len(records)), error(nil)
	for _, r := range records {
		p, err := produce(e.options.Record, r)
		if err != nil {
			refused = engine.Refuse(r.Seq, err)
			break
		}
		produced = append(produced, p)
	}
	if err := e.write(ctx, records[:len(produced)], produced); err != nil {
		return err
	}
	return refused
}

// write is egress.write.
func (e *plainEgress) write(ctx context.Context, records []engine.Record, produced []*kgo.Record) error {
	if len(records) == 0 {
		return nil
	}
	err := e.client.ProduceSync(ctx, produced...).FirstErr()
	switch {
	case err == nil:
		return nil
	case !isTooLarge(err):
		return fmt.Errorf("kafka: write the records %d to %d: %w", records[0].Seq, records[len(records)-1].Seq, err)
	case len(records) == 1:
		return engine.Refuse(records[0].Seq, err)
	}
	half := len(records) / 2
	if err := e.write(ctx, records[:half], produced[:half]); err != nil {
		return err
	}
	return e.write(ctx, records[half:], produced[half:])
}

// Close implements engine.Egress.
func (e *plainEgress) Close() error {
	if e.client != nil {
		e.client.Close()
	}
	return nil
}
