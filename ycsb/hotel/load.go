package hotel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/ycsb/internal/bulk"
)

const (
	numFound   = 5  // hotels in a region or a ranking, as DeathStarBench looks for
	regionSide = 10 // regions along each side of the square
	numRegions = regionSide * regionSide
)

// ErrOtherData: the directory holds data of another scale or seed.
var ErrOtherData = errors.New("hotel: the directory holds other data")

// Load implements ycsb.Workload. A load that was cut short is taken up; data of another scale or seed are [ErrOtherData].
func (w *Workload) Load(ctx context.Context, progress func(done, total int)) (err error) {
	defer func() { err = w.health.Classify(err) }()
	want := stocked{Scale: w.options.Scale, Seed: w.options.Seed}
	if err := w.engine.Do(ctx, begin.On(everythingID, want)); err != nil && !errors.Is(err, functions.ErrExists) {
		return fmt.Errorf("hotel: load: %w", err)
	}
	there, err := engine.Ask(ctx, w.engine, describe.On(everythingID))
	if err != nil {
		return fmt.Errorf("hotel: load: %w", err)
	}
	if there.Scale != want.Scale || there.Seed != want.Seed {
		return fmt.Errorf("%w: of scale %+v and seed %d, not of %+v and %d", ErrOtherData, there.Scale, there.Seed, want.Scale, want.Seed)
	}
	if there.Loaded {
		return nil
	}
	if err := w.load(ctx, progress); err != nil {
		return fmt.Errorf("hotel: load: %w", err)
	}
	return w.engine.Do(ctx, complete.On(everythingID, true))
}

// load makes all instances.
func (w *Workload) load(ctx context.Context, progress func(done, total int)) error {
	done, total := 0, len(rankings)+numRegions+2*w.options.Scale.Hotels+w.options.Scale.Flights+w.options.Scale.Customers
	to := bulk.NewWriter(ctx, w.engine, func() {
		if done++; done%256 == 0 || done == total {
			progress(done, total)
		}
	})
	hotels := newProfiles(rand.New(rand.NewPCG(w.options.Seed, 0)), w.options.Scale.Hotels)
	return errors.Join(w.loadHotels(to, hotels), loadLists(to, hotels), w.loadOthers(to), to.Flush())
}

func newProfiles(rng *rand.Rand, n int) []Profile {
	hotels := make([]Profile, n)
	for i := range hotels {
		hotels[i] = Profile{
			Name: fmt.Sprint("Hotel ", i), Phone: fmt.Sprintf("(415) 284-40%02d", i%100), X: rng.Float64(), Y: rng.Float64(),
			Stars: 1 + rng.IntN(5), Price: 40_00 + rng.Int64N(400_00),
		}
	}
	return hotels
}

func (w *Workload) loadHotels(to *bulk.Writer, hotels []Profile) error {
	for i, hotel := range hotels {
		if err := errors.Join(to.Put(Open.On(ID(i), hotel)), to.Put(AddRooms.On(ID(i), w.options.Scale.Rooms))); err != nil {
			return err
		}
	}
	return nil
}

var rankings = []By{ByStars, ByPrice}

// loadLists makes regions and rankings.
func loadLists(to *bulk.Writer, hotels []Profile) error {
	for region := range numRegions {
		x, y := middle(region)
		nearest := best(hotels, func(h Profile) float64 { return (h.X-x)*(h.X-x) + (h.Y-y)*(h.Y-y) })
		if err := to.Put(AddRegion.On(ID(region), nearest)); err != nil {
			return err
		}
	}
	for _, by := range rankings {
		list := best(hotels, func(h Profile) float64 {
			if by == ByStars {
				return -float64(h.Stars)
			}
			return float64(h.Price)
		})
		if err := to.Put(AddRanking.On(rankingID(by), list)); err != nil {
			return err
		}
	}
	return nil
}

// middle is the middle of a region.
func middle(region int) (x, y float64) {
	return (float64(region%regionSide) + 0.5) / regionSide, (float64(region/regionSide) + 0.5) / regionSide
}

// best are the numbers of the hotels with the least penalty, the best first.
func best(hotels []Profile, penalty func(Profile) float64) []int {
	numbers := make([]int, len(hotels))
	for i := range numbers {
		numbers[i] = i
	}
	slices.SortStableFunc(numbers, func(a, b int) int { return cmp.Compare(penalty(hotels[a]), penalty(hotels[b])) })
	return numbers[:numFound]
}

// loadOthers makes flights and customers.
func (w *Workload) loadOthers(to *bulk.Writer) error {
	for i := range w.options.Scale.Flights {
		if err := to.Put(AddSeats.On(ID(i), w.options.Scale.Seats)); err != nil {
			return err
		}
	}
	for i := range w.options.Scale.Customers {
		if err := to.Put(AddCustomer.On(ID(i), HashPassword(passwordOf(i)))); err != nil {
			return err
		}
	}
	return nil
}

// passwordOf is the password of a customer: their number ten times, as in DeathStarBench.
func passwordOf(customer int) string {
	password := ""
	for range 10 {
		password += ID(customer)
	}
	return password
}
