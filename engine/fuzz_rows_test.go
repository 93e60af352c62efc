package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/clock"
	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/failures"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/sagas"
	"github.com/concordat-dev/concordat/internal/registry"
	"github.com/concordat-dev/concordat/internal/table"
	"github.com/concordat-dev/concordat/internal/values"
	"github.com/concordat-dev/concordat/saga"
	"github.com/concordat-dev/concordat/twopc"
)

var (
	fuzzType = functions.NewType[int]("fuzz/box")
	fuzzPut  = functions.Update(fuzzType, "put", func(_ *functions.Ctx, box *int, n int) error { *box = n; return nil })
	fuzzSaga = saga.New("fuzz/saga", func(s *saga.Run, n int) error { return s.Do(fuzzPut.On("a", n), fuzzPut.On("a", 0)) })
	fuzzTx   = twopc.New("fuzz/tx", func(tx *twopc.Tx, n int) error { return tx.Do(fuzzPut.On("a", n)) })
)

// fatalPanic is how an engine under fuzzing ends.
type fatalPanic struct{ error }

// unopened is an engine without a directory, to which rows can be given as if they had been read.
func unopened(t testing.TB) *Engine {
	t.Helper()
	registry, err := registry.New([]functions.Part{fuzzType, fuzzSaga, fuzzTx})
	if err != nil {
		t.Fatal(err)
	}
	registry.Shards = 8
	e := &Engine{dead: newDeadChans()}
	e.table = new(table.Table)
	e.registry, e.options = registry, Options{
		Dir: "fuzz", Workers: 2, Shards: 8, KeepOutcomes: -1,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Fatal:  func(err error) { panic(fatalPanic{err}) },
	}.withDefaults()
	e.fatal = e.fail
	e.clocks = clock.New(e.options.Seams.Clock)
	e.makeWorkers()
	return e
}

// forget drops what rows brought back.
func (e *Engine) forget() {

	for _, w := range e.workers {
		w.arrivals, w.sent = waitingLine{}, waitingLine{}
		for t := w.timers.first(); t != nil; t = w.timers.first() {
			t.shard.timers.remove(t)
		}
		for _, s := range w.shards {
			clear(s.timers.own)
			clear(s.runs)
			clear(s.requests)
		}
	}
}

func encoded(f *testing.F, v any) []byte {
	data, err := values.Encode(v)
	if err != nil {
		f.Fatal(err)
	}
	return data
}

// FuzzUnfinished: a row of unfinished work (a carried message, a run of a coordinator function, a timer, an entry of a journal or its
// head) with any key and value is refused with an error that says why, or it is taken, and would be written and deleted under its own
// key and as it was.
func FuzzUnfinished(f *testing.F) {
	e := unopened(f)
	call := fuzzPut.On("a", 7).Envelope().Stored()
	journal := sagas.Journal{Entries: []sagas.Entry{{State: sagas.Succeeded}}}
	journal.Entries[0].Step.Call = fuzzPut.On("a", 7).Envelope()
	stored, err := journal.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	number, due := make([]byte, 8), make([]byte, 16)
	f.Add(uint8(0), uint8(1), number, encoded(f, call))
	f.Add(uint8(0), uint8(1), number, encoded(f, format.Message{Coordinator: "fuzz/tx", Arg: []byte{7}}))
	f.Add(uint8(1), uint8(2), number, encoded(f, format.Run{Function: "fuzz/saga", Input: []byte{7}, RequestID: "id", Shape: 5, Journal: stored}))
	f.Add(uint8(1), uint8(3), number, encoded(f, format.Run{Function: "fuzz/tx", Input: []byte{7}}))
	f.Add(uint8(2), uint8(4), due, encoded(f, format.Timer{From: format.Address{Type: "fuzz/box", ID: "a"}, Message: call}))
	head, err := journal.MarshalHead()
	entry, entryErr := journal.Entries[0].Marshal()
	if err := errors.Join(err, entryErr); err != nil {
		f.Fatal(err)
	}
	f.Add(uint8(4), uint8(6), append([]byte{format.KindMessage}, number...), encoded(f, format.Starts{Starts: 3}))
	f.Add(uint8(3), uint8(5), number, head)
	f.Add(uint8(0), uint8(1), number, encoded(f, format.Carried{Message: call, Arrived: true}))
	f.Add(uint8(3), uint8(5), append(bytes.Clone(number), 0, 0, 0, 0), entry)
	f.Fuzz(func(t *testing.T, kind, shard uint8, rest, value []byte) {
		defer e.forget()
		kinds := []byte{format.KindMessage, format.KindCoordinator, format.KindTimer, format.KindJournal, format.KindStarts}
		k, s := kinds[int(kind)%len(kinds)], uint16(shard)%8
		key := append(format.Prefix(nil, s, k), rest...)
		var err error
		switch k {
		case format.KindMessage:
			err = e.recoverMessage(s, key, value)
		case format.KindCoordinator:
			err = e.recoverRun(s, key, value)
		case format.KindJournal:
			checkJournalRow(t, e, s, key, value)
			return
		case format.KindStarts:
			checkStartsRow(t, e, s, key, value)
			return
		default:
			err = e.recoverTimer(s, key, value)
		}
		if err != nil {
			checkRefusal(t, err)
			return
		}
		found := 0
		for _, w := range e.workers {
			found += checkTaken(t, w, s, key, value)
		}
		if found != 1 {
			t.Fatalf("the row %x = %x was taken, and led to %d things", key, value, found)
		}
	})
}

// checkStartsRow: the number of starts would be deleted under its own key, and counts up.
func checkStartsRow(t *testing.T, e *Engine, shard uint16, key, value []byte) {
	t.Helper()
	e.trials.starts = map[string]format.Starts{}
	if err := e.recoverStart(shard, key, value); err != nil {
		checkRefusal(t, err)
		return
	}
	for row, s := range e.trials.starts {
		if !bytes.Equal(format.StartsKey([]byte(row)), key) || s.Starts < 1 {
			t.Fatalf("the row %x = %x counts %d for %x", key, value, s.Starts, row)
		}
	}
}

// checkJournalRow gives a journal's row to a run that is there; and what it would write in its place.
func checkJournalRow(t *testing.T, e *Engine, shard uint16, key, value []byte) {
	t.Helper()
	once, err := e.rereadJournal(t, shard, key, value)
	if err != nil {
		checkRefusal(t, err)
		return
	}
	e.forget()
	if twice, err := e.rereadJournal(t, shard, key, once); err != nil || !bytes.Equal(once, twice) {
		t.Fatalf("the row %x = %x is written as %x, and then as %x: %v", key, value, once, twice, err)
	}
}

// rereadJournal reads a journal's row, and returns what would be written in its place.
func (e *Engine) rereadJournal(t *testing.T, shard uint16, key, value []byte) ([]byte, error) {
	t.Helper()
	id, part, _, err := format.JournalNumbers(key)
	if err == nil {
		run := format.NumberedKey(nil, shard, format.KindCoordinator, id)
		if err := e.recoverRun(shard, run, []byte("\xa2\x01\x69fuzz/saga\x02\x41\x07")); err != nil {
			t.Fatal(err)
		}
	}
	reader := journalReader{engine: e}
	if err := reader.row(shard, key, value); err != nil {
		return nil, err
	}
	if err := reader.end(); err != nil {
		return nil, err
	}
	c := e.shards[shard].runs[id]
	c.info()
	switch part {
	case format.JournalIsHead:
		return c.saga.MarshalHead()
	case format.JournalIsEffects:
		return codec.Encode(c.saga.Effects.Stored())
	}
	return c.saga.Entries[0].Marshal()
}

func checkRefusal(t *testing.T, err error) {
	t.Helper()
	for _, known := range []error{
		ErrDamaged, ErrUnknownCoordinator, functions.ErrUnknownOperation, functions.ErrTooLarge, functions.ErrBadCall,
	} {
		if errors.Is(err, known) {
			return
		}
	}
	t.Fatalf("an error that nobody can tell from others: %v", err)
}

// checkTaken checks what a row brought to a worker.
func checkTaken(t *testing.T, w *worker, shard uint16, key, value []byte) (found int) {
	t.Helper()
	for _, m := range slices.Concat(w.arrivals.All(), w.sent.All()) {
		found++
		if m.kind == msgStart && m.coord().hasRow {
			checkRun(t, m.coord(), key, value)
			continue
		}
		if c := m.call(); c != nil && !bytes.Equal(format.NumberedKey(nil, shard, format.KindMessage, c.number), key) {
			t.Fatalf("the message of row %x has number %d", key, c.number)
		}
	}
	for _, s := range w.shards {
		for _, timer := range s.timers.heap {
			found++
			if at := format.TimerKey(nil, s.number, timer.due, timer.seq); !bytes.Equal(at, key) {
				t.Fatalf("the timer of row %x would be deleted at %x", key, at)
			}
		}
	}
	return found
}

// checkRun: the row that the run would write is the one that it came from, up to the form of its encoding.
func checkRun(t *testing.T, c *coord, key, value []byte) {
	t.Helper()
	if !bytes.Equal(c.key(), key) {
		t.Fatalf("the run of row %x would be written at %x", key, c.key())
	}
	var before, after format.Run
	if err := errors.Join(functions.Decode(value, &before), functions.Decode(c.row(), &after)); err != nil {
		t.Fatal(err)
	}
	if before.Function != after.Function || !bytes.Equal(before.Input, after.Input) || before.RequestID != after.RequestID {
		t.Fatalf("%+v is written again as %+v", before, after)
	}
	if c.saga != nil {
		c.info() // what people are shown of it
	}
}

// FuzzNodeRows: the format row and the watermark are refused as damaged or foreign, or they give counters that are written again as
// they were.
func FuzzNodeRows(f *testing.F) {
	f.Add(encoded(f, format.Format{Version: format.Version, Shards: 64}))
	f.Add(encoded(f, format.Watermark{Epoch: 9, NextID: 100, Timers: 3, Egress: map[string]uint64{"out": 5}, At: time.Unix(1, 0).UTC()}))
	f.Add([]byte{0xa0})
	e := unopened(f)
	f.Fuzz(func(t *testing.T, value []byte) {
		e.options.Shards = 0
		switch err := e.takeFormat(value); {
		case err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrFormat):
			t.Fatal(err)
		case err == nil && (e.options.Shards < 1 || e.options.Shards > format.MaxShards):
			t.Fatalf("a directory with %d shards", e.options.Shards)
		}
		if err := e.takeTrial(value); err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatal(err)
		}
		m, err := decodeMarks(value)
		if err != nil {
			return
		}
		e.takeMarks(m)
		again := e.marks()
		if again.Epoch != m.Epoch+1 || again.NextID != m.NextID || again.Timers != m.Timers || len(again.Egress) != len(m.Egress) {
			t.Fatalf("%+v goes on as %+v", m, again)
		}
	})
}

// Where the parts of outcomes' rows are; see internal/format/outcome.go.
const (
	outcomeSettledAt, outcomeStatusAt, wideOutcomeArgAt, wideOutcomeShapeAt = 8, 16, 17, 25
	oldOutcomeHeader, wideOutcomeHeader, outcomeHeader                      = 17, 29, 25
	wideOutcomeOK, wideOutcomeFailed, outcomeOK, outcomeFailed              = 2, 3, 4, 5
)

// TestWideOutcomes: an outcome that an earlier program has kept, with the parts of the identity apart, answers its request after another
// program has come, and refuses others.
func TestWideOutcomes(t *testing.T) {
	const target, arg, shape = 0x1122334455667788, 0x99aabbccddeeff00, 0xab123456
	row := make(format.Outcome, wideOutcomeHeader, wideOutcomeHeader+2)
	binary.BigEndian.PutUint64(row, target)
	binary.BigEndian.PutUint64(row[outcomeSettledAt:], 5)
	row[outcomeStatusAt] = wideOutcomeOK
	binary.BigEndian.PutUint64(row[wideOutcomeArgAt:], arg)
	binary.BigEndian.PutUint32(row[wideOutcomeShapeAt:], shape)
	row = append(row, 1, 2)
	if got := outcomeFrom(row); row.IsDamaged() || row.Settled() != 5 || got.failure != nil || !bytes.Equal(got.result.Encoded(), []byte{1, 2}) {
		t.Errorf("it has the outcome %+v", got)
	}
	if !row[:wideOutcomeHeader-1].IsDamaged() {
		t.Error("a row without all of its header is not damaged")
	}
	for _, c := range []struct {
		identity registry.Identity
		want     registry.Likeness
	}{
		{registry.NewIdentity(target, arg, shape), registry.IsSame},
		{registry.NewIdentity(target, arg+1, shape), registry.IsOtherArg},
		{registry.NewIdentity(target, arg+1, shape+1), registry.IsChanged},
		{registry.NewIdentity(^uint64(target), arg, shape), registry.IsOther},
	} {
		if got := (&request{identity: c.identity}).likeRow(row); got != c.want {
			t.Errorf("%+v is %d to it, want %d", c.identity, got, c.want)
		}
	}
	row[outcomeStatusAt] = wideOutcomeFailed
	failed := append(row[:wideOutcomeHeader], failures.Encode(functions.ErrNotFound)...)
	if got := outcomeFrom(failed); !errors.Is(got.err(), functions.ErrNotFound) || got.result != nil {
		t.Errorf("it has failed with %+v", got)
	}
}

// FuzzOutcome: an outcome's row answers the request that it belongs to, and refuses any other that has its id.
func FuzzOutcome(f *testing.F) {
	row := make([]byte, outcomeHeader)
	binary.BigEndian.PutUint64(row, 5)
	f.Add(uint64(5), append(bytes.Clone(row[:oldOutcomeHeader]), 1, 2))
	row[outcomeStatusAt] = outcomeOK
	f.Add(uint64(5), append(bytes.Clone(row), 1, 2))
	row[outcomeStatusAt] = outcomeFailed
	f.Add(uint64(5), append(bytes.Clone(row), failures.Encode(functions.ErrNotFound)...))
	f.Add(uint64(6), row)
	e := unopened(f)
	f.Fuzz(func(t *testing.T, target uint64, value []byte) {
		const arg = 0
		q := &request{identity: registry.NewIdentity(target, arg, 7)}
		q.env.RequestID, q.env.Coordinator = "id", "fuzz/tx"
		row := format.Outcome(value)
		if row.IsDamaged() {
			return // TestDamagedRows
		}
		e.workers[0].answerFrom(q, row)
		like := q.likeRow(row)
		switch refused := errors.Is(q.err, ErrReusedID); {
		case refused != (like == registry.IsOther || like == registry.IsOtherArg):
			t.Fatalf("%x answers %+v with error %v", value, q.identity, q.err)
		case !row.IsOld() && !row.IsWide() && like == registry.IsSame && binary.BigEndian.Uint64(value) != q.identity.Fingerprint:
			t.Fatalf("%x is taken for %+v", value, q.identity)
		case refused:
		case (q.outcome.failure != nil) != (value[outcomeStatusAt]%2 == 1):
			t.Fatalf("%x is an outcome that failed: %v", value, q.outcome.failure)
		case q.outcome.failure == nil && !bytes.HasSuffix(value, q.outcome.result.Encoded()):
			t.Fatalf("%x has the result %x", value, q.outcome.result)
		}
	})
}
