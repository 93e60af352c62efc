package accounts

import (
	"errors"
	"strconv"
	"sync"
	"testing"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/ycsb"
	"github.com/concordat-dev/concordat/ycsb/internal/bulk"
)

var protocols = []Protocol{Plain, Saga, Serializable}

func loaded(t *testing.T, p Protocol, keys int) *Target {
	t.Helper()
	target := open(t, Options{Keys: keys, Protocol: p})
	for key := range keys {
		if err := target.Load(t.Context(), key, ycsb.Shape{}.NewRow(key)); err != nil {
			t.Fatal(err)
		}
	}
	return target
}

// TestEveryMix: all kinds of operations at once under every protocol, on rows of another shape, twice on the same directory.
func TestEveryMix(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(string(protocol), func(t *testing.T) {
			dir := t.TempDir()
			for range 2 {
				target, err := Open(Options{Dir: dir, Keys: 30, Protocol: protocol})
				if err != nil {
					t.Fatal(err)
				}
				r, err := ycsb.Run(t.Context(), ycsb.Config{
					Keys: 30, Parties: 5, SnapshotKeys: 7, MaxScan: 20, Shape: ycsb.Shape{Fields: 3, FieldBytes: 10}, Distribution: ycsb.Zipfian,
					Mix:     ycsb.Mix{Read: 0.1, Update: 0.2, Transfer: 0.3, Insert: 0.1, Scan: 0.1, Modify: 0.1, Snapshot: 0.1},
					Driving: ycsb.Driving{Clients: 16, Operations: 1500},
				}, target)
				if err != nil || r.Unknown+r.Failed > 0 || r.Committed != 1500 || len(r.Kinds) != 8 {
					t.Errorf("%+v, %v", r, err)
				}
				if err := target.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// TestOtherFields: reads of a single field and writes of all, with latest keys.
func TestOtherFields(t *testing.T) {
	target := open(t, Options{Keys: 10})
	r, err := ycsb.Run(t.Context(), ycsb.Config{
		Keys: 10, ReadOneField: true, WriteAllFields: true, Distribution: ycsb.Latest, Shape: ycsb.Shape{Fields: 2, FieldBytes: 5},
		Mix:     ycsb.Mix{Read: 0.4, Update: 0.3, Modify: 0.2, Insert: 0.1},
		Driving: ycsb.Driving{Clients: 8, Operations: 800},
	}, target)
	if err != nil || r.Committed != 800 {
		t.Errorf("%+v, %v", r, err)
	}
	if err := target.ReadField(t.Context(), 1, ycsb.MaxFields); !errors.Is(err, functions.ErrBadArgument) {
		t.Errorf("error %v", err)
	}
}

// TestPayments: each gets the amount. What is refused is undone, except without a protocol, and an id has one effect.
func TestPayments(t *testing.T) {
	for _, protocol := range protocols {
		target := loaded(t, protocol, 5)
		ctx := t.Context()
		for range 2 {
			if err := target.Pay(ctx, "p", ycsb.Payment{From: 3, To: []int{0, 2, 1}, Amount: 5}); err != nil {
				t.Errorf("%s: %v", protocol, err)
			}
		}
		err := target.Pay(ctx, "q", ycsb.Payment{From: 0, To: []int{1, 2}, Amount: ycsb.OpeningBalance})
		if !errors.Is(err, ycsb.ErrInsufficientFunds) {
			t.Errorf("%s: error %v", protocol, err)
		}
		err = target.Pay(ctx, "r", ycsb.Payment{From: 4, To: []int{0, 1, 2}, Amount: 100, Refuse: true})
		if !errors.Is(err, ycsb.ErrRefused) {
			t.Errorf("%s: error %v", protocol, err)
		}
		want := []int64{5, 5, 5, -15, 0}
		if protocol == Plain {
			want = []int64{105, 105, 5, -15, -300} // the refused credit is lost
		}
		for key := range want {
			if balance, err := target.Balance(ctx, key); err != nil || balance != ycsb.OpeningBalance+want[key] {
				t.Errorf("%s: balance of %d: %d, %v, want %d more", protocol, key, balance, err, want[key])
			}
		}
	}
}

// TestMissingRows: what reads several rows, or one before a write, fails if there is none, and is never unknown.
func TestMissingRows(t *testing.T) {
	for _, protocol := range protocols {
		target := loaded(t, protocol, 3)
		for name, err := range map[string]error{
			"snapshot": target.Snapshot(t.Context(), []int{0, 7}),
			"balance":  func() error { _, err := target.Balance(t.Context(), 7); return err }(),
		} {
			if !errors.Is(err, functions.ErrNotFound) {
				t.Errorf("%s: %s: error %v", protocol, name, err)
			}
		}
		if err := target.Modify(t.Context(), "m", ycsb.FieldUpdate{Key: 7}); err == nil || errors.Is(err, ycsb.ErrUnknown) {
			t.Errorf("%s: error %v", protocol, err)
		}
		if err := target.Snapshot(t.Context(), []int{0, 1, 2}); err != nil {
			t.Errorf("%s: %v", protocol, err)
		}
	}
}

// TestScan reads up to so many rows from a key on, and ends at the last.
func TestScan(t *testing.T) {
	target := loaded(t, Serializable, 10)
	for _, scan := range [][2]int{{0, 1}, {0, 10}, {5, 100}, {9, 1}, {20, 5}} {
		if err := target.Scan(t.Context(), scan[0], scan[1]); err != nil {
			t.Errorf("%v: %v", scan, err)
		}
	}
}

// TestModify reads and then writes, once for an id.
func TestModify(t *testing.T) {
	for _, protocol := range protocols {
		target := loaded(t, protocol, 1)
		for range 2 {
			if err := target.Modify(t.Context(), "m", ycsb.FieldUpdate{Key: 0, Field: 2, Value: "new"}); err != nil {
				t.Errorf("%s: %v", protocol, err)
			}
		}
		if err := target.Insert(t.Context(), "i", 0, ycsb.Row{}); !errors.Is(err, functions.ErrExists) {
			t.Errorf("%s: error %v", protocol, err)
		}
	}
}

// A turnstile holds the worker that serves it until its test lets go.
type turnstile struct{ entered, open chan struct{} }

// TestLockWaitsAreCounted: of transfers from the same account that begin together some wait for its lock, and the target counts
// that, with a time. They are made to begin together: their coordinators are one worker's, which is held up while they come; the
// accounts are the other's.
func TestLockWaitsAreCounted(t *testing.T) {
	held := turnstile{make(chan struct{}), make(chan struct{})}
	letGo := sync.OnceFunc(func() { close(held.open) })
	doors := functions.NewType[int]("test/door")
	enter := functions.Create(doors, "enter", func(*functions.Ctx, *int, int) error {
		close(held.entered)
		<-held.open
		return nil
	})
	e, err := engine.Open(engine.Options{Dir: t.TempDir(), Workers: 2}, append(Parts(), doors)...)
	if err != nil {
		t.Fatal(err)
	}
	target := &Target{requests{e, new(bulk.Health), Serializable, ycsb.RowIDs(100)}, e}
	t.Cleanup(func() {
		letGo() // also should the test end early
		if err := target.Close(); err != nil {
			t.Error(err)
		}
	})
	rows := func(worker int) func(int) bool { return servedBy(worker, "ycsb/account", target.id) }
	from := first(0, rows(1))
	to := first(from+1, rows(1))
	for _, key := range []int{from, to} {
		if err := target.Load(t.Context(), key, ycsb.Shape{}.NewRow(key)); err != nil {
			t.Fatal(err)
		}
	}
	door := strconv.Itoa(first(0, servedBy(0, "test/door", strconv.Itoa)))
	pending := []engine.Pending{submit(t, e, enter.On(door, 0))}
	<-held.entered
	for n := 0; len(pending) < 33; n++ {
		n = first(n, coordinatedBy(0))
		pending = append(pending, submit(t, e, TransferTx.With(Transfer{From: target.id(from), To: target.id(to), Amount: 1}).As(strconv.Itoa(n))))
	}
	if c := target.Counters(); c != (ycsb.Counters{}) {
		t.Errorf("before there is any transfer: %+v", c)
	}
	letGo()
	for _, p := range pending {
		if err := p.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if c := target.Counters(); c.LockWaits == 0 || c.LockWaitTime <= 0 {
		t.Errorf("%+v", c)
	}
}

func submit(t *testing.T, e *engine.Engine, r functions.Request) engine.Pending {
	t.Helper()
	p, err := e.Submit(r)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// first is the first number, from n on, that will do.
func first(n int, will func(int) bool) int {
	for ; !will(n); n++ {
	}
	return n
}

// servedBy tells the numbers that name instances of a worker, of two.
func servedBy(worker int, typeName string, id func(int) string) func(int) bool {
	return func(n int) bool {
		return int(format.InstanceShard(format.NameHash(typeName), id(n), format.DefaultShards))%2 == worker
	}
}

// coordinatedBy tells the numbers that, as request ids, are coordinated by a worker, of two.
func coordinatedBy(worker int) func(int) bool {
	return func(n int) bool {
		return int(format.RequestShard(strconv.Itoa(n), format.DefaultShards))%2 == worker
	}
}
