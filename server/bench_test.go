package server_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/concordat-dev/concordat/examples/bank"
	"github.com/concordat-dev/concordat/server"
)

// BenchmarkPlain: serializable transfers by plain HTTP, one request each, 64 clients.
func BenchmarkPlain(b *testing.B) {
	e := openEngine(b)
	s := start(b, e, server.Options{})
	const accounts = 5000
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
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	b.ResetTimer()
	var next atomic.Int64
	for range 64 {
		all.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				from := n * 7919 % accounts
				body := fmt.Sprintf(`{"From":"a%d","To":"a%d","Amount":1}`, from, (from+n%4998+1)%accounts)
				answer, err := client.Post(s.URL()+"/v1/run/bank/transfer", "application/json", strings.NewReader(body))
				if err != nil {
					b.Error(err)
					return
				}
				io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
				if answer.StatusCode != http.StatusNoContent {
					b.Errorf("status %d", answer.StatusCode)
				}
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "transfers/s")
}
