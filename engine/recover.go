package engine

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math"
	"time"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/clock"
	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/machine/routines"
	"github.com/concordat-dev/concordat/internal/machine/sagas"
	"github.com/concordat-dev/concordat/internal/registry"
)

// recover brings back what the last sealed epoch left unfinished. Instances and outcomes stay where they are until somebody asks
// for them, so its cost does not depend on their number.
func (e *Engine) recover() error {
	if err := e.recoverMarks(); err != nil {
		return err
	}
	if err := e.openEgresses(); err != nil {
		return err
	}
	if err := e.recoverTrial(); err != nil {
		return err
	}
	journals := journalReader{engine: e}
	for shard := range uint16(e.options.Shards) {
		for _, kind := range []struct {
			kind byte
			row  func(shard uint16, key, value []byte) error
		}{
			{format.KindStarts, e.recoverStart},
			{format.KindMessage, e.recoverMessage},
			{format.KindCoordinator, e.recoverRun},
			{format.KindJournal, journals.row},
			{format.KindTimer, e.recoverTimer},
		} {
			prefix := format.Prefix(nil, shard, kind.kind)
			err := e.table.Scan(prefix, format.Upper(prefix), func(key, value []byte) error {
				return kind.row(shard, key, append([]byte(nil), value...))
			})
			if err != nil {
				return err
			}
		}
		if err := journals.end(); err != nil {
			return err
		}
	}
	return e.sortUnfinished()
}

// anyBytes is no bound: what was accepted under a larger Options.MaxBytes stays valid under a smaller one.
const anyBytes = math.MaxInt

// forInstance says which instance a stored message is for, if it is for one.
func forInstance(m *format.Message) string {
	if m.Type == "" {
		return ""
	}
	return fmt.Sprintf(" for %s/%s", m.Type, m.ID)
}

func (e *Engine) recoverMarks() error {
	value, found, err := e.table.Get(format.Prefix(nil, format.NodeShard, format.KindWatermark))
	if err != nil {
		return fmt.Errorf("%w: the watermark: %w", ErrDamaged, err)
	}
	var m format.Watermark
	if found {
		if m, err = decodeMarks(value); err != nil {
			return fmt.Errorf("%w: the watermark: %w", ErrDamaged, err)
		}
	}
	if marked := e.table.Marked(); marked > m.Epoch {
		return fmt.Errorf("%w: epochs %d to %d were sealed and are not there: the end of the store's log is damaged", ErrDamaged, m.Epoch+1, marked)
	}
	switch now := e.clocks.Wall.Now(); {
	case m.Time != 0:
		e.clocks.GoOnFrom(m.Time)
	case found: // by a program that went by the wall clock
		e.clocks.GoOnFrom(clock.First(m.At))
	default:
		e.clocks.GoOnFrom(clock.First(now))
	}
	e.takeMarks(m)
	return nil
}

func decodeMarks(value []byte) (m format.Watermark, err error) {
	if err := functions.Decode(value, &m); err != nil {
		return m, err
	}
	if m.Timers > timerCountMask || m.Epoch == math.MaxUint64 {
		return m, fmt.Errorf("it counts %d epochs and %d timers, which nobody lived to see", m.Epoch, m.Timers)
	}
	return m, nil
}

// takeMarks goes on with the counters of the last sealed epoch.
func (e *Engine) takeMarks(m format.Watermark) {
	e.epoch, e.marked = m.Epoch+1, m
	e.sealed.Store(m.Epoch)
	e.nextID.Store(m.NextID)
	for i := range e.timerSeq {
		e.timerSeq[i].n = m.Timers | uint64(i)<<timerWorkerShift
	}
	e.absent = maps.Clone(m.Egress) // e.marked keeps its own
	for _, g := range e.egresses {
		g.last = m.Egress[g.name]
		delete(e.absent, g.name)
	}
}

// numberIn reads the number of a carried message or a run from its row's key.
func numberIn(key []byte, shard uint16, kind byte) (uint64, error) {
	number, err := format.Number(key)
	if err == nil && !bytes.Equal(key, format.NumberedKey(nil, shard, kind, number)) {
		err = fmt.Errorf("a key of %d bytes", len(key))
	}
	return number, err
}

func (e *Engine) recoverMessage(shard uint16, key, value []byte) error {
	number, err := numberIn(key, shard, format.KindMessage)
	var stored format.Carried
	if err == nil {
		err = functions.Decode(value, &stored)
	}
	if err == nil && stored.Type == "" {
		err = errors.New("it is for no instance")
	}
	if err != nil {
		return fmt.Errorf("%w: message: %w", ErrDamaged, err)
	}
	env := instances.Resolve(stored.Message, e.registry)
	of, err := e.registry.Find(&env, anyBytes)
	if err != nil {
		return fmt.Errorf("engine: a message to %s/%s waits for what this program does not have: %w", stored.Type, stored.ID, err)
	}
	c := &call{number: number, origin: e.originOf(&stored)}
	e.initCall(c, &env, of.Entry)
	if stored.Own {
		c.shard.on.keepFired(&timer{from: c.address(), shard: c.shard}, c)
	}
	if stored.Record != nil {
		c.asked = e.recoverAsked(&env, stored.Record, of, c.shard)
	}
	e.queued.Add(weight(c.arg))
	c.shard.on.receive(message{kind: msgCall, about: c})
	return nil
}

// originOf is where a carried message came from.
func (e *Engine) originOf(m *format.Carried) origin {
	if f := e.feedNamed(m.Ingress); f != nil {
		return origin{lineFed, f}
	}
	if m.Arrived {
		return origin{line: lineArrivals}
	}
	return origin{line: lineSent}
}

// key is the key of the run's row.
func (c *coord) key() []byte {
	return format.NumberedKey(nil, c.shard.number, format.KindCoordinator, c.id)
}

// row encodes the run.
func (c *coord) row() []byte {
	s := format.Run{Function: c.function.Name, Input: c.input}
	if c.req != nil {
		s.RequestID, s.Shape = c.req.env.RequestID, c.req.identity.Shape()
	}
	if c.asked != nil {
		s.Record = c.asked.record.stored()
	}
	value, err := codec.Encode(&s)
	if err != nil {
		panic("engine: a run's row always encodes: " + err.Error())
	}
	return value
}

func (e *Engine) recoverRun(shard uint16, key, value []byte) error {
	id, err := numberIn(key, shard, format.KindCoordinator)
	var s format.Run
	if err == nil {
		err = functions.Decode(value, &s)
	}
	if err != nil {
		return fmt.Errorf("%w: coordinator function: %w", ErrDamaged, err)
	}
	entry := e.registry.Coordinators[s.Function]
	if entry == nil {
		return fmt.Errorf("%w: %q has unfinished runs in %s", ErrUnknownCoordinator, s.Function, e.options.Dir)
	}
	f := entry.Function
	c := &coord{id: id, function: f, input: s.Input, shard: e.shards[shard], hasRow: true}
	if f.Protocol == routines.Saga && len(s.Journal) > 0 {
		var reader sagas.Reader
		if err := reader.Head(s.Journal); err != nil {
			return fmt.Errorf("%w: saga %d: %w", ErrDamaged, id, err)
		}
		if err := e.takeJournal(c, &reader); err != nil {
			return err
		}
		c.rows.inRun = true
		c.saga.ChangeAll()
	}
	if s.RequestID != "" {
		c.req = &request{coord: c}
		c.req.env.RequestID, c.req.env.Coordinator, c.req.env.Arg = s.RequestID, s.Function, s.Input
		to := registry.Destination{Function: entry}
		c.req.of, c.req.identity = to.Request(&c.req.env), registry.Identify(&c.req.env, to).WithShape(s.Shape)
		c.req.shard = c.shard
		c.shard.requests[c.req.of] = c.req
	}
	if s.Record != nil {
		c.asked = e.recoverRunOf(c, s.Record)
	}
	c.shard.runs[id] = c
	c.shard.on.toBackground(c)
	e.queued.Add(weight(c.input))
	c.shard.on.sent.Push(message{kind: msgStart, about: c})
	return nil
}

func (e *Engine) recoverTimer(shard uint16, key, value []byte) error {
	seq, err := format.Number(key)
	var stored format.Timer
	if err == nil {
		err = functions.Decode(value, &stored)
	}
	if err == nil && len(key) != len(format.TimerKey(nil, shard, 0, 0)) {
		err = fmt.Errorf("a key of %d bytes", len(key))
	}
	if err != nil {
		return fmt.Errorf("%w: timer: %w", ErrDamaged, err)
	}
	due, err := format.Number(key[:len(key)-8])
	if err != nil {
		return err
	}
	t := &timer{due: int64(due), seq: seq, from: stored.From, shard: e.shards[shard], env: instances.Resolve(stored.Message, e.registry)}
	if err := e.registry.Check(&t.env, anyBytes); err != nil {
		return fmt.Errorf("engine: the timer of %v due %v%s is for what this program does not have: %w",
			t.from, time.Unix(0, t.due), forInstance(&stored.Message), err)
	}
	t.shard.on.countTimer(t, 1)
	t.shard.timers.add(t)
	return nil
}
