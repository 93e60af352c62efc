package floor

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/ycsb"
)

// TestEveryMix: all kinds of operations at once, with a sum that stays, and everything is there after reopening.
func TestEveryMix(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		f, err := Open(Options{Dir: dir, Keys: 30, Room: 1_000_000})
		if err != nil {
			t.Fatal(err)
		}
		r, err := ycsb.Run(t.Context(), ycsb.Config{
			Keys: 30, Parties: 5, SnapshotKeys: 7, MaxScan: 20, Rollbacks: 0.1,
			Mix:     ycsb.Mix{Read: 0.1, Update: 0.2, Transfer: 0.3, Insert: 0.1, Scan: 0.1, Modify: 0.1, Snapshot: 0.1},
			Driving: ycsb.Driving{Clients: 16, Operations: 3000},
		}, f)
		if err != nil || r.Unknown > 0 || !errors.Is(r.FirstFailure, ycsb.ErrRefused) || len(r.Kinds) != 8 {
			t.Errorf("%+v, %v", r, err)
		}
		for kind, k := range r.Kinds {
			if kind != "transfer" && kind != "all" && k.Failed > 0 {
				t.Errorf("%s: %+v", kind, k.Counts)
			}
		}
		closed(t, f)
	}
}

// TestPayments: each gets the amount, or nobody does; an id has one effect.
func TestPayments(t *testing.T) {
	ctx := t.Context()
	f := open(t, t.TempDir(), 5)
	defer closed(t, f)
	for key := range 4 {
		if err := f.Load(ctx, key, ycsb.Shape{}.NewRow(key)); err != nil {
			t.Fatal(err)
		}
	}
	pay := ycsb.Payment{From: 3, To: []int{0, 2, 1}, Amount: 5}
	for range 2 {
		if err := f.Pay(ctx, "p", pay); err != nil {
			t.Error(err)
		}
	}
	for _, test := range []struct {
		id   string
		p    ycsb.Payment
		want error
	}{
		{"p", ycsb.Payment{From: 3, To: []int{0, 1, 2}, Amount: 5}, ErrReused},
		{"q", ycsb.Payment{From: 3, To: []int{0, 1}, Amount: 5, Refuse: true}, ycsb.ErrRefused},
		{"q", ycsb.Payment{From: 3, To: []int{0, 1}, Amount: 5, Refuse: true}, ycsb.ErrRefused},
		{"", ycsb.Payment{From: 0, To: []int{1, 2}, Amount: ycsb.OpeningBalance}, ycsb.ErrInsufficientFunds},
		{"", ycsb.Payment{From: 0, To: []int{1, 4}, Amount: 1}, functions.ErrNotFound},
	} {
		if err := f.Pay(ctx, test.id, test.p); !errors.Is(err, test.want) {
			t.Errorf("%+v: error %v", test, err)
		}
	}
	for key, want := range map[int]int64{0: 5, 1: 5, 2: 5, 3: -15} {
		if balance, err := f.Balance(ctx, key); err != nil || balance != ycsb.OpeningBalance+want {
			t.Errorf("balance of %d: %d, %v", key, balance, err)
		}
	}
}

// TestPaymentsInAllDirections: mutexes are taken in order, so payments against each other do not hang.
func TestPaymentsInAllDirections(t *testing.T) {
	f := open(t, t.TempDir(), 8)
	defer closed(t, f)
	load(t, f)
	var all sync.WaitGroup
	for c := range 8 {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(2, uint64(c)))
			for i := range 60 {
				keys := rng.Perm(8)
				err := f.Pay(t.Context(), fmt.Sprint(c, "-", i), ycsb.Payment{From: keys[0], To: keys[1:6], Amount: 1})
				if err := errors.Join(err, f.Snapshot(t.Context(), keys)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if _, sum := balances(t, f); sum != 8*ycsb.OpeningBalance {
		t.Errorf("the sum is %d", sum)
	}
}

// TestRowsThatAreMissing: reads of several rows say so; a scan just ends.
func TestRowsThatAreMissing(t *testing.T) {
	ctx := t.Context()
	f, err := Open(Options{Dir: t.TempDir(), Keys: 5, Room: 5000})
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, f)
	load(t, f)
	for key, want := range map[int]error{5: functions.ErrNotFound, 4999: functions.ErrNotFound, 1_000_000: functions.ErrNotFound, 4: nil} {
		if _, err := f.Balance(ctx, key); !errors.Is(err, want) {
			t.Errorf("balance of %d: error %v, want %v", key, err, want)
		}
	}
	if err := f.Snapshot(ctx, []int{1, 5}); !errors.Is(err, functions.ErrNotFound) {
		t.Errorf("error %v", err)
	}
	if err := errors.Join(f.Snapshot(ctx, []int{4, 1}), f.Scan(ctx, 3, 100), f.ReadField(ctx, 2, 9)); err != nil {
		t.Error(err)
	}
	if err := f.Scan(ctx, 5, 1); err != nil {
		t.Errorf("a scan behind the last row: %v", err)
	}
}

// TestInsertions: a row is made once; a repeat has the same outcome, also after reopening, and rows without room are an error.
func TestInsertions(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	row := ycsb.Shape{}.NewRow(1500)
	for round := range 2 {
		f, err := Open(Options{Dir: dir, Keys: 5, Room: 2000})
		if err != nil {
			t.Fatal(err)
		}
		load(t, f)
		if err := f.Insert(ctx, "i", 1500, row); err != nil {
			t.Errorf("round %d: %v", round, err)
		}
		for range 2 {
			if err := f.Insert(ctx, "j", 1500, row); !errors.Is(err, functions.ErrExists) {
				t.Errorf("round %d: error %v, want ErrExists", round, err)
			}
		}
		if err := f.Overwrite(ctx, fmt.Sprint("o", round), 1500, row.Fields); err != nil {
			t.Error(err)
		}
		if balance, err := f.Balance(ctx, 1500); err != nil || balance != ycsb.OpeningBalance {
			t.Errorf("balance %d, %v", balance, err)
		}
		closed(t, f)
	}
	if _, err := Open(Options{Dir: dir, Keys: 5}); err == nil {
		t.Error("opened without room for a row that is there")
	}
	for _, room := range []int{-1, ycsb.MaxKeys} {
		if _, err := Open(Options{Dir: dir, Keys: 5, Room: room}); err == nil {
			t.Errorf("opened with room for %d", room)
		}
	}
}
