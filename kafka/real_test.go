package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/concordat-dev/concordat/internal/broker"
	"github.com/concordat-dev/concordat/kafka"
)

// realBroker starts Apache Kafka with topics of some partitions, or skips the test where it cannot run.
func realBroker(t testing.TB, partitions int32, topics ...string) *broker.Broker {
	t.Helper()
	if testing.Short() {
		t.Skip("a real broker takes seconds to start")
	}
	bounded, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	b, err := broker.New(bounded, t.TempDir(), 0)
	if errors.Is(err, broker.ErrMissing) {
		t.Skip(err)
	}
	must(t, err)
	must(t, b.Start(bounded))
	t.Cleanup(func() { _ = b.Kill() })
	made, err := kadm.NewClient(client(t, []string{b.Address()})).CreateTopics(bounded, partitions, 1, nil, topics...)
	must(t, err)
	must(t, made.Error())
	return b
}

// TestRealBroker: on Apache Kafka, orders of one topic become events of another, each once, over restarts of the engine.
func TestRealBroker(t *testing.T) {
	b := realBroker(t, 3, "in", "out")
	w := newWorld(t, []string{b.Address()})
	producer, out := client(t, w.brokers), consume(t, w.brokers, "out")
	const ledgers, rounds, each = 5, 4, 200
	for round := range rounds {
		w.open()
		produceOrders(t, producer, "in", ordersOf(ledgers, round*each+1, (round+1)*each)...)
		out.wait(t, (round*each+each/2)*ledgers)
		_ = w.engine.Close()
	}
	w.open()
	checkFlow(t, out.wait(t, ledgers*rounds*each), ledgers, rounds*each)
	zombie, heir := rawEgress(t, w.brokers, kafka.EgressOptions{TransactionalID: "z"}), rawEgress(t, w.brokers, kafka.EgressOptions{TransactionalID: "z"})
	wantPosition(t, zombie, 0)
	must(t, zombie.Write(ctx, rawRecords(1, 2)))
	wantPosition(t, heir, 2)
	if zombie.Write(ctx, rawRecords(3, 4)) == nil {
		t.Fatal("the zombie has written")
	}
	wantErr(t, zombie.Write(ctx, rawRecords(3, 4)), kafka.ErrFenced)
	must(t, heir.Write(ctx, rawRecords(3, 3)))
	w.close()
}

// ordersOf are orders first to last of some ledgers, in turn.
func ordersOf(ledgers, first, last int) (all []order) {
	for n := first; n <= last; n++ {
		for l := range ledgers {
			all = append(all, order{fmt.Sprint("l", l), n})
		}
	}
	return all
}

// chaosDir is, in a process that is killed, the directory of the engine.
const chaosDir, chaosBroker = "CONCORDAT_CHAOS_DIR", "CONCORDAT_CHAOS_BROKER"

// TestChaosChild is the process that TestChaos kills; by itself it does nothing.
func TestChaosChild(t *testing.T) {
	dir := os.Getenv(chaosDir)
	if dir == "" {
		t.Skip("it is run by TestChaos")
	}
	w := newWorld(t, []string{os.Getenv(chaosBroker)})
	w.dir = dir
	w.egress.Timeout = 3 * time.Second
	w.open()
	select {}
}

// chaosProcess is an engine between two topics, in a process of its own.
type chaosProcess struct {
	t      *testing.T
	dir    string
	broker *broker.Broker
	cmd    *exec.Cmd
}

func (c *chaosProcess) start() {
	c.t.Helper()
	c.cmd = exec.Command(os.Args[0], "-test.run=^TestChaosChild$", "-test.timeout=10m")
	c.cmd.Env = append(os.Environ(), chaosDir+"="+c.dir, chaosBroker+"="+c.broker.Address())
	must(c.t, c.cmd.Start())
}

func (c *chaosProcess) kill() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

// kills is how many faults TestChaos makes: CONCORDAT_KAFKA_FAULTS, or a few.
func kills(t *testing.T) int {
	text := os.Getenv("CONCORDAT_KAFKA_FAULTS")
	if text == "" {
		return 8
	}
	n, err := strconv.Atoi(text)
	must(t, err)
	return n
}

// TestChaos: under load, our process is killed, the broker is killed, the broker stands still until transactions expire, and our process
// stands still until it is fenced by another, in turn. In the end every record is accounted for: in, effect, out, each once, in order.
func TestChaos(t *testing.T) {
	b := realBroker(t, 3, "in", "out")
	brokers := []string{b.Address()}
	ours := &chaosProcess{t: t, dir: t.TempDir(), broker: b}
	ours.start()
	defer func() { ours.kill() }()
	const (
		ledgers = 8
		ahead   = 4000 // how many records may be given that have not come out: a slow machine gets less load
	)
	out := consume(t, brokers, "out")
	given, stop, load := 0, make(chan struct{}), sync.WaitGroup{}
	producer := client(t, brokers, kgo.RecordDeliveryTimeout(5*time.Minute))
	load.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
			}
			if ledgers*given-int(out.came.Load()) > ahead {
				continue
			}
			for l := range ledgers {
				ledger := fmt.Sprint("l", l)
				producer.Produce(ctx, &kgo.Record{Topic: "in", Key: []byte(ledger), Value: fmt.Appendf(nil, `{"Ledger": %q, "N": %d}`, ledger, given+1)}, func(_ *kgo.Record, err error) {
					if err != nil {
						t.Errorf("the load generator: %v", err)
					}
				})
			}
			given++
		}
	})
	bounded, cancel := context.WithTimeout(ctx, 9*time.Minute)
	defer cancel()
	for fault := range kills(t) {
		seen := len(out.all)
		out.wait(t, seen+ledgers*20) // all works
		switch fault % 4 {
		case 0:
			ours.kill()
			ours.start()
		case 1:
			must(t, b.Kill())
			must(t, b.Start(bounded))
		case 2:
			must(t, b.Pause())
			time.Sleep(4 * time.Second) // longer than a transaction may take
			must(t, b.Resume())
		case 3: // ours stands still in a transaction, perhaps, until that has expired; then it goes on, and dies
			must(t, ours.cmd.Process.Signal(syscall.SIGSTOP))
			time.Sleep(4 * time.Second)
			must(t, ours.cmd.Process.Signal(syscall.SIGCONT))
		}
	}
	close(stop)
	load.Wait()
	must(t, producer.Flush(bounded))
	all := out.wait(t, ledgers*given)
	ours.kill()
	checkFlow(t, all, ledgers, given)
	checkFlow(t, out.rest(), ledgers, given)
	w := newWorld(t, brokers)
	w.dir = ours.dir
	w.open()
	for l := range ledgers {
		all := w.entered(fmt.Sprint("l", l))
		for i, n := range all {
			if n != i+1 {
				t.Fatalf("ledger %d has %d where %d is due", l, n, i+1)
			}
		}
		if len(all) != given {
			t.Errorf("ledger %d has %d entries, want %d", l, len(all), given)
		}
	}
	w.close()
	t.Logf("%d records, %d faults", ledgers*given, kills(t))
}
