package topics

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/values"
	"github.com/concordat-dev/concordat/ycsb"
	"github.com/concordat-dev/concordat/ycsb/accounts"
)

func openTopics(t *testing.T, protocol accounts.Protocol, options ...func(*Options)) *Target {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	o := Options{Options: accounts.Options{Dir: t.TempDir(), Keys: 100, Protocol: protocol}, Brokers: cluster.ListenAddrs(), Partitions: 3}
	for _, option := range options {
		option(&o)
	}
	target, err := Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := target.Close(); err != nil {
			t.Error(err)
		}
	})
	return target
}

// TestMixOverTopics: every operation is answered, and the audit is right, under both protocols.
func TestMixOverTopics(t *testing.T) {
	for _, protocol := range []accounts.Protocol{accounts.Serializable, accounts.Saga} {
		target := openTopics(t, protocol)
		config := ycsb.Config{Keys: 100, Mix: ycsb.Mix{Read: 0.2, Update: 0.2, Transfer: 0.5, Insert: 0.1}, Rollbacks: 0.2}
		config.Driving = ycsb.Driving{Clients: 20, Operations: 2000, Patience: time.Minute}
		result, err := ycsb.Run(context.Background(), config, target)
		if err != nil {
			t.Fatalf("%s: %v", protocol, err)
		}
		if result.Committed+result.Failed != 2000 || result.Unknown > 0 || result.Failed == 0 {
			t.Errorf("%s: %d committed, %d failed, %d unknown of 2000: %v", protocol, result.Committed, result.Failed, result.Unknown, result.FirstFailure)
		}
	}
}

// TestRequestsOnly: without answers on a topic operations end all the same, with their outcomes, and the audit is right.
func TestRequestsOnly(t *testing.T) {
	target := openTopics(t, accounts.Serializable, func(o *Options) { o.NoAnswers = true })
	config := ycsb.Config{Keys: 100, Mix: ycsb.Mix{Read: 0.5, Transfer: 0.5}, Rollbacks: 0.2}
	config.Driving = ycsb.Driving{Clients: 20, Operations: 1000, Patience: time.Minute}
	result, err := ycsb.Run(context.Background(), config, target)
	if err != nil {
		t.Fatal(err)
	}
	if result.Committed+result.Failed != 1000 || result.Unknown > 0 || result.Failed == 0 || target.consumer != nil {
		t.Errorf("%d committed, %d failed, %d unknown of 1000: %v", result.Committed, result.Failed, result.Unknown, result.FirstFailure)
	}
	listed, err := kadm.NewClient(target.producer).ListEndOffsets(context.Background(), target.answers)
	if err != nil {
		t.Fatal(err)
	}
	listed.Each(func(o kadm.ListedOffset) {
		if o.Offset != 0 {
			t.Errorf("partition %d of the answers has %d records", o.Partition, o.Offset)
		}
	})
}

// TestFailuresOverTopics: what an answer says of a failure is that failure.
func TestFailuresOverTopics(t *testing.T) {
	target, ctx := openTopics(t, accounts.Serializable), context.Background()
	if err := target.Load(ctx, 1, ycsb.Row{Balance: 5}); err != nil {
		t.Fatal(err)
	}
	if err := target.Read(ctx, 2); !errors.Is(err, functions.ErrNotFound) {
		t.Errorf("to read what is not there is %v", err)
	}
	if err := target.Insert(ctx, "", 1, ycsb.Row{}); !errors.Is(err, functions.ErrExists) {
		t.Errorf("to insert what is there is %v", err)
	}
	if err := target.Load(ctx, 2, ycsb.Row{}); err != nil {
		t.Fatal(err)
	}
	if err := target.Transfer(ctx, "", ycsb.Transfer{From: 1, To: 2, Amount: 9}); !errors.Is(err, ycsb.ErrInsufficientFunds) {
		t.Errorf("to transfer what is not there is %v", err)
	}
	if err := target.Transfer(ctx, "", ycsb.Transfer{From: 1, To: 2, Amount: 1, Refuse: true}); !errors.Is(err, ycsb.ErrRefused) {
		t.Errorf("a transfer that is refused is %v", err)
	}
	if err := target.Transfer(ctx, "", ycsb.Transfer{From: 1, To: 2, Amount: 3}); err != nil {
		t.Error(err)
	}
	if balance, err := target.Balance(ctx, 2); err != nil || balance != 3 {
		t.Errorf("the balance is %d, %v", balance, err)
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	if err := target.Read(over, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that is over it is %v", err)
	}
}

// TestBadRequests: a request that lacks what it is about has no call.
func TestBadRequests(t *testing.T) {
	for k := range kindTransfer + 2 {
		if k == kindRead {
			continue
		}
		value, err := values.Encode(&request{Kind: k, ID: "x"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := router(accounts.Saga)(&kgo.Record{Value: value}); err == nil {
			t.Errorf("a request of kind %d without anything else is routed", k)
		}
	}
	if _, err := router(accounts.Saga)(&kgo.Record{Value: []byte("x")}); err == nil {
		t.Error("a value that is no CBOR is routed")
	}
}
