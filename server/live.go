package server

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// live looks into the engine for those who have a console open, and sends them what has changed: server-sent events, one for each view.
//
// One goroutine looks, every liveEvery, at the views that somebody has asked for, however many do; it ends with the last of them. So it
// costs the engine the same for a hundred consoles as for one, and nothing if there is none. Each reader is written to by the goroutine of
// its own request, and takes the newest of each view: one that is slow misses some, and holds up nobody.
type live struct {
	views  map[string]liveLook
	every  time.Duration
	watch  func() (stop func()) // tells the engine that somebody looks
	report func(view string, err error)

	mu      sync.Mutex
	readers map[*liveReader]bool
	runs    bool // the goroutine that looks
	news    map[string]news
	number  uint64        // of the last news
	wake    chan struct{} // there is a new reader: look at once
}

// liveLook looks at what a view shows.
type liveLook func(ctx context.Context) (any, error)

// news is what a view shows now.
type news struct {
	number uint64
	text   string // JSON
}

// liveReader is one who reads events.
type liveReader struct {
	views map[string]bool
	told  chan struct{} // there may be news
}

const (
	// liveEvery is how often a server looks for its consoles.
	liveEvery = 500 * time.Millisecond
	// liveWithin is how long the engine may take to tell what a view shows.
	liveWithin = time.Second
	// liveBeat is how often a reader hears something at least, so that it knows when the server is gone.
	liveBeat = 5 * time.Second
)

func newLive(views map[string]liveLook, watch func() func(), report func(string, error)) *live {
	return &live{views: views, every: liveEvery, watch: watch, report: report, readers: map[*liveReader]bool{}, news: map[string]news{}, wake: make(chan struct{}, 1)}
}

// join adds a reader of some views.
func (l *live) join(views map[string]bool) *liveReader {
	r := &liveReader{views: views, told: make(chan struct{}, 1)}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.readers[r] = true
	if !l.runs {
		l.runs = true
		go l.run()
	}
	notify(l.wake)
	return r
}

func (l *live) leave(r *liveReader) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.readers, r)
	notify(l.wake)
}

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run looks until nobody reads.
func (l *live) run() {
	defer l.watch()()
	tick := time.NewTicker(l.every)
	defer tick.Stop()
	for {
		wanted := l.wanted()
		if wanted == nil {
			return
		}
		for _, view := range wanted {
			l.put(view, l.look(view))
		}
		l.tell()
		select {
		case <-tick.C:
		case <-l.wake:
		}
	}
}

// wanted lists the views that somebody reads, and forgets the news of others, which grow old; nil if nobody reads at all: then the next
// reader starts another goroutine.
func (l *live) wanted() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := map[string]bool{}
	for r := range l.readers {
		maps.Copy(all, r.views)
	}
	maps.DeleteFunc(l.news, func(view string, _ news) bool { return !all[view] })
	if len(l.readers) == 0 {
		l.runs = false
		return nil
	}
	return append([]string{}, slices.Sorted(maps.Keys(all))...)
}

// look is the JSON of what a view shows; of an error if that cannot be told.
func (l *live) look(view string) string {
	ctx, cancel := context.WithTimeout(context.Background(), liveWithin)
	defer cancel()
	shown, err := l.views[view](ctx)
	if err != nil {
		l.report(view, err)
		return string(mustText(faultBody{*faultOf(err).forPeople()}))
	}
	return string(mustText(shown))
}

func (l *live) put(view, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.news[view].text == text {
		return
	}
	l.number++
	l.news[view] = news{l.number, text}
}

func (l *live) tell() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for r := range l.readers {
		notify(r.told)
	}
}

// event is what a view shows, for a reader.
type event struct {
	view string
	news
}

// after lists what a reader has not been sent: what is newer than the number.
func (l *live) after(r *liveReader, number uint64) (all []event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for view, n := range l.news {
		if n.number > number && r.views[view] {
			all = append(all, event{view, n})
		}
	}
	slices.SortFunc(all, func(a, b event) int { return int(int64(a.number - b.number)) })
	return all
}

// serveLive sends events until the client goes, does not read for Options.WriteTimeout, or the server closes.
func (s *Server) serveLive(w http.ResponseWriter, r *http.Request) {
	views, f := s.viewsOf(r)
	if f == nil && s.streams.Add(1) > int64(s.options.MaxStreams) {
		s.streams.Add(-1)
		f = faultf(codeOverloaded, "%d streams are open: Options.MaxStreams", s.options.MaxStreams)
	}
	if f != nil {
		writeFault(w, f)
		return
	}
	defer s.streams.Add(-1)
	reader := s.live.join(views)
	defer s.live.leave(reader)
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	control := http.NewResponseController(w)
	beat := time.NewTicker(liveBeat)
	defer beat.Stop()
	last := uint64(0)
	for {
		var text strings.Builder
		for _, e := range s.live.after(reader, last) {
			fmt.Fprintf(&text, "event: %s\ndata: %s\n\n", e.view, e.text)
			last = e.number
		}
		if text.Len() == 0 {
			text.WriteString(": nothing new\n\n")
		}
		_ = control.SetWriteDeadline(time.Now().Add(s.options.WriteTimeout)) // not all writers can: then there is none
		if _, err := w.Write([]byte(text.String())); err != nil || control.Flush() != nil {
			return
		}
		select {
		case <-reader.told:
		case <-beat.C:
		case <-r.Context().Done():
			return
		case <-s.closing:
			return
		}
	}
}

// viewsOf are the views that a request asks for: views=graph,sagas.
func (s *Server) viewsOf(r *http.Request) (map[string]bool, *fault) {
	query, f := readQuery(r.URL, "views")
	if f != nil {
		return nil, f
	}
	views := map[string]bool{}
	for view := range strings.SplitSeq(query.Get("views"), ",") {
		if s.live.views[view] == nil {
			return nil, faultf(codeInvalid, "there is no view %.40q: there are %s", view, strings.Join(slices.Sorted(maps.Keys(s.live.views)), ", "))
		}
		views[view] = true
	}
	return views, nil
}
