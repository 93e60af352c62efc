package engine_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/seams"
	"github.com/concordat-dev/concordat/twopc"
)

// Jars are counters that coins move between.
var (
	jars    = functions.NewType[int64]("test/jar")
	jarLids = functions.NewType[int64]("test/jar-lid") // its name begins like the other's
	newJar  = functions.Create(jars, "new", func(_ *functions.Ctx, n *int64, coins int64) error { *n = coins; return nil })
	newLid  = functions.Create(jarLids, "new", func(_ *functions.Ctx, n *int64, size int64) error { *n = size; return nil })
	addCoin = functions.Update(jars, "add", func(_ *functions.Ctx, n *int64, coins int64) error { *n += coins; return nil })
	breakIt = functions.Delete(jars, "break", func(*functions.Ctx, *int64) error { return nil })
	moveTx  = twopc.New("test/move-coins", func(tx *twopc.Tx, m [2]string) error {
		return tx.All(addCoin.On(m[0], -1), addCoin.On(m[1], 1))
	})
)

// walkJars is the ids and coins that a walk finds.
func walkJars(t testing.TB, e *engine.Engine, from string) (ids []string, coins []int64) {
	t.Helper()
	for jar, err := range engine.Walk(e, jars, from) {
		must(t, err)
		ids, coins = append(ids, jar.ID), append(coins, jar.State)
	}
	return ids, coins
}

// TestWalkIsInOrder: a walk has exactly the instances of its type that exist, in order, from where it is told to begin.
func TestWalkIsInOrder(t *testing.T) {
	o := engine.Options{Dir: t.TempDir(), Shards: 7}
	e := open(t, o, jars, jarLids)
	rng := rand.New(rand.NewPCG(1, 1))
	want := map[string]int64{}
	for i := range 300 {
		id := strings.Repeat(string(rune('a'+rng.IntN(3))), 1+rng.IntN(4)) + fmt.Sprint(rng.IntN(1000))
		if _, ok := want[id]; ok {
			continue
		}
		want[id] = int64(i)
		must(t, e.Do(ctx, newJar.On(id, int64(i))))
		must(t, e.Do(ctx, newLid.On(id, 0)))
		if i%5 == 0 {
			must(t, e.Do(ctx, breakIt.On(id)))
			delete(want, id)
		}
	}
	check := func(from string) {
		t.Helper()
		ids, coins := walkJars(t, e, from)
		expected := slices.DeleteFunc(slices.Sorted(maps.Keys(want)), func(id string) bool { return id < from })
		if !slices.Equal(ids, expected) {
			t.Errorf("from %q the walk finds %q, want %q", from, ids, expected)
		}
		for i, id := range ids {
			if coins[i] != want[id] {
				t.Errorf("%s has %d coins in the walk, want %d", id, coins[i], want[id])
			}
		}
	}
	for _, from := range []string{"", "a", "b5", "bb", "c999", "d"} {
		check(from)
	}
	e = reopen(t, e, o, jars, jarLids)
	check("")
	must(t, e.Close())
}

// TestWalkIsOneMoment: whatever transactions do meanwhile, a walk sees all of each or nothing, and everything that was
// acknowledged before it began.
func TestWalkIsOneMoment(t *testing.T) {
	const numJars, each, rounds = 40, 100, 200
	e := open(t, engine.Options{Dir: t.TempDir()}, jars, moveTx)
	id := func(i int) string { return fmt.Sprintf("jar-%02d", i) }
	for i := range numJars {
		must(t, e.Do(ctx, newJar.On(id(i), each)))
	}
	var group sync.WaitGroup
	var stop atomic.Bool
	for c := range 8 {
		group.Go(func() {
			rng := rand.New(rand.NewPCG(2, uint64(c)))
			for !stop.Load() {
				from := rng.IntN(numJars)
				must(t, e.Do(ctx, moveTx.With([2]string{id(from), id((from + 1 + rng.IntN(numJars-1)) % numJars)})))
			}
		})
	}
	for i := range rounds {
		mine := fmt.Sprintf("mine-%03d", i)
		must(t, e.Do(ctx, newJar.On(mine, 0)))
		ids, coins := walkJars(t, e, "")
		if len(ids) != numJars+i+1 || ids[len(ids)-1] != mine {
			t.Fatalf("walk %d finds %d jars, the last is %s, want %d and %s", i, len(ids), ids[len(ids)-1], numJars+i+1, mine)
		}
		sum := int64(0)
		for _, n := range coins {
			sum += n
		}
		if sum != numJars*each {
			t.Fatalf("walk %d finds %d coins, want %d", i, sum, numJars*each)
		}
	}
	stop.Store(true)
	group.Wait()
	must(t, e.Close())
}

// heldSyncs is a file system that holds the next sync of a log, once hold is set, until letGo.
type heldSyncs struct {
	vfs.FS
	hold  atomic.Bool
	held  chan struct{}
	letGo func()
}

func newHeldSyncs() *heldSyncs {
	h, release := &heldSyncs{held: make(chan struct{})}, make(chan struct{})
	h.letGo = sync.OnceFunc(func() { close(release) })
	h.FS = errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		syncs := op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
		if syncs && strings.HasSuffix(op.Path, ".log") && h.hold.CompareAndSwap(true, false) {
			h.held <- struct{}{}
			<-release
		}
		return nil
	}))
	return h
}

// TestWalkShowsWhatIsDurable: neither a walk nor a read of a row shows what is not on the disk yet.
func TestWalkShowsWhatIsDurable(t *testing.T) {
	fs := newHeldSyncs()
	defer fs.letGo()
	e := open(t, engine.Options{Dir: "data", Seams: seams.Set{FS: fs}}, jars)
	must(t, e.Do(ctx, newJar.On("old", 1)))
	fs.hold.Store(true)
	pending, err := e.Submit(newJar.On("new", 2))
	must(t, err)
	<-fs.held // it is in the log, and the sync is under way
	if ids, _ := walkJars(t, e, ""); !slices.Equal(ids, []string{"old"}) || engine.Readable(e, "test/jar", "new") {
		t.Errorf("the walk shows %v, and new is not on the disk", ids)
	}
	if pending.Done() {
		t.Error("the request was answered before its sync")
	}
	fs.letGo()
	must(t, pending.Wait(ctx))
	if ids, _ := walkJars(t, e, ""); !slices.Equal(ids, []string{"new", "old"}) {
		t.Errorf("afterwards it shows %v", ids)
	}
	must(t, e.Close())
}

// TestWalkBadInput: unknown types, closed engines and rows that do not decode are errors; leaving early is none.
func TestWalkBadInput(t *testing.T) {
	o := engine.Options{Dir: t.TempDir()}
	e := open(t, o, jars, jarLids)
	for i := range 10 {
		must(t, e.Do(ctx, newJar.On(fmt.Sprint(i), 0)))
	}
	for range engine.Walk(e, jars, "") {
		break
	}
	fails := func(seq func(func(engine.Instance[int64], error) bool), want error, words ...string) {
		t.Helper()
		n := 0
		for _, err := range seq {
			n++
			wantErr(t, err, want, words...)
		}
		if n != 1 {
			t.Errorf("the walk yields %d times, want once", n)
		}
	}
	stranger := functions.NewType[int64]("test/stranger")
	fails(engine.Walk(e, stranger, ""), engine.ErrUnknownType, "test/stranger")
	other := functions.NewType[[]string]("test/jar") // the same rows, read as something else
	var got error
	for _, err := range engine.Walk(e, other, "") {
		got = errors.Join(got, err)
	}
	wantErr(t, got, engine.ErrDamaged, "test/jar/0")
	must(t, e.Close())
	fails(engine.Walk(e, jars, ""), engine.ErrClosed)
}

// TestCloseWaitsForWalks: a walk that is under way sees its end, and Close comes after it.
func TestCloseWaitsForWalks(t *testing.T) {
	e := open(t, engine.Options{Dir: t.TempDir()}, jars)
	for i := range 10 {
		must(t, e.Do(ctx, newJar.On(fmt.Sprint(i), 0)))
	}
	closed := make(chan error, 1)
	n := 0
	for _, err := range engine.Walk(e, jars, "") {
		must(t, err)
		if n++; n == 1 {
			go func() { closed <- e.Close() }()
			eventually(t, "the engine takes no more", func() bool { return errors.Is(e.Do(ctx, newJar.On("x", 0)), engine.ErrClosed) })
		}
		if len(closed) > 0 {
			t.Error("the engine was closed under a walk")
		}
	}
	if n < 10 {
		t.Errorf("the walk found %d jars, want at least 10", n)
	}
	must(t, <-closed)
}
