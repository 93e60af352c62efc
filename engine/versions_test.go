package engine_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/coordinator"
	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/sagas"
	"github.com/concordat-dev/concordat/saga"
)

// Two versions of a program: a restart lies between them. A room counts its guests; a stay books and sleeps, and then ends well or not.
type room struct {
	Guests int
	Heard  []string // by the failure handler
}

type (
	booking        struct{ N int }
	bookingAdded   struct{ N, Beds int }
	bookingRenamed struct{ Guests int }
	bookingRetyped struct{ N string }
	bookingRemoved struct{}
)

// version is a program whose bookings are of type A.
type version[A any] struct {
	rooms  *functions.Type[room]
	book   functions.Command[A]
	leave  functions.Command[A]
	later  functions.Command[A]
	guests functions.ViewOf[int]
	stay   *coordinator.Function[int]
}

func newVersion[A any](arg func(n int) A, n func(A) int) *version[A] {
	v := &version[A]{rooms: functions.NewType[room]("test/room")}
	v.book = functions.Upsert(v.rooms, "book", func(_ *functions.Ctx, r *room, a A) error { r.Guests += n(a); return nil })
	v.leave = functions.Update(v.rooms, "leave", func(_ *functions.Ctx, r *room, a A) error { r.Guests -= n(a); return nil })
	v.later = functions.Update(v.rooms, "later", func(ctx *functions.Ctx, _ *room, a A) error {
		ctx.SendAfter(time.Hour, v.book.On(ctx.Self().ID, a))
		return nil
	})
	v.guests = functions.View(v.rooms, "guests", func(_ *functions.Ctx, r room) (int, error) { return r.Guests, nil })
	v.stay = saga.New("test/stay", func(s *saga.Run, guests int) error {
		if err := s.Do(v.book.On("r", arg(guests%100)), v.leave.On("r", arg(guests%100))); err != nil {
			return err
		}
		if err := s.Sleep(time.Hour); err != nil {
			return err
		}
		if guests >= 100 {
			return errRude
		}
		return s.Do(v.book.On("r", arg(guests)), v.leave.On("r", arg(guests)))
	})
	return v
}

func (v *version[A]) parts() []functions.Part { return []functions.Part{v.rooms, v.stay} }

func asIs(n int) booking { return booking{n} }

// versions are what the second program's bookings are.
var versions = map[string]interface {
	parts() []functions.Part
	count() functions.Query[int]
}{
	"added":           newVersion(func(n int) bookingAdded { return bookingAdded{N: n, Beds: 1} }, func(a bookingAdded) int { return a.N }),
	"removed":         newVersion(func(int) bookingRemoved { return bookingRemoved{} }, func(bookingRemoved) int { return 1 }),
	"renamed":         newVersion(func(n int) bookingRenamed { return bookingRenamed{n} }, func(a bookingRenamed) int { return a.Guests }),
	"retyped":         newVersion(func(n int) bookingRetyped { return bookingRetyped{fmt.Sprint(n)} }, func(a bookingRetyped) (n int) { _, _ = fmt.Sscan(a.N, &n); return n }),
	"other arguments": newVersion(func(n int) booking { return booking{n + 1} }, func(a booking) int { return a.N }),
}

func (v *version[A]) count() functions.Query[int] { return v.guests.On("r") }

// restartStays begins two stays of one guest each, of which the second is to fail, and goes on with another version of the program.
func restartStays(t *testing.T, clock *handClock, log *logLines, parts ...functions.Part) *engine.Engine {
	t.Helper()
	o := engine.Options{Dir: t.TempDir(), Logger: log.logger(), MaxUndoTries: 1}
	o.Seams.Clock = clock
	first := newVersion(asIs, func(a booking) int { return a.N })
	e := open(t, o, first.parts()...)
	for _, guests := range []int{1, 101} {
		_, err := e.Submit(first.stay.As(fmt.Sprint(guests), guests))
		must(t, err)
	}
	eventually(t, "both have booked", func() bool {
		n, err := engine.Ask(ctx, e, first.count())
		return n == 2 && err == nil
	})
	return reopen(t, e, o, parts...)
}

// TestArgumentsOfAnotherVersion: sagas that are under way when the argument of their steps changes its type go on: recorded steps stand,
// and are undone with the arguments that are recorded. It is reported once for each. One whose recorded argument does not decode any
// more cannot be undone, and is stuck. An argument that differs though its type is the same is no other version's.
func TestArgumentsOfAnotherVersion(t *testing.T) {
	for name, want := range map[string]struct {
		guests int // in the end
		stuck  bool
	}{
		"added":           {guests: 2}, // 1 that stayed, 1 of its second step; the other's was undone
		"removed":         {guests: 2},
		"renamed":         {guests: 3}, // the recorded compensation has no Guests
		"retyped":         {guests: 3, stuck: true},
		"other arguments": {guests: 0},
	} {
		t.Run(name, func(t *testing.T) {
			clock, log := newHandClock(), new(logLines)
			second := versions[name]
			e := restartStays(t, clock, log, second.parts()...)
			stay := second.parts()[1].(*coordinator.Function[int])
			clock.move(2 * time.Hour)
			diverged := name == "other arguments"
			if err := e.Do(ctx, stay.As("1", 1)); errors.Is(err, saga.ErrDiverged) != diverged || (err != nil) != diverged {
				t.Errorf("the stay that goes well: %v", err)
			}
			err := e.Do(ctx, stay.As("101", 101))
			if errors.Is(err, saga.ErrDiverged) != diverged || errors.Is(err, errRude) == diverged || errors.Is(err, saga.ErrStuck) != want.stuck {
				t.Errorf("the stay that does not: %v", err)
			}
			if want.stuck && !strings.Contains(err.Error(), string(functions.ErrBadArgument)) {
				t.Errorf("stuck, and not because of the argument: %v", err)
			}
			if n := ask(t, e, second.count()); n != want.guests {
				t.Errorf("%d guests, want %d", n, want.guests)
			}
			reports := strings.Count(log.String(), "another version of its steps")
			if wanted := map[bool]int{false: 2, true: 0}[diverged]; reports != wanted {
				t.Errorf("%d reports, want %d: %s", reports, wanted, log)
			}
		})
	}
}

// TestStepThatHasNotHappenedIsOfTheNewVersion: a step that was recorded, and had not happened when the program ended, is made, and would
// be undone, as the new version has it.
func TestStepThatHasNotHappenedIsOfTheNewVersion(t *testing.T) {
	first := newVersion(asIs, func(a booking) int { return a.N })
	second := newVersion(func(n int) bookingRetyped { return bookingRetyped{fmt.Sprint(n)} }, func(a bookingRetyped) (n int) { _, _ = fmt.Sscan(a.N, &n); return n })
	clock := newHandClock()
	o := engine.Options{Dir: t.TempDir(), Logger: new(logLines).logger(), MaxUndoTries: 1}
	o.Seams.Clock = clock
	e := open(t, o, first.parts()...)
	_, err := e.Submit(first.stay.As("101", 101))
	must(t, err)
	eventually(t, "it has booked", func() bool {
		n, err := engine.Ask(ctx, e, first.count())
		return n == 1 && err == nil
	})
	must(t, e.Close())
	forgetResult(t, o.Dir) // as if the step had waited for a lock when the program ended
	e = open(t, o, second.parts()...)
	clock.move(2 * time.Hour)
	wantErr(t, e.Do(ctx, second.stay.As("101", 101)), errRude)
	if n := ask(t, e, second.count()); n != 1 {
		t.Errorf("%d guests, want the one that was there", n)
	}
}

// forgetResult changes the first entry of the only journal: it has no result any more.
func forgetResult(t *testing.T, dir string) {
	t.Helper()
	for key, value := range rowsOf(t, dir) {
		if _, part, n, err := format.JournalNumbers([]byte(key)); key[2] != format.KindJournal || err != nil || part != format.JournalIsEntry || n != 0 {
			continue
		}
		var e map[int]any
		must(t, codec.Decode(value, &e))
		e[6] = sagas.Issued
		writeRow(t, dir, []byte(key), e)
		return
	}
	t.Fatal("there is no journal")
}

// TestSleepOfAnotherVersion: a sleep that has begun lasts as long as it was to last.
func TestSleepOfAnotherVersion(t *testing.T) {
	sleeps := func(d time.Duration) *coordinator.Function[int] {
		return saga.New("test/sleeper", func(s *saga.Run, _ int) error { return s.Sleep(d) })
	}
	clock, log := newHandClock(), new(logLines)
	o := engine.Options{Dir: t.TempDir(), Logger: log.logger()}
	o.Seams.Clock = clock
	e := open(t, o, sleeps(time.Hour))
	_, err := e.Submit(sleeps(0).As("s", 1))
	must(t, err)
	theSaga(t, e, "running")
	e = reopen(t, e, o, sleeps(time.Minute))
	clock.move(59 * time.Minute)
	theSaga(t, e, "running")
	clock.move(time.Minute)
	must(t, e.Do(ctx, sleeps(0).As("s", 1)))
	if log.line("test/sleeper", "sleep of 1h0m0s", "sleep of 1m0s") == "" {
		t.Errorf("it is not reported: %s", log)
	}
}

// TestResultsOfAnotherVersion: a saga that waits for another type of result than is recorded fails with an error that says so, also if
// its body does not look at errors, and is undone.
func TestResultsOfAnotherVersion(t *testing.T) {
	desk := func(result bool, swallow bool) (functions.Part, *coordinator.Function[int]) {
		counts := functions.NewType[room]("test/counts")
		var ask func(s *saga.Run) error
		if result {
			get := functions.View(counts, "get", func(_ *functions.Ctx, r room) (int, error) { return r.Guests, nil })
			ask = func(s *saga.Run) error { _, err := saga.Ask(s, get.On("r")); return err }
		} else {
			get := functions.View(counts, "get", func(_ *functions.Ctx, r room) (string, error) { return "many", nil })
			ask = func(s *saga.Run) error { _, err := saga.Ask(s, get.On("r")); return err }
		}
		add := functions.Upsert(counts, "add", func(_ *functions.Ctx, r *room, n int) error { r.Guests += n; return nil })
		return counts, saga.New("test/asker", func(s *saga.Run, _ int) error {
			if err := s.Do(add.On("r", 1), add.On("r", -1)); err != nil {
				return err
			}
			if err := ask(s); err != nil && !swallow {
				return err
			}
			return s.Sleep(time.Hour)
		})
	}
	for _, swallow := range []bool{false, true} {
		o := engine.Options{Dir: t.TempDir(), Logger: new(logLines).logger()}
		counts, asker := desk(true, false)
		e := open(t, o, counts, asker)
		_, err := e.Submit(asker.As("asks", 1))
		must(t, err)
		eventually(t, "it sleeps", func() bool {
			all, err := e.Sagas(ctx)
			return err == nil && len(all) == 1 && len(all[0].Steps) == 3
		})
		counts, asker = desk(false, swallow)
		e = reopen(t, e, o, counts, asker)
		if !swallow {
			wantErr(t, e.Do(ctx, asker.As("asks", 1)), functions.ErrBadResult, "test/counts.get")
		} else {
			must(t, e.CancelSaga(ctx, theSaga(t, e, "running").ID))
			if err := e.Do(ctx, asker.As("asks", 1)); err == nil {
				t.Error("it succeeded without the answer that it asked for")
			}
		}
		noSagas(t, e)
	}
}

// TestInputOfAnotherVersion: a saga whose input does not decode any more fails with an error that says so, and is undone.
func TestInputOfAnotherVersion(t *testing.T) {
	clock := newHandClock()
	o := engine.Options{Dir: t.TempDir(), Logger: new(logLines).logger()}
	o.Seams.Clock = clock
	first := newVersion(asIs, func(a booking) int { return a.N })
	e := open(t, o, first.parts()...)
	_, err := e.Submit(first.stay.As("1", 1))
	must(t, err)
	eventually(t, "it has booked", func() bool {
		n, err := engine.Ask(ctx, e, first.count())
		return n == 1 && err == nil
	})
	log := new(logLines)
	o.Logger = log.logger()
	e = reopen(t, e, o, first.rooms, saga.New("test/stay", func(s *saga.Run, input []string) error { return s.Sleep(time.Hour) }))
	eventually(t, "it is undone", func() bool {
		n, err := engine.Ask(ctx, e, first.count())
		return n == 0 && err == nil
	})
	noSagas(t, e)
}

// TestMessagesOfAnotherVersion: a timer's message, and one that was carried over the restart, whose argument does not decode any more,
// fail: the type's handler hears of it, or the log does if there is none. What was to follow goes on.
func TestMessagesOfAnotherVersion(t *testing.T) {
	for _, handled := range []bool{true, false} {
		clock := newHandClock()
		o := engine.Options{Dir: t.TempDir(), Shards: 4}
		o.Seams.Clock = clock
		first := newVersion(asIs, func(a booking) int { return a.N })
		e := open(t, o, first.parts()...)
		must(t, e.Do(ctx, first.book.On("r", booking{1})))
		must(t, e.Do(ctx, first.later.On("r", booking{2})))
		must(t, e.Close())
		carried := first.book.On("r", booking{3}).Envelope().Stored()
		shard := format.InstanceShard(format.NameHash("test/room"), "r", 4)
		writeRow(t, o.Dir, format.NumberedKey(nil, shard, format.KindMessage, 1<<40), carried)

		log := new(logLines)
		o.Logger = log.logger()
		second := newVersion(func(n int) bookingRetyped { return bookingRetyped{fmt.Sprint(n)} }, func(a bookingRetyped) int { return 100 })
		note := functions.Update(second.rooms, "note", func(_ *functions.Ctx, r *room, what string) error { r.Heard = append(r.Heard, what); return nil })
		heard := functions.View(second.rooms, "heard", func(_ *functions.Ctx, r room) ([]string, error) { return r.Heard, nil })
		if handled {
			functions.OnFailure(second.rooms, func(ctx *functions.Ctx, failed functions.Failed) error {
				if !errors.Is(failed.Err, functions.ErrBadArgument) {
					return failed.Err
				}
				ctx.Send(note.On("r", failed.Operation))
				return nil
			})
		}
		e = open(t, o, second.parts()...)
		clock.move(2 * time.Hour)
		eventually(t, "both have failed", func() bool {
			if handled {
				return len(ask(t, e, heard.On("r"))) == 2
			}
			return strings.Count(log.String(), string(functions.ErrBadArgument)) == 2
		})
		must(t, e.Do(ctx, note.On("r", "on")))
		if n := ask(t, e, second.count()); n != 1 {
			t.Errorf("%d guests", n)
		}
		must(t, e.Close())
		for key := range rowsOf(t, o.Dir) {
			if key[2] == format.KindMessage || key[2] == format.KindTimer {
				t.Errorf("the row %q is left", key)
			}
		}
	}
}
