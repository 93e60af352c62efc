package hotel

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"strings"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/locks"
	"github.com/concordat-dev/concordat/ycsb"
)

// Choice is the distribution from which hotels and flights are drawn.
type Choice string

// The distributions.
const (
	// Normal: around the middle hotel and the middle flight, with [Options].Deviation. What lies outside is drawn again.
	Normal Choice = "normal"
	// Uniform: each alike.
	Uniform Choice = "uniform"
)

// Scale is how much there is. In the zero value each field has its default. A directory keeps its scale.
type Scale struct {
	_ struct{} `cbor:",toarray"`
	// Hotels and Flights are their numbers. Default: 100 each, as in Beldi. At least 5 hotels, at most 100,000 of each.
	Hotels, Flights int
	// Rooms and Seats are those of each hotel and each flight. Default: 1,000 each. A run that reserves and does not cancel
	// comes to their end, after which reservations fail with [ErrBookedUp].
	Rooms, Seats int
	// Customers is their number. Default: 500, as in DeathStarBench. At most 1,000,000.
	Customers int
}

// Options say how a workload is opened. Only Dir is required.
type Options struct {
	// Dir is the engine's directory.
	Dir string
	// Scale of the data.
	Scale Scale
	// Protocol of the operations. Default: ycsb.Serializable.
	Protocol ycsb.Protocol
	// Mix says how often each operation is drawn. Default: [TravelMix].
	Mix Mix
	// Choice of hotels and flights. Upper and lower case are the same. Default: Normal.
	Choice Choice
	// Deviation is the standard deviation of the normal choice as a share of the number of hotels or flights, above 0 and at
	// most 10. Default: 0.1, which gives the busiest of 100 hotels 4 % of the reservations, and the middle 20 two thirds.
	Deviation float64
	// Seed of the data. What the clients do depends on the seed that the driver gives them. A directory keeps its seed.
	Seed uint64
	// Policy of the locks. Default: locks.Detect.
	Policy locks.Policy
	// Workers of the engine. Default: the engine's.
	Workers int
	// CacheBytes of the engine. Default: the engine's.
	CacheBytes int64
	// Logger of the engine. Default: slog.Default().
	Logger *slog.Logger
}

// Mix are weights of the operations; they need not add up to anything.
type Mix struct{ Search, Recommend, Login, Reserve, Cancel float64 }

// TravelMix are the shares of DeathStarBench and Beldi: 60 % searches, 39 % recommendations, 0.5 % logins, 0.5 % reservations.
var TravelMix = Mix{Search: 60, Recommend: 39, Login: 0.5, Reserve: 0.5}

// ReservationMix are reservations and cancellations only, which keeps about as much reserved as there was.
var ReservationMix = Mix{Reserve: 1, Cancel: 1}

// weights are in the order of the kinds.
func (m Mix) weights() [numKinds]float64 {
	return [...]float64{m.Search, m.Recommend, m.Login, m.Reserve, m.Cancel}
}

// shares are the weights as shares of 1.
func (m Mix) shares() (shares [numKinds]float64) {
	sum := 0.0
	for _, weight := range m.weights() {
		sum += weight
	}
	for i, weight := range m.weights() {
		shares[i] = weight / sum
	}
	return shares
}

// Validate reports weights that are no weights, or so small beside the others (below ycsb.MinShare) that they would never count.
func (m Mix) Validate() error {
	sum := 0.0
	for _, weight := range m.weights() {
		if !(weight >= 0) {
			return fmt.Errorf("hotel: a mix of %+v: weights are not negative", m)
		}
		sum += weight
	}
	if !(sum > 0) || math.IsInf(sum, 0) {
		return fmt.Errorf("hotel: a mix of %+v: weights are not all zero, and finite", m)
	}
	weights := m.weights()
	for i, share := range m.shares() {
		if weights[i] > 0 && share < ycsb.MinShare {
			return fmt.Errorf("hotel: a mix of %+v: a share of %g is so small that it would never come up; at least %g, or 0", m, share, ycsb.MinShare)
		}
	}
	return nil
}

func (o Options) withDefaults() Options {
	for _, field := range []struct {
		n         *int
		otherwise int
	}{
		{&o.Scale.Hotels, 100}, {&o.Scale.Flights, 100}, {&o.Scale.Rooms, 1000}, {&o.Scale.Seats, 1000}, {&o.Scale.Customers, 500},
	} {
		if *field.n == 0 {
			*field.n = field.otherwise
		}
	}
	if o.Protocol == 0 {
		o.Protocol = ycsb.Serializable
	}
	if o.Mix == (Mix{}) {
		o.Mix = TravelMix
	}
	o.Choice = Choice(strings.ToLower(string(cmp.Or(o.Choice, Normal))))
	if o.Deviation == 0 {
		o.Deviation = 0.1
	}
	return o
}

// Validate reports everything that is wrong with the options, defaults filled in, but for those of the engine, which [OpenWorkload]
// reports.
func (o Options) Validate() error {
	o = o.withDefaults()
	errs := []error{o.Mix.Validate()}
	for _, number := range []struct {
		name        string
		n, min, max int
	}{
		{"hotels", o.Scale.Hotels, numFound, 100_000}, {"flights", o.Scale.Flights, 1, 100_000},
		{"rooms", o.Scale.Rooms, 1, math.MaxInt32}, {"seats", o.Scale.Seats, 1, math.MaxInt32},
		{"customers", o.Scale.Customers, 1, 1_000_000},
	} {
		if number.n < number.min || number.n > number.max {
			errs = append(errs, fmt.Errorf("hotel: %d %s are not between %d and %d", number.n, number.name, number.min, number.max))
		}
	}
	if o.Choice != Normal && o.Choice != Uniform {
		errs = append(errs, fmt.Errorf("hotel: the choice %q is neither normal nor uniform", o.Choice))
	}
	if !(o.Deviation > 0 && o.Deviation <= 10) {
		errs = append(errs, fmt.Errorf("hotel: a deviation of %g is not above 0 and at most 10", o.Deviation))
	}
	if o.Protocol != ycsb.Serializable && o.Protocol != ycsb.Saga {
		errs = append(errs, fmt.Errorf("hotel: there is no protocol %d", o.Protocol))
	}
	return errors.Join(errs...)
}

// draw draws one of n hotels or flights.
func (o Options) draw(rng *rand.Rand, n int) int {
	if o.Choice == Uniform {
		return rng.IntN(n)
	}
	for {
		if x := math.Floor(rng.NormFloat64()*o.Deviation*float64(n) + float64(n)/2); x >= 0 && x < float64(n) {
			return int(x)
		}
	}
}

// Everything is one instance, "all", that says what was loaded and whether the load is complete.
var (
	Everything = functions.NewType[stocked]("hotel/everything")
	begin      = functions.Create(Everything, "begin", func(_ *functions.Ctx, s *stocked, as stocked) error { *s = as; return nil })
	complete   = functions.Update(Everything, "complete", func(_ *functions.Ctx, s *stocked, _ bool) error { s.Loaded = true; return nil })
	describe   = functions.View(Everything, "describe", func(_ *functions.Ctx, s stocked) (stocked, error) { return s, nil })
)

const everythingID = "all"

// stocked is what was loaded.
type stocked struct {
	_      struct{} `cbor:",toarray"`
	Scale  Scale
	Seed   uint64
	Loaded bool
}
