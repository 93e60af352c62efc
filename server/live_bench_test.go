package server_test

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/concordat-dev/concordat/examples/bank"
	"github.com/concordat-dev/concordat/server"
)

// BenchmarkConsole: serializable transfers by 512 clients of the engine, with no console and with one that has all views open.
func BenchmarkConsole(b *testing.B) {
	for _, open := range []bool{false, true} {
		b.Run(fmt.Sprintf("open=%v", open), func(b *testing.B) {
			e := openEngine(b)
			s := start(b, e, server.Options{})
			const accounts, clients = 5000, 512
			var all sync.WaitGroup
			for g := range 100 {
				all.Go(func() {
					for i := g; i < accounts; i += 100 {
						if err := e.Do(ctx, bank.Open.On(fmt.Sprint("a", i), 1_000_000)); err != nil {
							b.Error(err)
						}
					}
				})
			}
			all.Wait()
			if open {
				answer, err := http.Get(s.URL() + query("graph", "deadlocks", "transactions", "sagas", "locks", "epochs", "metrics"))
				must(b, err)
				defer answer.Body.Close()
				go io.Copy(io.Discard, answer.Body)
			}
			b.ResetTimer()
			var next atomic.Int64
			for range clients {
				all.Go(func() {
					for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
						from := n * 7919 % accounts
						err := e.Do(ctx, bank.TransferTx.With(bank.Transfer{From: fmt.Sprint("a", from), To: fmt.Sprint("a", (from+n%4998+1)%accounts), Amount: 1}))
						if err != nil {
							b.Error(err)
						}
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "transfers/s")
		})
	}
}
