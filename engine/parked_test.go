package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/seams"
	"github.com/concordat-dev/concordat/internal/table"
)

// picky makes an egress of a receiver that does not take some records.
func picky(far *received, bad ...uint64) engine.Egress {
	return engine.Callback(func(ctx context.Context, r engine.Record) error {
		if slices.Contains(bad, r.Seq) {
			return fmt.Errorf("test: %w", engine.Refuse(0, errors.New("not to my taste")))
		}
		return far.Write(ctx, []engine.Record{r})
	})
}

func numbersOf(records []engine.Record) (all []uint64) {
	for _, r := range records {
		all = append(all, r.Seq)
	}
	return all
}

// moody is a receiver that fails once, after a while, and then does not take record 3 once.
type moody struct {
	received
	writes int
	goOn   chan struct{}
}

func (m *moody) Write(ctx context.Context, records []engine.Record) error {
	m.writes++
	switch at := slices.Index(numbersOf(records), 3); {
	case m.writes == 1:
		<-m.goOn
		return errors.New("test: away")
	case m.writes == 2 && at >= 0:
		_ = m.received.Write(ctx, records[:at])
		return engine.Refuse(3, errors.New("not to my taste"))
	}
	return m.received.Write(ctx, records)
}

// TestParkedRecordIsNotDelivered: a record that was sealed while the receiver was away, and is parked then, is not delivered as well.
func TestParkedRecordIsNotDelivered(t *testing.T) {
	far := &moody{goOn: make(chan struct{})}
	e := open(t, engine.Options{Logger: new(logLines).logger(), Egresses: map[string]engine.Egress{"wire": far}}, tellers)
	must(t, e.Do(ctx, newTeller.On("a", 0)))
	for range 5 {
		must(t, e.Do(ctx, tell.On("a", 1)))
	}
	close(far.goOn)
	eventually(t, "the last arrives", func() bool { return slices.Contains(numbersOf(far.all()), 5) })
	if got := numbersOf(far.all()); !slices.Equal(got, []uint64{1, 2, 4, 5}) || !slices.Equal(parkedIn(t, e), []uint64{3}) {
		t.Errorf("delivered are %v, and parked %v", got, parkedIn(t, e))
	}
	must(t, e.Close())
}

func parkedIn(t *testing.T, e *engine.Engine) (all []uint64) {
	t.Helper()
	parked, err := e.ParkedRecords(ctx, "wire")
	must(t, err)
	for _, p := range parked {
		all = append(all, p.Seq)
		if !strings.Contains(p.Reason, "not to my taste") || p.At.IsZero() || p.Key != "a" || len(p.Value) == 0 {
			t.Errorf("a parked record is %+v", p)
		}
	}
	return all
}

// TestRefusedRecordIsParked: with its reason, once, over restarts; what is behind it is delivered. It can be retried, as a new record,
// and dropped.
func TestRefusedRecordIsParked(t *testing.T) {
	var far received
	var log logLines
	o := engine.Options{Dir: t.TempDir(), Logger: log.logger(), Egresses: map[string]engine.Egress{"wire": picky(&far, 3, 4, 10)}}
	e := open(t, o, tellers)
	must(t, e.Do(ctx, newTeller.On("a", 0)))
	must(t, e.Do(ctx, tell.On("a", 10)))
	eventually(t, "the last is parked", func() bool { return len(parkedIn(t, e)) == 3 })
	for range 2 {
		if got := parkedIn(t, e); !slices.Equal(got, []uint64{3, 4, 10}) {
			t.Errorf("parked are %v", got)
		}
		if got := numbersOf(far.all()); !slices.Equal(got, []uint64{1, 2, 5, 6, 7, 8, 9}) {
			t.Errorf("delivered are %v", got)
		}
		e = reopen(t, e, o, tellers)
	}
	if log.line("parked", "wire", "record=4", "not to my taste") == "" {
		t.Errorf("the log says %s", log.String())
	}
	must(t, e.RetryParked(ctx, "wire", 3))
	must(t, e.DropParked(ctx, "wire", 4))
	eventually(t, "it arrives under a new number", func() bool { return slices.Equal(numbersOf(far.all()), []uint64{1, 2, 5, 6, 7, 8, 9, 11}) })
	var v news
	must(t, codec.Decode(far.all()[7].Value, &v))
	if v.N != 3 || far.all()[7].Key != "a" {
		t.Errorf("what was retried arrives as %+v", v)
	}
	wantErr(t, e.RetryParked(ctx, "wire", 3), engine.ErrNoParked, "3", "wire")
	wantErr(t, e.DropParked(ctx, "wire", 5), engine.ErrNoParked)
	wantErr(t, e.DropParked(ctx, "nowhere", 5), engine.ErrNoEgress, "nowhere")
	_, err := e.ParkedRecords(ctx, "nowhere")
	wantErr(t, err, engine.ErrNoEgress)
	e = reopen(t, e, o, tellers)
	if got := parkedIn(t, e); !slices.Equal(got, []uint64{10}) {
		t.Errorf("in the end parked are %v", got)
	}
}

// TestWrittenRecordsAreTheReceivers: it may do with the slice and the records what it likes. One that it refuses then is parked as it was
// emitted, and so are those of a callback.
func TestWrittenRecordsAreTheReceivers(t *testing.T) {
	spoil := func(r engine.Record) {
		for i := range r.Value {
			r.Value[i] = 'X'
		}
	}
	for name, write := range map[string]func(records []engine.Record) error{
		"overwritten": func(records []engine.Record) error {
			for i := range records {
				spoil(records[i])
				records[i].Seq, records[i].Key = 0, "X"
			}
			return engine.Refuse(2, errors.New("not to my taste"))
		},
		"cleared": func(records []engine.Record) error {
			clear(records)
			return engine.Refuse(2, errors.New("not to my taste"))
		},
		"callback": func(records []engine.Record) error {
			return engine.Callback(func(_ context.Context, r engine.Record) error {
				spoil(r)
				if r.Seq == 2 {
					return engine.Refuse(0, errors.New("not to my taste"))
				}
				return nil
			}).Write(ctx, records)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var taken atomic.Int64
			to := &egressFunc{new(headstrong), func(records []engine.Record) error {
				if n := len(records); records[0].Seq > 2 || records[n-1].Seq < 2 {
					taken.Add(int64(n))
					return nil
				}
				return write(records)
			}}
			e := open(t, engine.Options{Logger: new(logLines).logger(), Egresses: map[string]engine.Egress{"wire": to}}, tellers)
			must(t, e.Do(ctx, newTeller.On("a", 0)))
			must(t, e.Do(ctx, tell.On("a", 3)))
			eventually(t, "it goes on behind the one that is refused", func() bool { return taken.Load() == 1 })
			parked, err := e.ParkedRecords(ctx, "wire")
			must(t, err)
			var v news
			if len(parked) != 1 || parked[0].Seq != 2 || parked[0].Key != "a" || codec.Decode(parked[0].Value, &v) != nil || v.N != 2 {
				t.Errorf("parked are %+v", parked)
			}
			must(t, e.Close())
		})
	}
}

// TestParkedBound: at MaxParked the egress waits, and says so, until somebody drops one.
func TestParkedBound(t *testing.T) {
	var far received
	var log logLines
	e := open(t, engine.Options{MaxParked: 2, Logger: log.logger(), Egresses: map[string]engine.Egress{"wire": picky(&far, 1, 2, 3)}}, tellers)
	must(t, e.Do(ctx, newTeller.On("a", 0)))
	must(t, e.Do(ctx, tell.On("a", 4)))
	eventually(t, "the egress says why it waits", func() bool { return log.line("wire", "2 records", "Options.MaxParked", "record 3") != "" })
	if n := e.Stats().Parked; n != 2 {
		t.Errorf("%d records were parked", n)
	}
	must(t, e.DropParked(ctx, "wire", 1))
	eventually(t, "it goes on", func() bool { return slices.Equal(numbersOf(far.all()), []uint64{4}) })
	if got := parkedIn(t, e); !slices.Equal(got, []uint64{2, 3}) {
		t.Errorf("parked are %v", got)
	}
}

// TestParkedWhileClosing: a record that is refused when the engine closes is parked too, and the rest delivered.
func TestParkedWhileClosing(t *testing.T) {
	var far received
	var e *engine.Engine
	reached := make(chan struct{})
	inner := picky(&far, 2)
	slow := engine.Callback(func(ctx context.Context, r engine.Record) error {
		if r.Seq == 1 {
			close(reached)
			eventually(t, "the engine closes", func() bool { return engine.IsClosed(e) })
		}
		return inner.Write(ctx, []engine.Record{r})
	})
	o := engine.Options{Dir: t.TempDir(), Logger: new(logLines).logger(), Egresses: map[string]engine.Egress{"wire": slow}}
	e = open(t, o, tellers)
	must(t, e.Do(ctx, newTeller.On("a", 0)))
	must(t, e.Do(ctx, tell.On("a", 3)))
	<-reached
	must(t, e.Close())
	if got := numbersOf(far.all()); !slices.Equal(got, []uint64{1, 3}) {
		t.Errorf("delivered are %v", got)
	}
	o.Egresses = map[string]engine.Egress{"wire": &far}
	if got := parkedIn(t, open(t, o, tellers)); !slices.Equal(got, []uint64{2}) {
		t.Errorf("parked are %v", got)
	}
}

// TestSteppedEngineParks: parking needs no goroutine of its own.
func TestSteppedEngineParks(t *testing.T) {
	var far received
	e := open(t, engine.Options{
		Dir: "data", Workers: 1, Logger: new(logLines).logger(), Egresses: map[string]engine.Egress{"wire": picky(&far, 2)},
		Seams: seams.Set{FS: vfs.NewMem(), Clock: newHandClock(), Stepped: true},
	}, tellers)
	for _, r := range []functions.Request{newTeller.On("a", 0), tell.On("a", 3)} {
		_, err := e.Submit(r)
		must(t, err)
	}
	for e.Step(func(int) int { return 0 }) {
	}
	if got := numbersOf(far.all()); !slices.Equal(got, []uint64{1, 3}) {
		t.Errorf("delivered are %v", got)
	}
	if got := parkedIn(t, e); !slices.Equal(got, []uint64{2}) {
		t.Errorf("parked are %v", got)
	}
}

// TestDeliveryIsBounded: a receiver that was away gets its records in portions, of at most 1,024 and at most 8 MiB.
func TestDeliveryIsBounded(t *testing.T) {
	var far received
	var there atomic.Bool
	most, bytes := 0, 0
	to := &headstrong{}
	sink := engine.Egress(egressFunc{to, func(records []engine.Record) error {
		if !there.Load() {
			return errors.New("test: away")
		}
		sum := 0
		for _, r := range records {
			sum += len(r.Value)
		}
		most, bytes = max(most, len(records)), max(bytes, sum)
		return far.Write(ctx, records)
	}})
	e := open(t, engine.Options{Logger: new(logLines).logger(), Egresses: map[string]engine.Egress{"wire": sink}}, stickers)
	long := strings.Repeat("x", 1<<20-200)
	must(t, e.Do(ctx, newSticker.On("s", "")))
	for range 20 {
		must(t, e.Do(ctx, show.On("s", long)))
	}
	must(t, e.Do(ctx, showMany.On("s", 3000)))
	there.Store(true)
	must(t, e.Close())
	if n := len(far.all()); n != 3020 || most != 1024 || bytes > 8<<20 || bytes < 7<<20 {
		t.Errorf("%d records arrived, at most %d at once, with at most %d bytes", n, most, bytes)
	}
}

// egressFunc is an egress whose Write is a function.
type egressFunc struct {
	*headstrong
	write func([]engine.Record) error
}

func (f egressFunc) Write(_ context.Context, records []engine.Record) error { return f.write(records) }

var (
	shown = functions.NewEgress[string]("wire")
	show  = functions.Update(stickers, "show", func(ctx *functions.Ctx, _ *string, text string) error {
		ctx.Emit(shown.Record("", text))
		return nil
	})
	showMany = functions.Update(stickers, "show-many", func(ctx *functions.Ctx, _ *string, n int) error {
		for range n {
			ctx.Emit(shown.Record("", "x"))
		}
		return nil
	})
)

// TestBacklogBound: an operation that emits more than MaxBacklog leaves room for fails, changes nothing, and others go on; with room
// again it succeeds.
func TestBacklogBound(t *testing.T) {
	var far received
	var there atomic.Bool
	to := engine.Callback(func(ctx context.Context, r engine.Record) error {
		if !there.Load() {
			return errors.New("test: away")
		}
		return far.Write(ctx, []engine.Record{r})
	})
	o := engine.Options{Dir: t.TempDir(), MaxBacklog: 10, Logger: new(logLines).logger(), Egresses: map[string]engine.Egress{"wire": to, "other": new(received)}}
	e := open(t, o, tellers)
	must(t, e.Do(ctx, newTeller.On("a", 0)))
	wantErr(t, e.Do(ctx, tell.On("a", 11)), engine.ErrEgressFull, `"wire"`, "MaxBacklog is 10")
	must(t, e.Do(ctx, tell.On("a", 9)))
	must(t, e.Do(ctx, tell.On("a", 1)))
	wantErr(t, e.Do(ctx, tell.On("a", 1)), engine.ErrEgressFull, "10 records are not delivered")
	must(t, e.Do(ctx, tellOther.On("a", 0)))
	closeLeaving(t, e, 10)
	e = open(t, o, tellers)
	wantErr(t, e.Do(ctx, tell.On("a", 1)), engine.ErrEgressFull)
	there.Store(true)
	eventually(t, "there is room", func() bool { return e.Do(ctx, tell.On("a", 1)) == nil })
	eventually(t, "all arrive", func() bool { return len(far.all()) == 11 })
	wantRecords(t, far.all(), 1, 11)
}

// TestBacklogBoundInAnEpoch: what was emitted in the same epoch counts too, before it has numbers.
func TestBacklogBoundInAnEpoch(t *testing.T) {
	away := engine.Callback(func(context.Context, engine.Record) error { return errors.New("test: away") })
	sealed := 0
	o := engine.Options{Dir: "data", Workers: 1, MaxBacklog: 10, Logger: new(logLines).logger(), Egresses: map[string]engine.Egress{"wire": away, "other": new(received)}}
	o.Seams = seams.Set{FS: vfs.NewMem(), Clock: newPassingClock(), Stepped: true, Log: seams.Over(func(_ uint64, _ *table.Batch, write func() error) error {
		sealed++
		return write()
	})}
	e := open(t, o, tellers)
	var all []engine.Pending
	for _, r := range []functions.Request{newTeller.On("a", 0), tell.On("a", 6), tell.On("a", 5), tellOther.On("a", 0), tell.On("a", 4)} {
		p, err := e.Submit(r)
		must(t, err)
		all = append(all, p)
	}
	for sealed == 0 && e.Step(func(int) int { return 0 }) {
	}
	for i, p := range all {
		if !p.Done() {
			t.Fatalf("request %d is not in the first epoch", i)
		}
		wantErr(t, p.Wait(ctx), map[bool]error{true: engine.ErrEgressFull}[i == 2])
	}
	closeLeaving(t, e, 10)
}

// TestCallbackKeepsWhatItHas: an error or a panic of a callback holds up its record and what is behind it; what it was called for before
// does not come again.
func TestCallbackKeepsWhatItHas(t *testing.T) {
	var far received
	tries := map[uint64]int{}
	to := engine.Callback(func(ctx context.Context, r engine.Record) error {
		switch tries[r.Seq]++; {
		case r.Seq == 5 && tries[5] < 4:
			return errors.New("test: away")
		case r.Seq == 7 && tries[7] < 4:
			panic("test: boom")
		}
		return far.Write(ctx, []engine.Record{r})
	})
	e := open(t, engine.Options{Logger: new(logLines).logger(), Egresses: map[string]engine.Egress{"wire": to}}, tellers)
	must(t, e.Do(ctx, newTeller.On("a", 0)))
	must(t, e.Do(ctx, tell.On("a", 10)))
	eventually(t, "all arrive", func() bool { return len(far.all()) == 10 })
	must(t, e.Close())
	wantRecords(t, far.all(), 1, 10)
	if tries[4] != 1 || tries[5] != 4 || tries[6] != 1 || tries[7] != 4 {
		t.Errorf("it was called %v times", tries)
	}
}
