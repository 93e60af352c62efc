package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/server"
)

// events are those that a reader of the console's stream is sent.
type events struct {
	t     testing.TB
	body  *bufio.Reader
	close func()
}

// follow reads the console's stream.
func follow(t testing.TB, s *server.Server, views ...string) *events {
	t.Helper()
	until, cancel := context.WithTimeout(ctx, time.Minute)
	r, err := http.NewRequestWithContext(until, "GET", s.URL()+query(views...), nil)
	must(t, err)
	answer, err := http.DefaultTransport.RoundTrip(r)
	must(t, err)
	if answer.StatusCode != 200 || answer.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%d %v", answer.StatusCode, answer.Header)
	}
	e := &events{t, bufio.NewReader(answer.Body), func() { cancel(); answer.Body.Close() }}
	t.Cleanup(e.close)
	return e
}

// next is the next event.
func (e *events) next() (view, data string) {
	e.t.Helper()
	for {
		line, err := e.body.ReadString('\n')
		if err != nil {
			e.t.Fatal(err)
		}
		line = strings.TrimSuffix(line, "\n")
		if name, ok := strings.CutPrefix(line, "event: "); ok {
			view = name
		}
		if text, ok := strings.CutPrefix(line, "data: "); ok {
			return view, text
		}
	}
}

// eventually waits until a fact holds.
func eventually(t testing.TB, fact func() bool, what string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !fact(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it is not so that %s", what)
		}
	}
}

// TestLive: each view tells what goes on in the engine, and only those come that were asked for.
func TestLive(t *testing.T) {
	e := loaded(t)
	crossing(t, e)
	s := start(t, e, server.Options{Compare: comparison})
	parts := map[string][]string{
		"graph":        {`"waits":`, `"mode":"exclusive"`, `"function":"test/cross"`},
		"deadlocks":    {`"victim":"`, `"blockedBy":"`, `"holds":true`},
		"transactions": {`"vote":"yes"`, `"vote":"gave way"`, `"committed":true`, `"request":"load `},
		"sagas":        {`"phase":"stuck"`, `"undone":"failing"`, `"phases":{`, `"request":"sleeps"`},
		"locks":        {`"hot":[{"address":{"type":"bank/account"`},
		"epochs":       {`"overlay":`, `"outcomes":`},
		"metrics":      {`"name":"test/cross"`, `"inFlight":`, `"deadlocks":`},
		"compare":      {`"name":"serializable"`},
	}
	for view, want := range parts {
		reader := follow(t, s, view)
		for len(want) > 0 {
			got, data := reader.next()
			if got != view || !json.Valid([]byte(data)) {
				t.Fatalf("asked for %s, and was sent %s: %.300s", view, got, data)
			}
			left := want[:0:0]
			for _, part := range want {
				if !strings.Contains(data, part) {
					left = append(left, part)
				}
			}
			want = left // what the view has only at times may come later; the test ends after a minute
		}
		reader.close()
	}
}

// TestLiveCostsNothing: nobody looks while nobody reads; many who read cost one look; what has not changed is sent once.
func TestLiveCostsNothing(t *testing.T) {
	e := openBank(t)
	var looks atomic.Int64
	s := start(t, e, server.Options{Compare: comparison}.ShowLocks(func() []engine.LockInfo { looks.Add(1); return nil }))
	if s.Looks() {
		t.Error("it looks, and nobody reads")
	}
	first := follow(t, s, "graph", "compare")
	seen := map[string]int{}
	for seen["graph"] < 4 {
		view, _ := first.next()
		seen[view]++
	}
	if seen["compare"] != 1 {
		t.Errorf("what did not change was sent %d times", seen["compare"])
	}
	before := looks.Load()
	var others []*events
	for range 10 {
		others = append(others, follow(t, s, "graph"))
	}
	for range 4 {
		for _, o := range others {
			if view, _ := o.next(); view != "graph" {
				t.Errorf("a reader of the graph was sent %s", view)
			}
		}
	}
	if n := looks.Load() - before; n > 30 { // each that joins makes it look at once
		t.Errorf("it looked %d times for ten readers, who were told 4 times", n)
	}
	for _, o := range append(others, first) {
		o.close()
	}
	eventually(t, func() bool { return !s.Looks() }, "nobody looks after the last reader has gone")
	if eventful, plain := e.Traces(); len(eventful)+len(plain) > 0 {
		t.Error("something was traced before anybody looked")
	}
	before = looks.Load()
	again := follow(t, s, "graph")
	again.next()
	if looks.Load() == before || !s.Looks() {
		t.Error("it does not look for one who comes later")
	}
}

// TestLiveBounds: streams are bounded, views are checked, and closing the server ends the streams.
func TestLiveBounds(t *testing.T) {
	s := start(t, openEngine(t), server.Options{MaxStreams: 2})
	expectCode(t, send(t, s, "GET", "/console/api/live?views=nothing", ""), 400, "invalid", "there are deadlocks, epochs, graph, locks, metrics, sagas, transactions")
	expectCode(t, send(t, s, "GET", "/console/api/live?views=graph,compare", ""), 400, "invalid", "compare")
	expectCode(t, send(t, s, "GET", "/console/api/live", ""), 400, "invalid", "no view")
	one, other := follow(t, s, "graph"), follow(t, s, "epochs")
	expectCode(t, send(t, s, "GET", query("graph"), ""), 503, "overloaded", "Options.MaxStreams")
	other.close()
	var third *events
	eventually(t, func() bool {
		got, err := http.Get(s.URL() + query("graph"))
		must(t, err)
		if got.StatusCode != 200 {
			got.Body.Close()
			return false
		}
		third = &events{t, bufio.NewReader(got.Body), func() { got.Body.Close() }}
		return true
	}, "there is room again")
	one.next()
	third.next()
	end, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	must(t, s.Shutdown(end))
	if _, err := one.body.ReadString(0); err == nil {
		t.Error("the stream goes on after the server has closed")
	}
}

// TestLiveOfClosedEngine: a view that the engine does not tell says why, and the stream goes on.
func TestLiveOfClosedEngine(t *testing.T) {
	e := openBank(t)
	s := start(t, e, server.Options{})
	reader := follow(t, s, "sagas", "epochs")
	reader.next()
	must(t, e.Close(ctx))
	for {
		view, data := reader.next()
		if view == "sagas" && strings.Contains(data, `"error":{"code":"overloaded"`) {
			break
		}
	}
}
