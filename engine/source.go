package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/failures"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/lookup"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/registry"
)

// Source is an ingress of several partitions, each of which has records with positions, in order.
//
// The engine seals the position of the last record that it has taken of each partition together with what the records led to. So each
// record takes effect exactly once, also over restarts. Partitions are taken in parallel; see [Delivery] for the order within one.
type Source interface {
	// Run delivers records until ctx ends or there are no more. It may deliver from several goroutines, one for each partition; what it
	// delivers once it has returned is refused. After any other error, or a panic, it is run again, 10 ms to 5 s later: the longer,
	// the more often it has failed without a record in between. In a stepped engine it returns at once and keeps the Intake.
	Run(ctx context.Context, in *Intake) error
}

// Intake is what one Run of a [Source] delivers to.
type Intake struct{ run *feedRun }

// Name is the name of the source, under which its positions are kept.
func (in *Intake) Name() string { return in.run.feed.name }

// Partitions lists the partitions that have a position or a tag, in the order of their names.
func (in *Intake) Partitions() (names []string) {
	for _, p := range in.run.feed.all() {
		if p.lastGiven() != (format.Position{}) {
			names = append(names, p.name)
		}
	}
	return names
}

// Partition finds a partition by its name, which is UTF-8 without a zero byte, at most functions.MaxName bytes. One that is not known begins
// at position 0.
func (in *Intake) Partition(name string) (*Partition, error) {
	if err := errors.Join(instances.CheckName("partition", name), checkText("the name of a partition", name)); err != nil {
		return nil, err
	}
	return &Partition{in.run, in.run.feed.partition(name)}, nil
}

// Partition is a partition in one Run of its [Source].
type Partition struct {
	run  *feedRun
	part *partition
}

// Name is the partition's name.
func (p *Partition) Name() string { return p.part.name }

// Position is that of the last record that was taken, with its tag; 0 if none was. What was taken is not sealed yet, perhaps: a crash takes
// the position back together with what the records led to. It waits for a record that is being delivered.
func (p *Partition) Position() (position uint64, tag string) {
	last := p.part.lastGiven()
	return last.Position, last.Tag
}

// Delivery is what a record becomes: a message, a record of an egress, or nothing but its position.
type Delivery struct {
	// Position grows from record to record of a partition. It need not be without gaps. A record that is only noted may have that of the
	// last one, 0 to begin with, if it has another tag.
	Position uint64
	// Tag is kept with the position, for the source: what the partition is of, say. At most functions.MaxName bytes of UTF-8.
	Tag string

	// Message is a call, or the start of a coordinator function. None: the record is only noted.
	Message functions.Message
	// RequestID keeps the outcome of Message, for Engine.Outcome, as long as those of requests. It must be no other request's: a record
	// whose id was used is not run, and its outcome is ErrReusedID. A message with an id that fails does not reach its type's failure handler.
	RequestID string
	// Answer, if set, has the outcome emitted as a [RecordAnswer], in the epoch of the outcome.
	Answer *AnswerTo

	// Key, if set, keeps records of the partition in order: one begins when those before it with the same key have their outcomes. Calls
	// on one instance do not wait, since they are handled in their order anyway. A saga that sleeps, backs off, is stuck or is parked lets
	// the next record begin. While a record waits, so do all behind it. At most functions.MaxName bytes of UTF-8.
	Key string

	// Emit is a record for an egress in the place of a message: a dead letter, say.
	Emit *functions.Record
}

// AnswerTo says where the outcome of a record goes. All of it together has at most Options.MaxBytes.
type AnswerTo struct {
	Egress  string
	Key     string // UTF-8
	Context []byte // comes back in RecordAnswer.Context
}

// RecordAnswer is the value of an egress's record that has the outcome of a [Delivery].
type RecordAnswer struct {
	RequestID string `cbor:"1,keyasint,omitempty"`
	Result    []byte `cbor:"2,keyasint,omitempty"` // encoded
	Failure   []byte `cbor:"3,keyasint,omitempty"` // encoded; none if it succeeded
	Context   []byte `cbor:"4,keyasint,omitempty"`
}

// DecodeRecordAnswer reads the value of an egress's record that is an answer.
func DecodeRecordAnswer(value []byte) (a RecordAnswer, err error) {
	err = functions.Decode(value, &a)
	return a, err
}

// Err is the failure (errors.Is finds the functions.Failure values in it), or nil.
func (a *RecordAnswer) Err() error {
	if len(a.Failure) == 0 {
		return nil
	}
	return failures.Decode(a.Failure)
}

// Decode stores the result in *result, as [Outcome.Decode] does.
func (a *RecordAnswer) Decode(result any) error {
	if err := a.Err(); err != nil {
		return err
	}
	return lookup.Success(a.Result).Decode(result)
}

const (
	// maxUnsealedOfPartition is maxUnsealed of a partition of a source, of which there may be many.
	maxUnsealedOfPartition = 512
	// partitionShare is the part of Options.MaxMessages that a partition may have taken.
	partitionShare = 64
)

func slotsOfPartition(o *Options) int {
	return min(maxUnsealedOfPartition, max(1, o.MaxMessages/partitionShare))
}

// taken is what is known of a record of a source until it is over.
type taken struct {
	part   *partition // nil: it is from a row, and the engine was opened without the source
	row    format.Taken
	emit   *format.Emitted // in the place of a message
	holds  bool            // its key is under way
	noting bool            // there is no message
}

// loadPartitions finds out how far a source was read.
func (f *feed) loadPartitions() error {
	prefix := format.PartitionKey(nil, f.name, "")
	return f.engine.table.Scan(prefix, format.Upper(prefix), func(key, value []byte) error {
		_, name, _ := format.PartitionOf(key)
		p := f.partition(name)
		if err := codec.Decode(value, &p.last); err != nil {
			return fmt.Errorf("%w: position of %s: %w", ErrDamaged, p.fullName(), err)
		}
		p.given = p.last
		return nil
	})
}

// Deliver hands a record to the engine. It blocks while too many records of the partition are not handled and sealed yet: 512, or a 64th of
// Options.MaxMessages if that is less; while records with the same key are under way; and while there is no room on the disk, for a
// coordinator function, or in the backlog of the egress that the record or its answer goes to.
//
// An error that is, or wraps, [ErrUndeliverable] is a fault of the record, which may be delivered as a dead letter, under its position. All
// others end the run.
func (p *Partition) Deliver(d Delivery) error {
	q, err := p.request(&d)
	if err != nil {
		return fmt.Errorf("%w: %s, position %d: %w", ErrUndeliverable, p.part.fullName(), d.Position, err)
	}
	p.part.giving.Lock()
	defer p.part.giving.Unlock()
	return p.run.give(q)
}

// ErrUndeliverable: a record of a source asks for what cannot be done, whenever it is tried.
var ErrUndeliverable = errors.New("engine: a record cannot be delivered")

// request makes a record what workers take.
func (p *Partition) request(d *Delivery) (*request, error) {
	e, f := p.run.feed.engine, p.run.feed
	t := &taken{part: p.part, row: format.Taken{Ingress: f.name, Partition: p.part.name, Key: d.Key, RequestID: d.RequestID}}
	q := &request{from: p.part, position: format.Position{Position: d.Position, Tag: d.Tag}, record: t, engine: e}
	if max(len(d.Key), len(d.Tag)) > functions.MaxName {
		return nil, fmt.Errorf("%w: a key of %d bytes and a tag of %d, at most %d", functions.ErrTooLarge, len(d.Key), len(d.Tag), functions.MaxName)
	}
	if err := errors.Join(checkText("the key", d.Key), checkText("the tag", d.Tag)); err != nil {
		return nil, err
	}
	if isNil(d.Message) {
		return q, t.note(e, d)
	}
	if d.Emit != nil {
		return nil, fmt.Errorf("%w: both a message and a record for an egress", functions.ErrBadCall)
	}
	q.env = d.Message.Envelope()
	to, err := e.registry.Find(&q.env, e.options.MaxBytes)
	if err == nil && q.env.Into != nil {
		err = fmt.Errorf("%w: a message of an ingress has nobody to take its result", functions.ErrBadCall)
	}
	if err == nil && d.Answer != nil {
		err = t.answerTo(e, d.Answer)
	}
	if err == nil && d.RequestID != "" {
		err = instances.CheckID("request", d.RequestID)
	}
	if err != nil {
		return nil, err
	}
	q.function = to.Function
	q.setID(to)
	return q, nil
}

// checkText reports what rows cannot have as text.
func checkText(what, text string) error {
	if utf8.ValidString(text) {
		return nil
	}
	return fmt.Errorf("%w: %s is no UTF-8: %.40q", functions.ErrBadCall, what, text)
}

// renames reports whether a record only gives the position of its partition another tag.
func (p *partition) renames(q *request) bool {
	return q.record != nil && q.record.noting && q.record.emit == nil && q.position.Position == p.given.Position && q.position.Tag != p.given.Tag
}

// setID gives a request of a record its id, if it has one.
func (q *request) setID(to registry.Destination) {
	id := q.record.row.RequestID
	if id == "" {
		return
	}
	q.env.RequestID = id
	q.of, q.identity = to.Request(&q.env), registry.Identify(&q.env, to)
	q.record.row.Shape = q.identity.Shape()
}

// note is a record without a message.
func (t *taken) note(e *Engine, d *Delivery) error {
	t.noting = true
	if d.RequestID != "" || d.Answer != nil {
		return fmt.Errorf("%w: no message whose outcome could be kept or answered", functions.ErrBadCall)
	}
	t.row.Key = ""
	if d.Emit == nil {
		return nil
	}
	if d.Emit.Err != nil {
		return d.Emit.Err
	}
	emitted := d.Emit.Made
	t.emit = &emitted
	return e.registry.CheckEffects(&instances.Effects{Emits: []format.Emitted{emitted}}, e.options.MaxBytes)
}

// answerTo notes where the outcome goes.
func (t *taken) answerTo(e *Engine, a *AnswerTo) error {
	if err := checkText("the key of an answer", a.Key); err != nil {
		return err
	}
	t.row.Answer = &format.Answer{Egress: a.Egress, Key: a.Key, Context: a.Context}
	emitted := format.Emitted{Egress: a.Egress, Key: a.Key, Value: a.Context}
	return e.registry.CheckEffects(&instances.Effects{Emits: []format.Emitted{emitted}}, e.options.MaxBytes)
}

// egress is that of what a record emits, or of its answer; "" if there is neither.
func (t *taken) egress() string {
	switch {
	case t.emit != nil:
		return t.emit.Egress
	case t.row.Answer != nil:
		return t.row.Answer.Egress
	}
	return ""
}

// noRoomFor reports that the egress of a record has a full backlog.
func (e *Engine) noRoomFor(t *taken) error {
	if t == nil || t.egress() == "" {
		return nil
	}
	g := e.egresses[e.registry.Egresses[t.egress()]]
	if waits := g.sealed.Load() - g.delivered.Load(); waits >= uint64(e.options.MaxBacklog) {
		return fmt.Errorf("%w: %q: %d records are not delivered, Options.MaxBacklog is %d", ErrEgressFull, g.name, waits, e.options.MaxBacklog)
	}
	return nil
}

// bytes is what is written of a record besides its message.
func (t *taken) bytes() int {
	n := len(t.row.Ingress) + len(t.row.Partition) + len(t.row.Key) + len(t.row.RequestID)
	if a := t.row.Answer; a != nil {
		n += len(a.Egress) + len(a.Key) + len(a.Context)
	}
	return n
}

// acceptRecord takes a record of a source, in the order of its partition.
func (x *executor) acceptRecord(q *request) {
	t := q.record
	x.charge(t.bytes() + len(t.part.name) + len(q.position.Tag))
	if t.noting {
		if t.emit != nil {
			x.emit(*t.emit)
		}
		x.handledFed(t.part, 0)
		return
	}
	x.queued += weightOf(&q.env)
	x.charge(len(q.env.ID) + argBytes(q.env.Op, q.env.Arg, q.env.Value)) // it may have to be carried
	from := origin{lineFed, t.part.feed}
	if q.env.Op != nil {
		c := &call{origin: from, slotOf: t.part, asked: q}
		x.group.initCall(c, &q.env, x.group.registry.Types[q.env.Op.Type])
		q.shard = c.shard
		x.send(c.shard, message{kind: msgCall, about: c})
		return
	}
	run := x.newMessageRun(&q.env, from)
	run.slotOf, run.asked = t.part, q
	if q.env.RequestID != "" {
		run.req, run.shard, q.coord = q, x.group.shards[q.of.Shard(x.group.registry.Shards)], run
	}
	q.shard = run.shard
	x.toBackground(run)
	x.send(run.shard, message{kind: msgStart, about: run})
}

// asked is the record of a source that a message comes from, if it comes from one.
func (m *message) asked() *request {
	if c := m.call(); c != nil {
		return c.asked
	}
	return m.coord().asked
}

// claims gives the request of a record its id where it has arrived, unless another has it. One that was carried has it already.
func (x *executor) claims(q *request) bool {
	if q == nil || q.env.RequestID == "" {
		return true
	}
	first, row := x.lookFor(q.shard, q.of)
	if first == nil && row == nil {
		q.shard.requests[q.of] = q
		return true
	}
	return first == q
}

// refuseRecord ends a record whose id was used: its message is not handled.
func (x *executor) refuseRecord(m message, q *request) {
	x.queued -= weightOf(&q.env)
	if c := m.coord(); c != nil {
		x.endBackground(c)
	}
	x.handledFed(q.from, argBytes(q.env.Op, q.env.Arg, q.env.Value))
	err := fmt.Errorf("%w: %q; the record at position %d of %s was not run", ErrReusedID, q.env.RequestID, q.position.Position, q.from.fullName())
	x.group.options.Logger.Warn("a record is not run: its id was used", "error", err)
	x.answerRecord(q.record, outcome{failure: failures.Far(err)})
	q.record.letGo()
}

// answered is the end of a call that is a record's.
func (x *executor) answered(q *request, o outcome) {
	if q.env.RequestID != "" {
		x.settle(q, o)
	} else {
		x.answerRecord(q.record, o)
	}
	q.record.letGo() // last: what the next record with the key emits comes behind
}

// answerRecord emits the outcome of a record, if anybody wants it. A row may tell of an egress that this program does not have.
func (x *executor) answerRecord(t *taken, o outcome) {
	if t == nil || t.row.Answer == nil {
		return
	}
	a := t.row.Answer
	if _, known := x.group.registry.Egresses[a.Egress]; !known {
		x.group.stats.dropped.Add(1)
		x.group.options.Logger.Error("an answer is dropped: there is no such egress", "egress", a.Egress, "request", t.row.RequestID)
		return
	}
	answer := RecordAnswer{RequestID: t.row.RequestID, Context: a.Context}
	if o.failure != nil {
		answer.Failure = o.failure.Encoded()
	} else {
		answer.Result = o.result.Encoded()
	}
	x.emit(format.Emitted{Egress: a.Egress, Key: a.Key, Value: encodeRow(answer)})
}

// stored is what rows have of a record.
func (t *taken) stored() *format.Taken {
	if t == nil {
		return nil
	}
	return &t.row
}

// recoverRecord brings back a record whose message or run a row has.
func (e *Engine) recoverRecord(row *format.Taken) *taken {
	t := &taken{row: *row}
	if f := e.feedNamed(row.Ingress); f != nil && f.source != nil {
		t.part = f.partition(strings.Clone(row.Partition))
	}
	return t
}

// recoverAsked brings back the record of a carried message for a shard, with the request that it is if it has an id.
func (e *Engine) recoverAsked(env *instances.Envelope, row *format.Taken, to registry.Destination, s *shard) *request {
	q := &request{env: *env, record: e.recoverRecord(row), engine: e, shard: s}
	shape := row.Shape
	q.setID(to)
	q.record.row.Shape = shape
	q.record.holdAgain(env)
	if row.RequestID != "" {
		q.identity = q.identity.WithShape(shape)
		s.requests[q.of] = q
	}
	return q
}

// recoverRunOf brings back the record that has started a run.
func (e *Engine) recoverRunOf(c *coord, row *format.Taken) *request {
	q := c.req
	if q == nil {
		q = &request{}
	}
	q.record = e.recoverRecord(row)
	q.record.holdAgain(&instances.Envelope{})
	return q
}
