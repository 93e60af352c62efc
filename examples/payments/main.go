// Command payments takes orders from a topic of Kafka, makes a transfer for each, and writes receipts to one topic and refusals to another:
// each order once, whatever fails in between. README.md has the commands.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/kafka"
	"github.com/concordat-dev/concordat/twopc"
)

// ErrNoMoney is the failure of a debit.
const ErrNoMoney functions.Failure = "payments: not enough money"

// Order asks for a transfer. Its records have the payer for a key, so a payer's orders are carried out in their order.
type Order struct {
	Number   int
	From, To string
	Amount   int64
}

// Receipt says that an order was carried out.
type Receipt struct {
	Order Order
}

// Refusal says that it was not.
type Refusal struct {
	Order Order
	Why   string
}

// What the program is made of.
var (
	Receipts = functions.NewEgress[Receipt]("receipts")
	Refusals = functions.NewEgress[Refusal]("refusals")

	Accounts = functions.NewType[int64]("payments/account")
	Credit   = functions.Upsert(Accounts, "credit", func(_ *functions.Ctx, balance *int64, amount int64) error {
		*balance += amount
		return nil
	})
	Debit = functions.Upsert(Accounts, "debit", func(_ *functions.Ctx, balance *int64, amount int64) error {
		if *balance < amount {
			return fmt.Errorf("%w: have %d, need %d", ErrNoMoney, *balance, amount)
		}
		*balance -= amount
		return nil
	})

	// Pay carries an order out, or refuses it. The receipt leaves with the transfer, or the refusal without it.
	Pay = twopc.New("payments/pay", func(tx *twopc.Tx, o Order) error {
		tx.OnCommit(Receipts.Record(o.From, Receipt{o}))
		err := tx.All(Debit.On(o.From, o.Amount), Credit.On(o.To, o.Amount))
		if err != nil {
			tx.OnAbort(Refusals.Record(o.From, Refusal{o, err.Error()}))
		}
		return err
	})
)

func main() {
	brokers := flag.String("brokers", "127.0.0.1:9092", "a broker of the cluster")
	dir := flag.String("dir", "payments.data", "where the engine keeps its data")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *brokers, *dir, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// run carries out orders until ctx is over, and prints what receipts and refusals say.
func run(ctx context.Context, brokers, dir string, out io.Writer) (err error) {
	e, err := open(brokers, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	for _, opening := range []struct {
		account string
		amount  int64
	}{{"ann", 100}, {"bob", 50}} {
		if err := e.Do(ctx, Credit.On(opening.account, opening.amount).As("opening-"+opening.account)); err != nil {
			return err
		}
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers), kgo.ConsumeTopics("receipts", "refusals"), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		return err
	}
	defer client.Close()
	fmt.Fprintln(out, "ann has 100 and bob has 50; write orders to the topic \"orders\"")
	for ctx.Err() == nil {
		client.PollFetches(ctx).EachRecord(func(r *kgo.Record) { fmt.Fprintf(out, "%s: %s\n", r.Topic, r.Value) })
	}
	return nil
}

// open opens an engine between the topics.
func open(brokers, dir string) (*engine.Engine, error) {
	seeds := []string{brokers}
	orders, err := kafka.NewIngress(kafka.IngressOptions{
		Brokers: seeds, Topics: []string{"orders"},
		Route: kafka.FromJSON(func(_ *kgo.Record, o Order) (functions.Message, error) { return Pay.With(o), nil }),
	})
	if err != nil {
		return nil, err
	}
	receipts, err := kafka.NewEgress(kafka.EgressOptions{
		Brokers: seeds, TransactionalID: "payments-receipts", Record: kafka.ToTopic("receipts", kafka.JSON[Receipt]),
	})
	if err != nil {
		return nil, err
	}
	refusals, err := kafka.NewEgress(kafka.EgressOptions{
		Brokers: seeds, TransactionalID: "payments-refusals", Record: kafka.ToTopic("refusals", kafka.JSON[Refusal]),
	})
	if err != nil {
		return nil, err
	}
	return engine.Open(engine.Options{
		Dir: dir, Sources: map[string]engine.Source{"orders": orders}, Egresses: map[string]engine.Egress{"receipts": receipts, "refusals": refusals},
	}, Accounts, Pay)
}
