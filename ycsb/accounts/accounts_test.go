package accounts

import (
	"errors"
	"fmt"
	"testing"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/locks"
	"github.com/concordat-dev/concordat/ycsb"
)

func open(t *testing.T, o Options) *Target {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	target, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := target.Close(); err != nil {
			t.Error(err)
		}
	})
	return target
}

// TestMix: reads, updates and transfers under every protocol and policy, and the sum stays.
func TestMix(t *testing.T) {
	for _, protocol := range []Protocol{Plain, Saga, Serializable} {
		for _, policy := range []locks.Policy{locks.Detect, locks.WaitDie, locks.WoundWait, locks.NoWait} {
			t.Run(fmt.Sprint(protocol, " ", policy), func(t *testing.T) {
				target := open(t, Options{Keys: 10, Protocol: protocol, Policy: policy})
				c := ycsb.Config{Keys: 10, Mix: ycsb.Mix{Read: 0.2, Update: 0.2, Transfer: 0.6}, Driving: ycsb.Driving{Clients: 16, Operations: 500}}
				r, err := ycsb.Run(t.Context(), c, target)
				if err != nil || r.Committed != 500 || r.Failed > 0 || r.Unknown > 0 {
					t.Errorf("%+v, %v", r, err)
				}
			})
		}
	}
}

// TestRollbacks: a refused credit leaves both rows as they were under a protocol, and loses the money without one.
func TestRollbacks(t *testing.T) {
	for protocol, lost := range map[Protocol]int64{Plain: 5, Saga: 0, Serializable: 0} {
		target := open(t, Options{Keys: 2, Protocol: protocol})
		for key := range 2 {
			if err := target.Load(t.Context(), key, ycsb.Shape{}.NewRow(key)); err != nil {
				t.Fatal(err)
			}
		}
		err := target.Transfer(t.Context(), "r", ycsb.Transfer{From: 0, To: 1, Amount: 5, Refuse: true})
		if !errors.Is(err, ycsb.ErrRefused) {
			t.Errorf("%s: error %v, want ErrRefused", protocol, err)
		}
		from, errFrom := target.Balance(t.Context(), 0)
		to, errTo := target.Balance(t.Context(), 1)
		if errFrom != nil || errTo != nil || from != ycsb.OpeningBalance-lost || to != ycsb.OpeningBalance {
			t.Errorf("%s: balances %d (%v) and %d (%v)", protocol, from, errFrom, to, errTo)
		}
	}
}

// TestRepeat: an id has one effect under every protocol, also after reopening.
func TestRepeat(t *testing.T) {
	for _, protocol := range []Protocol{Plain, Saga, Serializable} {
		dir := t.TempDir()
		for range 2 {
			target, err := Open(Options{Dir: dir, Keys: 2, Protocol: protocol})
			if err != nil {
				t.Fatal(err)
			}
			for key := range 2 {
				if err := target.Load(t.Context(), key, ycsb.Shape{}.NewRow(key)); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				if err := target.Transfer(t.Context(), "once", ycsb.Transfer{From: 0, To: 1, Amount: 5}); err != nil {
					t.Errorf("%s: %v", protocol, err)
				}
			}
			balance, err := target.Balance(t.Context(), 1)
			if err != nil || balance != ycsb.OpeningBalance+5 {
				t.Errorf("%s: balance %d, %v", protocol, balance, err)
			}
			if err := target.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestUpdateAndRead(t *testing.T) {
	target := open(t, Options{Keys: 2})
	if err := target.Read(t.Context(), 0); !errors.Is(err, functions.ErrNotFound) {
		t.Errorf("error %v, want ErrNotFound", err)
	}
	if err := errors.Join(target.Load(t.Context(), 0, ycsb.Shape{}.NewRow(0)), target.Load(t.Context(), 0, ycsb.Shape{}.NewRow(0)), target.Read(t.Context(), 0)); err != nil {
		t.Error(err)
	}
	if err := target.Update(t.Context(), "u", ycsb.FieldUpdate{Key: 0, Field: 9, Value: "new"}); err != nil {
		t.Error(err)
	}
	if err := target.Update(t.Context(), "v", ycsb.FieldUpdate{Key: 0, Field: 10, Value: "new"}); !errors.Is(err, functions.ErrBadArgument) {
		t.Errorf("error %v, want ErrBadArgument", err)
	}
}

func TestBadOptions(t *testing.T) {
	for _, o := range []Options{{Keys: 0}, {Keys: 1, Protocol: "2pc"}, {Keys: -1}, {Keys: 1}} {
		if target, err := Open(o); err == nil {
			t.Errorf("%+v was opened", o)
			_ = target.Close()
		}
	}
}
