package engine_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/values"
	"github.com/concordat-dev/concordat/twopc"
)

// suspects says that the last process has died while it handled all that is left.
func suspects(t *testing.T, dir string) {
	t.Helper()
	leave(t, dir, map[string]any{
		string(format.Prefix(nil, format.NodeShard, format.KindStarts)): map[int]any{1: 2 * firstLeft, 2: time.Now().Add(time.Hour).UnixNano()},
	})
}

// A valve lets what comes to it wait until it is open, or so long.
var (
	valves    = functions.NewType[int]("test/valve")
	valveOpen atomic.Pointer[chan struct{}]
	valveTime atomic.Int64
	flow      = functions.Upsert(valves, "flow", func(_ *functions.Ctx, n *int, _ bool) error {
		select {
		case <-*valveOpen.Load():
		case <-time.After(time.Duration(valveTime.Load())):
		}
		*n++
		return nil
	})
	flown    = functions.View(valves, "flown", func(_ *functions.Ctx, n int) (int, error) { return n, nil })
	slowDose = twopc.New("test/slow-dose", func(tx *twopc.Tx, steps int) error {
		for range steps {
			if err := tx.Do(step.On("slow", false)); err != nil {
				return err
			}
		}
		return nil
	})
	step = functions.Upsert(pills, "step", func(*functions.Ctx, *pill, bool) error { time.Sleep(time.Millisecond); return nil })
)

func trialParts() []functions.Part { return append(pillParts(), valves, slowDose) }

// leaveFlows leaves messages for a valve, each after so many starts.
func leaveFlows(t *testing.T, dir string, from, n, starts int) {
	t.Helper()
	rows := map[string]any{}
	for i := range n {
		shard := format.InstanceShard(format.NameHash("test/valve"), "v", 8)
		key := format.NumberedKey(nil, shard, format.KindMessage, firstLeft+uint64(from+i))
		rows[string(key)] = flow.On("v", false).Envelope().Stored()
		if starts > 0 {
			rows[string(format.StartsKey(key))] = map[int]int{1: starts}
		}
	}
	leave(t, dir, rows)
}

// awayFrom is a pill on another worker than the valve's.
func awayFrom(prefix string) string {
	for i := 0; ; i++ {
		id := fmt.Sprint(prefix, i)
		if format.InstanceShard(format.NameHash("test/pill"), id, 8)%2 != format.InstanceShard(format.NameHash("test/valve"), "v", 8)%2 {
			return id
		}
	}
}

// TestOpenReturnsBeforeLongTrials: Open waits about two seconds for suspects. Then requests are answered while these have their turns, and
// all else that was left, and timers, wait for that. What a request cancels meanwhile does not happen.
func TestOpenReturnsBeforeLongTrials(t *testing.T) {
	const many = 600
	dir, release := makePillDir(t), make(chan struct{})
	valveOpen.Store(&release)
	valveTime.Store(int64(60 * time.Millisecond))
	o := pillOptions(dir)
	o.Seams.Clock = newHandClock()
	e := open(t, o, trialParts()...)
	kept, ended := awayFrom("kept"), awayFrom("ended")
	must(t, e.Do(ctx, prescribe.On(kept, false)))
	must(t, e.Do(ctx, prescribe.On(ended, false)))
	must(t, e.Close())
	leaveFlows(t, dir, 0, many, 0)
	suspects(t, dir)

	e = open(t, pillOptions(dir), trialParts()...)
	if !engine.HaveTurns(e) {
		t.Fatal("Open has waited for all")
	}
	other := awayFrom("other")
	must(t, e.Do(ctx, swallow.On(other, false)))
	must(t, e.Do(ctx, prescribe.On(other, false)))
	must(t, e.Do(ctx, flush.On(ended)))
	must(t, e.Do(ctx, swallow.On(ended, false)))
	time.Sleep(20 * time.Millisecond) // timers are due
	if n := ask(t, e, pillsTaken.On(other)) + ask(t, e, pillsTaken.On(kept)); n != 1 {
		t.Errorf("timers have come before suspects: %d", n)
	}
	close(release)
	eventually(t, "all have had their turns", func() bool { return !engine.HaveTurns(e) })
	eventually(t, "timers fire", func() bool { return ask(t, e, pillsTaken.On(other)) == 2 && ask(t, e, pillsTaken.On(kept)) == 1 })
	if n, m := ask(t, e, flown.On("v")), ask(t, e, pillsTaken.On(ended)); n != many || m != 1 {
		t.Errorf("%d were handled; a timer that ended with its instance came: %d", n, m-1)
	}
	eventually(t, "nothing is left", func() bool { return engine.TimersSet(e) == 0 && e.Queued() == 0 })
	must(t, e.Close())
	for key := range rowsOf(t, dir) {
		if key[2] == format.KindStarts || key[2] == format.KindMessage {
			t.Errorf("the row %q is left", key)
		}
	}
}

// TestCloseEndsTrials: an engine that is closed while suspects have their turns lets that end that has begun. The others stay suspect, and
// what was not over has no start more than before.
func TestCloseEndsTrials(t *testing.T) {
	const starts = engine.MaxStarts - 1 // so that each is alone
	dir, release := makePillDir(t), make(chan struct{})
	valveOpen.Store(&release)
	valveTime.Store(int64(time.Hour))
	leaveFlows(t, dir, 0, 3, starts)
	run := format.NumberedKey(nil, 0, format.KindCoordinator, firstLeft+10)
	input, err := values.Encode(1_000_000)
	must(t, err)
	leave(t, dir, map[string]any{
		string(run):                   map[int]any{1: "test/slow-dose", 2: input},
		string(format.StartsKey(run)): map[int]int{1: starts},
	})
	suspects(t, dir)
	wantListed := func(want ...string) {
		t.Helper()
		all, err := engine.ParkedIn(dir)
		must(t, err)
		for _, p := range all {
			if !p.Suspect || p.Starts != starts {
				t.Errorf("listed: %+v", p)
			}
		}
		if len(all) != len(want) {
			t.Errorf("listed: %+v, want %v", all, want)
		}
	}

	e := open(t, pillOptions(dir), trialParts()...)
	closed := make(chan error, 1)
	go func() { closed <- e.Close() }()
	eventually(t, "it closes", func() bool { return engine.IsStopping(e) })
	close(release)
	must(t, <-closed)
	wantListed("a message", "another", "the run")

	e = open(t, pillOptions(dir), trialParts()...) // now the run holds up all
	if !engine.HaveTurns(e) {
		t.Fatal("the run was no suspect")
	}
	must(t, e.Close())
	wantListed("the run")
	all, err := engine.ParkedIn(dir)
	must(t, err)
	must(t, engine.RetryParkedIn(dir, all[0].ID)) // it is anyway
	wantListed("the run")
	must(t, engine.DropParkedIn(dir, all[0].ID))
	e = open(t, pillOptions(dir), trialParts()...)
	if n := ask(t, e, flown.On("v")); n != 3 || engine.HaveTurns(e) {
		t.Errorf("%d were handled, want 3; turns %v", n, engine.HaveTurns(e))
	}
}

// TestNothingIsParkedInTheBackground: a suspect that began its last turn after Open had returned was not alone. It is parked once it
// ends a process that does nothing else.
func TestNothingIsParkedInTheBackground(t *testing.T) {
	dir := makePillDir(t)
	rows := map[string]any{}
	for i, call := range []functions.Call{linger.On("slow", false), swallow.On("poison", true)} {
		m := call.Envelope().Stored()
		key := format.NumberedKey(nil, format.InstanceShard(format.NameHash("test/pill"), m.ID, 8), format.KindMessage, firstLeft+uint64(i))
		rows[string(key)], rows[string(format.StartsKey(key))] = m, map[int]int{1: engine.MaxStarts - 1}
	}
	leave(t, dir, rows)
	suspects(t, dir)
	for _, parked := range []bool{false, true} {
		if out, err := poisonProcess(dir, "linger"); !diedOfPoison(err) {
			t.Fatalf("%v: %s", err, out)
		}
		all, err := engine.ParkedIn(dir)
		must(t, err)
		if len(all) != 1 || all[0].Suspect == parked || !strings.Contains(all[0].Target, "poison") {
			t.Errorf("listed %+v, want it parked: %v", all, parked)
		}
	}
}

// TestRequestsEndNoTrial: neither is a suspect parked that began its last turn before Open returned, and was under way when a request
// ended the process.
func TestRequestsEndNoTrial(t *testing.T) {
	dir := makePillDir(t)
	run := format.NumberedKey(nil, 0, format.KindCoordinator, firstLeft)
	input, err := values.Encode(1_000_000)
	must(t, err)
	leave(t, dir, map[string]any{
		string(run):                   map[int]any{1: "test/slow-dose", 2: input},
		string(format.StartsKey(run)): map[int]int{1: engine.MaxStarts - 1},
	})
	if out, err := poisonProcess(dir, "ask"); !diedOfPoison(err) {
		t.Fatalf("%v: %s", err, out)
	}
	all, err := engine.ParkedIn(dir)
	must(t, err)
	if len(all) != 1 || !all[0].Suspect {
		t.Errorf("listed: %+v", all)
	}
}

// TestManyPoisons: each of many is found with two starts of its own, beside a few that they have together.
func TestManyPoisons(t *testing.T) {
	const many = 8
	dir := makePillDir(t)
	var ids []string
	for i := range many {
		ids = append(ids, fmt.Sprint("innocent", i), fmt.Sprint("poison", i))
	}
	leaveMessages(t, dir, 0, ids...)
	if died := runPoisoned(t, dir, "idle"); died != 3+2*many {
		t.Errorf("%d processes died, want %d", died, 3+2*many)
	}
	all, err := engine.ParkedIn(dir)
	must(t, err)
	if len(all) != many {
		t.Errorf("%d are parked: %+v", len(all), all)
	}
}

// TestFirstTurnsAreBoundedByTime: what is quick is tried many at a time, what is slow a few.
func TestFirstTurnsAreBoundedByTime(t *testing.T) {
	for each, want := range map[time.Duration][2]int{
		time.Microsecond: {4096, 4096}, 100 * time.Microsecond: {1024, 2048}, time.Millisecond: {64, 256}, 100 * time.Millisecond: {1, 2}, time.Minute: {1, 1},
	} {
		size := 256
		for range 100 {
			size = engine.NextSize(size, size, time.Duration(size)*each)
		}
		if size < want[0] || size > want[1] {
			t.Errorf("of what takes %v %d are tried at a time", each, size)
		}
	}
	if size := engine.NextSize(256, 3, time.Millisecond); size != 256 {
		t.Errorf("after a turn of the last three there are to be %d", size)
	}
}
