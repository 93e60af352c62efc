package engine_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/metrics"
	"slices"
	"strconv"
	"sync"
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

// What BenchmarkOpenBehind opens.
var (
	behindMiB      = flag.Int64("behind", 1024, "MiB of log behind the table that BenchmarkOpenBehind opens, about")
	behindAccounts = flag.Int("behind.accounts", 5000, "accounts that changed there")
)

// BenchmarkOpenBehind opens a directory whose engine was killed with a GiB of log that is not in the table: transfers among some
// accounts, each with an id. It does so with the options that it was written with, so that all of it has room in memory, and with the
// default ones, with which most of it has to be applied first. It reports seconds and the largest heap for each, and what a directory takes
// that was closed. Run it with -benchtime 1x.
func BenchmarkOpenBehind(b *testing.B) {
	accounts := *behindAccounts
	log := new(logLines).logger()
	large := engine.Options{Dir: b.TempDir(), MemTableBytes: *behindMiB << 20, CloseTimeout: 5 * time.Minute, Logger: log}
	e := open(b, large)
	names := openAccounts(b, e, accounts)
	var client atomic.Uint64
	killed := b.TempDir()
	full := func() bool { return e.Behind() >= *behindMiB<<20*9/10 } // before it becomes a layer
	var group sync.WaitGroup
	for range 256 {
		group.Go(func() { transferLoop(b, e, names, "serializable", client.Add(1), func() bool { return !full() }) })
	}
	group.Wait()
	behind := e.Behind()
	must(b, os.CopyFS(killed, os.DirFS(large.Dir)))
	must(b, e.Close())
	for _, c := range []struct {
		name    string
		options engine.Options
		killed  bool
	}{{"room", large, true}, {"default", engine.Options{CloseTimeout: 5 * time.Minute, Logger: log}, true}, {"closed", large, false}} {
		b.Run(c.name, func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				if c.killed {
					c.options.Dir = b.TempDir()
					must(b, os.CopyFS(c.options.Dir, os.DirFS(killed)))
				}
				runtime.GC()
				heap := watchHeap()
				b.StartTimer()
				e := open(b, c.options)
				b.StopTimer()
				b.ReportMetric(float64(heap()>>20), "MiB-heap")
				total := int64(0)
				for account, err := range engine.Walk(e, bank.Accounts, "") {
					must(b, err)
					total += account.State.Balance
				}
				if total != int64(accounts)*1_000_000 {
					b.Fatalf("the accounts hold %d", total)
				}
				must(b, e.Close())
			}
			b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s-to-open")
			if c.killed {
				b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/float64(behind)*(1<<30), "s/GiB")
			}
		})
	}
}

// backupTo is another file system for BenchmarkBesideBackup, so that tables are copied and not linked.
var backupTo = flag.String("backup.to", "", "directory in which BenchmarkBesideBackup makes its backups; default: beside the engine's")

// BenchmarkBesideBackup makes transfers all the time, and twelve backups, one after the other with a pause as long as the one before took. It
// reports the median of what the rate of transfers during a backup was of the rate in the pause behind it, and how long a backup took. Run it
// with -benchtime 1x.
func BenchmarkBesideBackup(b *testing.B) {
	const backups = 12
	e := open(b, engine.Options{CloseTimeout: time.Minute})
	names := openAccounts(b, e, 200_000)
	var stop atomic.Bool
	var made [512]struct {
		n atomic.Int64
		_ [56]byte
	}
	var group sync.WaitGroup
	for c := range made {
		group.Go(func() {
			transferLoop(b, e, names, "serializable", uint64(c), func() bool { made[c].n.Add(1); return !stop.Load() })
		})
	}
	rate := func(during func()) float64 {
		count := func() (n int64) {
			for c := range made {
				n += made[c].n.Load()
			}
			return n
		}
		start, before := time.Now(), count()
		during()
		return float64(count()-before) / time.Since(start).Seconds()
	}
	parent := *backupTo
	if parent == "" {
		parent = b.TempDir()
	}
	time.Sleep(5 * time.Second) // several layers are in the store then
	var ratios, seconds []float64
	for b.Loop() {
		for range backups {
			dir, err := os.MkdirTemp(parent, "backup-")
			must(b, err)
			start := time.Now()
			beside := rate(func() { must(b, e.Backup(context.Background(), dir)) })
			took := time.Since(start)
			must(b, os.RemoveAll(dir))
			ratios, seconds = append(ratios, beside/rate(func() { time.Sleep(took) })), append(seconds, took.Seconds())
		}
	}
	stop.Store(true)
	group.Wait()
	slices.Sort(ratios)
	slices.Sort(seconds)
	b.ReportMetric(ratios[len(ratios)/2], "of-the-rate")
	b.ReportMetric(seconds[len(seconds)/2], "s/backup")
}

// watchHeap looks at the heap every few milliseconds. The function that it returns ends that and tells the largest that it was.
func watchHeap() func() uint64 {
	done, largest := make(chan struct{}), make(chan uint64)
	go func() {
		most := uint64(0)
		for {
			sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
			metrics.Read(sample)
			most = max(most, sample[0].Value.Uint64())
			select {
			case <-done:
				largest <- most
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	return func() uint64 { close(done); return <-largest }
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
