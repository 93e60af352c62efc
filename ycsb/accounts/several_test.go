package accounts

import (
	"errors"
	"fmt"
	"testing"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/ycsb"
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

// TestLockWaitsAreCounted: under contention there are some, with a time.
func TestLockWaitsAreCounted(t *testing.T) {
	target := open(t, Options{Keys: 2, Workers: 2}) // a single one runs them one after the other
	r, err := ycsb.Run(t.Context(), ycsb.Config{Keys: 2, Driving: ycsb.Driving{Clients: 32, Operations: 2000}}, target)
	if err != nil || r.Counters.LockWaits == 0 || r.Counters.LockWaitTime <= 0 {
		t.Errorf("%s, %v", fmt.Sprintf("%+v", r.Counters), err)
	}
}
