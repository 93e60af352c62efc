package engine_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/examples/bank"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/store"
)

// BenchmarkTransfers measures durable transfers with request ids; an operation is one transfer.
func BenchmarkTransfers(b *testing.B) {
	for _, protocol := range []string{"serializable", "saga"} {
		for _, shape := range []struct{ keys, clients int }{{5000, 512}, {100, 512}, {10, 512}, {10, 32}, {5000, 1}} {
			b.Run(fmt.Sprintf("%s/keys=%d/clients=%d", protocol, shape.keys, shape.clients), func(b *testing.B) {
				e := open(b, engine.Options{})
				names := openAccounts(b, e, shape.keys)
				var client atomic.Uint64
				b.SetParallelism((shape.clients + 1) / 2)
				if shape.clients == 1 {
					transferLoop(b, e, names, protocol, 0, b.Loop)
					return
				}
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					transferLoop(b, e, names, protocol, client.Add(1), pb.Next)
				})
				b.StopTimer()
				stats := e.Stats()
				b.ReportMetric(float64(stats.Retries)/float64(b.N), "retries/op")
				b.ReportMetric(float64(b.N)/float64(stats.Epochs), "op/epoch")
			})
		}
	}
}

func openAccounts(b *testing.B, e *engine.Engine, keys int) []string {
	names := make([]string, keys)
	var pending []engine.Pending
	wait := func() {
		for _, p := range pending {
			must(b, p.Wait(context.Background()))
		}
		pending = pending[:0]
	}
	for i := range names {
		names[i] = "user" + strconv.Itoa(i)
		p, err := e.Submit(bank.Open.On(names[i], 1_000_000))
		must(b, err)
		if pending = append(pending, p); len(pending) == 4096 {
			wait()
		}
	}
	wait()
	return names
}

func transferLoop(b *testing.B, e *engine.Engine, names []string, protocol string, client uint64, more func() bool) {
	ctx := context.Background()
	rng := rand.New(rand.NewPCG(1, client))
	var id []byte
	for n := uint64(0); more(); n++ {
		from := rng.IntN(len(names))
		to := (from + 1 + rng.IntN(len(names)-1)) % len(names)
		t := bank.Transfer{From: names[from], To: names[to], Amount: 1}
		id = strconv.AppendUint(append(strconv.AppendUint(id[:0], client, 36), '-'), n, 36)
		var r functions.Request = bank.TransferTx.As(string(id), t)
		if protocol == "saga" {
			r = bank.TransferSaga.As(string(id), t)
		}
		if err := e.Do(ctx, r); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMillionInstances opens an engine on a million instances and reads some of them. It reports how long opening takes and
// how much the heap holds after a walk over all of them with a cache of 64 MiB.
func BenchmarkMillionInstances(b *testing.B) {
	const million = 1_000_000
	o := engine.Options{Dir: b.TempDir(), CacheBytes: 64 << 20}
	e := open(b, o)
	names := openAccounts(b, e, million)
	must(b, e.Close())
	start := time.Now()
	e = open(b, o)
	opening := time.Since(start)
	start = time.Now()
	balance, err := engine.Ask(context.Background(), e, bank.Balance.On(names[million/2]))
	must(b, err)
	if balance != 1_000_000 {
		b.Fatalf("balance %d", balance)
	}
	reading := time.Since(start)
	var next atomic.Int64
	b.SetParallelism(64)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_, err := engine.Ask(context.Background(), e, bank.Balance.On(names[next.Add(1)%million]))
			must(b, err)
		}
	})
	b.StopTimer()
	for next.Load() < million {
		_, err := engine.Ask(context.Background(), e, bank.Balance.On(names[next.Add(1)%million]))
		must(b, err)
	}
	names = nil
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(opening.Seconds(), "s-to-open")
	b.ReportMetric(float64(reading.Microseconds()), "µs-first-read")
	b.ReportMetric(float64(m.HeapAlloc)/(1<<20), "MiB-heap")
}

// BenchmarkWalk reads 100 neighbours among 100,000 instances, which are spread over all shards.
func BenchmarkWalk(b *testing.B) {
	const instances, length = 100_000, 100
	e := open(b, engine.Options{Dir: b.TempDir()})
	names := openAccounts(b, e, instances)
	slices.Sort(names)
	rng := rand.New(rand.NewPCG(1, 1))
	for b.Loop() {
		n := 0
		for _, err := range engine.Walk(e, bank.Accounts, names[rng.IntN(instances-length)]) {
			must(b, err)
			if n++; n == length {
				break
			}
		}
	}
}

// BenchmarkSyncedWrite is one synced Pebble write: what a lone client's latency is measured by.
func BenchmarkSyncedWrite(b *testing.B) {
	s, err := store.Open(store.Options{Dir: b.TempDir(), Fatal: func(err error) { panic(err) }})
	must(b, err)
	defer s.Close()
	value := make([]byte, 200)
	for i := 0; b.Loop(); i++ {
		batch := s.NewBatch()
		batch.Set([]byte(strconv.Itoa(i)), value)
		must(b, batch.Seal())
	}
}
