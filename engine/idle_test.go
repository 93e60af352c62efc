//go:build unix

package engine_test

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
)

func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	must(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestIdleEngineUsesNoCPU, although it has a sleeping saga, a far timer, an egress and an ingress. It is measured in a process of
// its own, in which nothing is left of other tests.
func TestIdleEngineUsesNoCPU(t *testing.T) {
	const env = "CONCORDAT_TEST_IDLE"
	if os.Getenv(env) == "" {
		other := exec.Command(os.Args[0], "-test.run=^TestIdleEngineUsesNoCPU$", "-test.v")
		other.Env = append(os.Environ(), env+"=1")
		out, err := other.CombinedOutput()
		if err != nil {
			t.Errorf("%v: %s", err, out)
		}
		return
	}
	var far received
	waiting := ingressFunc(func(ctx context.Context, _ uint64, _ func(uint64, functions.Message) error) error {
		<-ctx.Done()
		return ctx.Err()
	})
	e := open(t, engine.Options{
		Workers:   4,
		Egresses:  map[string]engine.Egress{"wire": &far},
		Ingresses: map[string]engine.Ingress{"in": waiting},
	}, append(errandParts(), bells, tellers)...)
	must(t, e.Do(ctx, newDesk.On("a", false)))
	must(t, e.Do(ctx, newBell.On("b", 0)))
	must(t, e.Do(ctx, newTeller.On("t", 0)))
	must(t, e.Do(ctx, tell.On("t", 1)))
	must(t, e.Do(ctx, set.On("b", []alarm{{1, time.Hour}})))
	_, err := e.Submit(errandSaga.With(errand{Desks: []string{"a"}, Wait: time.Hour}))
	must(t, err)
	theSaga(t, e, "running")
	eventually(t, "the record arrives", func() bool { return len(far.all()) == 1 })

	runtime.GC()
	const idle, much = time.Second, 25 * time.Millisecond
	least := idle
	for range 5 { // other work of the process may come between
		before := cpuTime(t)
		time.Sleep(idle)
		if least = min(least, cpuTime(t)-before); least < much {
			break
		}
	}
	if least >= much {
		t.Errorf("in %v an idle engine used %v of CPU time", idle, least)
	}
	t.Logf("an idle engine uses %v of CPU time in %v", least, idle)
}
