package server_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/examples/bank"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/saga"
	"github.com/concordat-dev/concordat/server"
)

var ctx = context.Background()

// drawer is the state of a type whose operations take and give all kinds of values.
type drawer struct {
	Last  things
	Count int
}

type things struct {
	Text   string
	Number int64
	Small  uint8
	Ratio  float64
	At     time.Time
	For    time.Duration
	Bytes  []byte
	List   []thing
	ByName map[string]thing
	Maybe  *thing
	Yes    bool `json:"yes"`
}

type thing struct {
	Name string
	Sub  []thing
}

const errEmpty functions.Failure = "drawer: nothing in it"

var (
	drawers = functions.NewType[drawer]("test/drawer")
	put     = functions.Upsert(drawers, "put", func(_ *functions.Ctx, d *drawer, t things) error {
		d.Last = t
		d.Count++
		return nil
	})
	_ = functions.View(drawers, "last", func(_ *functions.Ctx, d drawer) (things, error) {
		if d.Count == 0 {
			return things{}, errEmpty
		}
		return d.Last, nil
	})
	_ = functions.View1(drawers, "holds", func(_ *functions.Ctx, d drawer, name string) (bool, error) {
		return d.Last.Text == name, nil
	})
	count = functions.UpsertReturning(drawers, "count", func(_ *functions.Ctx, d *drawer, by int) (int, error) {
		d.Count += by
		return d.Count, nil
	})
	_      = functions.Delete(drawers, "clear out", func(*functions.Ctx, *drawer) error { return nil })
	refuse = functions.Upsert(drawers, "refuse", func(*functions.Ctx, *drawer, int) error { return errEmpty })
	sleepy = saga.New("test/sleepy", func(s *saga.Run, d time.Duration) error {
		if err := s.Do(count.On("sleepy", 1).Drop(), saga.NoUndo); err != nil {
			return err
		}
		return s.Sleep(d)
	})
	doomed = saga.New("test/doomed", func(s *saga.Run, id string) error {
		if err := s.Do(count.On(id, 1).Drop(), refuse.On(id, 1)); err != nil {
			return err
		}
		return errors.New("doomed")
	})
)

func parts() []functions.Part { return append(bank.Parts(), drawers, sleepy, doomed) }

// openEngine opens an engine with the functions of the tests.
func openEngine(t testing.TB) *engine.Engine {
	t.Helper()
	e, err := engine.Open(engine.Options{
		Dir: t.TempDir(), Workers: 2, MaxUndoTries: 1, ReserveBytes: -1, Logger: slog.New(slog.DiscardHandler),
	}, parts()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close(ctx) })
	return e
}

// start starts a server.
func start(t testing.TB, e *engine.Engine, o server.Options) *server.Server {
	t.Helper()
	o.Address = "127.0.0.1:0"
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s, err := server.Start(e, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		end, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		s.Shutdown(end)
	})
	return s
}

// response is what a request was answered with.
type response struct {
	status int
	header http.Header
	body   string
}

// send sends a request. headers are names and values in turn.
func send(t testing.TB, s *server.Server, method, path, body string, headers ...string) response {
	t.Helper()
	r, err := http.NewRequest(method, s.URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response{answer.StatusCode, answer.Header, string(bytes.TrimSpace(text))}
}

// expect fails unless a request is answered with this status and body.
func expect(t testing.TB, got response, status int, body string) {
	t.Helper()
	if got.status != status || got.body != body {
		t.Errorf("answered %d %.2000s\nwant %d %s", got.status, got.body, status, body)
	}
}

// expectCode fails unless a request is answered with an error of a code whose text has a part.
func expectCode(t testing.TB, got response, status int, code, part string) {
	t.Helper()
	if got.status != status || !strings.Contains(got.body, `"code":"`+code+`"`) || !strings.Contains(got.body, part) {
		t.Errorf("answered %d %.2000s\nwant %d with code %s and %q", got.status, got.body, status, code, part)
	}
}
