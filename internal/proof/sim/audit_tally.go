package sim

import "fmt"

// counted is what is counted at a tally.
func counted(id, tally string) string { return id + " at " + tally }

// checkTallies checks the orders that ask how often their request has run, each by the uses of its id: each has run once, and those
// before it once at most.
func (a *Audit) checkTallies(orders []Order) {
	uses := map[string][]Order{}
	for _, o := range orders {
		if o.Kind == "tally" {
			id := counted(o.RequestID(), o.To)
			uses[id] = append(uses[id], o)
		}
	}
	for id, all := range uses {
		least, last := int64(0), int64(0) // runs up to the last that told, and after it
		for i, o := range all {
			var told int64
			switch n, _ := fmt.Sscanf(a.Outcomes[o.ID], "ok %d", &told); {
			case n == 1 && (told <= least || told > int64(i+1)):
				a.fail("tally %s: use %d of %s is told that it is run %d, and one before it %d", o.ID, i+1, id, told, least)
			case n == 1:
				least, last = told, int64(len(all)-i-1)
			case o.Fed:
				least, last = 1, 0
			case least == 0:
				last = int64(len(all))
			}
		}
		if n := a.runs[id]; n < least || n > least+last {
			a.fail("the request %s has run %d times, it was used %d times, and one was told %d", id, n, len(all), least)
		}
		delete(a.runs, id)
	}
	for id, n := range a.runs {
		a.fail("the request %s has run %d times but was never given", id, n)
	}
}
