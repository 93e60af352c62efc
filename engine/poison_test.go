package engine_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/table"
	"github.com/concordat-dev/concordat/internal/values"
	"github.com/concordat-dev/concordat/saga"
	"github.com/concordat-dev/concordat/twopc"
)

// A pill is taken, and if it is poisoned the process ends.
type pill struct{ Taken int }

const (
	poisonDir  = "CONCORDAT_TEST_POISON_DIR"
	poisonDo   = "CONCORDAT_TEST_POISON_DO"
	poisonCode = 7
)

// poisoned says whether poison works: in a child process it does.
var poisoned = os.Getenv(poisonDir) != ""

var (
	pills   = functions.NewType[pill]("test/pill")
	swallow = functions.Upsert(pills, "swallow", func(_ *functions.Ctx, p *pill, poison bool) error {
		if poison && poisoned {
			os.Exit(poisonCode)
		}
		p.Taken++
		return nil
	})
	spit      = functions.Update(pills, "spit", func(_ *functions.Ctx, p *pill, _ bool) error { p.Taken--; return nil })
	prescribe = functions.Upsert(pills, "prescribe", func(ctx *functions.Ctx, _ *pill, poison bool) error {
		ctx.SendAfter(time.Millisecond, swallow.On(ctx.Self().ID, poison))
		return nil
	})
	schedule = functions.Upsert(pills, "schedule", func(ctx *functions.Ctx, _ *pill, poison bool) error {
		ctx.SendAfter(time.Millisecond, dose.With(poison))
		return nil
	})
	flush  = functions.Delete(pills, "flush", func(*functions.Ctx, *pill) error { return nil })
	linger = functions.Upsert(pills, "linger", func(_ *functions.Ctx, p *pill, _ bool) error {
		time.Sleep(2500 * time.Millisecond) // longer than Open waits
		p.Taken++
		return nil
	})
	pillsTaken = functions.View(pills, "taken", func(_ *functions.Ctx, p pill) (int, error) { return p.Taken, nil })
	cure       = saga.New("test/cure", func(s *saga.Run, poison bool) error {
		if err := s.Do(swallow.On("cured", false), spit.On("cured", false)); err != nil {
			return err
		}
		if err := s.Sleep(time.Millisecond); err != nil {
			return err
		}
		return s.Do(swallow.On("cured", poison), spit.On("cured", false))
	})
	dose = twopc.New("test/dose", func(tx *twopc.Tx, poison bool) error { return tx.Do(swallow.On("dosed", poison)) })
)

func pillParts() []functions.Part { return []functions.Part{pills, cure, dose} }

func pillOptions(dir string) engine.Options {
	return engine.Options{Dir: dir, Workers: 2, Shards: 8, ReserveBytes: -1, Logger: new(logLines).logger()}
}

// poisonChild is the child: it opens the directory, and ends well once nothing is left but what is parked.
func poisonChild() {
	e, err := engine.Open(pillOptions(os.Getenv(poisonDir)), trialParts()...)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	switch os.Getenv(poisonDo) {
	case "idle":
		time.Sleep(200 * time.Millisecond)
	case "linger":
		time.Sleep(10 * time.Second)
	case "ask":
		_ = e.Do(ctx, swallow.On("mine", true))
	}
	if err := e.Close(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(0)
}

// runPoisoned starts processes until one survives, and says how many did not.
func runPoisoned(t *testing.T, dir, do string) (died int) {
	t.Helper()
	for {
		out, err := poisonProcess(dir, do)
		switch {
		case err == nil:
			return died
		case !diedOfPoison(err):
			t.Fatalf("%v: %s", err, out)
		case died > 20:
			t.Fatal("no process survives")
		}
		died++
	}
}

func poisonProcess(dir, do string) (out []byte, err error) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestPoison$")
	cmd.Env = append(os.Environ(), poisonDir+"="+dir, poisonDo+"="+do)
	return cmd.CombinedOutput()
}

func diedOfPoison(err error) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.ExitCode() == poisonCode
}

// leaveMessages writes messages as an epoch that was cut by force leaves them, with numbers from firstLeft+from on.
func leaveMessages(t *testing.T, dir string, from int, ids ...string) {
	t.Helper()
	rows := map[string]any{}
	for i, id := range ids {
		m := swallow.On(id, strings.HasPrefix(id, "poison")).Envelope().Stored()
		shard := format.InstanceShard(format.NameHash("test/pill"), id, 8)
		rows[string(format.NumberedKey(nil, shard, format.KindMessage, firstLeft+uint64(from+i)))] = m
	}
	leave(t, dir, rows)
}

// firstLeft is a number that the engine has not come to when leave makes it so.
const firstLeft = 1000

// leave adds rows to a directory whose engine has counted to twice firstLeft.
func leave(t *testing.T, dir string, rows map[string]any) {
	t.Helper()
	s, err := openRows(t, dir)
	must(t, err)
	key := format.Prefix(nil, format.NodeShard, format.KindWatermark)
	value, _, err := s.Get(key)
	must(t, err)
	var marks map[int]any
	must(t, codec.Decode(value, &marks))
	marks[2] = max(2*firstLeft, marks[2].(uint64))
	rows[string(key)] = marks
	batch := new(table.Batch)
	for key, row := range rows {
		data, err := values.Encode(row)
		must(t, err)
		batch.Set([]byte(key), data)
	}
	must(t, s.Seal(batch))
	must(t, s.Close())
}

func makePillDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	e := open(t, pillOptions(dir), pillParts()...)
	must(t, e.Do(ctx, swallow.On("first", false)))
	must(t, e.Close())
	return dir
}

// TestPoison: what ends each process that handles it is parked after MaxStarts of them: a message, a timer, a saga, a transaction. All else
// that was left is handled once, and works. What is parked is listed, also without an engine, and can be retried and dropped.
func TestPoison(t *testing.T) {
	if poisoned {
		poisonChild()
	}
	t.Run("message", func(t *testing.T) {
		dir := makePillDir(t)
		var ids []string
		for i := range 300 {
			ids = append(ids, fmt.Sprint("p", i))
		}
		ids[100] = "poison"
		leaveMessages(t, dir, 0, append(ids, "p0")...)
		if died := runPoisoned(t, dir, "idle"); died != engine.MaxStarts {
			t.Errorf("%d processes died, want %d", died, engine.MaxStarts)
		}
		wantParked(t, dir, "message", "test/pill.swallow(poison)", "")
		e := open(t, pillOptions(dir), pillParts()...)
		for i, id := range ids {
			want := map[bool]int{true: 2, false: 1}[i == 0]
			if id == "poison" {
				if _, err := engine.Ask(ctx, e, pillsTaken.On(id)); !errors.Is(err, functions.ErrNotFound) {
					t.Errorf("%s: %v", id, err)
				}
			} else if n := ask(t, e, pillsTaken.On(id)); n != want {
				t.Errorf("%s was taken %d times, want %d", id, n, want)
			}
		}
	})
	t.Run("two messages", func(t *testing.T) {
		dir := makePillDir(t)
		leaveMessages(t, dir, 0, "a", "poison1", "b", "poison2", "c")
		runPoisoned(t, dir, "idle")
		all, err := engine.ParkedIn(dir)
		must(t, err)
		if len(all) != 2 || all[0].Target == all[1].Target || !strings.Contains(all[0].Target+all[1].Target, "poison1") {
			t.Errorf("parked: %+v", all)
		}
		e := open(t, pillOptions(dir), pillParts()...)
		for _, id := range []string{"a", "b", "c"} {
			if n := ask(t, e, pillsTaken.On(id)); n != 1 {
				t.Errorf("%s was taken %d times", id, n)
			}
		}
	})
	t.Run("timer", func(t *testing.T) {
		dir := makePillDir(t)
		o := pillOptions(dir)
		o.Seams.Clock = newHandClock() // on which no time passes
		e := open(t, o, pillParts()...)
		for _, id := range []string{"a", "poison", "b"} {
			must(t, e.Do(ctx, prescribe.On(id, id == "poison")))
		}
		must(t, e.Close())
		runPoisoned(t, dir, "idle")
		wantParked(t, dir, "message", "test/pill.swallow(poison)", "")
		e = open(t, pillOptions(dir), pillParts()...)
		if a, b := ask(t, e, pillsTaken.On("a")), ask(t, e, pillsTaken.On("b")); a != 1 || b != 1 {
			t.Errorf("taken %d and %d times", a, b)
		}
	})
	t.Run("timer that starts a transaction", func(t *testing.T) {
		dir := makePillDir(t)
		o := pillOptions(dir)
		o.Seams.Clock = newHandClock()
		e := open(t, o, pillParts()...)
		for i := range 3 {
			must(t, e.Do(ctx, schedule.On("doctor", i == 1)))
		}
		must(t, e.Close())
		runPoisoned(t, dir, "idle")
		parked := wantParked(t, dir, "run", "test/dose", "")
		must(t, engine.DropParkedIn(dir, parked.ID))
		e = open(t, pillOptions(dir), pillParts()...)
		if n := ask(t, e, pillsTaken.On("dosed")); n != 2 {
			t.Errorf("taken %d times", n)
		}
		if all, err := e.Parked(ctx); len(all) != 0 || err != nil {
			t.Errorf("parked: %v, %v", all, err)
		}
	})
	t.Run("saga", testPoisonedSaga)
	t.Run("transaction", testPoisonedTransaction)
}

// TestSuspectTimersEndWithTheirInstance: a timer that an instance has set for itself ends with it also if it has fired while it was on
// trial, and the process ended before it was handled.
func TestSuspectTimersEndWithTheirInstance(t *testing.T) {
	dir := makePillDir(t)
	o := pillOptions(dir)
	o.Seams.Clock = newHandClock()
	e := open(t, o, pillParts()...)
	must(t, e.Do(ctx, prescribe.On("poison", false)))
	must(t, e.Close())
	leaveMessages(t, dir, 0, "poison") // which comes before the timer
	suspects(t, dir)
	if out, err := poisonProcess(dir, "idle"); !diedOfPoison(err) {
		t.Fatalf("%v: %s", err, out)
	}
	end := format.NumberedKey(nil, format.InstanceShard(format.NameHash("test/pill"), "poison", 8), format.KindMessage, firstLeft+1)
	leave(t, dir, map[string]any{string(end): flush.On("poison").Envelope().Stored(), string(format.StartsKey(end)): map[int]int{1: 2}})
	e = open(t, pillOptions(dir), pillParts()...)
	if ask(t, e, pills.Exists("poison")) {
		t.Error("the timer has made what was deleted anew")
	}
}

func wantParked(t *testing.T, dir, kind, target, request string) engine.Parked {
	t.Helper()
	all, err := engine.ParkedIn(dir)
	must(t, err)
	if len(all) != 1 || all[0].Kind != kind || all[0].Target != target || all[0].RequestID != request || all[0].Starts != engine.MaxStarts {
		t.Fatalf("parked: %+v, want the %s %s", all, kind, target)
	}
	log := new(logLines)
	o := pillOptions(dir)
	o.Logger = log.logger()
	e := open(t, o, pillParts()...)
	online, err := e.Parked(ctx)
	must(t, err)
	if len(online) != 1 || online[0] != all[0] {
		t.Errorf("parked: %+v offline, %+v online", all, online)
	}
	if log.line("level=ERROR", "parked", target) == "" {
		t.Errorf("it is not logged: %s", log)
	}
	_, err = engine.ParkedIn(dir)
	wantErr(t, err, engine.ErrInUse)
	must(t, e.Close())
	return all[0]
}

// leaveCures begins five sagas that sleep when the engine is closed: one is poisoned, others are not.
func leaveCures(t *testing.T, dir string, poison int) {
	t.Helper()
	o := pillOptions(dir)
	o.Seams.Clock = newHandClock()
	e := open(t, o, pillParts()...)
	for i := range 5 {
		_, err := e.Submit(cure.As(fmt.Sprint("cure-", i), i == poison))
		must(t, err)
	}
	eventually(t, "all sleep", func() bool {
		n, err := engine.Ask(ctx, e, pillsTaken.On("cured"))
		return n == 5 && err == nil
	})
	must(t, e.Close())
}

func testPoisonedSaga(t *testing.T) {
	dir := makePillDir(t)
	leaveCures(t, dir, 2)
	runPoisoned(t, dir, "idle")
	parked := wantParked(t, dir, "run", "test/cure", "cure-2")
	e := open(t, pillOptions(dir), pillParts()...)
	for i := range 5 {
		err := e.Do(ctx, cure.As(fmt.Sprint("cure-", i), i == 2))
		if i == 2 {
			wantErr(t, err, engine.ErrParked, parked.ID)
			wantErr(t, err, engine.ErrUnknown)
			o, err := e.Outcome(ctx, functions.Address{Type: "test/cure"}, "cure-2")
			must(t, err)
			if o.State != engine.Stuck || !errors.Is(o.Err, engine.ErrParked) {
				t.Errorf("the outcome is %+v", o)
			}
		} else {
			must(t, err)
		}
	}
	if n := ask(t, e, pillsTaken.On("cured")); n != 9 { // four took two, the parked one one
		t.Errorf("taken %d times", n)
	}
	must(t, e.Close())

	must(t, engine.RetryParkedIn(dir, parked.ID))
	if died := runPoisoned(t, dir, "idle"); died != 1 {
		t.Errorf("%d processes died of what was retried", died)
	}
	must(t, engine.RetryParkedIn(dir, parked.ID))
	e = open(t, pillOptions(dir), pillParts()...) // where poison does not work
	must(t, e.Do(ctx, cure.As("cure-2", true)))
	if n := ask(t, e, pillsTaken.On("cured")); n != 10 {
		t.Errorf("taken %d times", n)
	}
	must(t, e.Close())
	if all, err := engine.ParkedIn(dir); len(all) != 0 || err != nil {
		t.Errorf("still parked: %v, %v", all, err)
	}
}

func testPoisonedTransaction(t *testing.T) {
	dir := makePillDir(t)
	shard := format.RequestShard("dose", 8)
	e := open(t, pillOptions(dir), pillParts()...)
	must(t, e.Close())
	run := format.NumberedKey(nil, shard, format.KindCoordinator, firstLeft)
	leave(t, dir, map[string]any{string(run): map[int]any{1: "test/dose", 2: []byte{0xf5}, 3: "dose"}})
	runPoisoned(t, dir, "idle")
	parked := wantParked(t, dir, "run", "test/dose", "dose")
	wantErr(t, engine.DropParkedIn(dir, parked.ID, "run-1-1"), engine.ErrNotParked)
	wantParked(t, dir, "run", "test/dose", "dose") // nothing was dropped
	must(t, engine.DropParkedIn(dir, parked.ID))
	for key := range rowsOf(t, dir) {
		if kind := key[2]; kind == format.KindCoordinator || kind == format.KindJournal || kind == format.KindStarts || kind == format.KindMessage {
			t.Errorf("the row %q is left", key)
		}
	}
	e = open(t, pillOptions(dir), pillParts()...)
	wantErr(t, e.Do(ctx, dose.As("dose", true)), engine.ErrDropped, "test/dose")
	wantErr(t, e.Do(ctx, dose.As("dose", false)), engine.ErrReusedID)
}

// TestParkedTakesNoRoom: what is parked counts no longer towards Options.MaxMessages.
func TestParkedTakesNoRoom(t *testing.T) {
	dir := makePillDir(t)
	input, err := values.Encode(true)
	must(t, err)
	message := format.NumberedKey(nil, format.InstanceShard(format.NameHash("test/pill"), "a", 8), format.KindMessage, firstLeft)
	run := format.NumberedKey(nil, 0, format.KindCoordinator, firstLeft+1)
	leave(t, dir, map[string]any{
		string(message): swallow.On("a", true).Envelope().Stored(), string(format.StartsKey(message)): map[int]int{1: engine.MaxStarts},
		string(run): format.Run{Function: "test/dose", Input: input}, string(format.StartsKey(run)): map[int]int{1: engine.MaxStarts},
	})
	e := open(t, pillOptions(dir), pillParts()...)
	all, err := e.Parked(ctx)
	must(t, err)
	if n := e.Queued(); len(all) != 2 || n != 0 {
		t.Errorf("%d messages wait to be run, and parked are %+v", n, all)
	}
}

// TestDroppedSaga: a saga that is dropped leaves its steps as they are and its client a failure.
func TestDroppedSaga(t *testing.T) {
	dir := makePillDir(t)
	leaveCures(t, dir, 2)
	var run string
	for key := range rowsOf(t, dir) {
		if key[2] == format.KindCoordinator && run == "" {
			run = key
		}
	}
	writeRow(t, dir, format.StartsKey([]byte(run)), map[int]int{1: engine.MaxStarts})
	all, err := engine.ParkedIn(dir)
	must(t, err)
	if len(all) != 1 {
		t.Fatalf("parked: %v", all)
	}
	must(t, engine.DropParkedIn(dir, all[0].ID))
	e := open(t, pillOptions(dir), pillParts()...)
	failed := 0
	for i := range 5 {
		id := fmt.Sprint("cure-", i)
		err := e.Do(ctx, cure.As(id, i == 2))
		if id == all[0].RequestID {
			failed++
			wantErr(t, err, engine.ErrDropped, "test/cure")
		} else {
			must(t, err)
		}
	}
	if n := ask(t, e, pillsTaken.On("cured")); n != 9 || failed != 1 {
		t.Errorf("taken %d times, %d failed", n, failed)
	}
}

// TestInnocentsAreNotParked: processes that end for other reasons (here a request), each while it handles what the one before left, park
// nothing, and what was left is handled once.
func TestInnocentsAreNotParked(t *testing.T) {
	dir := makePillDir(t)
	leaveCures(t, dir, -1)
	const processes = 2 * engine.MaxStarts
	for n := range processes {
		ids := []string{"a", "b"}
		for i := range 50 {
			ids = append(ids, fmt.Sprint("p", n, "-", i))
		}
		leaveMessages(t, dir, 100*n, ids...)
		if out, err := poisonProcess(dir, "ask"); !diedOfPoison(err) {
			t.Fatalf("%v: %s", err, out)
		}
		if all, err := engine.ParkedIn(dir); len(all) != 0 || err != nil {
			t.Fatalf("parked: %v, %v", all, err)
		}
	}
	e := open(t, pillOptions(dir), pillParts()...)
	eventually(t, "all are handled", func() bool { return ask(t, e, pillsTaken.On("a"))+ask(t, e, pillsTaken.On("b")) == 2*processes })
	for i := range 5 {
		must(t, e.Do(ctx, cure.As(fmt.Sprint("cure-", i), false)))
	}
	if n := ask(t, e, pillsTaken.On("cured")); n != 10 {
		t.Errorf("taken %d times", n)
	}
}

// TestOfflineNeedsADirectory: a directory that is not there, is not Concordat's, or is in use, is an error and stays as it is.
func TestOfflineNeedsADirectory(t *testing.T) {
	missing := t.TempDir() + "/missing"
	if _, err := engine.ParkedIn(missing); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a directory that is not there: %v", err)
	}
	if _, err := os.Stat(missing); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it was made: %v", err)
	}
	empty := t.TempDir()
	if _, err := engine.ParkedIn(empty); !errors.Is(err, engine.ErrFormat) {
		t.Errorf("an empty directory: %v", err)
	}
	dir := makePillDir(t)
	for _, id := range []string{"", "message", "message-1-2", "timer-1-2", "run-99999-1", "run-1-x", "run--1"} {
		wantErr(t, engine.RetryParkedIn(dir, id), engine.ErrNotParked)
		wantErr(t, engine.DropParkedIn(dir, id), engine.ErrNotParked)
	}
}
