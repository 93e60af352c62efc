package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// output collects what the program prints.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// TestPayments: orders get receipts or refusals, each once, also when the program is ended and started again.
func TestPayments(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "orders", "receipts", "refusals"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	brokers, dir := cluster.ListenAddrs()[0], t.TempDir()
	producer, err := kgo.NewClient(kgo.SeedBrokers(brokers), kgo.DefaultProduceTopic("orders"))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	var all string
	for number, want := range []string{
		`receipts: {"Order":{"Number":1,"From":"ann","To":"bob","Amount":30}}`,
		`refusals: {"Order":{"Number":2,"From":"bob","To":"ann","Amount":500},"Why":"payments: not enough money: have 80, need 500"}`,
	} {
		order := [...]string{`{"Number": 1, "From": "ann", "To": "bob", "Amount": 30}`, `{"Number": 2, "From": "bob", "To": "ann", "Amount": 500}`}[number]
		if err := producer.ProduceSync(context.Background(), kgo.StringRecord(order)).FirstErr(); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		out, ended := new(output), make(chan error, 1)
		go func() { ended <- run(ctx, brokers, dir, out) }()
		for !strings.Contains(out.String(), want) && ctx.Err() == nil {
			time.Sleep(5 * time.Millisecond)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		all = out.String()
		if !strings.Contains(all, want) {
			t.Fatalf("it prints\n%swant\n%s", all, want)
		}
	}
	if n := strings.Count(all, "receipts: "); n != 1 {
		t.Errorf("there are %d receipts, want 1:\n%s", n, all)
	}
	fmt.Fprint(t.Output(), all)
}
