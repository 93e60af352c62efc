package tpcc

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/ycsb"
)

var benchWarehouses = flag.Int("warehouses", 1, "warehouses of full scale in the benchmark")

// BenchmarkMix runs 32 clients and reports the new orders that they had committed in a second.
func BenchmarkMix(b *testing.B) {
	for _, protocol := range protocols {
		b.Run(fmt.Sprint(protocol), func(b *testing.B) {
			w := opened(b, Options{Protocol: protocol, Scale: Full(*benchWarehouses)})
			began := time.Now()
			if err := w.Load(b.Context(), noProgress); err != nil {
				b.Fatal(err)
			}
			b.Logf("loaded in %v", time.Since(began))
			mustBeRight(b, w)
			b.ResetTimer()
			var left, placed atomic.Int64
			left.Store(int64(b.N))
			var running sync.WaitGroup
			for n := range 32 {
				running.Go(func() {
					c := w.Client(n, rand.New(rand.NewPCG(1, uint64(n))))
					for left.Add(-1) >= 0 {
						kind := c.Next()
						if err := c.Do(context.Background(), ""); err == nil && kind == KindNewOrder {
							placed.Add(1)
						} else if errors.Is(err, ycsb.ErrUnknown) {
							b.Error(err)
						}
					}
				})
			}
			running.Wait()
			b.ReportMetric(float64(placed.Load())/b.Elapsed().Seconds(), "new-orders/s")
			b.StopTimer()
			began = time.Now()
			mustBeRight(b, w)
			s := w.Engine().Stats()
			b.Logf("audited in %v, %d deadlocks, %d retries", time.Since(began), s.Deadlocks, s.Retries)
		})
	}
}
