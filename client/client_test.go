package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/client"
	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/examples/bank"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/failures"
	"github.com/concordat-dev/concordat/saga"
	"github.com/concordat-dev/concordat/server"
)

var ctx = context.Background()

type counter struct{ Count int }

const errNo functions.Failure = "test: no"

var (
	counters = functions.NewType[counter]("test/counter")
	add      = functions.UpsertReturning(counters, "add", func(_ *functions.Ctx, c *counter, n int) (int, error) {
		if n < 0 {
			return 0, fmt.Errorf("%w: %d", errNo, n)
		}
		c.Count += n
		return c.Count, nil
	})
	read   = functions.View(counters, "read", func(_ *functions.Ctx, c counter) (int, error) { return c.Count, nil })
	refuse = functions.Upsert(counters, "refuse", func(*functions.Ctx, *counter, int) error { return errNo })
	sleepy = saga.New("test/sleepy", func(s *saga.Run, d time.Duration) error { return s.Sleep(d) })
	stuck  = saga.New("test/stuck", func(s *saga.Run, id string) error {
		if err := s.Do(add.On(id, 1).Drop(), refuse.On(id, 1)); err != nil {
			return err
		}
		return errNo
	})
)

func parts() []functions.Part { return append(bank.Parts(), counters, sleepy, stuck) }

// world is a server that a test can take away and bring back.
type world struct {
	engine  *engine.Engine
	server  *server.Server
	options server.Options
}

func newWorld(t testing.TB, o server.Options) *world {
	t.Helper()
	e, err := engine.Open(engine.Options{
		Dir: t.TempDir(), Workers: 1, MaxUndoTries: 1, ReserveBytes: -1, Logger: slog.New(slog.DiscardHandler),
	}, parts()...)
	if err != nil {
		t.Fatal(err)
	}
	o.Address, o.Logger = "127.0.0.1:0", slog.New(slog.DiscardHandler)
	w := &world{engine: e, options: o}
	w.start(t)
	w.options.Address = w.server.Addr().String()
	t.Cleanup(func() { w.stop(); e.Close(ctx) })
	return w
}

func (w *world) start(t testing.TB) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		s, err := server.Start(w.engine, w.options)
		if err == nil {
			w.server = s
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// stop ends the server at once.
func (w *world) stop() {
	over, cancel := context.WithCancel(ctx)
	cancel()
	w.server.Shutdown(over)
}

func open(t testing.TB, w *world, o client.Options) *client.Client {
	t.Helper()
	o.URL = w.server.URL()
	c, err := client.Open(o, parts()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// doer is what a program works with, whether its engine is here or elsewhere.
func money(d engine.Doer) (total int64, err error) {
	err = errors.Join(
		d.Do(ctx, bank.Open.On("a", 100).As("open a")), d.Do(ctx, bank.Open.On("b", 50).As("open b")),
		d.Do(ctx, bank.TransferTx.As("t1", bank.Transfer{From: "a", To: "b", Amount: 30})),
		d.Do(ctx, bank.TransferSaga.With(bank.Transfer{From: "b", To: "a", Amount: 5})),
	)
	if err != nil {
		return 0, err
	}
	return engine.Ask(ctx, d, bank.Total.With([]string{"a", "b"}))
}

// TestSameProgram: a program runs with an engine and with a client alike.
func TestSameProgram(t *testing.T) {
	w := newWorld(t, server.Options{})
	for name, d := range map[string]engine.Doer{"client": open(t, w, client.Options{}), "engine": w.engine} {
		if total, err := money(d); total != 150 && err == nil || err != nil && !errors.Is(err, functions.ErrExists) {
			t.Errorf("%s: %d, %v", name, total, err)
		}
		_, err := engine.Ask(ctx, d, add.On("x", -1))
		var far *failures.FarError
		if !errors.Is(err, errNo) || !errors.As(err, &far) || err.Error() != "test: no: -1" {
			t.Errorf("%s: %v", name, err)
		}
		if _, err = engine.Ask(ctx, d, read.On("nobody")); !errors.Is(err, functions.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
		if err = d.Do(ctx, bank.Open.On("a", 1).As("open a")); !errors.Is(err, engine.ErrReusedID) {
			t.Errorf("%s: %v", name, err)
		}
		if err = d.Do(ctx, stuck.As("stuck "+name, "s"+name)); !errors.Is(err, engine.ErrUnknown) || !errors.Is(err, saga.ErrStuck) {
			t.Errorf("%s: %v", name, err)
		}
		if err = d.Do(ctx, bank.Credit.On("", 1)); !errors.Is(err, functions.ErrBadCall) {
			t.Errorf("%s: %v", name, err)
		}
		over, cancel := context.WithCancel(ctx)
		cancel()
		if err = d.Do(over, bank.Credit.On("a", 1)); !errors.Is(err, engine.ErrNotBegun) || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
		short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		if err = d.Do(short, sleepy.With(time.Minute)); !errors.Is(err, engine.ErrUnknown) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
}

// TestPipelining: many requests are under way at once on one connection, and each gets its own answer.
func TestPipelining(t *testing.T) {
	w := newWorld(t, server.Options{MaxStreamRequests: 64}) // fewer than there are
	c := open(t, w, client.Options{})
	var all sync.WaitGroup
	for g := range 500 {
		all.Go(func() {
			id := fmt.Sprint("c", g)
			for i := 1; i <= 10; i++ {
				if n, err := client.Ask(ctx, c, add.On(id, 1)); err != nil || n != i {
					t.Errorf("%s: %d, %v", id, n, err)
				}
			}
		})
	}
	all.Wait()
}

// TestLongSaga: an answer that comes late holds up no other.
func TestLongSaga(t *testing.T) {
	c := open(t, newWorld(t, server.Options{}), client.Options{})
	slow := make(chan error)
	short, cancel := context.WithCancel(ctx)
	go func() { slow <- c.Do(short, sleepy.With(time.Hour)) }()
	for i := 1; i <= 100; i++ {
		if n, err := client.Ask(ctx, c, add.On("x", 1)); err != nil || n != i {
			t.Fatal(n, err)
		}
	}
	cancel()
	if err := <-slow; !errors.Is(err, client.ErrUnknown) {
		t.Error(err)
	}
}

// TestServerGoesAway: while the server goes away and comes back, requests with ids run once each, and questions are answered.
func TestServerGoesAway(t *testing.T) {
	w := newWorld(t, server.Options{})
	c := open(t, w, client.Options{})
	var done atomic.Int64
	var all sync.WaitGroup
	for g := range 20 {
		all.Go(func() {
			for i := range 50 {
				for {
					err := c.Do(ctx, add.On("x", 1).Drop().As(fmt.Sprint(g, "/", i)))
					if err == nil {
						break
					}
					if !errors.Is(err, client.ErrOverloaded) { // it was closing
						t.Error(err)
						return
					}
				}
				done.Add(1)
			}
		})
	}
	for _, at := range []int64{100, 400, 700} {
		for done.Load() < at && !t.Failed() {
			time.Sleep(time.Millisecond)
		}
		w.stop()
		w.start(t)
	}
	all.Wait()
	if n, err := client.Ask(ctx, c, read.On("x")); err != nil || n != 1000 {
		t.Errorf("%d of 1000 have run, %v", n, err)
	}
}

// TestUnknown: of a request without an id that was under way when the connection was lost the outcome is unknown.
func TestUnknown(t *testing.T) {
	w := newWorld(t, server.Options{})
	c := open(t, w, client.Options{RetryFor: 50 * time.Millisecond})
	answered := make(chan error)
	go func() { answered <- c.Do(ctx, sleepy.With(time.Hour)) }()
	for {
		if sagas, err := w.engine.Sagas(ctx); err != nil || len(sagas) > 0 {
			break
		}
	}
	w.stop()
	if err := <-answered; !errors.Is(err, client.ErrUnknown) {
		t.Error(err)
	}
	if err := c.Do(ctx, bank.Credit.On("a", 1)); !errors.Is(err, client.ErrUnreachable) || errors.Is(err, client.ErrUnknown) {
		t.Error(err)
	}
	c.Close()
	if err := c.Do(ctx, bank.Credit.On("a", 1)); !errors.Is(err, client.ErrClosed) {
		t.Error(err)
	}
}

// TestDiffers: a client whose functions are not the server's is told which.
func TestDiffers(t *testing.T) {
	w := newWorld(t, server.Options{})
	other := functions.NewType[counter]("test/counter")
	functions.UpsertReturning(other, "add", func(*functions.Ctx, *counter, string) (int, error) { return 0, nil })
	functions.View(other, "read", func(*functions.Ctx, counter) (string, error) { return "", nil })
	functions.View(other, "more", func(*functions.Ctx, counter) (int, error) { return 0, nil })
	missing := saga.New("test/missing", func(*saga.Run, int) error { return nil })
	inputs := saga.New("bank/transfer", func(*saga.Run, int) error { return nil })
	_, err := client.Open(client.Options{URL: w.server.URL()}, other, missing, inputs)
	if !errors.Is(err, client.ErrDiffers) {
		t.Fatal(err)
	}
	for _, part := range []string{
		"argument of test/counter.add", "result of test/counter.read", "no operation test/counter.more", `no coordinator function "test/missing"`,
		`"bank/transfer" is serializable there`, "input of bank/transfer",
	} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v\nsays nothing of %s", err, part)
		}
	}
	c := open(t, w, client.Options{})
	unknown := functions.Update(other, "late", func(*functions.Ctx, *counter, int) error { return nil })
	if err := c.Do(ctx, unknown.On("x", 1)); !errors.Is(err, functions.ErrUnknownOperation) {
		t.Error(err)
	}
}

// TestStranger: what is no server of Concordat's gives an error in time.
func TestStranger(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { io.WriteString(conn, "220 smtp.example.com\r\n"); conn.Close() }()
		}
	}()
	for name, url := range map[string]string{
		"another protocol": "http://" + listener.Addr().String(), "nobody": "http://127.0.0.1:1", "no TLS": "https://" + listener.Addr().String(),
	} {
		if _, err := client.Open(client.Options{URL: url, Timeout: 2 * time.Second}, parts()...); !errors.Is(err, client.ErrUnreachable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, url := range []string{"", "127.0.0.1:7411", "ftp://x", "http://user:pw@x"} {
		if _, err := client.Open(client.Options{URL: url}); err == nil || errors.Is(err, client.ErrUnreachable) {
			t.Errorf("%q: %v", url, err)
		}
	}
}

// BenchmarkTransfers: serializable transfers over one stream, 512 at a time, server and client in one process.
func BenchmarkTransfers(b *testing.B) {
	w := newWorld(b, server.Options{})
	c := open(b, w, client.Options{})
	const accounts = 5000
	var all sync.WaitGroup
	for g := range 100 {
		all.Go(func() {
			for i := g; i < accounts; i += 100 {
				if err := c.Do(ctx, bank.Open.On(fmt.Sprint("a", i), 1_000_000)); err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
	b.ResetTimer()
	var next atomic.Int64
	for range 512 {
		all.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				from := n * 7919 % accounts
				t := bank.Transfer{From: fmt.Sprint("a", from), To: fmt.Sprint("a", (from+n%4998+1)%accounts), Amount: 1}
				if err := c.Do(ctx, bank.TransferTx.With(t)); err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "transfers/s")
}
