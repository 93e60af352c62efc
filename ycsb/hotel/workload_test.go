package hotel

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/concordat-dev/concordat/locks"
	"github.com/concordat-dev/concordat/ycsb"
	"github.com/concordat-dev/concordat/ycsb/internal/bulk"
)

// TestMix: after all operations under each protocol and policy nothing is overbooked and nothing is missing, though rooms and
// seats ran out all the time.
func TestMix(t *testing.T) {
	for _, protocol := range protocols {
		for _, policy := range []locks.Policy{locks.Detect, locks.WaitDie, locks.WoundWait, locks.NoWait} {
			t.Run(fmt.Sprint(protocol, " ", policy), func(t *testing.T) {
				mix := Mix{Search: 1, Recommend: 1, Login: 1, Reserve: 3, Cancel: 2}
				w := loaded(t, Options{Protocol: protocol, Policy: policy, Scale: small, Mix: mix})
				before := audited(t, w)
				outcomes := drive(t, w, 16, 100)
				after := audited(t, w)
				for _, err := range append(before.Wrong, after.Wrong...) {
					t.Error(err)
				}
				if fmt.Sprint(before.Constant) != fmt.Sprint(after.Constant) || len(before.Constant) == 0 {
					t.Errorf("figures %v became %v", before.Constant, after.Constant)
				}
				for _, kind := range append(w.Kinds(), "booked up") {
					if outcomes[kind] < 10 {
						t.Errorf("outcomes %v: too few of %q", outcomes, kind)
					}
				}
			})
		}
	}
}

// TestTravelMix: the default mix has the shares of DeathStarBench and Beldi.
func TestTravelMix(t *testing.T) {
	w := loaded(t, Options{})
	c := w.Client(0, rand.New(rand.NewPCG(1, 1)))
	const draws = 100_000
	var times [numKinds]float64
	for range draws {
		times[c.Next()]++
	}
	for kind, want := range []float64{0.6, 0.39, 0.005, 0.005, 0} {
		if share := times[kind] / draws; math.Abs(share-want) > 0.01*want+0.002 || want == 0 && share > 0 || want > 0 && share == 0 {
			t.Errorf("%s: a share of %g, want %g", w.Kinds()[kind], share, want)
		}
	}
	if outcomes := drive(t, w, 4, 200); outcomes["search"] < 300 || outcomes["recommend"] < 200 {
		t.Errorf("outcomes %v", outcomes)
	}
	mustBeRight(t, w)
}

// endsMeanwhile is a context that ends while a request that it is given to is under way: the first who asks is told that it goes on.
type endsMeanwhile struct {
	context.Context // which is over
	asked           bool
}

func (c *endsMeanwhile) Err() error {
	if !c.asked {
		c.asked = true
		return nil
	}
	return c.Context.Err()
}

// TestUnknownOutcomes: operations whose clients gave up while they were under way may have happened, and the audit allows for
// just that.
func TestUnknownOutcomes(t *testing.T) {
	for _, protocol := range protocols {
		w := loaded(t, Options{Protocol: protocol, Mix: Mix{Reserve: 1}, Scale: small})
		mustBeRight(t, w)
		c := w.Client(0, rand.New(rand.NewPCG(2, 2))).(*client)
		givenUp, cancel := context.WithCancel(t.Context())
		cancel()
		unknown := map[string]Journey{}
		for i := range 30 {
			ctx, id := t.Context(), fmt.Sprint(i)
			if i%3 == 0 {
				ctx = &endsMeanwhile{Context: givenUp}
			}
			c.Next()
			if err := c.Do(ctx, id); errors.Is(err, ycsb.ErrUnknown) {
				unknown[id] = c.journey
			}
		}
		happened := 0
		for id, journey := range unknown { // wait for them, behind the workload's back
			var number int
			if err := bulk.Do(t.Context(), w.Engine(), id, journey.start(protocol, &number)); err == nil {
				happened++
			} else if !errors.Is(err, ErrBookedUp) {
				t.Error(err)
			}
		}
		if happened == 0 {
			t.Errorf("none of %d operations of unknown outcome happened", len(unknown))
		}
		mustBeRight(t, w)
	}
}

// TestClientsRepeat: a client's choices come from its random numbers only.
func TestClientsRepeat(t *testing.T) {
	w := opened(t, Options{Mix: Mix{1, 1, 1, 1, 1}})
	draw := func() (drawn []client) {
		c := w.Client(3, rand.New(rand.NewPCG(5, 5))).(*client)
		for range 200 {
			c.Next()
			drawn = append(drawn, client{kind: c.kind, region: c.region, taste: c.taste, journey: c.journey})
		}
		return drawn
	}
	if one, two := draw(), draw(); fmt.Sprint(one) != fmt.Sprint(two) {
		t.Errorf("%v, then %v", one, two)
	}
}

// TestClientsForget: a client remembers a bounded number of reservations, the newest.
func TestClientsForget(t *testing.T) {
	w := loaded(t, Options{Scale: Scale{Hotels: 5, Flights: 1, Rooms: 2000, Seats: 2000, Customers: 1}, Choice: Uniform})
	c := w.Client(0, rand.New(rand.NewPCG(5, 5))).(*client)
	for range maxKnown + 1 {
		c.kind = KindReserve
		if err := c.Do(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(c.known); n > maxKnown || n < maxKnown/2 || c.known[n-1].Number != maxKnown+1 {
		t.Errorf("%d known, the last is %+v", n, c.known[n-1])
	}
	c.kind = KindCancel
	for range len(c.known) {
		if err := c.Do(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Do(t.Context(), ""); !errors.Is(err, ErrNothingToCancel) {
		t.Errorf("error %v, want ErrNothingToCancel", err)
	}
	mustBeRight(t, w)
}

// TestNormalChoice: draws have the normal distribution, by chi-square over all hotels.
func TestNormalChoice(t *testing.T) {
	const hotels, draws = 100, 200_000
	rng := rand.New(rand.NewPCG(1, 1))
	o := Options{}.withDefaults()
	var times [hotels]int
	for range draws {
		times[o.draw(rng, hotels)]++
	}
	below := func(hotel int) float64 { return 0.5 * math.Erfc(-(float64(hotel)-hotels/2)/(0.1*hotels)/math.Sqrt2) }
	chi, cells := 0.0, 0
	for hotel, n := range times {
		if want := draws * (below(hotel+1) - below(hotel)); want >= 5 {
			chi += (float64(n) - want) * (float64(n) - want) / want
			cells++
		}
	}
	// The 99.99th percentile of chi-square, by Wilson and Hilferty's approximation.
	k := float64(cells - 1)
	if limit := k * math.Pow(1-2/(9*k)+3.72*math.Sqrt(2/(9*k)), 3); chi > limit || cells < 50 {
		t.Errorf("chi-square %.1f over %d cells, want at most %.1f", chi, cells, limit)
	}
	if share := float64(times[50]) / draws; share < 0.035 || share > 0.045 {
		t.Errorf("the busiest hotel has a share of %g", share)
	}
}

// TestChoices: all are within range, however wide, and uniform ones are even.
func TestChoices(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, o := range []Options{{Deviation: 10}, {Deviation: 0.001}, {Choice: Uniform}} {
		o = o.withDefaults()
		times := map[int]int{}
		for range 10_000 {
			times[o.draw(rng, 10)]++
		}
		for hotel, n := range times {
			if hotel < 0 || hotel >= 10 || o.Choice == Uniform && (n < 850 || n > 1150) {
				t.Errorf("%+v: %d is drawn %d times", o, hotel, n)
			}
		}
	}
}
