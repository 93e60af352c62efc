package ycsb

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// stub is a workload of which each part can be set: two kinds, which take a millisecond each.
type stub struct {
	kinds  []string
	load   func(ctx context.Context) error
	audits []Audit // one after the other
	reads  bool    // kind 0 is read-only
	failed error

	mu  sync.Mutex
	ids []map[string]bool // by kind
}

func newStub(audits ...Audit) *stub {
	return &stub{
		kinds: []string{"look", "change"}, load: func(context.Context) error { return nil }, audits: audits,
		ids: []map[string]bool{{}, {}},
	}
}

func (s *stub) Kinds() []string { return s.kinds }
func (s *stub) Load(ctx context.Context, progress func(done, total int)) error {
	progress(1, 1)
	return s.load(ctx)
}
func (s *stub) Client(_ int, rng *rand.Rand) Client { return &stubClient{stub: s, rng: rng} }
func (s *stub) ReadOnly(kind int) bool              { return s.reads && kind == 0 }
func (s *stub) Counters() Counters                  { return Counters{} }
func (s *stub) Audit(context.Context, func(done, total int)) (Audit, error) {
	if s.failed != nil {
		return Audit{}, s.failed
	}
	a := s.audits[0]
	s.audits = s.audits[1:]
	return a, nil
}

type stubClient struct {
	stub *stub
	rng  *rand.Rand
	kind int
}

func (c *stubClient) Next() int {
	c.kind = c.rng.IntN(len(c.stub.kinds))
	return c.kind
}

func (c *stubClient) Do(_ context.Context, requestID string) error {
	time.Sleep(time.Millisecond)
	c.stub.mu.Lock()
	defer c.stub.mu.Unlock()
	c.stub.ids[c.kind][requestID] = true
	return nil
}

func driveBubble(ctx context.Context, d Driving, w Workload) (Result, error) {
	return drive(ctx, d, w, bubbleSleep)
}

var oneClient = Driving{Clients: 1, Duration: 100 * time.Millisecond}

// TestAudits: figures that change and conditions that do not hold fail the run, which is told in full; so do audits that do
// not see the same figures.
func TestAudits(t *testing.T) {
	stock, rooms := Figure{"stock", 5}, Figure{"rooms", 7}
	fewer := Figure{"rooms", 6}
	for _, test := range []struct {
		before, after Audit
		want          []string // parts of the error; none if the audit is right
	}{
		{Audit{}, Audit{}, nil},
		{Audit{Constant: []Figure{stock, rooms}}, Audit{Constant: []Figure{stock, rooms}}, nil},
		{Audit{Constant: []Figure{stock, rooms}}, Audit{Constant: []Figure{stock, fewer}}, []string{"the rooms changed: 7 before, 6 after, a difference of -1"}},
		{Audit{Constant: []Figure{rooms}}, Audit{Constant: []Figure{fewer}, Wrong: []error{errors.New("district 3: 4 is not 5")}},
			[]string{"the rooms changed", "district 3: 4 is not 5"}},
		{Audit{Constant: []Figure{stock}}, Audit{Constant: []Figure{stock, rooms}}, []string{"1 figures before and 2 after"}},
		{Audit{Constant: []Figure{stock}}, Audit{Constant: []Figure{rooms}}, []string{"was the stock before and is the rooms after"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			r, err := driveBubble(t.Context(), oneClient, newStub(test.before, test.after))
			if errors.Is(err, ErrAudit) != (test.want != nil) || r.Committed != 100 {
				t.Errorf("%+v: %+v, %v", test, r, err)
			}
			for _, want := range test.want {
				if !matches(err, want) {
					t.Errorf("error %v, want %q", err, want)
				}
			}
			report := DriveReport(Setup{Workload: "stub"}, oneClient, r, Environment{})
			if report.Balanced() != (test.want == nil) {
				t.Errorf("%+v: balanced is %v", test, report.Balanced())
			}
		})
	}
}

// TestWrongBeforeTheMix: then there is no mix.
func TestWrongBeforeTheMix(t *testing.T) {
	r, err := Drive(t.Context(), oneClient, newStub(Audit{Wrong: []error{errors.New("bad stock")}}))
	if !errors.Is(err, ErrAudit) || !matches(err, "before the mix") || r.Kinds != nil {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestStagesThatFail: the error says which.
func TestStagesThatFail(t *testing.T) {
	disk := errors.New("no disk")
	s := newStub()
	s.load = func(context.Context) error { return disk }
	if _, err := Drive(t.Context(), oneClient, s); !errors.Is(err, disk) || !matches(err, "load") {
		t.Errorf("error %v", err)
	}
	s = newStub()
	s.failed = disk
	if _, err := Drive(t.Context(), oneClient, s); !errors.Is(err, disk) || !matches(err, "audit") {
		t.Errorf("error %v", err)
	}
}

func TestKindsMustHaveNames(t *testing.T) {
	for _, kinds := range [][]string{nil, {"a", ""}, {"a", "b", "a"}, {"all"}, make([]string, MaxKinds+1)} {
		s := newStub(Audit{}, Audit{})
		s.kinds = kinds
		if _, err := Drive(t.Context(), oneClient, s); err == nil {
			t.Errorf("kinds %q were driven", kinds)
		}
	}
}

// TestRequestIDsAreFresh: each operation has one of its own, but for kinds that only read, and none if nobody wants them.
func TestRequestIDsAreFresh(t *testing.T) {
	for _, test := range []struct {
		reads, none bool
	}{{false, false}, {true, false}, {false, true}} {
		synctest.Test(t, func(t *testing.T) {
			s := newStub(Audit{}, Audit{})
			s.reads = test.reads
			d := oneClient
			d.NoIDs = test.none
			r, err := driveBubble(t.Context(), d, s)
			if err != nil {
				t.Fatal(err)
			}
			for kind, name := range s.kinds {
				want := int(r.Kinds[name].Committed)
				if test.none || test.reads && kind == 0 {
					want = 1 // the empty one
				}
				if len(s.ids[kind]) != want || s.ids[kind][""] != (want == 1) {
					t.Errorf("%+v: %s had %d ids, want %d", test, name, len(s.ids[kind]), want)
				}
			}
		})
	}
}

// TestOperationsEndTheRun: exactly so many, whatever the clients; a shorter duration ends it before.
func TestOperationsEndTheRun(t *testing.T) {
	for _, d := range []Driving{
		{Clients: 1, Operations: 100}, {Clients: 7, Operations: 100}, {Clients: 200, Operations: 100},
		{Clients: 7, Operations: 100, Warmup: 50 * time.Millisecond}, {Clients: 7, Operations: 100, Rate: 1000},
		{Clients: 7, Operations: 100, Rate: 1000, Warmup: 50 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			r, err := driveBubble(t.Context(), d, newStub(Audit{}, Audit{}))
			if err != nil || r.Committed != 100 || r.NotStarted != 0 || r.Elapsed > 101*time.Millisecond || r.Elapsed <= 0 {
				t.Errorf("%+v: %+v, %v", d, r, err)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		d := Driving{Clients: 1, Operations: 100, Duration: 10 * time.Millisecond}
		if r, err := driveBubble(t.Context(), d, newStub(Audit{}, Audit{})); err != nil || r.Committed != 10 {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// TestSweep: each number once; the first error ends it and says where; a cancelled context ends it.
func TestSweep(t *testing.T) {
	seen := make([]bool, 2000)
	var told atomic.Int64
	err := Sweep(t.Context(), len(seen), func(done, total int) { told.Add(1) }, func(_ context.Context, i int) error {
		seen[i] = true
		return nil
	})
	for i, ok := range seen {
		if !ok {
			t.Fatalf("number %d was not visited", i)
		}
	}
	if err != nil || told.Load() != int64(len(seen)) {
		t.Errorf("progress was told %d times, %v", told.Load(), err)
	}
	err = Sweep(t.Context(), 5, func(int, int) {}, func(_ context.Context, i int) error {
		if i == 3 {
			return ErrUnknown
		}
		return nil
	})
	if !errors.Is(err, ErrUnknown) || !matches(err, "number 3") {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Sweep(ctx, 5, func(int, int) {}, func(context.Context, int) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// TestStageNeverGoesBack: progress that is told out of order.
func TestStageNeverGoesBack(t *testing.T) {
	s := newStage("load")
	for _, done := range []int{1, 3, 2} {
		s.progress(done, 4)
	}
	if p := s.look(); p.Done != 0.75 || p.Count != 3 || p.Total != 4 || fmt.Sprint(p.Stage) != "load" {
		t.Errorf("%+v", p)
	}
}
