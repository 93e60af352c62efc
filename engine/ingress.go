package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/concordat-dev/concordat/functions"
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

// feed runs one Ingress.
type feed struct {
	engine *Engine
	name   string
	index  int // among the engine's, by name
	from   Ingress
	worker *worker // takes all its records, so that their order is kept

	slots  chan struct{} // of records whose messages are not handled, or where that is not sealed yet
	last   uint64        // position of the last record that was taken: the worker's
	ctx    context.Context
	cancel context.CancelFunc

	giving sync.Mutex // held while a record is delivered
	given  uint64     // position of the last record that was delivered

	abandon chan struct{} // closed when nobody waits for the source any more
	ended   chan struct{} // closed when the loop is over
	hangs   bool          // Run has not returned: the loop's, read once it has ended
}

// maxUnsealed bounds the records of an ingress whose messages have been taken and were not handled in a sealed epoch. A source that is
// faster than its messages waits, and leaves most of Options.MaxMessages to others. A record of a row that a restart found has no slot.
const maxUnsealed = 1024

// slotsFor is how many slots an ingress has: with all taken it has an eighth of Options.MaxMessages.
func slotsFor(o *Options) int { return min(maxUnsealed, max(1, o.MaxMessages/8)) }

// slotsOf is how many slots a record with an argument of so many bytes takes: one, and one for each further 16 KiB.
func (f *feed) slotsOf(bytes int) int { return min(cap(f.slots), 1+bytes/placeBytes) }

func (e *Engine) setUpIngresses() error {
	for name, from := range e.options.Ingresses {
		f := &feed{engine: e, name: name, from: from, slots: make(chan struct{}, slotsFor(&e.options))}
		f.abandon, f.ended = make(chan struct{}), make(chan struct{})
		f.ctx, f.cancel = context.WithCancel(context.Background())
		f.worker = e.workerOf(e.registry.requestShard(name))
		value, found, err := e.store.Get(format.IngressKey(nil, name))
		if err == nil && found {
			err = functions.Decode(value, &f.last)
		}
		if err != nil {
			return fmt.Errorf("%w: position of ingress %q: %w", ErrDamaged, name, err)
		}
		f.given = f.last
		e.feeds = append(e.feeds, f)
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
		} else if err := f.from.Run(f.ctx, f.given, f.newRun().deliver); err != nil {
			panic(fmt.Sprintf("engine: Run of ingress %q in a stepped engine: %v", f.name, err))
		}
	}
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
		run, given := f.newRun(), f.lastGiven()
		ran := guarded(func() error {
			defer run.end(errRunOver)
			return f.from.Run(run.ctx, given, run.deliver)
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
		if f.lastGiven() != given {
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
func (f *feed) lastGiven() uint64 {
	f.giving.Lock()
	defer f.giving.Unlock()
	return f.given
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

// deliver hands a record to the engine.
func (r *feedRun) deliver(position uint64, m functions.Message) error {
	f := r.feed
	if isNil(m) {
		return fmt.Errorf("%w: ingress %q delivers no message at position %d", functions.ErrBadCall, f.name, position)
	}
	q := &request{env: m.Envelope(), feed: f, position: position}
	if err := f.engine.registry.check(&q.env, f.engine.options.MaxBytes); err != nil {
		return err
	}
	if q.env.Into != nil {
		return fmt.Errorf("%w: a message of an ingress has nobody to take its result", functions.ErrBadCall)
	}
	f.giving.Lock()
	defer f.giving.Unlock()
	return r.give(q)
}

// give admits a record, if its position is behind that of the last one.
func (r *feedRun) give(q *request) error {
	f := r.feed
	if err := r.over(); err != nil {
		return err
	}
	if q.position <= f.given {
		return fmt.Errorf("engine: ingress %q delivers position %d after %d", f.name, q.position, f.given)
	}
	slots := f.slotsOf(argBytes(q.env.Op, q.env.Arg, q.env.Value))
	if err := r.takeSlots(slots); err != nil {
		return err
	}
	if err := r.waitForRoom(&q.env); err != nil {
		f.giveBack(slots)
		return err
	}
	if err := f.engine.admitTo(f.worker, q); err != nil {
		f.giveBack(slots)
		return errors.Join(err, f.ctx.Err())
	}
	f.given = q.position
	return nil
}

// takeSlots waits until few enough records are under way. In a stepped engine nothing happens meanwhile, so there it does not wait.
func (r *feedRun) takeSlots(n int) error {
	f := r.feed
	if f.engine.options.Seams.Stepped && len(f.slots)+n > cap(f.slots) {
		return fmt.Errorf("%w: %d records of ingress %q are not handled and sealed yet", ErrOverloaded, len(f.slots), f.name)
	}
	for i := range n {
		select {
		case f.slots <- struct{}{}:
		case <-r.ctx.Done():
			f.giveBack(i)
			return r.over()
		}
	}
	return nil
}

func (f *feed) giveBack(slots int) {
	for range slots {
		<-f.slots
	}
}

// waitForRoom waits until there is room on the disk, and for a coordinator function if the record starts one, or the run is over.
func (r *feedRun) waitForRoom(env *functions.Envelope) error {
	e := r.feed.engine
	for {
		err := e.tooManyRuns(env)
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

// fed is what an epoch did with records of an ingress.
type fed struct {
	feed  *feed
	taken bool // some: its position is written
	slots int  // of those whose messages it has handled
}

// acceptFed takes a record of an ingress.
func (w *worker) acceptFed(q *request) {
	q.feed.last = q.position
	w.fedOf(q.feed).taken = true
	c, run := w.sendMessage(&q.env, origin{lineFed, q.feed})
	if c != nil {
		c.slotOf = q.feed
	} else {
		run.slotOf = q.feed
	}
}

// handledFed notes that the message of a record was handled, or the run that it starts has begun.
func (w *worker) handledFed(f *feed, bytes int) { w.fedOf(f).slots += f.slotsOf(bytes) }

// fedOf finds what the running epoch does with records of an ingress.
func (w *worker) fedOf(f *feed) *fed {
	feeds := w.epoch.feeds
	for i := range feeds {
		if feeds[i].feed == f {
			return &feeds[i]
		}
	}
	w.epoch.feeds = append(feeds, fed{feed: f})
	return &w.epoch.feeds[len(feeds)]
}

// cutFeeds writes the positions of the ingresses that were read.
func (w *worker) cutFeeds() {
	for _, f := range w.epoch.feeds {
		if !f.taken {
			continue
		}
		position := f.feed.last
		value, err := functions.EncodeRow(position)
		if err != nil {
			panic("engine: a position always encodes: " + err.Error())
		}
		w.addRow(format.IngressKey(nil, f.feed.name), value)
	}
}

// sealed makes room for further records.
func (f fed) sealed() { f.feed.giveBack(f.slots) }
