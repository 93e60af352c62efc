package topics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/seams"
	"github.com/concordat-dev/concordat/kafka"
	"github.com/concordat-dev/concordat/twopc"
)

// Counts are what runs did.
type Counts struct {
	Records, Crashes, Claims, LostAnswers, LateCommits, Aborts, Fenced, FailedFetches int
}

// Add adds the counts of another run.
func (c *Counts) Add(o Counts) {
	c.Records += o.Records
	c.Crashes += o.Crashes
	c.Claims += o.Claims
	c.LostAnswers += o.LostAnswers
	c.LateCommits += o.LateCommits
	c.Aborts += o.Aborts
	c.Fenced += o.Fenced
	c.FailedFetches += o.FailedFetches
}

// Map is the counts by name, for a ledger.
func (c Counts) Map() map[string]int {
	return map[string]int{
		"records": c.Records, "crashes": c.Crashes, "claims": c.Claims, "lost_answers": c.LostAnswers, "late_commits": c.LateCommits,
		"aborts": c.Aborts, "fenced_commits": c.Fenced, "failed_fetches": c.FailedFetches,
	}
}

const (
	partitions = 2
	keys       = 3 // of a partition
	openings   = 6
	steps      = 300 // of an opening

	// Of the numbers of records. What is neither is a call.
	poisonEvery  = 9 // it becomes a dead letter
	refusedEvery = 5
	startEvery   = 3 // it starts a coordinator function
)

const errRefused functions.Failure = "topics: refused"

// A talker says numbers, each of which is an event.
var (
	events  = functions.NewEgress[int]("events")
	letters = functions.NewEgress[int]("letters")
	talkers = functions.NewType[[]int]("topics/talker")
	say     = functions.Upsert(talkers, "say", func(ctx *functions.Ctx, said *[]int, n int) error {
		if n%refusedEvery == 0 {
			return errRefused
		}
		*said = append(*said, n)
		ctx.Emit(events.Record(ctx.Self().ID, n))
		return nil
	})
	tell = twopc.NewReturning("topics/tell", func(tx *twopc.Tx, a asking) (int, error) { return a.N, tx.Do(say.On(a.Key, a.N)) })
)

type asking struct {
	Key string
	N   int
}

// egressNames are those of the engine's egresses, each with a transactional id of its own.
var egressNames = []string{"answers", "events", "letters"}

// world is an engine between topics.
type world struct {
	rng     *rand.Rand
	counts  Counts
	fs      *vfs.MemFS
	clock   stepClock
	topic   [partitions]partition
	said    map[string]int // the last number that was produced, by key
	brokers map[string]*broker
	zombies []*spy

	engine  *engine.Engine
	stepped seams.Stepped // runs engine
	intake  *engine.Intake
	ends    []*spy
}

// spy is an egress that remembers the last records that it was given: a zombie would write them. Sometimes it stops just before.
type spy struct {
	engine.Egress
	broker *broker
	last   []engine.Record
}

// Write implements engine.Egress.
func (s *spy) Write(ctx context.Context, records []engine.Record) error {
	s.last = slices.Clone(records)
	if s.broker.fails(3) {
		return errAway
	}
	return s.Egress.Write(ctx, records)
}

// Run implements engine.Source: the world delivers.
func (w *world) Run(_ context.Context, in *engine.Intake) error {
	w.intake = in
	return nil
}

// Run runs a seed. The error says what is wrong, if anything is.
func Run(seed uint64) (Counts, error) {
	rng := rand.New(rand.NewPCG(seed, 3))
	w := &world{rng: rng, fs: vfs.NewCrashableMem(), said: map[string]int{}, brokers: map[string]*broker{}}
	for _, name := range egressNames {
		w.brokers[name] = &broker{rng: rng, counts: &w.counts}
	}
	for range openings {
		if err := errors.Join(w.open(), w.live(), w.crash()); err != nil {
			return w.counts, err
		}
	}
	return w.counts, errors.Join(w.end(), w.check())
}

func (w *world) open() error {
	w.ends = nil
	egresses := map[string]engine.Egress{}
	for _, name := range egressNames {
		g, err := kafka.NewEgress(kafka.EgressOptions{TransactionalID: name, Record: encoders[name], Seams: kafka.Seams{Broker: w.brokers[name]}})
		if err != nil {
			return err
		}
		s := &spy{Egress: g, broker: w.brokers[name]}
		w.ends, egresses[name] = append(w.ends, s), s
	}
	var err error
	w.engine, err = engine.Open(engine.Options{
		Dir: "data", ReserveBytes: -1, Workers: 1 + w.rng.IntN(2), MaxDrain: drains[w.rng.IntN(len(drains))],
		Sources: map[string]engine.Source{"in": w}, Egresses: egresses, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Seams: seams.Set{
			FS: w.fs, Stepped: true, Clock: &w.clock, Spent: func(seams.Spent) { w.clock.passed += spent },
			Opened: func(s seams.Stepped) { w.stepped = s },
		},
	}, talkers, tell)
	return err
}

// drains are for how long an epoch may go on: with the short one many are cut by force, and messages are carried to the next.
var drains = []time.Duration{time.Millisecond, time.Second}

// spent is the time that passes with each message and each piece of the functions' code.
const spent = 100 * time.Microsecond

// stepClock goes on only when something is done.
type stepClock struct{ passed time.Duration }

// Now implements clock.Clock.
func (c *stepClock) Now() time.Time { return time.Unix(1_000_000_000, 0).Add(c.passed) }

// Wake implements clock.Clock: nobody sleeps here.
func (c *stepClock) Wake(time.Time, func()) {}

// Elapsed implements clock.ElapsedClock.
func (c *stepClock) Elapsed() time.Duration { return c.passed }

// live lets things happen.
func (w *world) live() error {
	for range steps {
		switch w.rng.IntN(12) {
		case 0:
			w.produce()
		case 1:
			w.brokers[egressNames[w.rng.IntN(len(egressNames))]].tick()
		case 2:
			w.haunt()
		case 3, 4:
			if _, err := w.deliver(w.rng.IntN(partitions)); err != nil {
				return err
			}
		default:
			w.stepped.Step(w.rng.IntN)
		}
	}
	return nil
}

// produce adds a record to the topic.
func (w *world) produce() {
	p := w.rng.IntN(partitions)
	key := fmt.Sprintf("%d-%d", p, w.rng.IntN(keys))
	w.said[key]++
	w.topic[p].produce(w.rng, key, w.said[key])
	w.counts.Records++
}

// deliver reads the next record of a partition, and delivers it. It reports whether there was one.
func (w *world) deliver(number int) (delivered bool, err error) {
	if !w.brokers[egressNames[0]].quiet && w.rng.IntN(4) == 0 {
		w.counts.FailedFetches++
		return false, nil
	}
	to, err := w.intake.Partition(fmt.Sprint("in/", number))
	if err != nil {
		return false, err
	}
	offset, _ := to.Position()
	r, found := w.topic[number].fetch(offset)
	if !found {
		return false, nil
	}
	err = to.Deliver(r.delivery(number))
	if errors.Is(err, engine.ErrOverloaded) || errors.Is(err, engine.ErrEgressFull) { // it has to wait
		return true, nil
	}
	return true, err
}

// delivery is what becomes of a record.
func (r record) delivery(partition int) engine.Delivery {
	d := engine.Delivery{Position: r.offset + 1, Key: r.key}
	if r.n%poisonEvery == 0 {
		letter := letters.Record(r.key, r.n)
		d.Emit = &letter
		return d
	}
	d.RequestID = kafka.RequestID("in", "in", int32(partition), int64(r.offset), []byte(r.key))
	d.Answer = &engine.AnswerTo{Egress: "answers", Key: r.key, Context: fmt.Append(nil, r.n)}
	if d.Message = say.On(r.key, r.n); r.n%startEvery == 0 {
		d.Message = tell.With(asking{r.key, r.n}).Drop()
	}
	return d
}

// crash ends the engine where it stands. Its egresses may come back as zombies.
func (w *world) crash() error {
	w.counts.Crashes++
	w.fs = w.fs.CrashClone(vfs.CrashCloneCfg{})
	w.zombies = append(w.zombies, w.ends...)
	return w.stepped.Abandon()
}

// haunt lets a zombie try to write what it had.
func (w *world) haunt() {
	if len(w.zombies) > 0 {
		if z := w.zombies[w.rng.IntN(len(w.zombies))]; len(z.last) > 0 {
			_ = z.Egress.Write(context.Background(), z.last) // whether it is let is seen by what is written
		}
	}
}

// end lets all arrive that is on its way, handles what is left in peace, and closes the engine.
func (w *world) end() error {
	for _, b := range w.brokers {
		b.quiet = true
	}
	for range 20 {
		for _, name := range egressNames {
			w.brokers[name].tick()
		}
		w.haunt()
	}
	if err := w.open(); err != nil {
		return err
	}
	for more := true; more; {
		more = false
		for p := range partitions {
			delivered, err := w.deliver(p)
			if err != nil {
				return err
			}
			more = more || delivered
		}
		for w.stepped.Step(func(int) int { return 0 }) {
		}
	}
	return w.engine.Close(context.Background())
}

// encoders make records of the topics that are written: the number as text.
var encoders = map[string]func(engine.Record) (*kgo.Record, error){"answers": answerText, "events": numberText, "letters": numberText}

func numberText(r engine.Record) (*kgo.Record, error) {
	var n int
	err := functions.Decode(r.Value, &n)
	return &kgo.Record{Topic: "out", Key: []byte(r.Key), Value: fmt.Append(nil, n)}, err
}

func answerText(r engine.Record) (*kgo.Record, error) {
	a, err := engine.DecodeRecordAnswer(r.Value)
	if err != nil {
		return nil, err
	}
	value := string(a.Context)
	if errors.Is(a.Err(), errRefused) {
		value += " refused"
	} else if a.Err() != nil {
		value += " " + a.Err().Error()
	}
	return &kgo.Record{Topic: "out", Key: []byte(r.Key), Value: []byte(value)}, nil
}

// check accounts for every record.
func (w *world) check() error {
	want := map[string]map[string][]string{"answers": {}, "events": {}, "letters": {}}
	for key, last := range w.said {
		for n := 1; n <= last; n++ {
			add := func(topic, value string) { want[topic][key] = append(want[topic][key], value) }
			switch {
			case n%poisonEvery == 0:
				add("letters", fmt.Sprint(n))
			case n%refusedEvery == 0:
				add("answers", fmt.Sprint(n, " refused"))
			default:
				add("answers", fmt.Sprint(n))
				add("events", fmt.Sprint(n))
			}
		}
	}
	var errs []error
	for topic, b := range w.brokers {
		got := map[string][]string{}
		for _, r := range b.log {
			got[string(r.Key)] = append(got[string(r.Key)], string(r.Value))
		}
		for key := range w.said {
			if !slices.Equal(got[key], want[topic][key]) {
				errs = append(errs, fmt.Errorf("topics: of %s, the topic %s has %q, and %q is due", key, topic, got[key], want[topic][key]))
			}
		}
	}
	return errors.Join(append(errs, w.checkStates(want["events"]))...)
}

// checkStates compares what the talkers have said with what they should have.
func (w *world) checkStates(want map[string][]string) error {
	drop := engine.Callback(func(context.Context, engine.Record) error { return nil })
	e, err := engine.Open(engine.Options{
		Dir: "data", ReserveBytes: -1, Seams: seams.Set{FS: w.fs}, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Egresses: map[string]engine.Egress{"answers": drop, "events": drop, "letters": drop},
	}, talkers, tell)
	if err != nil {
		return err
	}
	got := map[string][]string{}
	for t, err := range engine.Walk(e, talkers, "") {
		if err != nil {
			return errors.Join(err, e.Close(context.Background()))
		}
		for _, n := range t.State {
			got[t.ID] = append(got[t.ID], fmt.Sprint(n))
		}
	}
	err = e.Close(context.Background())
	if !maps.EqualFunc(got, want, slices.Equal) {
		err = errors.Join(err, fmt.Errorf("topics: the talkers have said %q, and %q is due", got, want))
	}
	return err
}
