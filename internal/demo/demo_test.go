package demo

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asEngine, in the environment, makes the test's binary be an engine's process.
const asEngine = "CONCORDAT_TEST_AS_DEMO_ENGINE"

func TestMain(m *testing.M) {
	if os.Getenv(asEngine) != "" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		if err := RunEngine(ctx, os.Args[1], os.Args[2], os.Stdin, os.Stdout, os.Stderr); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func engineCommand(dir, address string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], dir, address)
	cmd.Env = append(os.Environ(), asEngine+"=1")
	return cmd
}

// running is a demo, with the page's stream of states.
type running struct {
	url    string
	states chan state
	ended  chan error
	stop   context.CancelFunc
}

func startDemo(t *testing.T) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{states: make(chan state), ended: make(chan error, 1), stop: cancel}
	serving := make(chan string, 1)
	go func() {
		r.ended <- Run(ctx, Options{Dir: t.TempDir(), Address: "127.0.0.1:0", Engine: engineCommand, OnServing: func(url string) { serving <- url }})
	}()
	select {
	case r.url = <-serving:
	case err := <-r.ended:
		t.Fatal(err)
	}
	go r.watch(ctx)
	return r
}

// watch is what an open page does.
func (r *running) watch(ctx context.Context) {
	defer close(r.states)
	request, _ := http.NewRequestWithContext(ctx, http.MethodGet, r.url+"/state", nil)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	for lines.Buffer(nil, 1<<20); lines.Scan(); {
		text, found := strings.CutPrefix(lines.Text(), "data: ")
		var st state
		if !found || json.Unmarshal([]byte(text), &st) != nil {
			continue
		}
		select {
		case r.states <- st:
		case <-ctx.Done():
			return
		}
	}
}

// until waits for a state, and fails if the money does not add up meanwhile, as often as it was counted.
func (r *running) until(t *testing.T, what string, is func(st state) bool) state {
	t.Helper()
	var last state
	for end := time.After(2 * time.Minute); ; {
		select {
		case st, open := <-r.states:
			if !open {
				t.Fatalf("%s: the stream has ended", what)
			}
			for _, s := range st.Sides {
				if !s.Money.Counted.IsZero() && !s.Adds {
					t.Fatalf("%s: the money does not add up: %+v", what, s)
				}
			}
			for _, e := range st.Events {
				if e.Bad {
					t.Fatalf("%s: %+v", what, e)
				}
			}
			if last = st; is(st) {
				return st
			}
		case <-end:
			t.Fatalf("%s: not in two minutes: %+v", what, last)
		}
	}
}

// press presses a button and returns the events of both sides, in the order of the sides.
func (r *running) press(t *testing.T, name string, before state) (events []event, after state) {
	t.Helper()
	answer, err := http.Post(r.url+"/"+name, "", nil)
	if err != nil || answer.StatusCode != http.StatusAccepted {
		t.Fatalf("%s: %+v, %v", name, answer, err)
	}
	after = r.until(t, name, func(st state) bool { return st.Busy == "" && len(st.Events) == len(before.Events)+2 })
	for _, s := range after.Sides {
		for _, e := range after.Events[len(before.Events):] {
			if e.Side == s.Name {
				events = append(events, e)
			}
		}
	}
	if len(events) != 2 {
		t.Fatalf("%s: %+v", name, after.Events)
	}
	return events, after
}

// everybodyWorks is a state in which both sides were counted and have transfers acknowledged.
func everybodyWorks(st state) bool {
	for _, s := range st.Sides {
		if s.Phase != phaseRunning || s.Done == 0 || s.Looks == 0 || s.Money.Counted.IsZero() {
			return false
		}
	}
	return len(st.Sides) == 2
}

func lines(e event) string { return strings.Join(append([]string{e.Title}, e.Lines...), "\n") }

// TestButtons: each button does on both sides what it says, and the money adds up all the time.
func TestButtons(t *testing.T) {
	r := startDemo(t)
	st := r.until(t, "start", everybodyWorks)
	saga, tx := 0, 1

	events, st := r.press(t, "deadlock", st)
	if e := events[tx]; len(e.Cycle) < 2 || !strings.Contains(lines(e), "gave way") {
		t.Errorf("%+v", e)
	}
	if e := events[saga]; e.Cycle != nil || !strings.Contains(lines(e), "holds no lock between its steps") {
		t.Errorf("%+v", e)
	}

	events, st = r.press(t, "fail", st)
	if e := events[saga]; !strings.Contains(lines(e), "everybody saw alice with 70") || !strings.Contains(lines(e), "alice has 100 again") {
		t.Errorf("%+v", e)
	}
	if e := events[tx]; !strings.Contains(lines(e), "alice has 100, and nobody saw anything else") {
		t.Errorf("%+v", e)
	}

	for _, s := range st.Sides {
		if s.Starts != 1 {
			t.Errorf("%+v", s)
		}
	}
	pids := []int{st.Sides[saga].PID, st.Sides[tx].PID}
	events, st = r.press(t, "kill", st)
	for i, e := range events {
		for _, part := range []string{fmt.Sprintf("Process %d was killed (SIGKILL)", pids[i]), "were asked for again: 0 lost", "Each of 22 accounts has what it must have"} {
			if !strings.Contains(lines(e), part) {
				t.Errorf("%q is not in %+v", part, e)
			}
		}
		if s := st.Sides[i]; s.Starts != 2 || s.PID == pids[i] || s.Phase != phaseRunning || !goneOrZombie(pids[i]) {
			t.Errorf("%+v", s)
		}
	}
	done := st.Sides[saga].Done
	r.until(t, "after the plug", func(st state) bool { return st.Sides[saga].Done > done+100 && st.Sides[tx].Halves == 0 })

	for _, hot := range []bool{true, false} {
		if answer, err := http.Post(r.url+"/hot", "", nil); err != nil || answer.StatusCode != http.StatusNoContent {
			t.Fatal(answer, err)
		}
		st = r.until(t, "hot", func(st state) bool { return st.Hot == hot && st.Events[len(st.Events)-1].Side == "" })
	}

	pids = []int{st.Sides[saga].PID, st.Sides[tx].PID}
	r.stop()
	if err := <-r.ended; err != nil {
		t.Error(err)
	}
	for _, pid := range pids {
		if !goneOrZombie(pid) {
			t.Errorf("process %d goes on after the demo", pid)
		}
	}
}

// goneOrZombie reports whether a process has ended.
func goneOrZombie(pid int) bool { return syscall.Kill(pid, 0) == syscall.ESRCH }

// TestPage: the page is there at once, in files that its policy allows, and only for pages of its own on this machine.
func TestPage(t *testing.T) {
	r := startDemo(t)
	get := func(method, path string, headers ...string) (status int, body string, header http.Header) {
		t.Helper()
		request, err := http.NewRequest(method, r.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(headers); i += 2 {
			request.Header.Set(headers[i], headers[i+1])
			if headers[i] == "Host" {
				request.Host = headers[i+1]
			}
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(text), answer.Header
	}
	status, body, header := get("GET", "/")
	if status != 200 || !strings.Contains(header.Get("Content-Security-Policy"), "script-src 'self'") || !strings.Contains(body, `src="demo.js"`) {
		t.Errorf("%d %v %s", status, header, body)
	}
	if inline := strings.Contains(body, "<style") || strings.Contains(body, " style=") || strings.Contains(body, "onclick") || strings.Count(body, "<script") != 1; inline {
		t.Error("the page has something inline, which its policy does not allow")
	}
	for _, path := range []string{"/demo.js", "/demo.css"} {
		if status, _, _ := get("GET", path); status != 200 {
			t.Errorf("%s: %d", path, status)
		}
	}
	for _, c := range []struct {
		method, path, header, value string
		status                      int
	}{
		{"GET", "/", "Host", "localhost:1", 200}, {"GET", "/", "Host", "[::1]:1", 200}, {"GET", "/", "Host", "evil.example.com", 403}, {"POST", "/hot", "Host", "evil.example.com", 403},
		{"POST", "/kill", "Origin", "https://evil.example.com", 403}, {"POST", "/kill", "Sec-Fetch-Site", "cross-site", 403}, {"POST", "/kill", "Sec-Fetch-Site", "same-site", 403},
		{"GET", "/kill", "Accept", "*/*", 404}, {"POST", "/nothing", "Accept", "*/*", 405}, {"GET", "/../demo.go", "Accept", "*/*", 404},
	} {
		if status, body, _ := get(c.method, c.path, c.header, c.value); status != c.status {
			t.Errorf("%+v: %d %.100s", c, status, body)
		}
	}
	r.stop()
	if err := <-r.ended; err != nil {
		t.Error(err)
	}
}

// TestBusy: while an action is under way, or the engines start, buttons are refused in words.
func TestBusy(t *testing.T) {
	r := startDemo(t)
	if answer, err := http.Post(r.url+"/fail", "", nil); err != nil || answer.StatusCode != http.StatusConflict {
		t.Errorf("before the start: %+v, %v", answer, err)
	}
	st := r.until(t, "start", everybodyWorks)
	for _, want := range []int{http.StatusAccepted, http.StatusConflict} { // the first one takes a while
		if answer, err := http.Post(r.url+"/fail", "", nil); err != nil || answer.StatusCode != want {
			t.Errorf("want %d: %+v, %v", want, answer, err)
		}
	}
	r.until(t, "fail", func(now state) bool { return now.Busy == "" && len(now.Events) == len(st.Events)+2 })
	r.stop()
	if err := <-r.ended; err != nil {
		t.Error(err)
	}
}

// TestEnds: a demo that ends before its engines have started leaves no process behind, and one that cannot begin says why.
func TestEnds(t *testing.T) {
	r := startDemo(t)
	r.stop()
	if err := <-r.ended; err != nil {
		t.Error(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for part, o := range map[string]Options{
		"no address of the loopback": {Address: "0.0.0.0:0"},
		"address already in use":     {Address: taken.Addr().String()},
		"missing port":               {Address: "localhost"},
		"does not start":             {Address: "127.0.0.1:0", Engine: func(string, string) *exec.Cmd { return exec.Command("sh", "-c", "echo it is broken >&2; exit 3") }},
		"it is broken":               {Address: "127.0.0.1:0", Engine: func(string, string) *exec.Cmd { return exec.Command("sh", "-c", "echo it is broken >&2; exit 3") }},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		o.Dir, o.OnServing = t.TempDir(), func(string) {}
		if err := Run(ctx, o); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v", part, err)
		}
		cancel()
	}
}

// TestSideBySide: the console of each engine shows how both sides do, also after its process was killed.
func TestSideBySide(t *testing.T) {
	r := startDemo(t)
	st := r.until(t, "start", everybodyWorks)
	var before uint64
	compared := func(s sideState) (c struct {
		Load    string
		Running bool
		Sides   []struct {
			Name, About, Sum, Expect string
			PerSecond, P99           float64
			Committed, Looks         uint64
		}
	}) {
		t.Helper()
		for end := time.Now().Add(time.Minute); ; time.Sleep(tellGap / 5) {
			if answer, err := http.Get(s.URL + "/console/api/compare"); err == nil {
				err = json.NewDecoder(answer.Body).Decode(&c)
				if answer.Body.Close(); err != nil || answer.StatusCode != http.StatusOK {
					t.Fatal(answer.Status, err)
				}
			}
			if c.Running && len(c.Sides) == 2 && min(c.Sides[0].PerSecond, c.Sides[1].PerSecond) > 0 && c.Sides[1].Committed > before {
				return c
			}
			if time.Now().After(end) {
				t.Fatalf("%s: not in a minute: %+v", s.Name, c)
			}
		}
	}
	check := func(st state) {
		t.Helper()
		for _, s := range st.Sides {
			c := compared(s)
			for i, side := range c.Sides {
				expect := fmt.Sprint(len(names)*opening + 2*stake)
				if side.Name != st.Sides[i].Name || side.Sum != expect || side.Expect != expect || side.P99 <= 0 || side.Looks == 0 || side.About == "" {
					t.Errorf("%s: %+v", s.Name, side)
				}
			}
		}
	}
	check(st)
	before = st.Sides[1].Done
	_, st = r.press(t, "kill", st)
	before = max(before, st.Sides[1].Done)
	check(st)
	r.stop()
	if err := <-r.ended; err != nil {
		t.Error(err)
	}
}

// TestMeterCountsOn: what a process has counted is not lost when the next one counts from 0 again.
func TestMeterCountsOn(t *testing.T) {
	var m meter
	m.end(counts{waits: 10, retries: 3}, true)
	m.end(counts{waits: 14, retries: 5}, true)
	m.end(counts{}, false) // it is down
	m.end(counts{waits: 2, retries: 1}, true)
	if got := m.retries(); got != 6 {
		t.Errorf("%g retries, want 6", got)
	}
	for i, want := range []bool{true, true, false, true} {
		if got := m.last()[i].Waits > 0; got != want {
			t.Errorf("moment %d: waits %g", i, m.last()[i].Waits)
		}
	}
}
