package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/clock"
	"github.com/concordat-dev/concordat/internal/failures"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/registry"
	"github.com/concordat-dev/concordat/internal/store"
	"github.com/concordat-dev/concordat/internal/table"
)

// ErrParked: the run that the request belongs to is parked, because no process has survived it. See [Engine.Parked].
var ErrParked = errors.New("engine: parked")

// ErrNotParked: nothing with that ID is parked in the directory, or suspect.
var ErrNotParked = errors.New("engine: not parked")

// ErrDropped is the outcome of a run that was parked and that a person has dropped. What it had done stands: the steps that a saga had
// made, and those of its compensations. A transaction had done nothing.
const ErrDropped functions.Failure = "concordat: parked, and dropped by a person"

// Parked is a message, or a run of a coordinator function, that has ended [MaxStarts] processes in which it was alone in the end. It
// stays where it is until a person retries or drops it, which needs the directory closed: see [RetryParkedIn] and [DropParkedIn]. Or it is
// a suspect, which [ParkedIn] lists besides: processes have ended since they began to handle it, maybe of something else; it will be
// started again when the directory is opened.
type Parked struct {
	ID        string `json:"id"`                   // names it in its directory
	Kind      string `json:"kind"`                 // "message" or "run"
	Target    string `json:"target"`               // the operation and instance, or the coordinator function
	RequestID string `json:"request_id,omitempty"` // of a run that a request with an id began
	Starts    int    `json:"starts"`               // after which it was parked, and maybe retried
	Suspect   bool   `json:"suspect,omitempty"`    // it is not parked yet
}

// Parked lists what is parked, in no order. It does not change while the engine is open.
func (e *Engine) Parked(context.Context) ([]Parked, error) { return slices.Clone(e.trials.parked), nil }

// park leaves something where it is.
func (e *Engine) park(u *unfinished) {
	p := Parked{ID: parkedID(u.row), Kind: "message", Starts: u.starts}
	if c := u.call; c != nil {
		p.Target = instances.Envelope{Op: c.op, ID: c.id}.Target()
		if c.asked != nil {
			c.asked.record.letGo()
		}
		e.queued.Add(-weight(c.arg))
	}
	if c := u.coord; c != nil {
		p.Kind, p.Target, c.parked = "run", c.function.Name, true
		if c.req != nil {
			p.RequestID = c.req.env.RequestID
		}
		c.letGoKey()
		delete(c.shard.runs, c.id)
		e.queued.Add(-weight(c.input))
		u.shard.on.endBackground(c)
		u.shard.on.dropJournal(c)
	}
	e.trials.parked = append(e.trials.parked, p)
	e.options.Logger.Error("it is parked: no process survives it", "kind", p.Kind, "id", p.ID, "target", p.Target, "starts", p.Starts)
}

// parkedError answers who asks for the outcome of a run that is parked.
func parkedError(c *coord) error {
	return fmt.Errorf("%w: %w: %s %s", ErrUnknown, ErrParked, c.function.Name, parkedID(c.key()))
}

// An ID has the kind, the shard and the number of the row.

func parkedID(row []byte) string {
	kind := "message"
	if row[2] == format.KindCoordinator {
		kind = "run"
	}
	number, _ := format.Number(row)
	return fmt.Sprintf("%s-%d-%d", kind, uint16(row[0])<<8|uint16(row[1]), number)
}

// rowOf is the inverse of parkedID.
func rowOf(id string) ([]byte, error) {
	kinds := map[string]byte{"message": format.KindMessage, "run": format.KindCoordinator}
	parts := strings.Split(id, "-")
	if len(parts) == 3 && kinds[parts[0]] != 0 {
		shard, err := strconv.ParseUint(parts[1], 10, 16)
		number, numberErr := strconv.ParseUint(parts[2], 10, 64)
		if err == nil && numberErr == nil && shard < format.MaxShards {
			return format.NumberedKey(nil, uint16(shard), kinds[parts[0]], number), nil
		}
	}
	return nil, fmt.Errorf("%w: %q is no ID", ErrNotParked, id)
}

// offline is a directory that no engine has open.
type offline struct {
	table  *table.Table
	shards int
}

// openOffline opens a directory for a person. It must be there, and be Concordat's: where there is no store none is made. One that is in
// use is [ErrInUse].
func openOffline(dir string) (*offline, error) {
	o := Options{Dir: dir}
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if found, err := store.Exists(dir); err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	} else if !found {
		return nil, fmt.Errorf("%w: %s is not Concordat's", ErrFormat, dir)
	}
	o = o.withDefaults()
	s, err := openStore(o, o.Fatal)
	if err != nil {
		return nil, err
	}
	e := &Engine{commons: commons{options: o, table: s}}
	value, found, err := s.Get(format.Prefix(nil, format.NodeShard, format.KindFormat))
	switch {
	case err == nil && !found:
		err = fmt.Errorf("%w: %s is not Concordat's", ErrFormat, dir)
	case err == nil:
		err = e.takeFormat(value)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return &offline{s, e.options.Shards}, nil
}

// minListed is the number of starts from which a suspect is listed: with the first nothing is known of it but that it was there.
const minListed = 2

// ParkedIn lists what is parked in a directory that no engine has open, and what is suspect, by shard and number. It needs none of the
// program's parts.
func ParkedIn(dir string) (all []Parked, err error) {
	o, err := openOffline(dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, o.table.Close()) }()
	for shard := range uint16(o.shards) {
		prefix := format.Prefix(nil, shard, format.KindStarts)
		err := o.table.Scan(prefix, format.Upper(prefix), func(key, value []byte) error {
			p, err := o.parked(key, value)
			if err == nil && p.Starts >= minListed {
				all = append(all, p)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// parked describes what a number of starts belongs to.
func (o *offline) parked(key, value []byte) (p Parked, err error) {
	row, err := format.StartsOf(key)
	var s format.Starts
	if err == nil {
		err = functions.Decode(value, &s)
	}
	if err != nil {
		return p, fmt.Errorf("%w: a number of starts: %w", ErrDamaged, err)
	}
	value, found, err := o.table.Get(row)
	if err != nil || !found {
		return p, fmt.Errorf("%w: there is a number of starts of %q, which is not there: %w", ErrDamaged, row, err)
	}
	p = Parked{ID: parkedID(row), Kind: "message", Starts: s.Starts, Suspect: s.Starts < MaxStarts}
	if row[2] == format.KindMessage {
		var m format.Message
		err = functions.Decode(value, &m)
		p.Target = fmt.Sprintf("%s.%s(%s)", m.Type, m.Operation, m.ID)
	} else {
		var r format.Run
		err = functions.Decode(value, &r)
		p.Kind, p.Target, p.RequestID = "run", r.Function, r.RequestID
	}
	if err != nil {
		return p, fmt.Errorf("%w: %s: %w", ErrDamaged, p.ID, err)
	}
	return p, nil
}

// RetryParkedIn lets what is parked in a directory that no engine has open be started once more, alone, when it is opened next. If that
// process does not survive it either it is parked again. A suspect is started again anyway, and stays as it is. An ID that is neither is
// [ErrNotParked]; then none is retried.
func RetryParkedIn(dir string, ids ...string) error {
	return onParked(dir, ids, func(_ *offline, batch *table.Batch, p Parked, row, _ []byte) error {
		if p.Suspect {
			return nil
		}
		batch.Set(format.StartsKey(row), encodeRow(format.Starts{Starts: MaxStarts - 1}))
		return nil
	})
}

// DropParkedIn drops what is parked, or suspect, in a directory that no engine has open. A message is gone as if it had never been sent. A run is over
// as it stands: what it has done is not undone, no more of it happens, its effects for an outcome do not, and if it has a request id its
// outcome is [ErrDropped]. An ID that is neither is [ErrNotParked]; then none is dropped.
func DropParkedIn(dir string, ids ...string) error {
	return onParked(dir, ids, func(o *offline, batch *table.Batch, _ Parked, row, value []byte) error {
		batch.Delete(format.StartsKey(row))
		batch.Delete(row)
		if row[2] == format.KindCoordinator {
			return o.endRun(batch, row, value)
		}
		return nil
	})
}

// onParked does something with what is parked or suspect, all or nothing.
func onParked(dir string, ids []string, do offlineDo) (err error) {
	o, err := openOffline(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.table.Close()) }()
	batch := new(table.Batch)
	for _, id := range ids {
		if err := o.onOne(batch, id, do); err != nil {
			return err
		}
	}
	return o.table.Seal(batch)
}

// offlineDo does something with what is parked or suspect, which stands in a row.
type offlineDo func(o *offline, batch *table.Batch, p Parked, row, value []byte) error

func (o *offline) onOne(batch *table.Batch, id string, do offlineDo) error {
	row, err := rowOf(id)
	if err != nil {
		return err
	}
	key := format.StartsKey(row)
	value, found, err := o.table.Get(key)
	if err != nil {
		return err
	}
	var p Parked
	if found {
		p, err = o.parked(key, value)
	}
	if err != nil {
		return err
	}
	if p.Starts < minListed {
		return fmt.Errorf("%w: %s", ErrNotParked, id)
	}
	value, _, err = o.table.Get(row)
	if err != nil {
		return err
	}
	return do(o, batch, p, row, value)
}

// endRun deletes the journal of a run and records its outcome.
func (o *offline) endRun(batch *table.Batch, row, value []byte) error {
	var r format.Run
	if err := functions.Decode(value, &r); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrDamaged, parkedID(row), err)
	}
	id, err := format.Number(row)
	if err != nil {
		return err
	}
	shard := uint16(row[0])<<8 | uint16(row[1])
	batch.DeleteRange(format.JournalKey(nil, shard, id), format.JournalKey(nil, shard, id+1))
	if r.RequestID == "" {
		return nil
	}
	marks, _, err := o.table.Get(format.Prefix(nil, format.NodeShard, format.KindWatermark))
	if err != nil {
		return err
	}
	m, err := decodeMarks(marks)
	if err != nil {
		return fmt.Errorf("%w: the watermark: %w", ErrDamaged, err)
	}
	q := &request{of: format.Request{Name: format.NameHash(r.Function), ID: r.RequestID}}
	q.env.RequestID, q.env.Coordinator, q.env.Arg = r.RequestID, r.Function, r.Input
	q.identity = registry.NewIdentity(registry.TargetOf(r.Function), xxhash.Sum64(r.Input), uint64(r.Shape))
	q.outcome.failure = failures.Far(fmt.Errorf("%w: %s", ErrDropped, r.Function))
	at := m.Time
	if at == 0 {
		at = clock.First(m.At)
	}
	all, err := bucketsIn(o.table, o.shards)
	if err != nil {
		return err
	}
	in := newBucket(at)
	if n := len(all); n > 0 && all[n-1].start > 0 {
		in = all[n-1]
	}
	writeOutcome(batch, in, q.of.Shard(uint64(o.shards)), q, at)
	return nil
}
