package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/examples/bank"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/locks"
	"github.com/concordat-dev/concordat/saga"
	"github.com/concordat-dev/concordat/server"
	"github.com/concordat-dev/concordat/twopc"
)

// The console in Debian's Chromium. server/console/test/console.mjs has what a person does there; here is what there is to be seen.

// cross moves money with one call after the other, so that two on the same accounts can wait for each other.
var cross = twopc.New("test/cross", func(tx *twopc.Tx, t bank.Transfer) error {
	if err := tx.Do(bank.Debit.On(t.From, t.Amount)); err != nil {
		return err
	}
	return tx.Do(bank.Credit.On(t.To, t.Amount))
})

// mended says whether the compensation of stubborn succeeds.
var mended atomic.Bool

const errHostile functions.Failure = "test: <script>alert(1)</script>"

var (
	shelves  = functions.NewType[int]("test/shelf")
	take     = functions.Upsert(shelves, "take", func(*functions.Ctx, *int, string) error { return nil })
	giveBack = functions.Upsert(shelves, "give back", func(*functions.Ctx, *int, string) error {
		if mended.Load() {
			return nil
		}
		return errEmpty
	})
	stubborn = saga.New("test/stubborn", func(s *saga.Run, id string) error {
		if err := s.Do(take.On(id, "first"), take.On(id, "the first back")); err != nil {
			return err
		}
		if err := s.Do(take.On(id, "second"), giveBack.On(id, "second")); err != nil {
			return err
		}
		return fmt.Errorf("%w \u202egnp.exe %s", errHostile, strings.Repeat("long ", 50))
	})
)

// ended says whether lasting comes to its end.
var ended atomic.Bool

var (
	linger  = functions.View(shelves, "linger", func(*functions.Ctx, int) (int, error) { time.Sleep(2 * time.Millisecond); return 0, nil })
	lasting = twopc.New("test/lasting", func(tx *twopc.Tx, id string) error {
		for !ended.Load() {
			if _, err := twopc.Ask(tx, linger.On(id)); err != nil {
				return err
			}
		}
		return nil
	})
)

// browser runs scenarios in Chromium.
type browser struct {
	t              *testing.T
	node, chromium string
}

// newBrowser finds what scenarios need, and skips the test where that is not there.
func newBrowser(t *testing.T) *browser {
	t.Helper()
	b := &browser{t: t}
	var err error
	if b.node, err = exec.LookPath("node"); err != nil {
		t.Skip("there is no node: install Debian's nodejs and npm to test the console")
	}
	if b.chromium, err = exec.LookPath("chromium"); err != nil {
		t.Skip("there is no chromium: install Debian's chromium to test the console")
	}
	if _, err := os.Stat("console/node_modules/playwright-core"); err != nil {
		t.Skip("there is no playwright-core: run npm ci in server/console to test the console")
	}
	return b
}

// run runs a scenario. When it wants something done outside, do does that and says what came of it.
func (b *browser) run(scenario string, s *server.Server, do func(what string) string, environment ...string) {
	b.t.Helper()
	end, cancel := context.WithTimeout(ctx, 4*time.Minute)
	defer cancel()
	c := exec.CommandContext(end, b.node, "console.mjs", scenario)
	c.Dir = filepath.Join("console", "test")
	c.Env = append(os.Environ(), "CONSOLE_URL="+s.URL(), "CHROMIUM="+b.chromium)
	c.Env = append(c.Env, environment...)
	c.Stderr = b.t.Output()
	in, err := c.StdinPipe()
	must(b.t, err)
	out, err := c.StdoutPipe()
	must(b.t, err)
	must(b.t, c.Start())
	var last string
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		line := lines.Text()
		if what, asks := strings.CutPrefix(line, "do "); asks {
			fmt.Fprintln(in, do(what))
			continue
		}
		last += line + "\n"
	}
	if err := c.Wait(); err != nil || last != "passed\n" {
		b.t.Errorf("%s: %v\n%s", scenario, err, last)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// openBank opens an engine with accounts and all functions of the console's tests.
func openBank(t testing.TB) *engine.Engine {
	t.Helper()
	mended.Store(false)
	e, err := engine.Open(engine.Options{
		Dir: t.TempDir(), Workers: 2, MaxUndoTries: 1, ReserveBytes: -1, Logger: slog.New(slog.DiscardHandler),
	}, append(parts(), cross, shelves, stubborn, lasting)...)
	must(t, err)
	t.Cleanup(func() { e.Close(ctx) })
	for _, id := range []string{"alice", "bob", "carol", "dave"} {
		must(t, e.Do(ctx, bank.Open.On(id, 100)))
	}
	return e
}

// loaded is an engine where much goes on: transactions that wait for each other, sagas that are stuck, one that sleeps.
func loaded(t testing.TB) *engine.Engine {
	t.Helper()
	e := openBank(t)
	for _, id := range []string{"stuck-retry", "stuck-skip", "stuck-done"} {
		if err := e.Do(ctx, stubborn.As(id, "s-"+id)); !errors.Is(err, saga.ErrStuck) {
			t.Fatal(err)
		}
	}
	_, err := e.Submit(sleepy.As("sleeps", time.Hour))
	must(t, err)
	return e
}

// crossing makes transactions that wait for each other, until the test ends.
func crossing(t testing.TB, e *engine.Engine) {
	t.Helper()
	stop, stopped := context.WithCancel(ctx)
	var all sync.WaitGroup
	ids := []string{"alice", "bob", "carol", "dave"}
	for g := range 24 {
		all.Go(func() {
			for i := g; stop.Err() == nil; i++ {
				err := e.Do(ctx, cross.As(fmt.Sprintf("load %d-%d", g, i), bank.Transfer{From: ids[i%4], To: ids[(i+1+g%3)%4], Amount: 1}))
				if err != nil && !errors.Is(err, bank.ErrInsufficientFunds) && !errors.Is(err, twopc.ErrDeadlock) {
					t.Error(err)
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
	t.Cleanup(func() { stopped(); all.Wait() })
}

func comparison(context.Context) (server.Comparison, error) {
	return server.Comparison{
		Load: "Transfers between a thousand accounts, 64 at a time", Running: true, Sides: []server.Side{
			{
				Name: "saga", About: "Each step is visible at once; a transfer that fails is undone.", PerSecond: 41_200, P50: 900 * time.Microsecond,
				P99: 4 * time.Millisecond, Committed: 1_234_567, Failed: 321, Looks: 400, HalfDone: 17, Sum: 993, Expect: 1000,
			}, {
				Name: "serializable", About: "Nobody ever sees half of a transfer.", PerSecond: 38_700, P50: 1100 * time.Microsecond,
				P99: 6 * time.Millisecond, Committed: 1_159_333, Failed: 298, Retried: 5120, Looks: 400, Sum: 1000, Expect: 1000,
			},
		},
	}, nil
}

// TestConsole: a person sees what goes on, and can act on it.
func TestConsole(t *testing.T) {
	b := newBrowser(t)
	e := loaded(t)
	crossing(t, e)
	s := start(t, e, server.Options{Compare: comparison})
	b.run("views", s, nil)
	b.run("narrow", s, nil)
	if dir := os.Getenv("CONSOLE_PICTURES"); dir != "" { // to look at: CONSOLE_PICTURES=DIR go test ./server -run 'TestConsole$'
		b.run("pictures", s, nil)
	}
}

// TestConsoleDeadlock: a deadlock lights up, and can be replayed.
func TestConsoleDeadlock(t *testing.T) {
	b := newBrowser(t)
	e := openBank(t)
	b.run("deadlock", start(t, e, server.Options{}), func(string) string {
		for e.Stats().Deadlocks == 0 {
			var both sync.WaitGroup
			for _, tx := range []bank.Transfer{{From: "alice", To: "bob", Amount: 1}, {From: "bob", To: "alice", Amount: 1}} {
				both.Go(func() {
					if err := e.Do(ctx, cross.With(tx)); err != nil {
						t.Error(err)
					}
				})
			}
			both.Wait()
		}
		d := e.Deadlocks()[0]
		older := d.Waits[0].Transaction
		if older == d.Victim {
			older = d.Waits[1].Transaction
		}
		return fmt.Sprint(d.Victim, older)
	})
}

// phaseOf is how far the saga of a request is, once it has ended or is stuck.
func phaseOf(t testing.TB, s *server.Server, request string) string {
	t.Helper()
	function := "test/stubborn"
	if request == "sleeps" {
		function = "test/sleepy"
	}
	var got struct{ State string }
	must(t, json.Unmarshal([]byte(send(t, s, "GET", "/v1/request/"+function+"?wait=20s&request="+request, "").body), &got))
	return got.State
}

// TestConsoleSagas: what a person decides about sagas happens, and nothing else.
func TestConsoleSagas(t *testing.T) {
	b := newBrowser(t)
	e := loaded(t)
	s := start(t, e, server.Options{})
	b.run("sagas", s, func(what string) string {
		verb, request, _ := strings.Cut(what, " ")
		switch verb {
		case "mend":
			mended.Store(true)
		case "phase":
			return phaseOf(t, s, request)
		case "decide":
			all, err := e.Sagas(ctx)
			must(t, err)
			for _, one := range all {
				if one.RequestID == request {
					must(t, e.DecideSaga(ctx, one.ID, saga.MarkDone))
				}
			}
		}
		return "ok"
	})
}

// TestConsoleCancel: a person cancels a transaction that lasts, and is told of one that has ended meanwhile.
func TestConsoleCancel(t *testing.T) {
	b := newBrowser(t)
	e := openBank(t)
	ended.Store(false)
	t.Cleanup(func() { ended.Store(true) })
	pending := map[string]engine.Pending{}
	for _, id := range []string{"lasts-1", "lasts-2"} {
		must(t, e.Do(ctx, take.On(id, "")))
		p, err := e.Submit(lasting.As(id, id))
		must(t, err)
		pending[id] = p
	}
	b.run("cancel", start(t, e, server.Options{}), func(what string) string {
		verb, id, _ := strings.Cut(what, " ")
		if verb == "end" {
			ended.Store(true)
			must(t, pending[id].Wait(ctx))
			return "ok"
		}
		switch p := pending[id]; {
		case !p.Done():
			return "running"
		case p.Wait(ctx) == nil:
			return "succeeded"
		case errors.Is(p.Wait(ctx), twopc.ErrCancelled):
			return "failed"
		}
		return fmt.Sprint(pending[id].Wait(ctx))
	})
}

// TestConsoleInstances: instances are found, and their operations called, with values of all kinds.
func TestConsoleInstances(t *testing.T) {
	b := newBrowser(t)
	e := openBank(t)
	s := start(t, e, server.Options{})
	must(t, e.Do(ctx, put.On("d-big", things{Number: 9007199254740993})))
	must(t, e.Do(ctx, put.On("other", things{})))
	b.run("instances", s, func(what string) string {
		verb, id, _ := strings.Cut(what, " ")
		if verb == "balance" {
			return send(t, s, "GET", "/v1/ask/bank/account/balance?id="+id, "").body
		}
		var got things
		must(t, json.Unmarshal([]byte(strings.Replace(send(t, s, "GET", "/v1/ask/test/drawer/last?id="+id, "").body, `"For":"0s"`, `"For":0`, 1)), &got))
		text, err := json.Marshal(map[string]any{"Text": got.Text, "Small": got.Small, "At": got.At, "Maybe": got.Maybe != nil, "List": len(got.List)})
		must(t, err)
		return string(text)
	})
}

// TestConsoleHostile: ids and texts of failures are text, whatever they have in them.
func TestConsoleHostile(t *testing.T) {
	b := newBrowser(t)
	e := openBank(t)
	ids := []string{
		`<img src=x onerror=alert(1)>`, `"><script>alert(1)</script>`, "a/../b?c=d#e&f%2F", "\u202eright to left", "\x00\x01\x1b[31m\n\t", " ", "👩‍👩‍👧‍👦 é",
		strings.Repeat("long", 125), "javascript:alert(1)", `\u0041{{7*7}}${7*7}`, "constructor", "__proto__",
	}
	for _, id := range ids {
		must(t, e.Do(ctx, count.On(id, 1).Drop()))
	}
	if err := e.Do(ctx, stubborn.As("<b>id</b>", "<i>")); !errors.Is(err, saga.ErrStuck) {
		t.Fatal(err)
	}
	text, err := json.Marshal(ids)
	must(t, err)
	b.run("hostile", start(t, e, server.Options{}), nil, "CONSOLE_IDS="+string(text))
}

// TestConsoleRoles: the console asks for a token where one is needed, and offers what its role may do.
func TestConsoleRoles(t *testing.T) {
	b := newBrowser(t)
	credentials, of, _ := tokens(t)
	s := start(t, loaded(t), server.Options{Credentials: credentials})
	text, err := json.Marshal(map[string]string{"reader": of[server.Reader], "operator": of[server.Operator]})
	must(t, err)
	b.run("roles", s, nil, "CONSOLE_TOKENS="+string(text))
}

// TestConsoleAway: the console outlives its server, and goes on when that is back.
func TestConsoleAway(t *testing.T) {
	b := newBrowser(t)
	e := openBank(t)
	s := start(t, e, server.Options{})
	now := s
	b.run("away", s, func(what string) string {
		if what == "start" {
			var err error
			now, err = server.Start(e, server.Options{Address: s.Addr().String(), Logger: slog.New(slog.DiscardHandler)})
			must(t, err)
			return "ok"
		}
		end, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		now.Shutdown(end) // connections that are left are closed
		return "ok"
	})
	end, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	now.Shutdown(end)
}

// TestConsoleCrowd: a graph of 2,000 who wait for 70 instances, others at each look, with a circle in it.
func TestConsoleCrowd(t *testing.T) {
	b := newBrowser(t)
	var looks atomic.Uint64
	o := server.Options{}.ShowLocks(func() []engine.LockInfo { return crowd(looks.Add(1)) })
	b.run("crowd", start(t, openBank(t), o), nil)
	if looks.Load() < 4 {
		t.Errorf("the server has looked %d times", looks.Load())
	}
}

// crowd is 70 locks for which 2,000 wait.
func crowd(look uint64) (all []engine.LockInfo) {
	now := time.Now()
	next := 1000 * look
	claim := func(owner uint64) engine.LockClaim {
		return engine.LockClaim{Owner: owner, Attempt: 1, Function: "test/cross", Operation: "bank/account.debit", Mode: locks.Exclusive, Since: now.Add(-time.Second)}
	}
	for i := range 70 {
		l := engine.LockInfo{Address: functions.Address{Type: "bank/account", ID: fmt.Sprintf("account %d", i)}, HolderCount: 1, WaiterCount: 20}
		if i == 0 {
			l.WaiterCount = 2000 - 69*20
		}
		l.Holders = []engine.LockClaim{claim(uint64(i + 1))}
		for n := range l.WaiterCount {
			owner := next + uint64(n)
			if n == 0 { // who holds another one: the first two hold each other's
				owner = []uint64{2, 1, 1, 3, 4}[min(i, 4)]
			}
			l.Waiters = append(l.Waiters, claim(owner))
		}
		next += uint64(l.WaiterCount)
		all = append(all, l)
	}
	return all
}

// TestConsoleEmpty: an engine in which there is nothing.
func TestConsoleEmpty(t *testing.T) {
	b := newBrowser(t)
	b.run("empty", start(t, openEngine(t), server.Options{}), nil)
}

// TestConsoleFiles: the files of the console are there for everybody, with a policy that lets no other script run; they are small; nothing
// else is served from where they are.
func TestConsoleFiles(t *testing.T) {
	credentials, _, _ := tokens(t)
	s := start(t, openEngine(t), server.Options{Credentials: credentials})
	size := 0
	for path, kind := range map[string]string{
		"/console/": "text/html; charset=utf-8", "/console/app.js": "text/javascript; charset=utf-8", "/console/app.css": "text/css; charset=utf-8",
		"/console/icon.svg": "image/svg+xml",
	} {
		got := send(t, s, "GET", path, "")
		size += len(got.body)
		policy := got.header.Get("Content-Security-Policy")
		if got.status != 200 || got.header.Get("Content-Type") != kind || !strings.HasPrefix(policy, "default-src 'none'; script-src 'self'; style-src 'self';") ||
			strings.Contains(policy, "unsafe") || !strings.Contains(policy, "frame-ancestors 'none'") || got.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v", path, got.status, got.header)
		}
	}
	if size > 200<<10 {
		t.Errorf("the files have %d bytes together", size)
	}
	page := send(t, s, "GET", "/console/", "").body
	for _, part := range []string{"<style", "onclick", "style=", "javascript:", "http:", "https:"} {
		if strings.Contains(page, part) {
			t.Errorf("the page has %s in it", part)
		}
	}
	if strings.Count(page, "<script") != strings.Count(page, `<script src="app.js" defer></script>`) {
		t.Errorf("the page has a script of its own:\n%s", page)
	}
	for _, path := range []string{"/", "/console"} {
		if got := send(t, s, "GET", path, ""); got.status != 303 || got.header.Get("Location") != "/console/" {
			t.Errorf("%s: %d %v", path, got.status, got.header)
		}
	}
	for _, path := range []string{"/console/nothing", "/console/../openapi.json", "/console/%2e%2e/console.go", "/console//app.js", "/console/dist/app.js", "/console/app.js/"} {
		if got := send(t, s, "GET", path, ""); got.status != 404 && got.status != 401 {
			t.Errorf("%s: %d %.100s", path, got.status, got.body)
		}
	}
	off := start(t, openEngine(t), server.Options{NoConsole: true})
	for _, path := range []string{"/", "/console/", "/console/api/session", "/console/api/live?views=graph"} {
		if got := send(t, off, "GET", path, ""); got.status != 404 {
			t.Errorf("without a console: %s: %d", path, got.status)
		}
	}
}

// TestConsoleForeign: no page of another origin reads what the console reads.
func TestConsoleForeign(t *testing.T) {
	s := start(t, openEngine(t), server.Options{})
	for _, path := range []string{"/console/", "/console/api/session", "/console/api/live?views=graph"} {
		for _, header := range [][2]string{{"Origin", "https://evil.example"}, {"Sec-Fetch-Site", "cross-site"}, {"Host", "evil.example"}} {
			if got := send(t, s, "GET", path, "", header[0], header[1]); got.status != 403 {
				t.Errorf("%s with %v: %d", path, header, got.status)
			}
		}
	}
}

// TestComparison: what the program compares is told as the console shows it, also where it fails or panics; without it there is none.
func TestComparison(t *testing.T) {
	e := openEngine(t)
	got := send(t, start(t, e, server.Options{Compare: comparison}), "GET", "/console/api/compare", "")
	for _, part := range []string{`"name":"saga"`, `"halfDone":17`, `"perSecond":41200`, `"p50":0.9`, `"sum":"993"`, `"running":true`} {
		if got.status != 200 || !strings.Contains(got.body, part) {
			t.Errorf("%d: there is no %s in %s", got.status, part, got.body)
		}
	}
	expectCode(t, send(t, start(t, e, server.Options{}), "GET", "/console/api/compare", ""), 404, "not_found", "Options.Compare")
	for _, compare := range []func(context.Context) (server.Comparison, error){
		func(context.Context) (server.Comparison, error) { return server.Comparison{}, errors.New("not now") },
		func(context.Context) (server.Comparison, error) { panic("not now") },
	} {
		expectCode(t, send(t, start(t, e, server.Options{Compare: compare}), "GET", "/console/api/compare", ""), 504, "unknown", "not now")
	}
}

// query is the views of the console as part of an address.
func query(views ...string) string {
	return "/console/api/live?views=" + url.QueryEscape(strings.Join(views, ","))
}
