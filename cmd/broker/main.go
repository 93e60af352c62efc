// Command broker runs Apache Kafka, one broker, until it is interrupted: to try things out. It needs Java 17 and Maven.
//
//	go run ./cmd/broker --port 9092 orders receipts refusals
//
// makes the topics that are named besides.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/concordat-dev/concordat/internal/broker"
	"github.com/concordat-dev/concordat/internal/scratch"
)

func main() {
	port := flag.Int("port", 9092, "where it listens, on 127.0.0.1")
	partitions := flag.Int("partitions", 4, "of each topic that is made")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *port, int32(*partitions), flag.Args(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "broker:", err)
		os.Exit(1)
	}
}

// startTimeout bounds how long it may take to fetch the broker, and to start it.
const startTimeout = 5 * time.Minute

// run runs a broker with topics until ctx is over, and removes its data.
func run(ctx context.Context, port int, partitions int32, topics []string, out io.Writer) (err error) {
	dir, err := scratch.Dir("concordat-kafka-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	starting, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	b, err := broker.New(starting, dir, port)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Stop()) }()
	if err := b.Start(starting); err != nil {
		return err
	}
	if err := makeTopics(starting, b.Address(), partitions, topics); err != nil {
		return err
	}
	fmt.Fprintf(out, "Apache Kafka %s listens on %s; interrupt it to end it\n", broker.Version, b.Address())
	<-ctx.Done()
	return nil
}

func makeTopics(ctx context.Context, address string, partitions int32, topics []string) error {
	if len(topics) == 0 {
		return nil
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(address))
	if err != nil {
		return err
	}
	defer client.Close()
	made, err := kadm.NewClient(client).CreateTopics(ctx, partitions, 1, nil, topics...)
	return errors.Join(err, made.Error())
}
