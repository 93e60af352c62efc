package tpcc

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/ycsb"
)

var protocols = []ycsb.Protocol{ycsb.Serializable, ycsb.Saga}

func noProgress(int, int) {}

// opened opens a workload, which is closed when the test ends.
func opened(t testing.TB, o Options) *Workload {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	if o.Scale == (Scale{}) {
		o.Scale = Tiny(2)
	}
	w, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// loaded opens a workload and loads it.
func loaded(t testing.TB, o Options) *Workload {
	t.Helper()
	w := opened(t, o)
	if err := w.Load(t.Context(), noProgress); err != nil {
		t.Fatal(err)
	}
	return w
}

// audited audits and returns what is wrong.
func audited(t testing.TB, w *Workload) ycsb.Audit {
	t.Helper()
	a, err := w.Audit(t.Context(), noProgress)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// mustBeRight fails the test if an audit finds something.
func mustBeRight(t testing.TB, w *Workload) {
	t.Helper()
	if err := errors.Join(audited(t, w).Wrong...); err != nil {
		t.Error(err)
	}
}

// drive runs clients, each with its operations one after the other, and counts the outcomes by kind and error.
func drive(t testing.TB, w *Workload, clients, operations int) map[string]int {
	t.Helper()
	var mu sync.Mutex
	outcomes := map[string]int{}
	var running sync.WaitGroup
	for n := range clients {
		running.Go(func() {
			c := w.Client(n, rand.New(rand.NewPCG(7, uint64(n))))
			for i := range operations {
				kind := w.Kinds()[c.Next()]
				err := c.Do(context.Background(), fmt.Sprintf("%d-%d", n, i))
				if errors.Is(err, ErrUnusedItem) {
					kind, err = "unused", nil
				}
				mu.Lock()
				outcomes[kind]++
				if err != nil {
					outcomes["failed"]++
					t.Error(err)
				}
				mu.Unlock()
			}
		})
	}
	running.Wait()
	return outcomes
}

// ask asks a question that must have an answer.
func ask[R any](t testing.TB, w *Workload, q functions.RequestReturning[R]) R {
	t.Helper()
	answer, err := engine.Ask(t.Context(), w.Engine(), q)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// mentions reports whether an error is of a condition and names a place.
func mentions(errs []error, condition, where string) bool {
	for _, err := range errs {
		var v ycsb.Violation
		if errors.As(err, &v) && v.Condition == condition && strings.HasPrefix(v.Where, where) && v.LeftValue != v.RightValue {
			return true
		}
	}
	return false
}
