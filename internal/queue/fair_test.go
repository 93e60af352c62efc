package queue_test

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/internal/queue"
)

// entry is an item of a job.
type entry struct{ key, number int }

// model is what a queue.Fair has to do, told in another way: all jobs that ever were, in a list.
type model struct {
	jobs []*modelJob
	turn int
}

type modelJob struct {
	key, turn int
	used      time.Duration
	items     []entry
}

func (m *model) job(key int) *modelJob {
	for _, j := range m.jobs {
		if j.key == key {
			return j
		}
	}
	m.jobs = append(m.jobs, &modelJob{key: key})
	return m.jobs[len(m.jobs)-1]
}

// next is the job whose turn it is; nil if none waits.
func (m *model) next() *modelJob {
	waiting := slices.DeleteFunc(slices.Clone(m.jobs), func(j *modelJob) bool { return len(j.items) == 0 })
	if len(waiting) == 0 {
		return nil
	}
	return slices.MinFunc(waiting, func(a, b *modelJob) int { return cmp.Or(cmp.Compare(a.used, b.used), cmp.Compare(a.turn, b.turn)) })
}

func (m *model) push(e entry) {
	j := m.job(e.key)
	if len(j.items) == 0 {
		if first := m.next(); first != nil {
			j.used = max(j.used, first.used)
		}
		m.turn++
		j.turn = m.turn
	}
	j.items = append(j.items, e)
}

// TestFairAgainstModel: whatever is pushed, popped, taken out and charged in whatever order, the items come as the model says.
func TestFairAgainstModel(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var f queue.Fair[int, entry]
		var m model
		number, all := 0, 0
		for range 400 {
			switch rng.IntN(5) {
			case 0, 1:
				number++
				all++
				e := entry{rng.IntN(6), number}
				f.Push(e.key, e)
				m.push(e)
			case 2, 3:
				want := m.next()
				if want == nil {
					if e, ok := f.Pop(); ok {
						t.Fatalf("seed %d: %v comes out of nothing", seed, e)
					}
					continue
				}
				front := *f.Front()
				got, ok := f.Pop()
				if !ok || got != front || got != want.items[0] {
					t.Fatalf("seed %d: %v comes, %v was in front, want %v", seed, got, front, want.items[0])
				}
				want.items = want.items[1:]
				all--
				if d := time.Duration(rng.IntN(4)); rng.IntN(8) > 0 {
					f.Charge(d)
					want.used += d
				}
			default:
				key, odd := rng.IntN(6), rng.IntN(2)
				is := func(e entry) bool { return e.number%2 == odd }
				got, found := f.TakeOut(key, func(e *entry) bool { return is(*e) })
				j := m.job(key)
				at := slices.IndexFunc(j.items, is)
				if found != (at >= 0) || found && got != j.items[at] {
					t.Fatalf("seed %d: %v is taken out: %t", seed, got, found)
				}
				if found {
					j.items = slices.Delete(j.items, at, at+1)
					all--
				}
			}
			seen := 0
			f.Each(func(entry) { seen++ })
			if f.Len() != all || seen != all {
				t.Fatalf("seed %d: %d items by its count, %d are visited, want %d", seed, f.Len(), seen, all)
			}
		}
	}
}

// TestFairForgets: jobs that come once and never again are forgotten, however many, and those that wait keep their turns.
func TestFairForgets(t *testing.T) {
	var f queue.Fair[int, int]
	f.Push(-1, -1)
	f.Push(-1, -1)
	for i := range 100_000 {
		f.Push(i, i)
		for {
			got, ok := f.Pop()
			if !ok {
				t.Fatalf("%d is lost", i)
			}
			f.Charge(time.Millisecond)
			if got == i {
				break
			}
			f.Push(-1, -1)
		}
	}
	if n := f.Jobs(); n > 5000 {
		t.Errorf("%d jobs are remembered, of which one waits", n)
	}
}
