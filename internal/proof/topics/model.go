package topics

import (
	"context"
	"errors"
	"math/rand/v2"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/concordat-dev/concordat/kafka"
)

// broker is a broker as one transactional id sees it, of which any answer may get lost, and any transaction may end in each way that Kafka
// allows. It implements kafka.Broker.
type broker struct {
	rng     *rand.Rand
	quiet   bool // nothing goes wrong
	counts  *Counts
	epoch   int // of the last claim
	holder  string
	written uint64        // the last position that is committed
	log     []*kgo.Record // what a consumer sees that reads what is committed
	open    *transaction
}

// transaction is one that is not decided, or whose request to commit is still on its way.
type transaction struct {
	records  []*kgo.Record
	last     uint64
	decided  bool // it will be committed, and consumers do not see it yet
	onItsWay bool // the request to commit has not come to the broker yet
}

var (
	errLost  = errors.New("topics: the connection is lost")
	errEpoch = errors.New("topics: the epoch is fenced")
	errAway  = errors.New("topics: no broker")
)

func (b *broker) fails(oneIn int) bool { return !b.quiet && b.rng.IntN(oneIn) == 0 }

// apply makes a transaction visible.
func (b *broker) apply(t *transaction) {
	b.log = append(b.log, t.records...)
	b.written = t.last
}

// tick lets something happen that nobody waits for.
func (b *broker) tick() {
	t := b.open
	switch {
	case t == nil:
	case t.onItsWay:
		t.onItsWay, t.decided = false, true
		b.counts.LateCommits++
	case t.decided:
		b.apply(t)
		b.open = nil
	case b.rng.IntN(3) == 0: // its time is over
		b.counts.Aborts++
		b.epoch++
		b.open = nil
	}
}

// Owner implements kafka.Broker.
func (b *broker) Owner(context.Context) (string, error) {
	if b.fails(4) {
		return "", errAway
	}
	return b.holder, nil
}

// Claim implements kafka.Broker.
func (b *broker) Claim(_ context.Context, owner string) (kafka.Session, uint64, error) {
	if b.fails(5) {
		return nil, 0, errAway
	}
	b.counts.Claims++
	if t := b.open; t != nil && t.decided {
		b.apply(t)
	}
	b.open = nil
	b.epoch++
	if b.fails(6) {
		return nil, 0, errLost
	}
	b.holder = owner
	if b.fails(6) {
		return nil, 0, errLost
	}
	return &session{b, b.epoch}, b.written, nil
}

// session implements kafka.Session.
type session struct {
	broker *broker
	epoch  int
}

// Close implements kafka.Session.
func (s *session) Close() {}

// Commit implements kafka.Session.
func (s *session) Commit(_ context.Context, records []*kgo.Record, _ string, last uint64) error {
	b := s.broker
	if b.fails(8) {
		return errAway
	}
	if b.epoch != s.epoch {
		b.counts.Fenced++
		return errEpoch
	}
	if b.open != nil {
		panic("topics: a session begins a transaction while one is open")
	}
	t := &transaction{records: records, last: last}
	if !b.fails(3) {
		b.apply(t)
		return nil
	}
	b.counts.LostAnswers++
	switch b.rng.IntN(4) {
	case 0: // its records are there, and it is open
		b.open = t
	case 1: // it will be committed
		t.decided = true
		b.open = t
	case 2: // it will be, unless somebody claims the id before the request comes
		t.onItsWay = true
		b.open = t
	default: // it is committed
		b.apply(t)
	}
	return errLost
}

// partition is a partition of the topic that is read.
type partition struct {
	records []record
	end     uint64 // the offset behind the last record; between records there are the marks of transactions
}

// record asks for something, by its number under its key.
type record struct {
	offset uint64
	key    string
	n      int
}

// produce adds a record.
func (p *partition) produce(rng *rand.Rand, key string, n int) {
	p.end += uint64(rng.IntN(2)) // a mark
	p.records = append(p.records, record{p.end, key, n})
	p.end++
}

// fetch finds the first record at an offset or behind it.
func (p *partition) fetch(offset uint64) (r record, found bool) {
	for _, r := range p.records {
		if r.offset >= offset {
			return r, true
		}
	}
	return r, false
}
