package engine_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/racedetector"
	"github.com/concordat-dev/concordat/internal/seams"
)

// submitAll makes n requests with at most 1,000 under way.
func submitAll(t *testing.T, e *engine.Engine, n int, request func(i int) functions.Request) {
	t.Helper()
	var pending []engine.Pending
	for i := range n {
		p, err := e.Submit(request(i))
		must(t, err)
		if pending = append(pending, p); len(pending) == 1000 || i == n-1 {
			for _, p := range pending {
				must(t, p.Wait(ctx))
			}
			pending = pending[:0]
		}
	}
}

// TestMoreInstancesThanMemory: with a cache for a few hundred of 100,000 instances everything is right, whether they are made,
// changed, only read, or missing, and the cache keeps to its bound.
func TestMoreInstancesThanMemory(t *testing.T) {
	n := 100_000
	if testing.Short() || racedetector.On {
		n = 10_000
	}
	const cacheBytes = 1 << 20
	o := engine.Options{Dir: t.TempDir(), Workers: 2, CacheBytes: cacheBytes, MemTableBytes: 4 << 20}
	parts := []functions.Part{desks}
	id := func(i int) string { return fmt.Sprint("desk-", i) }
	check := func(e *engine.Engine, doing string) {
		t.Helper()
		must(t, e.Close())
		bytes, budget, instances := e.CacheBytes()
		// What is not sealed is kept on top: here at most the 1,000 that are under way, and what a round adds.
		const slack = 2000 * 700
		if budget > cacheBytes || bytes > budget+slack {
			t.Errorf("%s: the cache holds %d instances of %d bytes, its bound is %d", doing, instances, bytes, budget)
		}
	}
	e := open(t, o, parts...)
	submitAll(t, e, n, func(i int) functions.Request { return newDesk.On(id(i), false) })
	check(e, "making them")

	e = open(t, o, parts...)
	submitAll(t, e, n/5, func(i int) functions.Request { return take.On(id(5*i), i) })
	check(e, "changing them")

	e = open(t, o, parts...)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	got := make([]int, n)
	submitAll(t, e, n, func(i int) functions.Request { return taken.On(id(i)).Into(&got[i]) })
	runtime.GC()
	runtime.ReadMemStats(&after)
	for i := range n {
		want := 0
		if i%5 == 0 {
			want = i / 5
		}
		if got[i] != want {
			t.Fatalf("%s holds %d, want %d", id(i), got[i], want)
		}
	}
	if grew := int64(after.HeapAlloc) - int64(before.HeapAlloc); grew > 8<<20 {
		t.Errorf("reading %d instances grew the heap by %d bytes", n, grew)
	}
	check(e, "reading them")

	e = open(t, o, parts...)
	missing := make([]bool, n/5)
	submitAll(t, e, n/5, func(i int) functions.Request { return desks.Exists(id(-1 - i)).Into(&missing[i]) })
	for i, exists := range missing {
		if exists {
			t.Fatalf("%s exists", id(-1-i))
		}
	}
	check(e, "asking for missing ones")
}

// TestUnusedIsEvicted: what was used once and is not used any more gives way to what comes in, though none of that is used twice.
func TestUnusedIsEvicted(t *testing.T) {
	e := open(t, engine.Options{Dir: t.TempDir(), Workers: 1, CacheBytes: 1 << 14}, desks)
	const once, others = 10, 500
	id := func(i int) string { return fmt.Sprint("desk-", i) }
	submitAll(t, e, once+others, func(i int) functions.Request { return newDesk.On(id(i), false) })
	read := func(i int) { must(t, e.Do(ctx, taken.On(id(i)).Into(new(int)))) }
	for i := range 2 * once {
		read(i % once)
	}
	for i := range others {
		read(once + i)
	}
	must(t, e.Close())
	for i := range once {
		if e.IsCached(id(i)) {
			t.Errorf("%s is still cached after %d others", id(i), others)
		}
	}
	if last := id(once + others - 1); !e.IsCached(last) {
		t.Errorf("%s, which was read last, is not cached", last)
	}
}

// TestCacheShrinksAfterABurst: what had to stay because it was not sealed goes with the next message after the seal, also when nothing
// new comes in.
func TestCacheShrinksAfterABurst(t *testing.T) {
	seals := newHeldSeals()
	e := open(t, engine.Options{Dir: t.TempDir(), Workers: 1, CacheBytes: 1 << 14, Seams: seams.Set{Log: seams.Over(seals.seal)}}, desks)
	seals.hold.Store(true)
	const burst = 500
	id := func(i int) string { return fmt.Sprint("desk-", i) }
	var pending []engine.Pending
	for i := range burst {
		p, err := e.Submit(newDesk.On(id(i), false))
		must(t, err)
		pending = append(pending, p)
	}
	<-seals.held
	seals.letGo()
	for _, p := range pending {
		must(t, p.Wait(ctx))
	}
	must(t, e.Do(ctx, taken.On(id(burst-1)).Into(new(int))))
	must(t, e.Close())
	const slack = 2 * 700 // what the read's round adds
	if bytes, budget, instances := e.CacheBytes(); bytes > budget+slack {
		t.Errorf("the cache holds %d instances of %d bytes, its bound is %d", instances, bytes, budget)
	}
}

// TestUnsealedIsNotEvicted: an instance whose last change is on its way to the disk is read as it is, however full the cache: its
// row is still the old one.
func TestUnsealedIsNotEvicted(t *testing.T) {
	seals := newHeldSeals()
	e := open(t, engine.Options{Dir: t.TempDir(), Workers: 1, CacheBytes: 1 << 14, Seams: seams.Set{Log: seams.Over(seals.seal)}}, desks)
	const others = 500 // many times what the cache has room for
	id := func(i int) string { return fmt.Sprint("desk-", i) }
	submitAll(t, e, others+1, func(i int) functions.Request { return newDesk.On(id(i), false) })
	seals.hold.Store(true)
	change, err := e.Submit(take.On(id(others), 7))
	must(t, err)
	<-seals.held
	for i := range others { // each in a round of its own, so that the hand goes round many times
		must(t, e.Do(ctx, taken.On(id(i)).Into(new(int))))
	}
	var got int
	read, err := e.Submit(taken.On(id(others)).Into(&got))
	must(t, err)
	must(t, e.Do(ctx, taken.On(id(0)).Into(new(int)))) // the worker has come to the read
	seals.letGo()
	must(t, change.Wait(ctx))
	must(t, read.Wait(ctx))
	if got != 7 {
		t.Errorf("the instance was read as %d, want 7", got)
	}
}
