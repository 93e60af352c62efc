package engine_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/racedetector"
	"github.com/concordat-dev/concordat/internal/seams"
	"github.com/concordat-dev/concordat/saga"
	"github.com/concordat-dev/concordat/twopc"
)

// handSource is a source of a stepped engine: the test delivers.
type handSource struct{ in *engine.Intake }

func (h *handSource) Run(_ context.Context, in *engine.Intake) error {
	h.in = in
	return nil
}

// partition finds a partition of the source.
func (h *handSource) partition(t testing.TB, name string) *engine.Partition {
	t.Helper()
	p, err := h.in.Partition(name)
	must(t, err)
	return p
}

type sourceFunc func(ctx context.Context, in *engine.Intake) error

func (f sourceFunc) Run(ctx context.Context, in *engine.Intake) error { return f(ctx, in) }

// A page is what records write on.
type entry struct {
	Page string
	N    int
}

const errBlot functions.Failure = "test: a blot"

var (
	writeTx = twopc.NewReturning("test/write-tx", func(tx *twopc.Tx, e entry) (int, error) {
		if e.N%7 == 0 {
			return 0, errBlot
		}
		return 2 * e.N, tx.Do(scribble.On(e.Page, e.N))
	})
	writeSaga = saga.NewReturning("test/write-saga", func(s *saga.Run, e entry) (int, error) {
		if e.N%7 == 0 {
			return 0, errBlot
		}
		return 2 * e.N, s.Do(scribble.On(e.Page, e.N), saga.NoUndo)
	})
	dozer    = saga.New("test/dozer", func(s *saga.Run, d time.Duration) error { return s.Sleep(d) })
	pages    = functions.NewType[noteState]("test/page")
	scribble = functions.Upsert(pages, "write", func(_ *functions.Ctx, s *noteState, n int) error {
		if n%7 == 0 {
			return errBlot
		}
		s.Lines = append(s.Lines, n)
		return nil
	})
	written     = functions.View(pages, "written", func(_ *functions.Ctx, s noteState) ([]int, error) { return s.Lines, nil })
	deadLetters = functions.NewEgress[int]("dead")
)

// mailbox is an egress that remembers what it got over crashes. Records that come again must be the same.
type mailbox struct {
	t       *testing.T
	records map[uint64]engine.Record
}

func (m *mailbox) Position() (uint64, error) { return 0, nil }
func (m *mailbox) Close() error              { return nil }

func (m *mailbox) Write(_ context.Context, records []engine.Record) error {
	for _, r := range records {
		if before, again := m.records[r.Seq]; again && (before.Key != r.Key || string(before.Value) != string(r.Value)) {
			m.t.Errorf("record %d is %v, and was %v before", r.Seq, r, before)
		}
		m.records[r.Seq] = engine.Record{Seq: r.Seq, Key: r.Key, Value: slices.Clone(r.Value)}
	}
	return nil
}

// inOrder is all records, in the order of their numbers, which have no gaps.
func (m *mailbox) inOrder() (all []engine.Record) {
	for seq := uint64(1); len(all) < len(m.records); seq++ {
		if _, there := m.records[seq]; !there {
			m.t.Fatalf("record %d is not there, of %d", seq, len(m.records))
		}
		all = append(all, m.records[seq])
	}
	return all
}

// sourceWorld is a source and its egresses, over crashes.
type sourceWorld struct {
	t       *testing.T
	fs      *vfs.MemFS
	source  *handSource
	answers *mailbox
	dead    *mailbox
	engine  *engine.Engine
	clock   *passingClock
}

func newSourceWorld(t *testing.T) *sourceWorld {
	return &sourceWorld{
		t: t, fs: vfs.NewCrashableMem(), clock: newPassingClock(),
		answers: &mailbox{t, map[uint64]engine.Record{}}, dead: &mailbox{t, map[uint64]engine.Record{}},
	}
}

func (s *sourceWorld) open(workers int, drain time.Duration) {
	s.t.Helper()
	s.source = new(handSource)
	var err error
	s.engine, err = engine.Open(engine.Options{
		Dir: "data", Workers: workers, ReserveBytes: -1, MaxDrain: drain, MaxMessages: 64 * 40,
		Sources:  map[string]engine.Source{"in": s.source},
		Egresses: map[string]engine.Egress{"answers": s.answers, "dead": s.dead},
		Logger:   new(logLines).logger(),
		Seams:    seams.Set{FS: s.fs, Clock: s.clock, Stepped: true, Spent: func(seams.Spent) { s.clock.pass(100 * time.Microsecond) }},
	}, pages, writeTx, writeSaga, dozer)
	must(s.t, err)
}

// crash ends the engine where it stands, and loses what was not synced.
func (s *sourceWorld) crash() {
	s.fs = s.fs.CrashClone(vfs.CrashCloneCfg{})
	must(s.t, s.engine.Abandon())
}

// settle lets the engine do all that there is to do.
func (s *sourceWorld) settle() {
	for s.engine.Step(func(int) int { return 0 }) {
	}
}

const sourcePartitions = 3

func partitionName(p int) string { return fmt.Sprint("topic/", p) }

// recordID is the request id of a record.
func recordID(partition, position int) string { return fmt.Sprintf("in-%d-%d", partition, position) }

// pageOf is the page that a record writes on: each partition has a few keys, and a page for each.
func pageOf(partition, position int) string { return fmt.Sprintf("%d-%d", partition, position%4) }

// recordOf is the record at a position: of each key some are calls, transactions and sagas, with and without answers; one in 11 is poison.
func recordOf(partition, position int) engine.Delivery {
	d := engine.Delivery{Position: uint64(position), Tag: "tag", Key: pageOf(partition, position)}
	if position%11 == 0 {
		dead := deadLetters.Record(d.Key, position)
		return engine.Delivery{Position: d.Position, Tag: d.Tag, Emit: &dead}
	}
	page := entry{d.Key, position}
	switch position / 4 % 4 {
	case 0:
		d.Message = scribble.On(page.Page, page.N)
	case 1:
		d.Message = writeTx.With(page).Drop()
	case 2:
		d.Message = writeSaga.With(page).Drop()
	default:
		d.Message = scribble.On(page.Page, page.N)
		return d // nobody asks for its outcome
	}
	d.RequestID = recordID(partition, position)
	d.Answer = &engine.AnswerTo{Egress: "answers", Key: d.Key, Context: fmt.Append(nil, position)}
	return d
}

// isAsked reports whether a record has an id and an answer.
func isAsked(position int) bool { return position%11 != 0 && position/4%4 != 3 }

// TestSourceOverCrashes: whatever a record of a partition becomes, and whenever the process dies, it takes effect once; records with one
// key do in their order; each outcome is answered once, in the order of its key, and kept; and each dead letter is there once.
func TestSourceOverCrashes(t *testing.T) {
	const records = 400
	carried := uint64(0)
	for seed := range racedetector.Fewer(uint64(6), 2) {
		rng := rand.New(rand.NewPCG(seed, 2))
		w := newSourceWorld(t)
		crashes := 0
		for taken := [sourcePartitions]int{}; slices.Min(taken[:]) < records; crashes++ {
			w.open(1+int(seed)%3, []time.Duration{time.Millisecond, 20 * time.Millisecond}[seed%2])
			for p := range taken {
				position, tag := w.source.partition(t, partitionName(p)).Position()
				if int(position) < taken[p] || (position > 0 && tag != "tag") {
					t.Fatalf("seed %d: partition %d is at %d with the tag %q, and was at %d in a sealed epoch", seed, p, position, tag, taken[p])
				}
				taken[p] = int(position)
			}
			next := taken
			for range 50 + rng.IntN(400) {
				p := rng.IntN(sourcePartitions)
				if next[p] < records && rng.IntN(2) == 0 {
					err := w.source.partition(t, partitionName(p)).Deliver(recordOf(p, next[p]+1))
					if err == nil {
						next[p]++
					} else if !errors.Is(err, engine.ErrOverloaded) {
						t.Fatalf("seed %d: %v", seed, err)
					}
				}
				w.engine.Step(rng.IntN)
			}
			carried += w.engine.Stats().Carried
			w.crash()
		}
		w.open(2, time.Second)
		w.settle()
		w.check(records)
		must(t, w.engine.Close())
		if crashes < 3 {
			t.Errorf("seed %d: %d crashes, that proves little", seed, crashes)
		}
	}
	if carried < 100 {
		t.Errorf("%d records were carried, that proves little", carried)
	}
}

// check compares what there is with what so many records of each partition lead to.
func (w *sourceWorld) check(records int) {
	t := w.t
	t.Helper()
	lines, answered, dead := map[string][]int{}, map[string][]int{}, map[string][]int{}
	for p := range sourcePartitions {
		for n := 1; n <= records; n++ {
			page := pageOf(p, n)
			switch {
			case n%11 == 0:
				dead[page] = append(dead[page], n)
				continue
			case n%7 != 0:
				lines[page] = append(lines[page], n)
			}
			if isAsked(n) {
				answered[page] = append(answered[page], n)
				w.checkOutcome(p, n)
			}
		}
	}
	for page, want := range lines {
		if got := w.ask(page); !slices.Equal(got, want) {
			t.Errorf("on page %s is %v, want %v", page, got, want)
		}
	}
	gotAnswers, gotDead := map[string][]int{}, map[string][]int{}
	for _, r := range w.answers.inOrder() {
		gotAnswers[r.Key] = append(gotAnswers[r.Key], w.checkAnswer(r))
	}
	for _, r := range w.dead.inOrder() {
		var n int
		must(t, functions.Decode(r.Value, &n))
		gotDead[r.Key] = append(gotDead[r.Key], n)
	}
	if !maps.EqualFunc(gotAnswers, answered, slices.Equal) {
		t.Errorf("answers: %v, want %v", gotAnswers, answered)
	}
	if !maps.EqualFunc(gotDead, dead, slices.Equal) {
		t.Errorf("dead letters: %v, want %v", gotDead, dead)
	}
}

// ask asks a stepped engine for what is on a page.
func (w *sourceWorld) ask(page string) (lines []int) {
	p, err := w.engine.Submit(written.On(page).Into(&lines))
	must(w.t, err)
	w.settle()
	must(w.t, p.Wait(ctx))
	return lines
}

// checkAnswer checks what is in an answer, and returns the position of its record.
func (w *sourceWorld) checkAnswer(r engine.Record) (n int) {
	a, err := engine.DecodeRecordAnswer(r.Value)
	must(w.t, err)
	_, err = fmt.Sscan(string(a.Context), &n)
	must(w.t, err)
	if !strings.HasSuffix(a.RequestID, fmt.Sprintf("-%d", n)) {
		w.t.Errorf("the answer to record %d is for request %q", n, a.RequestID)
	}
	var result int
	switch err := a.Decode(&result); {
	case n%7 == 0:
		if !errors.Is(err, errBlot) {
			w.t.Errorf("the answer to record %d is %v, want a failure", n, err)
		}
	case err != nil || (n/4%4 != 0 && result != 2*n):
		w.t.Errorf("the answer to record %d is %d, %v", n, result, err)
	}
	return n
}

func (w *sourceWorld) checkOutcome(partition, n int) {
	of := functions.Address{Type: "test/page", ID: pageOf(partition, n)}
	switch n / 4 % 4 {
	case 1:
		of = functions.Address{Type: "test/write-tx"}
	case 2:
		of = functions.Address{Type: "test/write-saga"}
	}
	var o engine.Outcome
	var err error
	done := make(chan struct{})
	go func() { o, err = w.engine.Outcome(ctx, of, recordID(partition, n)); close(done) }()
	for waits := true; waits; {
		select {
		case <-done:
			waits = false
		default:
			w.settle()
		}
	}
	must(w.t, err)
	want := engine.Succeeded
	if n%7 == 0 {
		want = engine.Failed
	}
	if o.State != want {
		w.t.Errorf("the outcome of record %d of partition %d is %v, want %v", n, partition, o.State, want)
	}
}

// TestSourceKeepsKeysInOrder: a record begins when those before it with its key have their outcomes; calls on one instance need not wait,
// and a saga that sleeps lets others begin.
func TestSourceKeepsKeysInOrder(t *testing.T) {
	w := newSourceWorld(t)
	w.open(1, time.Second)
	p := w.source.partition(t, "p")
	position := uint64(0)
	deliver := func(m functions.Message) error {
		err := p.Deliver(engine.Delivery{Position: position + 1, Key: "key", Message: m})
		if err == nil {
			position++
		}
		return err
	}
	must(t, deliver(scribble.On("a", 1)))
	must(t, deliver(scribble.On("a", 2)))
	wantErr(t, deliver(scribble.On("b", 3)), engine.ErrOverloaded, `"key"`)
	wantErr(t, deliver(writeTx.With(entry{"a", 3}).Drop()), engine.ErrOverloaded)
	w.settle()
	must(t, deliver(writeTx.With(entry{"a", 3}).Drop()))
	wantErr(t, deliver(writeSaga.With(entry{"a", 4}).Drop()), engine.ErrOverloaded)
	wantErr(t, deliver(scribble.On("a", 4)), engine.ErrOverloaded)
	w.settle()
	must(t, deliver(dozer.With(time.Hour)))
	w.settle()
	must(t, deliver(scribble.On("a", 4)))
	w.settle()
	if got := w.ask("a"); !slices.Equal(got, []int{1, 2, 3, 4}) {
		t.Errorf("on the page is %v", got)
	}
	must(t, w.engine.Close())
}

// TestSourceRefusesRecords: what cannot be delivered is told as a fault of the record, and its position stays free.
func TestSourceRefusesRecords(t *testing.T) {
	w := newSourceWorld(t)
	w.open(1, time.Second)
	p := w.source.partition(t, "p")
	long := strings.Repeat("x", functions.MaxName+1)
	dead, foreign := deadLetters.Record("", 1), functions.NewEgress[int]("nowhere").Record("", 1)
	for _, c := range []struct {
		what string
		d    engine.Delivery
		want error
	}{
		{"an unknown function", engine.Delivery{Message: unknownTx.With("x")}, engine.ErrUnknownCoordinator},
		{"no instance", engine.Delivery{Message: scribble.On("", 1)}, functions.ErrBadCall},
		{"a result for nobody", engine.Delivery{Message: written.On("a").Into(new([]int))}, functions.ErrBadCall},
		{"a long id", engine.Delivery{Message: scribble.On("a", 1), RequestID: strings.Repeat("x", 5000)}, functions.ErrTooLarge},
		{"a long key", engine.Delivery{Message: scribble.On("a", 1), Key: long}, functions.ErrTooLarge},
		{"a long tag", engine.Delivery{Tag: long}, functions.ErrTooLarge},
		{"an answer to nowhere", engine.Delivery{Message: scribble.On("a", 1), Answer: &engine.AnswerTo{Egress: "nowhere"}}, engine.ErrNoEgress},
		{"an answer that is too large", engine.Delivery{Message: scribble.On("a", 1),
			Answer: &engine.AnswerTo{Egress: "answers", Context: make([]byte, 2<<20)}}, functions.ErrTooLarge},
		{"an answer about nothing", engine.Delivery{Answer: &engine.AnswerTo{Egress: "answers"}}, functions.ErrBadCall},
		{"an id of nothing", engine.Delivery{RequestID: "x"}, functions.ErrBadCall},
		{"two things at once", engine.Delivery{Message: scribble.On("a", 1), Emit: &dead}, functions.ErrBadCall},
		{"a key that is no text", engine.Delivery{Message: scribble.On("a", 1), Key: "\xff"}, functions.ErrBadCall},
		{"a tag that is no text", engine.Delivery{Tag: "\xff"}, functions.ErrBadCall},
		{"an answer's key that is no text", engine.Delivery{Message: scribble.On("a", 1),
			Answer: &engine.AnswerTo{Egress: "answers", Key: "\xff"}}, functions.ErrBadCall},
		{"a letter to nowhere", engine.Delivery{Emit: &foreign}, engine.ErrNoEgress},
	} {
		c.d.Position = 1
		err := p.Deliver(c.d)
		if !errors.Is(err, engine.ErrUndeliverable) || !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.what, err, c.want)
		}
	}
	must(t, p.Deliver(engine.Delivery{Position: 1, Message: scribble.On("a", 1)}))
	err := p.Deliver(engine.Delivery{Position: 1, Message: scribble.On("a", 1)})
	wantErr(t, err, err, "partition p", "position 1 after 1")
	w.settle()
	if got := w.ask("a"); !slices.Equal(got, []int{1}) {
		t.Errorf("on the page is %v", got)
	}
	_, err = w.source.in.Partition("a\x00b")
	wantErr(t, err, err, "zero byte")
	must(t, w.engine.Close())
}

// TestSourceNotesPositions: a position can be noted before there is a record, with a tag, and is there after a crash.
func TestSourceNotesPositions(t *testing.T) {
	w := newSourceWorld(t)
	w.open(1, time.Second)
	p := w.source.partition(t, "p")
	must(t, p.Deliver(engine.Delivery{Position: 0, Tag: "first"}))
	must(t, p.Deliver(engine.Delivery{Position: 0, Tag: "second"}))
	err := p.Deliver(engine.Delivery{Position: 0, Tag: "third", Message: scribble.On("a", 1)})
	wantErr(t, err, err, "position 0 after 0")
	must(t, w.source.partition(t, "q").Deliver(engine.Delivery{Position: 7}))
	w.source.partition(t, "not noted")
	w.settle()
	w.crash()
	w.open(1, time.Second)
	if position, tag := w.source.partition(t, "p").Position(); position != 0 || tag != "second" {
		t.Errorf("it is at %d, %q", position, tag)
	}
	if names := w.source.in.Partitions(); !slices.Equal(names, []string{"p", "q"}) || w.source.in.Name() != "in" {
		t.Errorf("the partitions of %q are %q", w.source.in.Name(), names)
	}
	must(t, w.engine.Close())
}

// TestSourceIsBounded: so many records of a partition may wait for their seal, each partition by itself; and while the egress of answers is
// full, records that are to be answered wait.
func TestSourceIsBounded(t *testing.T) {
	source := new(handSource)
	o := engine.Options{Dir: "data", ReserveBytes: -1, MaxBacklog: 10, MaxMessages: 64 * 20, Sources: map[string]engine.Source{"in": source},
		Egresses: map[string]engine.Egress{"answers": engine.Callback(func(context.Context, engine.Record) error { return errors.New("test: away") })},
		Logger:   new(logLines).logger(),
		Seams:    seams.Set{FS: vfs.NewMem(), Stepped: true}}
	e, err := engine.Open(o, pages)
	must(t, err)
	settle := func() {
		for range 200 { // the egress never comes to rest
			e.Step(func(n int) int { return 0 })
		}
	}
	position := uint64(0)
	for range 2 {
		for _, name := range []string{"one", "two"} {
			p := source.partition(t, name)
			for n := range uint64(20) {
				must(t, p.Deliver(engine.Delivery{Position: position + n + 1, Message: scribble.On("a", 1)}))
			}
			wantErr(t, p.Deliver(engine.Delivery{Position: position + 21, Message: scribble.On("a", 1)}), engine.ErrOverloaded)
		}
		settle()
		position += 20
	}
	p := source.partition(t, "asks")
	ask := func(n uint64) error {
		return p.Deliver(engine.Delivery{Position: n, Message: scribble.On("a", 1), Answer: &engine.AnswerTo{Egress: "answers"}})
	}
	for n := range uint64(10) {
		must(t, ask(n+1))
		settle()
	}
	wantErr(t, ask(11), engine.ErrEgressFull, "answers")
	must(t, p.Deliver(engine.Delivery{Position: 11, Message: scribble.On("a", 1)}))
	settle()
	must(t, e.Abandon())
}

// TestSourceIDsAreItsOwn: a record whose id was used by somebody else is not run, and answered so.
func TestSourceIDsAreItsOwn(t *testing.T) {
	w := newSourceWorld(t)
	w.open(2, time.Second)
	p, err := w.engine.Submit(scribble.On("a", 1).As("taken"))
	must(t, err)
	w.settle()
	must(t, p.Wait(ctx))
	to := &engine.AnswerTo{Egress: "answers", Context: []byte("1")}
	must(t, w.source.partition(t, "p").Deliver(engine.Delivery{Position: 1, Key: "k", Message: scribble.On("a", 2), RequestID: "taken", Answer: to}))
	must(t, w.source.partition(t, "p").Deliver(engine.Delivery{Position: 2, Message: scribble.On("a", 3), RequestID: "mine"}))
	w.settle()
	again, err := w.engine.Submit(scribble.On("a", 3).As("mine")) // a client gets the record's outcome
	must(t, err)
	w.settle()
	must(t, again.Wait(ctx))
	must(t, w.source.partition(t, "p").Deliver(engine.Delivery{Position: 3, Key: "k", Message: writeTx.With(entry{"a", 4}).Drop()})) // the key is free
	w.settle()
	if got := w.ask("a"); !slices.Equal(got, []int{1, 3, 4}) {
		t.Errorf("on the page is %v", got)
	}
	all := w.answers.inOrder()
	if len(all) != 1 {
		t.Fatalf("%d answers", len(all))
	}
	a, err := engine.DecodeRecordAnswer(all[0].Value)
	must(t, err)
	if a.Err() == nil || !strings.Contains(a.Err().Error(), "was used for a different request") {
		t.Errorf("the answer is %v", a.Err())
	}
	must(t, w.engine.Close())
}

// TestSourceRunsAgain: a Run that fails is run again, from behind what was taken; what an earlier run has left delivers nothing; partitions
// go on at the same time.
func TestSourceRunsAgain(t *testing.T) {
	first := make(chan *engine.Partition, 1)
	var log logLines
	source := sourceFunc(func(ctx context.Context, in *engine.Intake) error {
		p, err := in.Partition("p")
		must(t, err)
		position, _ := p.Position()
		if position == 0 {
			first <- p
		}
		for range 10 {
			if position++; position > 30 {
				<-ctx.Done()
				return nil
			}
			if err := p.Deliver(engine.Delivery{Position: position, Message: scribble.On("a", int(7*position+1))}); err != nil {
				return err
			}
		}
		return errors.New("test: lost connection")
	})
	e := open(t, engine.Options{Sources: map[string]engine.Source{"in": source}, Logger: log.logger()}, pages)
	eventually(t, "all runs have delivered", func() bool {
		var lines []int
		err := e.Do(ctx, written.On("a").Into(&lines))
		return err == nil && len(lines) == 30
	})
	err := (<-first).Deliver(engine.Delivery{Position: 31, Message: scribble.On("a", 1)})
	wantErr(t, err, err, "after its Run had returned")
	if log.line("ingress=in", "lost connection") == "" {
		t.Errorf("the log says: %s", log.String())
	}
	must(t, e.Close())
}

// TestSourceNames: a source that is nil, and one with the name of an ingress, are errors of Open.
func TestSourceNames(t *testing.T) {
	_, err := engine.Open(engine.Options{Dir: t.TempDir(), Sources: map[string]engine.Source{"in": nil}}, pages)
	wantErr(t, err, err, `source "in" is nil`)
	_, err = engine.Open(engine.Options{Dir: t.TempDir(), Sources: map[string]engine.Source{"in": new(handSource)},
		Ingresses: map[string]engine.Ingress{"in": new(handFed)}}, pages)
	wantErr(t, err, err, `source "in" has the name of an ingress`)
}

// laterPosition is a receiver that cannot be asked for its position at first.
type laterPosition struct {
	received
	asked int
}

func (l *laterPosition) Position() (uint64, error) {
	if l.asked++; l.asked < 3 {
		return 0, fmt.Errorf("test: %w", engine.ErrNoPosition)
	}
	return l.received.Position()
}

// TestEgressThatTellsItsPositionLater: the engine opens, and delivers nothing before it knows what the receiver has.
func TestEgressThatTellsItsPositionLater(t *testing.T) {
	dir := t.TempDir()
	e := open(t, engine.Options{Dir: dir, Egresses: map[string]engine.Egress{"wire": &received{refuse: 1 << 30}}}, tellers)
	must(t, e.Do(ctx, newTeller.On("a", 0)))
	must(t, e.Do(ctx, tell.On("a", 5)))
	closeLeaving(t, e, 5)
	far := &laterPosition{received: received{position: func() (uint64, error) { return 3, nil }}}
	e = open(t, engine.Options{Dir: dir, Logger: new(logLines).logger(), Egresses: map[string]engine.Egress{"wire": far}}, tellers)
	must(t, e.Do(ctx, tell.On("a", 1)))
	eventually(t, "the rest arrives", func() bool { return len(far.all()) == 3 })
	must(t, e.Close())
	wantRecords(t, far.all(), 4, 3)

	foreign := &laterPosition{received: received{position: func() (uint64, error) { return 100, nil }}}
	var log logLines
	e = open(t, engine.Options{Dir: dir, Logger: log.logger(), Egresses: map[string]engine.Egress{"wire": foreign}}, tellers)
	must(t, e.Do(ctx, tell.On("a", 1)))
	eventually(t, "it is refused", func() bool { return log.line("wire", "record 100", "another directory") != "" })
	closeLeaving(t, e, 1)
	if n := len(foreign.all()); n > 0 {
		t.Errorf("%d records went to a foreign receiver", n)
	}
}
