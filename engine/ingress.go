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
	"github.com/concordat-dev/concordat/internal/plant"
	"github.com/concordat-dev/concordat/internal/store"
)

// Ingress is a source of messages: records with a position, in order.
//
// The engine seals the position of the last record that it has taken together with what the records led to. So each record is
// handled exactly once, also over restarts.
type Ingress interface {
	// Run reads the records after a position (0: from the start) and gives each to deliver, in order, with its position, which
	// must grow from record to record. It returns when ctx ends or there are no more records. After any other error it is run
	// again, later. deliver blocks while the engine has much to do; it fails when the message can not be delivered, which is a
	// fault of the record: Run may skip it.
	Run(ctx context.Context, after uint64, deliver func(position uint64, m functions.Message) error) error
}

// feed runs one Ingress.
type feed struct {
	engine *Engine
	name   string
	from   Ingress
	worker *worker // takes all its records, so that their order is kept

	slots  chan struct{} // records that are not sealed yet
	last   uint64        // position of the last record that was taken: the worker's
	given  uint64        // position of the last record that was delivered: the ingress's
	done   sync.WaitGroup
	ctx    context.Context
	cancel context.CancelFunc
}

// maxUnsealed bounds the records of an ingress that have been taken and are not sealed yet.
const maxUnsealed = 4096

func (e *Engine) setUpIngresses() error {
	for name, from := range e.options.Ingresses {
		f := &feed{engine: e, name: name, from: from, slots: make(chan struct{}, maxUnsealed)}
		f.ctx, f.cancel = context.WithCancel(context.Background())
		f.worker = e.workerOf(e.registry.requestShard(name))
		value, found, err := e.store.Get(store.IngressKey(nil, name))
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
	return nil
}

func sortByName(egresses []*egress) {
	slices.SortFunc(egresses, func(a, b *egress) int { return cmp.Compare(a.name, b.name) })
}

func (e *Engine) runIngresses() {
	for _, f := range e.feeds {
		f.done.Add(1)
		go f.loop()
	}
}

func (e *Engine) stopIngresses() {
	for _, f := range e.feeds {
		f.cancel()
		f.done.Wait()
	}
}

// ingressBackOff is the time between runs of an ingress that fails.
const ingressBackOff = time.Second

func (f *feed) loop() {
	defer f.done.Done()
	for {
		err := f.from.Run(f.ctx, f.given, f.deliver)
		if err == nil || f.ctx.Err() != nil {
			return
		}
		f.engine.options.Logger.Warn("an ingress failed", "ingress", f.name, "error", err, "again in", ingressBackOff)
		select {
		case <-time.After(ingressBackOff):
		case <-f.ctx.Done():
			return
		}
	}
}

// deliver hands a record to the engine.
func (f *feed) deliver(position uint64, m functions.Message) error {
	if position <= f.given {
		return fmt.Errorf("engine: ingress %q delivers position %d after %d", f.name, position, f.given)
	}
	q := &request{env: m.Envelope(), feed: f, position: position}
	if err := f.engine.registry.check(&q.env, f.engine.options.MaxBytes); err != nil {
		return err
	}
	if q.env.Into != nil {
		return fmt.Errorf("%w: a message of an ingress has nobody to take its result", functions.ErrBadCall)
	}
	select {
	case f.slots <- struct{}{}:
	case <-f.ctx.Done():
		return context.Cause(f.ctx)
	}
	for f.engine.space.low() {
		select {
		case <-time.After(100 * time.Millisecond):
		case <-f.ctx.Done():
			return context.Cause(f.ctx)
		}
	}
	if err := f.engine.admitTo(f.worker, q); err != nil {
		return errors.Join(err, f.ctx.Err())
	}
	f.given = position
	return nil
}

// fed counts the records that an epoch took from an ingress.
type fed struct {
	feed  *feed
	count int
}

// acceptFed takes a record of an ingress.
func (w *worker) acceptFed(q *request) {
	q.feed.last = q.position
	w.countFed(q.feed)
	w.sendMessage(&q.env, lineArrivals)
}

func (w *worker) countFed(f *feed) {
	feeds := w.epoch.feeds
	for i := range feeds {
		if feeds[i].feed == f {
			feeds[i].count++
			return
		}
	}
	w.epoch.feeds = append(feeds, fed{f, 1})
}

// cutFeeds writes the positions of the ingresses that were read.
func (w *worker) cutFeeds() {
	for _, f := range w.epoch.feeds {
		if plant.IngressUnsealed {
			continue
		}
		value, err := functions.Encode(f.feed.last)
		if err != nil {
			panic("engine: a position always encodes: " + err.Error())
		}
		w.addRow(store.IngressKey(nil, f.feed.name), value)
	}
}

// sealed makes room for further records.
func (f fed) sealed() {
	for range f.count {
		<-f.feed.slots
	}
}
