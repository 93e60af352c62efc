package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/table"
	"github.com/concordat-dev/concordat/saga"
	"github.com/concordat-dev/concordat/twopc"
)

// A teller emits records.
type news struct {
	Text string
	N    int
}

var (
	wire      = functions.NewEgress[news]("wire")
	other     = functions.NewEgress[news]("other")
	tellers   = functions.NewType[talker]("test/teller")
	newTeller = functions.Create(tellers, "new", func(*functions.Ctx, *talker, int) error { return nil })
	tell      = functions.Update(tellers, "tell", func(ctx *functions.Ctx, s *talker, n int) error {
		for range n {
			s.Said++
			ctx.Emit(wire.Record(ctx.Self().ID, news{"tell", s.Said}))
		}
		return nil
	})
	tellThenFail = functions.Update(tellers, "tell-then-fail", func(ctx *functions.Ctx, s *talker, n int) error {
		s.Said += n
		ctx.Emit(wire.Record("", news{"never", n}))
		return errRude
	})
	tellOther = functions.Update(tellers, "tell-other", func(ctx *functions.Ctx, s *talker, n int) error {
		s.Said += n
		ctx.Emit(other.Record("", news{"other", n}))
		return nil
	})
	tellKey = functions.Update(tellers, "tell-key", func(ctx *functions.Ctx, s *talker, n int) error {
		ctx.Emit(wire.Record(string(make([]byte, n)), news{}))
		return nil
	})
	told = functions.View(tellers, "told", func(_ *functions.Ctx, s talker) (int, error) { return s.Said, nil })
)

// received is the far end of an egress: it keeps what Write gave it, and may know its position.
type received struct {
	mu       sync.Mutex
	records  []engine.Record
	refuse   int  // Writes to refuse
	keep     bool // take the records of a Write that is refused: the answer gets lost
	position func() (uint64, error)
	closed   int
}

func (r *received) Position() (uint64, error) {
	if r.position == nil {
		return 0, nil
	}
	return r.position()
}

func (r *received) Write(_ context.Context, records []engine.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	refuse := r.refuse > 0
	if refuse {
		r.refuse--
	}
	if !refuse || r.keep {
		r.records = append(r.records, records...)
	}
	if refuse {
		return errors.New("test: the receiver is away")
	}
	return nil
}

func (r *received) Close() error { r.closed++; return nil }

func (r *received) all() []engine.Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.records)
}

// closeLeaving closes an engine whose egress "wire" does not take its last n records.
func closeLeaving(t *testing.T, e *engine.Engine, n int) {
	t.Helper()
	over, cancel := context.WithCancel(ctx)
	cancel()
	err := e.Close(over)
	wantErr(t, err, err, `egress "wire"`, fmt.Sprintf("not taken %d records", n))
}

// wantRecords checks that the records are those of a teller that counted up to n, numbered without gaps from first.
func wantRecords(t *testing.T, records []engine.Record, first, n int) {
	t.Helper()
	if len(records) != n {
		t.Fatalf("%d records arrived, want %d: %v", len(records), n, records)
	}
	for i, r := range records {
		var v news
		must(t, codec.Decode(r.Value, &v))
		if r.Seq != uint64(first+i) || v.N != first+i {
			t.Fatalf("record %d has number %d and value %+v", first+i, r.Seq, v)
		}
	}
}

// TestCallbackGetsRecordsInOrder: numbered from 1 without gaps, also over a restart; operations that fail have emitted nothing.
func TestCallbackGetsRecordsInOrder(t *testing.T) {
	var far received
	write := func(ctx context.Context, r engine.Record) error { return far.Write(ctx, []engine.Record{r}) }
	o := engine.Options{Dir: t.TempDir(), Workers: 2, Egresses: map[string]engine.Egress{"wire": engine.Callback(write)}}
	e := open(t, o, tellers)
	must(t, e.Do(ctx, newTeller.On("a", 0)))
	for range 50 {
		must(t, e.Do(ctx, tell.On("a", 1)))
		wantErr(t, e.Do(ctx, tellThenFail.On("a", 1)), errRude)
	}
	must(t, e.Do(ctx, tell.On("a", 3000))) // more than one Write takes
	eventually(t, "all records arrive", func() bool { return len(far.all()) >= 3050 })
	e = reopen(t, e, o, tellers)
	must(t, e.Do(ctx, tell.On("a", 1)))
	eventually(t, "one more record arrives", func() bool { return len(far.all()) >= 3051 })
	wantRecords(t, far.all(), 1, 3051)
	if key := far.all()[0].Key; key != "a" {
		t.Errorf("the key is %q", key)
	}
}

// TestChannelGetsRecords: a full channel holds up its egress, and neither operations nor, beyond its deadline, Close.
func TestChannelGetsRecords(t *testing.T) {
	ch := make(chan engine.Record)
	o := engine.Options{Dir: t.TempDir(), Egresses: map[string]engine.Egress{"wire": engine.Channel(ch)}}
	e := open(t, o, tellers)
	must(t, e.Do(ctx, newTeller.On("a", 0)))
	for range 10 {
		must(t, e.Do(ctx, tell.On("a", 10)))
	}
	closeLeaving(t, e, 100)
	e = open(t, o, tellers)
	var got []engine.Record
	for range 100 {
		got = append(got, <-ch)
	}
	wantRecords(t, got, 1, 100)
	must(t, e.Close())
}

// TestRefusedRecordsComeAgain: after a failed Write the same records come again with the same numbers. If the receiver had taken
// them, it can drop them by their numbers.
func TestRefusedRecordsComeAgain(t *testing.T) {
	for _, keep := range []bool{false, true} {
		var log logLines
		far := &received{refuse: 3, keep: keep}
		e := open(t, engine.Options{Logger: log.logger(), Egresses: map[string]engine.Egress{"wire": far}}, tellers)
		must(t, e.Do(ctx, newTeller.On("a", 0)))
		must(t, e.Do(ctx, tell.On("a", 5)))
		must(t, e.Do(ctx, tell.On("a", 5)))
		eventually(t, "the last record arrives", func() bool {
			all := far.all()
			return len(all) > 0 && all[len(all)-1].Seq == 10
		})
		var once []engine.Record
		for _, r := range far.all() {
			if len(once) == 0 || r.Seq > once[len(once)-1].Seq {
				once = append(once, r)
			}
		}
		wantRecords(t, once, 1, 10)
		if log.line("wire", "the receiver is away") == "" {
			t.Errorf("the log does not say that the egress failed: %s", log.String())
		}
		must(t, e.Close())
		if far.closed != 1 {
			t.Errorf("the egress was closed %d times", far.closed)
		}
	}
}

// TestPositionIsBelieved: after a restart a receiver that knows its position gets exactly the rest. A position that the engine
// never reached is an error, as is an egress that cannot tell it.
func TestPositionIsBelieved(t *testing.T) {
	o := engine.Options{Dir: t.TempDir(), Egresses: map[string]engine.Egress{"wire": &received{refuse: 1 << 30}}}
	e := open(t, o, tellers)
	must(t, e.Do(ctx, newTeller.On("a", 0)))
	must(t, e.Do(ctx, tell.On("a", 10)))
	closeLeaving(t, e, 10)

	far := &received{position: func() (uint64, error) { return 7, nil }}
	o.Egresses["wire"] = far
	e = open(t, o, tellers)
	eventually(t, "the rest arrives", func() bool { return len(far.all()) >= 3 })
	must(t, e.Do(ctx, tell.On("a", 1)))
	eventually(t, "a new record arrives", func() bool { return len(far.all()) >= 4 })
	wantRecords(t, far.all(), 8, 4)
	must(t, e.Close())

	far.position = func() (uint64, error) { return 12, nil }
	o.ReserveBytes = -1
	_, err := engine.Open(o, tellers)
	if err == nil {
		t.Fatal("a position beyond the last record is not noticed")
	}
	wantErr(t, err, err, "wire", "record 12", "only 11")
	lost := errors.New("test: no idea")
	far.position = func() (uint64, error) { return 0, lost }
	_, err = engine.Open(o, tellers)
	wantErr(t, err, lost, "wire")
}

// TestUnknownEgress: the operation that emits to it fails with its state as before, plain and in a transaction.
func TestUnknownEgress(t *testing.T) {
	var far received
	tx := twopc.New("test/tell-both", func(tx *twopc.Tx, _ int) error { return tx.All(tell.On("a", 1), tellOther.On("a", 1)) })
	late := twopc.New("test/tell-late", func(tx *twopc.Tx, _ int) error {
		tx.OnCommit(other.Record("", news{}))
		return tx.Do(tell.On("a", 1))
	})
	e := open(t, engine.Options{Egresses: map[string]engine.Egress{"wire": &far}}, tellers, tx, late)
	must(t, e.Do(ctx, newTeller.On("a", 0)))
	wantErr(t, e.Do(ctx, tellOther.On("a", 1)), engine.ErrNoEgress, `"other"`)
	wantErr(t, e.Do(ctx, tx.With(0)), engine.ErrNoEgress)
	wantErr(t, e.Do(ctx, late.With(0)), engine.ErrNoEgress)
	must(t, e.Do(ctx, tell.On("a", 1)))
	if n := ask(t, e, told.On("a")); n != 1 {
		t.Errorf("the state counts %d, want 1", n)
	}
	eventually(t, "the record arrives", func() bool { return len(far.all()) > 0 })
	wantRecords(t, far.all(), 1, 1)
}

// TestRecordBounds: a record is as large as MaxBytes at most, its key included.
func TestRecordBounds(t *testing.T) {
	var far received
	e := open(t, engine.Options{MaxBytes: 1000, Egresses: map[string]engine.Egress{"wire": &far}}, tellers)
	must(t, e.Do(ctx, newTeller.On("a", 0)))
	must(t, e.Do(ctx, tellKey.On("a", 900)))
	wantErr(t, e.Do(ctx, tellKey.On("a", 1000)), functions.ErrTooLarge, "wire")
}

// TestEgressMayBeLeftOut: a program that is run without an egress for a while, and has it again later, loses none of its records
// and gives no number twice.
func TestEgressMayBeLeftOut(t *testing.T) {
	dir := t.TempDir()
	away := engine.Options{Dir: dir, Egresses: map[string]engine.Egress{"wire": &received{refuse: 1 << 30}}}
	e := open(t, away, tellers)
	must(t, e.Do(ctx, newTeller.On("a", 0)))
	must(t, e.Do(ctx, tell.On("a", 5)))
	closeLeaving(t, e, 5)
	e = open(t, engine.Options{Dir: dir}, tellers)
	must(t, e.Do(ctx, newTeller.On("b", 0)))
	far := new(received)
	e = reopen(t, e, engine.Options{Dir: dir, Egresses: map[string]engine.Egress{"wire": far}}, tellers)
	must(t, e.Do(ctx, tell.On("a", 1)))
	eventually(t, "all records arrive", func() bool { return len(far.all()) >= 6 })
	wantRecords(t, far.all(), 1, 6)
}

// TestOutcomeEffects: what a coordinator function attaches to its outcome happens with that outcome, once, and not with the
// other.
func TestOutcomeEffects(t *testing.T) {
	type ending struct{ Fail, Panic bool }
	end := func(n ending) error {
		if n.Panic {
			panic("test")
		}
		if n.Fail {
			return errRude
		}
		return nil
	}
	tx := twopc.New("test/outcome-tx", func(tx *twopc.Tx, n ending) error {
		tx.OnCommit(jot.On("diary", 1), wire.Record("", news{"commit", 1}), followUp.With(11))
		tx.OnAbort(jot.On("diary", 2), wire.Record("", news{"abort", 2}))
		return end(n)
	})
	sg := saga.New("test/outcome-saga", func(s *saga.Run, n ending) error {
		s.OnSuccess(jot.On("diary", 3), wire.Record("", news{"success", 3}), followUp.With(13))
		s.OnFailure(jot.On("diary", 4), wire.Record("", news{"failure", 4}))
		return end(n)
	})
	for _, c := range []struct {
		name  string
		start functions.Request
		err   error
		lines []int
		text  string
	}{
		{"commit", tx.With(ending{}), nil, []int{1, 11}, "commit"},
		{"abort", tx.With(ending{Fail: true}), errRude, []int{2}, "abort"},
		{"panic", tx.With(ending{Panic: true}), functions.ErrPanic, []int{2}, "abort"},
		{"success", sg.With(ending{}), nil, []int{3, 13}, "success"},
		{"failure", sg.With(ending{Fail: true}), errRude, []int{4}, "failure"},
		{"saga panic", sg.With(ending{Panic: true}), functions.ErrPanic, []int{4}, "failure"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var far received
			e := open(t, engine.Options{Logger: new(logLines).logger(), Egresses: map[string]engine.Egress{"wire": &far}}, notes, tx, sg, followUp)
			must(t, e.Do(ctx, newNote.On("diary", 0)))
			wantErr(t, e.Do(ctx, c.start), c.err)
			eventually(t, "the record arrives", func() bool { return len(far.all()) > 0 })
			got := ask(t, e, lines.On("diary"))
			if slices.Sort(got); !slices.Equal(got, c.lines) {
				t.Errorf("the messages are %v, want %v", got, c.lines)
			}
			var v news
			must(t, codec.Decode(far.all()[0].Value, &v))
			if len(far.all()) != 1 || v.Text != c.text {
				t.Errorf("the records are %v, want one that says %s", fmt.Sprint(far.all()), c.text)
			}
		})
	}
}

var followUp = saga.New("test/follow-up", func(s *saga.Run, line int) error { return s.Do(jot.On("diary", line), saga.NoUndo) })

// TestMissingRecordEndsTheProcess: a record that was sealed and has no row is damage. It ends the process; nothing is skipped, and
// nothing spins.
func TestMissingRecordEndsTheProcess(t *testing.T) {
	dir := t.TempDir()
	to := &received{refuse: 1 << 30}
	e := open(t, engine.Options{Dir: dir, Egresses: map[string]engine.Egress{"wire": to}}, tellers)
	must(t, e.Do(ctx, newTeller.On("t", 0)))
	must(t, e.Do(ctx, tell.On("t", 5)))
	closeLeaving(t, e, 5)
	s, err := openRows(t, dir)
	must(t, err)
	batch := new(table.Batch)
	batch.Delete(format.EgressKey(nil, "wire", 3))
	must(t, s.Seal(batch))
	must(t, s.Close())
	died := make(chan error, 1)
	_, err = engine.Open(engine.Options{Dir: dir, ReserveBytes: -1, Egresses: map[string]engine.Egress{"wire": &received{}}, Fatal: func(err error) {
		died <- err
		select {}
	}}, tellers)
	must(t, err)
	wantErr(t, <-died, engine.ErrDamaged, "1 to 5", "wire")
}
