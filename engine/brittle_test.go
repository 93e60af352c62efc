package engine_test

import (
	"errors"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/failures"
	"github.com/concordat-dev/concordat/internal/values"
)

// brittle is a value whose codec method does what whenBrittle says.
type brittle struct{ N int }

var whenBrittle atomic.Pointer[func()]

// breakBrittle lets values be decoded with f before them, until the test ends.
func breakBrittle(t *testing.T, f func()) {
	whenBrittle.Store(&f)
	t.Cleanup(func() { whenBrittle.Store(nil) })
}

func (b brittle) MarshalCBOR() ([]byte, error) { return values.Encode(b.N) }
func (b *brittle) UnmarshalCBOR(data []byte) error {
	if f := whenBrittle.Load(); f != nil {
		(*f)()
	}
	return codec.Decode(data, &b.N)
}

var fetch = functions.UpdateReturning(desks, "fetch", func(_ *functions.Ctx, d *desk, n int) (brittle, error) {
	d.Taken += n
	return brittle{d.Taken}, nil
})

// onItsOwn runs f on a goroutine that it may end.
func onItsOwn(f func()) {
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	<-done
}

// TestResultsThatDoNotLetThemselvesBeRead: a codec method that panics while a client reads a result is an error of the request that
// says that it succeeded, wherever it is read and each time. One that ends the client's goroutine lets the others know.
func TestResultsThatDoNotLetThemselvesBeRead(t *testing.T) {
	e := openDesk(t, engine.Options{})
	submit := func() engine.Pending {
		t.Helper()
		p, err := e.Submit(fetch.On("a", 1).Into(new(brittle)))
		must(t, err)
		eventually(t, "it is done", p.Done)
		return p
	}
	must(t, e.Do(ctx, fetch.On("a", 1).Into(new(brittle)).As("id")))
	panics, ends := submit(), submit()
	check := func(what string, err error) {
		t.Helper()
		var panicked *failures.PanicError
		if !errors.Is(err, engine.ErrResult) || !errors.As(err, &panicked) {
			t.Errorf("%s: error %v", what, err)
		}
	}
	breakBrittle(t, func() { panic("test") })
	for range 3 {
		check("wait", panics.Wait(ctx))
		check("do", e.Do(ctx, fetch.On("a", 1).Into(new(brittle)).As("id")))
		o, err := e.Outcome(ctx, functions.Address{Type: "test/desk", ID: "a"}, "id")
		must(t, err)
		check("outcome", o.Decode(new(brittle)))
	}
	breakBrittle(t, runtime.Goexit)
	onItsOwn(func() {
		_ = ends.Wait(ctx)
		t.Error("the goroutine has not ended")
	})
	for range 3 {
		check("wait", ends.Wait(ctx))
	}
}
