package floor

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/store"
	"github.com/concordat-dev/concordat/ycsb"
)

func open(t testing.TB, dir string, keys int) *Floor {
	t.Helper()
	f, err := Open(Options{Dir: dir, Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func load(t testing.TB, f *Floor) {
	t.Helper()
	for key := range len(f.accounts.first) {
		if err := f.Load(t.Context(), key, ycsb.Shape{}.NewRow(key)); err != nil {
			t.Fatal(err)
		}
	}
}

func balances(t testing.TB, f *Floor) (all []int64, sum int64) {
	t.Helper()
	for key := range len(f.accounts.first) {
		balance, err := f.Balance(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		all, sum = append(all, balance), sum+balance
	}
	return all, sum
}

func closed(t testing.TB, f *Floor) {
	t.Helper()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestTransfersConserveTheSum: under contention, and what was answered is there after reopening, to the last coin.
func TestTransfersConserveTheSum(t *testing.T) {
	for _, keys := range []int{2, 10, 500} {
		t.Run(fmt.Sprint(keys), func(t *testing.T) {
			dir := t.TempDir()
			f := open(t, dir, keys)
			load(t, f)
			storm(t, f, 16, 100)
			before, sum := balances(t, f)
			if sum != int64(keys)*ycsb.OpeningBalance {
				t.Errorf("the sum is %d", sum)
			}
			closed(t, f)

			f = open(t, dir, keys)
			defer closed(t, f)
			if after, _ := balances(t, f); fmt.Sprint(after) != fmt.Sprint(before) {
				t.Errorf("balances %v before and %v after reopening", before, after)
			}
		})
	}
}

// storm makes transfers, updates and reads from several goroutines at once.
func storm(t *testing.T, f *Floor, clients, operations int) {
	var all sync.WaitGroup
	for c := range clients {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(c)))
			for i := range operations {
				from := rng.IntN(len(f.accounts.first))
				to := (from + 1 + rng.IntN(len(f.accounts.first)-1)) % len(f.accounts.first)
				id := fmt.Sprintf("%d-%d", c, i)
				var err error
				switch rng.IntN(4) {
				case 0:
					err = f.Read(t.Context(), from)
				case 1:
					err = f.Update(t.Context(), id, ycsb.FieldUpdate{Key: from, Field: i % ycsb.MaxFields, Value: id})
				default:
					err = f.Transfer(t.Context(), id, ycsb.Transfer{From: from, To: to, Amount: int64(rng.IntN(10))})
				}
				if err != nil {
					t.Errorf("operation %s: %v", id, err)
				}
			}
		})
	}
	all.Wait()
}

// TestRepeat: a request id has one effect and one outcome, at once, later, and after reopening.
func TestRepeat(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	f := open(t, dir, 2)
	load(t, f)
	good, refused := ycsb.Transfer{From: 0, To: 1, Amount: 7}, ycsb.Transfer{From: 1, To: 0, Amount: 1, Refuse: true}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if err := f.Transfer(ctx, "good", good); err != nil {
				t.Error(err)
			}
			if err := f.Transfer(ctx, "refused", refused); !errors.Is(err, ycsb.ErrRefused) {
				t.Errorf("error %v, want ErrRefused", err)
			}
		})
	}
	all.Wait()
	checkRepeats(t, f, good, refused)
	closed(t, f)

	f = open(t, dir, 2)
	defer closed(t, f)
	checkRepeats(t, f, good, refused)
}

func checkRepeats(t *testing.T, f *Floor, good, refused ycsb.Transfer) {
	t.Helper()
	ctx := t.Context()
	if err := f.Transfer(ctx, "good", good); err != nil {
		t.Error(err)
	}
	if err := f.Transfer(ctx, "refused", refused); !errors.Is(err, ycsb.ErrRefused) {
		t.Errorf("error %v, want ErrRefused", err)
	}
	if err := f.Transfer(ctx, "good", refused); !errors.Is(err, ErrReused) {
		t.Errorf("error %v, want ErrReused", err)
	}
	if err := f.Update(ctx, "good", ycsb.FieldUpdate{}); !errors.Is(err, ErrReused) {
		t.Errorf("error %v, want ErrReused", err)
	}
	if all, _ := balances(t, f); all[0] != ycsb.OpeningBalance-7 || all[1] != ycsb.OpeningBalance+7 {
		t.Errorf("balances %v, want one transfer of 7", all)
	}
}

// TestFailuresChangeNothing: and without an id the same transfer can be made again and again.
func TestFailuresChangeNothing(t *testing.T) {
	ctx := t.Context()
	f := open(t, t.TempDir(), 3)
	defer closed(t, f)
	for key := range 2 {
		if err := errors.Join(f.Load(ctx, key, ycsb.Shape{}.NewRow(key)), f.Load(ctx, key, ycsb.Shape{}.NewRow(key))); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		transfer ycsb.Transfer
		want     error
	}{
		{ycsb.Transfer{From: 0, To: 1, Amount: ycsb.OpeningBalance + 1}, ycsb.ErrInsufficientFunds},
		{ycsb.Transfer{From: 0, To: 1, Amount: 1, Refuse: true}, ycsb.ErrRefused},
		{ycsb.Transfer{From: 0, To: 2, Amount: 1}, functions.ErrNotFound},
		{ycsb.Transfer{From: 2, To: 0, Amount: 1}, functions.ErrNotFound},
	} {
		if err := f.Transfer(ctx, "", test.transfer); !errors.Is(err, test.want) {
			t.Errorf("%+v: error %v, want %v", test.transfer, err, test.want)
		}
	}
	if err := f.Read(ctx, 2); !errors.Is(err, functions.ErrNotFound) {
		t.Errorf("error %v, want ErrNotFound", err)
	}
	for key := range 2 {
		if balance, err := f.Balance(ctx, key); err != nil || balance != ycsb.OpeningBalance {
			t.Errorf("balance of %d: %d, %v", key, balance, err)
		}
	}
	for range 2 {
		if err := f.Transfer(ctx, "", ycsb.Transfer{From: 0, To: 1, Amount: 1}); err != nil {
			t.Error(err)
		}
	}
	if balance, err := f.Balance(ctx, 1); err != nil || balance != ycsb.OpeningBalance+2 {
		t.Errorf("balance %d, %v", balance, err)
	}
}

// TestTouchedAfterTheCut: a row that the next group changes before the committer has written it is written as its own group
// left it. The sequence is made by hand, without the committer.
func TestTouchedAfterTheCut(t *testing.T) {
	first, second := newGroup(), newGroup()
	for _, early := range []bool{false, true} { // whether settle or touch encodes the row
		a := account{number: 0, exists: true, row: ycsb.Shape{}.NewRow(0)}
		a.touch(first)
		a.row.Balance = 1
		first.closed.Store(true)
		if early {
			a.settle()
		}
		a.touch(second)
		a.row.Balance = 2
		var row ycsb.Row
		if err := functions.Decode(a.image, &row); err != nil || row.Balance != 1 {
			t.Errorf("the closed group's row has balance %d (%v), want 1", row.Balance, err)
		}
		if a.writer != second || a.saved {
			t.Error("the row is not the open group's")
		}
	}
}

// TestForeignDirectory: an engine's directory is left alone, and so is one with more rows than there is room for.
func TestForeignDirectory(t *testing.T) {
	dir := t.TempDir()
	s, err := store.Open(store.Options{Dir: dir, Fatal: func(err error) { panic(err) }})
	if err != nil {
		t.Fatal(err)
	}
	batch := s.NewBatch()
	batch.Set(format.Prefix(nil, format.NodeShard, format.KindFormat), []byte{1})
	if err := errors.Join(batch.Seal(), s.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Dir: dir, Keys: 1}); err == nil {
		t.Error("an engine's directory was opened")
	}
	dir = t.TempDir()
	f := open(t, dir, 3)
	load(t, f)
	if _, err := Open(Options{Dir: dir, Keys: 3}); !errors.Is(err, store.ErrInUse) {
		t.Errorf("error %v, want ErrInUse", err)
	}
	closed(t, f)
	for _, keys := range []int{2, 0, -1, ycsb.MaxKeys + 1} {
		if _, err := Open(Options{Dir: dir, Keys: keys}); err == nil {
			t.Errorf("opened with room for %d keys", keys)
		}
	}
}

// TestFilter: it never forgets, also over its growth, and is seldom wrong.
func TestFilter(t *testing.T) {
	var f filter
	rng := rand.New(rand.NewPCG(1, 1))
	hashes := make([]uint64, 200_000)
	wrong := 0
	for i := range hashes {
		hashes[i] = rng.Uint64()
		if f.add(hashes[i]) {
			wrong++
		}
	}
	for _, h := range hashes {
		if !f.add(h) {
			t.Fatal("a hash was forgotten")
		}
	}
	if wrong > len(hashes)/100 {
		t.Errorf("wrong about %d of %d fresh hashes", wrong, len(hashes))
	}
	if len(f.parts) < 3 {
		t.Errorf("the filter did not grow: %d parts", len(f.parts))
	}
}

// BenchmarkTransfer is one lone client.
func BenchmarkTransfer(b *testing.B) {
	f := open(b, b.TempDir(), 5000)
	defer closed(b, f)
	load(b, f)
	rng := rand.New(rand.NewPCG(1, 1))
	began := time.Now().UnixNano()
	for n := 0; b.Loop(); n++ {
		from := rng.IntN(4999)
		id := fmt.Sprint(began, n)
		if err := f.Transfer(context.Background(), id, ycsb.Transfer{From: from, To: from + 1, Amount: 1}); err != nil {
			b.Fatal(err)
		}
	}
}
