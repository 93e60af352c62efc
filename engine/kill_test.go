package engine_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/proof/sim"
	"github.com/concordat-dev/concordat/internal/values"
	"github.com/concordat-dev/concordat/jsonlines"
	"github.com/concordat-dev/concordat/saga"
)

// More rounds: go test ./engine -run TestKill -kill.rounds 500.
var killRounds = flag.Int("kill.rounds", 20, "how often TestKill kills its child")

const (
	killDir     = "CONCORDAT_TEST_KILL_DIR"
	killPrefix  = "CONCORDAT_TEST_KILL_PREFIX"
	killClients = 24
)

// TestKill runs an engine in a child process on a real directory, under load from many clients, and kills it at a random moment.
// The child says what it asks and what it was answered. After each kill everything is asked again: what was answered has the same
// outcome, what was not gets one, and the books of this round and of all before are in order.
func TestKill(t *testing.T) {
	if dir := os.Getenv(killDir); dir != "" {
		killChild(dir, os.Getenv(killPrefix))
	}
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(1, 2))
	var rounds []*live
	answered, unanswered := 0, 0
	for round := range *killRounds {
		l := newLive(fmt.Sprintf("r%d", round))
		killOne(t, dir, l, time.Duration(20+rng.IntN(300))*time.Millisecond)
		rounds = append(rounds, l)
		answered += len(l.outcomes)
		unanswered += len(l.orders) - len(l.outcomes)

		l.open(t, dir)
		must(t, l.finish())
		l.audit(t, dir)
		if round == *killRounds-1 {
			for _, old := range rounds {
				old.engine = l.engine
				old.audit(t, dir)
			}
		}
		must(t, l.engine.Close())
		if t.Failed() {
			return
		}
	}
	t.Logf("%d kills: %d requests were answered before, %d were not", *killRounds, answered, unanswered)
	if answered < 50**killRounds || unanswered < 2**killRounds {
		t.Error("the test tests too little")
	}
}

func killOptions(dir string) engine.Options {
	return engine.Options{
		Dir:          filepath.Join(dir, "data"),
		MaxUndoTries: 2,
		MaxDrain:     time.Millisecond,
		ReserveBytes: -1,
		Egresses:     map[string]engine.Egress{"audit-out": jsonlines.Egress(filepath.Join(dir, "out.jsonl"))},
		Logger:       slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

// killChild is the child: it never returns.
func killChild(dir, prefix string) {
	e, err := engine.Open(killOptions(dir), sim.Parts()...)
	if err != nil {
		fmt.Printf("broken %v\n", err)
		os.Exit(1)
	}
	var mu sync.Mutex
	say := func(what string, v any) {
		line, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		mu.Lock()
		defer mu.Unlock()
		fmt.Printf("%s %s\n", what, line) // not buffered: one write
	}
	do := func(o sim.Order) {
		var value int64
		say("asked", o)
		err := e.Do(context.Background(), o.Request(&value))
		if out := sim.OutcomeText(value, err); out != "" {
			say("answered", [2]string{o.ID, out})
		}
	}
	w := sim.World{Prefix: prefix, Tills: 40}
	for _, o := range w.SetUp() {
		do(o)
	}
	fmt.Println("ready")
	for c := range killClients {
		go func() {
			rng := rand.New(rand.NewPCG(uint64(c), uint64(len(prefix))))
			for n := 0; n < 1000; n++ {
				do(w.Next(rng, n*killClients+c))
			}
		}()
	}
	select {}
}

// killOne starts a child, listens to it, and kills it.
func killOne(t *testing.T, dir string, l *live, after time.Duration) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
	cmd.Env = append(os.Environ(), killDir+"="+dir, killPrefix+"="+l.world.Prefix)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		what, rest, _ := strings.Cut(lines.Text(), " ")
		switch what {
		case "ready":
			time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		case "asked":
			var o sim.Order
			must(t, json.Unmarshal([]byte(rest), &o))
			l.orders = append(l.orders, o)
		case "answered":
			var pair [2]string
			must(t, json.Unmarshal([]byte(rest), &pair))
			l.outcomes[pair[0]] = pair[1]
		default:
			t.Errorf("the child says: %s", lines.Text())
		}
	}
	must(t, lines.Err())
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the child ended by itself: %v\n%s", err, stderr.String())
	}
}

// live is a world on an engine that runs by itself.
type live struct {
	world    sim.World
	engine   *engine.Engine
	mu       sync.Mutex
	orders   []sim.Order
	outcomes map[string]string
	decided  map[string]map[saga.Decision]bool
}

func newLive(prefix string) *live {
	return &live{
		world:    sim.World{Prefix: prefix, Tills: 40},
		outcomes: map[string]string{}, decided: map[string]map[saga.Decision]bool{},
	}
}

func (l *live) open(t *testing.T, dir string) {
	t.Helper()
	var err error
	l.engine, err = engine.Open(killOptions(dir), sim.Parts()...)
	must(t, err)
	if parked, err := l.engine.Parked(context.Background()); len(parked) > 0 || err != nil {
		t.Errorf("innocent, and parked: %+v, %v", parked, err)
	}
}

func (l *live) Do(r functions.Request) error { return l.engine.Do(context.Background(), r) }

// finish asks everything again until all has an outcome, deciding about sagas that are stuck, and then once more.
func (l *live) finish() error {
	for range 100 {
		if err := l.askAll(); err != nil {
			return err
		}
		stuck, err := l.decide()
		if err != nil {
			return err
		}
		open := 0
		for _, o := range l.orders {
			if o.Asked && l.outcomes[o.ID] == "" {
				open++
			}
		}
		if stuck == 0 && open == 0 {
			return l.askAll()
		}
	}
	return errors.New("some requests get no outcome")
}

// askAll asks all requests with ids, many at once.
func (l *live) askAll() error {
	var group sync.WaitGroup
	var errs []error
	next := make(chan sim.Order)
	for range 64 {
		group.Go(func() {
			for o := range next {
				var value int64
				err := l.Do(o.Request(&value)) // before value is read
				out := sim.OutcomeText(value, err)
				l.mu.Lock()
				if old := l.outcomes[o.ID]; old != "" && out != old {
					errs = append(errs, fmt.Errorf("%s %s: told %q before and %q now", o.Kind, o.ID, old, out))
				} else if out != "" {
					l.outcomes[o.ID] = out
				}
				l.mu.Unlock()
			}
		})
	}
	for _, o := range l.orders {
		if o.Asked {
			next <- o
		}
	}
	close(next)
	group.Wait()
	return errors.Join(errs...)
}

// decide opens the gates and retries the sagas that are stuck. It returns how many sagas have not ended.
func (l *live) decide() (int, error) {
	for i := range sim.Gates {
		if err := l.Do(sim.SetGate.On(l.world.Gate(i), false)); err != nil {
			return 0, err
		}
	}
	all, err := l.engine.Sagas(context.Background())
	for _, info := range all {
		if err == nil && info.Phase == "stuck" {
			if err = l.engine.DecideSaga(context.Background(), info.ID, saga.Retry); errors.Is(err, engine.ErrNoSaga) {
				err = nil
			}
		}
	}
	return len(all), err
}

// audit reads the books until they are in order: messages and timers may still be on their way for a while.
func (l *live) audit(t *testing.T, dir string) {
	t.Helper()
	var wrong []string
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		b, err := sim.ReadBooks(l.world, l, nil)
		must(t, err)
		b.Records, err = readRecords(filepath.Join(dir, "out.jsonl"), l.world.Prefix+":")
		must(t, err)
		wrong = (&sim.Audit{Books: b, World: l.world, Outcomes: l.outcomes, Decided: l.decided}).Check(l.orders)
		if len(wrong) == 0 {
			return
		}
	}
	t.Errorf("round %s: %s", l.world.Prefix, strings.Join(wrong, "\n"))
}

// readRecords reads what left through the egress, checks its numbers, and returns what belongs to one world, numbered anew.
func readRecords(path, prefix string) (records []engine.Record, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	last := uint64(0)
	for line := range bytes.Lines(data) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break // being written
		}
		var r struct {
			Seq   uint64
			Key   string
			Value uint64
		}
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, fmt.Errorf("line %q: %w", line, err)
		}
		if r.Seq != last+1 {
			return nil, fmt.Errorf("record %d comes after %d", r.Seq, last)
		}
		last = r.Seq
		if strings.HasPrefix(r.Key, prefix) {
			value, err := values.Encode(r.Value)
			if err != nil {
				return nil, err
			}
			records = append(records, engine.Record{Seq: uint64(len(records) + 1), Key: r.Key, Value: value})
		}
	}
	return records, nil
}
