package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/format"
)

// Ingress is a source of messages: records with a position, in order.
//
// The engine seals the position of the last record that it has taken together with what the records led to. So each record is
// handled exactly once, also over restarts.
type Ingress interface {
	// Run reads the records after a position (0: from the start) and gives each to deliver, in order, with its position, which
	// must grow from record to record. It returns when ctx ends or there are no more records. After any other error, or a panic, it
	// is run again, 10 ms to 5 s later: the longer, the more often it has failed without a record in between.
	//
	// deliver blocks while the messages of earlier records are not handled, at most 1,024, or an eighth of Options.MaxMessages if that is
	// less; it fails when the message cannot be delivered, which is a fault of the record: Run may skip it. It may be called from several
	// goroutines, whose order is then Run's to keep. It ends with Run, as ctx does: whoever calls it later gets an error, since the next
	// Run begins behind the last record that was taken.
	Run(ctx context.Context, after uint64, deliver func(position uint64, m functions.Message) error) error
}

// feed runs one Ingress, or one Source.
type feed struct {
	engine *Engine
	name   string
	index  int // among the engine's, by name
	from   Ingress
	source Source // in its place

	mu    sync.Mutex // guards parts
	parts map[string]*partition
	ctx   context.Context

	cancel  context.CancelFunc
	abandon chan struct{} // closed when nobody waits for the source any more
	ended   chan struct{} // closed when the loop is over
	hangs   bool          // Run has not returned: the loop's, read once it has ended
}

// partition is records of a feed that are taken in order. An Ingress has one, without a name.
type partition struct {
	feed   *feed
	name   string
	worker *worker // takes all its records, so that their order is kept

	slots chan struct{}   // of records whose messages are not handled, or where that is not sealed yet
	last  format.Position // of the last record that was taken: the worker's

	giving sync.Mutex      // held while a record is delivered
	given  format.Position // of the last record that was delivered

	keys keysUnderWay
}

// maxUnsealed bounds the records of an ingress whose messages have been taken and were not handled in a sealed epoch. A source that is
// faster than its messages waits, and leaves most of Options.MaxMessages to others. A record of a row that a restart found has no slot.
const maxUnsealed = 1024

// slotsFor is how many slots an ingress has: with all taken it has an eighth of Options.MaxMessages.
func slotsFor(o *Options) int { return min(maxUnsealed, max(1, o.MaxMessages/8)) }

// slotsOf is how many slots a record with an argument of so many bytes takes: one, and one for each further 16 KiB.
func (p *partition) slotsOf(bytes int) int { return min(cap(p.slots), 1+bytes/placeBytes) }

// setUpFeeds finds out how far ingresses and sources were read.
func (e *Engine) setUpFeeds() error {
	for name, from := range e.options.Ingresses {
		f := e.newFeed(name)
		f.from = from
		p := f.partition("")
		value, found, err := e.table.Get(format.IngressKey(nil, name))
		if err == nil && found {
			err = codec.Decode(value, &p.last.Position)
		}
		if err != nil {
			return fmt.Errorf("%w: position of ingress %q: %w", ErrDamaged, name, err)
		}
		p.given = p.last
	}
	for name, source := range e.options.Sources {
		f := e.newFeed(name)
		f.source = source
		if err := f.loadPartitions(); err != nil {
			return err
		}
	}
	slices.SortFunc(e.feeds, func(a, b *feed) int { return cmp.Compare(a.name, b.name) })
	for i, f := range e.feeds {
		f.index = i
	}
	for _, w := range e.workers {
		w.fed = make([]waitingLine, len(e.feeds))
	}
	return nil
}

func (e *Engine) newFeed(name string) *feed {
	f := &feed{engine: e, name: name, parts: map[string]*partition{}, abandon: make(chan struct{}), ended: make(chan struct{})}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	e.feeds = append(e.feeds, f)
	return f
}

// partition finds a partition, or makes it.
func (f *feed) partition(name string) *partition {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.parts[name]
	if p == nil {
		p = &partition{feed: f, name: name}
		slots := slotsFor(&f.engine.options)
		if f.source != nil {
			slots = slotsOfPartition(&f.engine.options)
		}
		p.slots = make(chan struct{}, slots)
		p.worker = f.engine.workers[(format.NameHash(f.name)+uint64(len(f.parts)))%uint64(len(f.engine.workers))]
		f.parts[name] = p
	}
	return p
}

// all is the partitions, in the order of their names.
func (f *feed) all() []*partition {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []*partition
	for _, name := range slices.Sorted(maps.Keys(f.parts)) {
		all = append(all, f.parts[name])
	}
	return all
}

// feedNamed finds an ingress; nil if the engine was opened without it.
func (e *Engine) feedNamed(name string) *feed {
	for _, f := range e.feeds {
		if f.name == name {
			return f
		}
	}
	return nil
}

func sortByName(egresses []*egress) {
	slices.SortFunc(egresses, func(a, b *egress) int { return cmp.Compare(a.name, b.name) })
}

// runIngresses runs the sources, each on a goroutine of its own. In a stepped engine Run only hands over deliver.
func (e *Engine) runIngresses() {
	for _, f := range e.feeds {
		if !e.options.Seams.Stepped {
			go f.loop()
		} else if err := f.newRun().run(); err != nil {
			panic(fmt.Sprintf("engine: Run of ingress %q in a stepped engine: %v", f.name, err))
		}
	}
}

// run runs the source.
func (r *feedRun) run() error {
	if r.feed.source != nil {
		return r.feed.source.Run(r.ctx, &Intake{r})
	}
	p := r.feed.partition("")
	return r.feed.from.Run(r.ctx, p.lastGiven().Position, func(position uint64, m functions.Message) error {
		return r.deliver(p, position, m)
	})
}

// awaitIngresses waits until the sources, whose context is over, have returned, at most until hard is over, and names those that have
// not.
func (e *Engine) awaitIngresses(hard context.Context) error {
	if e.options.Seams.Stepped {
		return nil
	}
	var errs []error
	for _, f := range e.feeds {
		select {
		case <-f.ended:
		case <-hard.Done():
			close(f.abandon)
			<-f.ended
		}
		if f.hangs {
			errs = append(errs, fmt.Errorf("engine: Run of ingress %q does not return; its goroutine is left behind", f.name))
		}
	}
	return errors.Join(errs...)
}

// loop runs the source until it has no more records, or the engine closes.
func (f *feed) loop() {
	defer close(f.ended)
	wait := firstBackOff
	for {
		run, given := f.newRun(), f.countGiven()
		ran := guarded(func() error {
			defer run.end(errRunOver)
			return run.run()
		})
		var err error
		select {
		case err = <-ran:
		case <-f.abandon:
			f.hangs = true
			return
		}
		if err == nil || f.ctx.Err() != nil {
			return
		}
		if f.countGiven() != given {
			wait = firstBackOff
		}
		f.complain(err, wait)
		select {
		case <-time.After(wait):
		case <-f.ctx.Done():
			return
		}
		wait = min(2*wait, lastBackOff)
	}
}

// complain says that a source has failed.
func (f *feed) complain(err error, wait time.Duration) {
	log := f.engine.options.Logger
	if stack := stackOf(err); stack != nil {
		log.Error("an ingress panicked", append([]any{"ingress", f.name, "error", err, "again in", wait}, stack...)...)
		return
	}
	log.Warn("an ingress failed", "ingress", f.name, "error", err, "again in", wait)
}

// lastGiven is the position of the last record that was delivered. It waits for one that is being delivered.
func (p *partition) lastGiven() format.Position {
	p.giving.Lock()
	defer p.giving.Unlock()
	return p.given
}

// countGiven adds up the positions that were delivered: it changes with each record.
func (f *feed) countGiven() (sum uint64) {
	for _, p := range f.all() {
		sum += p.lastGiven().Position
	}
	return sum
}

// errRunOver: somebody has kept what an ingress delivers with.
var errRunOver = errors.New("engine: deliver was called after its Run had returned")

// feedRun is one run of an ingress. Once it is over nothing is delivered in it any more: first its context ends, then the next run asks
// for the position, which waits for a record that is just being delivered. So no record is taken in both.
type feedRun struct {
	feed *feed
	ctx  context.Context
	end  context.CancelCauseFunc
}

func (f *feed) newRun() *feedRun {
	r := &feedRun{feed: f}
	r.ctx, r.end = context.WithCancelCause(f.ctx)
	return r
}

// over says why nothing is delivered in the run any more, if that is so.
func (r *feedRun) over() error {
	switch {
	case r.feed.ctx.Err() != nil:
		return errors.Join(ErrClosed, r.feed.ctx.Err())
	case r.ctx.Err() != nil:
		return fmt.Errorf("%w: ingress %q", context.Cause(r.ctx), r.feed.name)
	}
	return nil
}

// deliver hands a record of an ingress to the engine.
func (r *feedRun) deliver(p *partition, position uint64, m functions.Message) error {
	f := r.feed
	if isNil(m) {
		return fmt.Errorf("%w: ingress %q delivers no message at position %d", functions.ErrBadCall, f.name, position)
	}
	q := &request{env: m.Envelope(), from: p, position: format.Position{Position: position}}
	if err := f.engine.registry.Check(&q.env, f.engine.options.MaxBytes); err != nil {
		return err
	}
	if q.env.Into != nil {
		return fmt.Errorf("%w: a message of an ingress has nobody to take its result", functions.ErrBadCall)
	}
	p.giving.Lock()
	defer p.giving.Unlock()
	return r.give(q)
}

// give admits a record, if its position is behind that of the last one.
func (r *feedRun) give(q *request) error {
	p := q.from
	if err := r.over(); err != nil {
		return err
	}
	if q.position.Position <= p.given.Position && !p.renames(q) {
		return fmt.Errorf("engine: ingress %q delivers position %d after %d", p.fullName(), q.position.Position, p.given.Position)
	}
	slots := p.slotsOf(argBytes(q.env.Op, q.env.Arg, q.env.Value))
	if err := r.takeSlots(p, slots); err != nil {
		return err
	}
	if err := r.waitForRoom(q); err != nil {
		p.giveBack(slots)
		return err
	}
	if err := r.takeKey(q); err != nil {
		p.giveBack(slots)
		return err
	}
	if err := p.feed.engine.admitTo(p.worker, q); err != nil {
		q.record.letGo()
		p.giveBack(slots)
		return errors.Join(err, p.feed.ctx.Err())
	}
	p.given = q.position
	return nil
}

// fullName names a partition for people.
func (p *partition) fullName() string {
	if p.feed.source == nil {
		return p.feed.name
	}
	return p.feed.name + ", partition " + p.name
}

// takeSlots waits until few enough records are under way. In a stepped engine nothing happens meanwhile, so there it does not wait.
func (r *feedRun) takeSlots(p *partition, n int) error {
	if r.feed.engine.options.Seams.Stepped && len(p.slots)+n > cap(p.slots) {
		return fmt.Errorf("%w: %d records of ingress %q are not handled and sealed yet", ErrOverloaded, len(p.slots), p.fullName())
	}
	for i := range n {
		select {
		case p.slots <- struct{}{}:
		case <-r.ctx.Done():
			p.giveBack(i)
			return r.over()
		}
	}
	return nil
}

func (p *partition) giveBack(slots int) {
	for range slots {
		<-p.slots
	}
}

// waitForRoom waits until there is room on the disk, for a coordinator function if the record starts one, and for what it emits and its
// answer, or the run is over.
func (r *feedRun) waitForRoom(q *request) error {
	e := r.feed.engine
	for {
		err := e.tooManyRuns(&q.env)
		if err == nil {
			err = e.noRoomFor(q.record)
		}
		if e.space.low() {
			err = e.space.err()
		}
		if err == nil || e.options.Seams.Stepped {
			return err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-r.ctx.Done():
			return r.over()
		}
	}
}

// fed is what an epoch did with records of a partition.
type fed struct {
	part  *partition
	taken bool // some: its position is written
	slots int  // of those whose messages it has handled
}

// acceptFed takes a record of an ingress.
func (w *worker) acceptFed(q *request) {
	p := q.from
	p.last = q.position
	w.fedOf(p).taken = true
	if q.record != nil {
		w.acceptRecord(q)
		return
	}
	c, run := w.sendMessage(&q.env, origin{lineFed, p.feed})
	if c != nil {
		c.slotOf = p
	} else {
		run.slotOf = p
	}
}

// cutFeeds writes the positions of the ingresses that were read.
func (w *worker) cutFeeds() {
	for _, f := range w.epoch.feeds {
		switch p := f.part; {
		case !f.taken:
		case p.feed.source != nil:
			w.addRow(format.PartitionKey(nil, p.feed.name, p.name), encodeRow(p.last))
		default:
			w.addRow(format.IngressKey(nil, p.feed.name), encodeRow(p.last.Position))
		}
	}
}

// sealed makes room for further records.
func (f fed) sealed() { f.part.giveBack(f.slots) }
