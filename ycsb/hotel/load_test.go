package hotel

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// TestLoad: everything is there, counted, and not loaded twice.
func TestLoad(t *testing.T) {
	w := opened(t, Options{})
	last, total := 0, 0
	if err := w.Load(t.Context(), func(done, of int) { last, total = done, of }); err != nil {
		t.Fatal(err)
	}
	if last != total || total != 2+100+2*100+100+500 {
		t.Errorf("%d of %d", last, total)
	}
	if err := w.Load(t.Context(), func(int, int) { t.Error("instances were loaded again") }); err != nil {
		t.Fatal(err)
	}
	ask(t, w, ReadProfile.On("99"))
	if seats := ask(t, w, ReadSeats.On("99")); seats != (Places{Capacity: 1000}) {
		t.Errorf("seats %+v", seats)
	}
	for region := range numRegions {
		if hotels := ask(t, w, Nearest.On(ID(region))); len(hotels) != numFound {
			t.Errorf("region %d has hotels %v", region, hotels)
		}
	}
	mustBeRight(t, w)
}

// TestLoadIsResumed: a load that is cut short is completed by the next.
func TestLoadIsResumed(t *testing.T) {
	w := opened(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Load(ctx, noProgress); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	if err := w.Load(ctx, func(int, int) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	if err := w.Load(t.Context(), noProgress); err != nil {
		t.Fatal(err)
	}
	ask(t, w, ReadCustomer.On("499"))
	mustBeRight(t, w)
}

// TestOtherData: a directory with another scale or seed is refused.
func TestOtherData(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct {
		options Options
		refused bool
	}{
		{Options{Scale: small, Seed: 1}, false}, {Options{Scale: Scale{Hotels: 6}, Seed: 1}, true}, {Options{Scale: small, Seed: 2}, true},
		{Options{Scale: small, Seed: 1, Choice: Uniform}, false},
	} {
		test.options.Dir = dir
		w, err := OpenWorkload(test.options)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Load(t.Context(), noProgress); errors.Is(err, ErrOtherData) != test.refused {
			t.Errorf("%+v: error %v", test.options, err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestReopened: reservations last.
func TestReopened(t *testing.T) {
	dir := t.TempDir()
	for want := 1; want <= 2; want++ {
		w, err := OpenWorkload(Options{Dir: dir, Scale: small})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Load(t.Context(), noProgress); err != nil {
			t.Fatal(err)
		}
		if number, err := reserve(t, w, protocols[want-1], Journey{Customer: 1, Hotel: 1, Flight: 1}); err != nil || number != want {
			t.Errorf("number %d, %v, want %d", number, err, want)
		}
		mustBeRight(t, w)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBadOptions: everything that is wrong is told before anything is opened.
func TestBadOptions(t *testing.T) {
	for _, test := range []struct {
		options Options
		say     []string
	}{
		{Options{Scale: Scale{Hotels: 4, Flights: -1, Rooms: -1, Seats: -1, Customers: -1}}, []string{"4 hotels", "-1 flights", "-1 rooms", "-1 seats", "-1 customers"}},
		{Options{Mix: Mix{Search: -1, Login: 1}}, []string{"weights are not negative"}},
		{Options{Choice: "even", Deviation: -1, Protocol: 7}, []string{`"even"`, "deviation of -1", "protocol 7"}},
		{Options{Deviation: 11}, []string{"deviation of 11"}},
		{Options{}, []string{"dir"}},
	} {
		w, err := OpenWorkload(test.options)
		if err == nil {
			t.Errorf("%+v was opened", test.options)
			_ = w.Close()
			continue
		}
		for _, text := range test.say {
			if !strings.Contains(strings.ToLower(err.Error()), text) {
				t.Errorf("%+v: error %v does not say %q", test.options, err, text)
			}
		}
	}
}
