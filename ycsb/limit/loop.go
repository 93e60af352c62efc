package limit

import (
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/concordat-dev/concordat/ycsb"
	"github.com/concordat-dev/concordat/ycsb/internal/rules"
)

// request is an operation that waits to be made.
type request struct {
	id     string // "" if it has none
	print  uint64 // its fingerprint
	writes bool
	run    func() rules.Status // on the loop's goroutine

	status rules.Status
	err    error
	done   chan struct{} // takes a token when the request is answered
}

// maxWaiting is how many requests wait for the loop without being blocked where they were sent.
const maxWaiting = 4096

// spare are requests that were answered, to be used again.
var spare = sync.Pool{New: func() any { return &request{done: make(chan struct{}, 1)} }}

// read has something read by the loop.
func (l *Limit) read(run func() rules.Status) error { return l.do("", 0, false, run) }

// write has something written by the loop, and waits until it is durable.
func (l *Limit) write(id string, print uint64, run func() rules.Status) error {
	return l.do(id, print, true, run)
}

func (l *Limit) do(id string, print uint64, writes bool, run func() rules.Status) error {
	r := spare.Get().(*request)
	r.id, r.print, r.writes, r.run = id, print, writes, run
	l.requests <- r
	<-r.done
	status, err := r.status, r.err
	*r = request{done: r.done}
	spare.Put(r)
	if err != nil {
		return err
	}
	return status.Err()
}

// loop makes one group of requests after the other, until the Limit is closed.
func (l *Limit) loop() {
	defer close(l.ended)
	var group []*request
	for first := range l.requests {
		runtime.Gosched() // those who are ready come along with this group; see engine.seal
		for group = append(group[:0], first); len(l.requests) > 0; {
			group = append(group, <-l.requests)
		}
		l.serve(group)
	}
}

// serve makes the requests of a group: what reads first, then what writes, in as many entries as their bound needs.
func (b *books) serve(group []*request) {
	writes := group[:0]
	for _, r := range group {
		if r.writes {
			writes = append(writes, r)
			continue
		}
		if r.err = b.failure; r.err == nil {
			r.status = r.run()
		}
		r.done <- struct{}{}
	}
	from := 0
	for i, r := range writes {
		if r.err = b.failure; r.err == nil {
			r.status = r.run()
		}
		if b.changed >= maxEntryBytes || i == len(writes)-1 {
			b.seal(writes[from : i+1])
			from = i + 1
		}
	}
}

// maxEntryBytes is about how large an entry becomes before another one is begun.
const maxEntryBytes = 16 << 20

// seal makes durable what requests changed, and answers them.
func (b *books) seal(group []*request) {
	b.encode(group)
	if b.batch.Count() > 0 {
		if err := b.append(len(group)); err != nil {
			b.failure = fmt.Errorf("%w: limit: the log failed: %w", ycsb.ErrStore, err)
			for _, r := range group {
				r.err = fmt.Errorf("%w: %w", ycsb.ErrUnknown, b.failure)
			}
		}
	}
	for _, r := range group {
		r.done <- struct{}{}
	}
}

// append appends the batch, which is of so many requests, to the log, and cuts the log off where it has become too long.
func (b *books) append(requests int) error {
	b.watermark()
	began := time.Now()
	if err := b.log.Append(b.batch.Entry(b.epoch)); err != nil {
		return err
	}
	if requests == 1 {
		b.alone.Add(time.Since(began), 1)
	}
	if b.kept += int64(b.batch.Len()); b.kept < keptBytes {
		return nil
	}
	b.kept = 0
	return b.log.DeleteFront(b.epoch) // the last one stays
}
