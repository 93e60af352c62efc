package sim

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/values"
)

// epochAt is the rows of an epoch that is sealed at a time; each text is an id that has an outcome in it, or "-id" if that goes.
func epochAt(t *testing.T, at int64, ids ...string) (changes []rowChange) {
	t.Helper()
	for _, id := range ids {
		name, deleted := strings.CutPrefix(id, "-")
		c := rowChange{key: string(format.OutcomeIn(nil, 1, 3, format.Request{ID: name}))}
		if deleted {
			c.upper = c.key + "\x00"
		} else {
			value := make([]byte, 29)
			binary.BigEndian.PutUint64(value[8:], uint64(at))
			c.value = string(value)
		}
		changes = append(changes, c)
	}
	mark, err := values.Encode(struct {
		Time int64 `cbor:"6,keyasint"`
	}{at})
	must(t, err)
	return append(changes, rowChange{key: watermarkKey, value: string(mark)})
}

// minutes are minutes of engine time.
func minutes(n int) int64 { return int64(n) * int64(time.Minute) }

// TestLedgerKeepsOutcomes: a request that runs again under its id within the time of its outcome is found, an outcome that goes before
// its time, and a time that is not the one that has passed. What is within the rules is not.
func TestLedgerKeepsOutcomes(t *testing.T) {
	for _, c := range []struct {
		name   string
		at     int64 // of the second epoch; the first is at 1 and has the outcomes of a and b
		ids    []string
		latest int64
		want   string
	}{
		{"another id", minutes(5), []string{"c"}, minutes(5), ""},
		{"the id after its time", minutes(12), []string{"a"}, minutes(12), ""},
		{"the id within it", minutes(10), []string{"a"}, minutes(10), "a has run again after 9m0s"},
		{"the id twice", minutes(12), []string{"a", "a"}, minutes(12), "a has run again after 0s"},
		{"swept after its time", minutes(12), []string{"-a"}, minutes(12), ""},
		{"swept within it", minutes(10), []string{"c", "-b"}, minutes(10), "the outcome of b is deleted after 9m0s"},
		{"swept, and used again", minutes(12), []string{"-a", "a"}, minutes(12), ""},
		{"used again, and swept", minutes(12), []string{"a", "-a"}, minutes(12), "the outcome of a is deleted after 0s"},
		{"a clock that runs ahead", minutes(5), nil, minutes(4), "is at most"},
		{"a clock that goes back", 0, nil, minutes(4), "which was"},
	} {
		o := (&outcomes{keep: keepOutcomes, judged: true}).clone()
		must(t, o.take(epochAt(t, minutes(1), "a", "b"), minutes(1)))
		err := o.take(epochAt(t, c.at, c.ids...), c.latest)
		if (c.want == "") != (err == nil) || (err != nil && !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	o := (&outcomes{keep: -1, judged: true}).clone()
	must(t, o.take(epochAt(t, minutes(1), "a"), minutes(1)))
	if o.take(epochAt(t, minutes(1_000_000), "a"), minutes(1_000_000)) == nil {
		t.Error("an outcome that is kept forever was replaced")
	}
}

// TestLedgerMissesOutcomes: after a crash no outcome may be missing, also if it had expired when the last engine ran: rows go with epochs.
func TestLedgerMissesOutcomes(t *testing.T) {
	for _, ran := range []int64{minutes(15), minutes(10)} {
		l := newLedger(World{Prefix: "w", Tills: 8})
		l.outcomes.keep, l.outcomes.judged = keepOutcomes, true
		l.pending = epochAt(t, minutes(1), "a", "b")
		mark := l.pending[2]
		must(t, l.done(time.Minute))
		l.outcomes.ran = ran
		err := l.recovered(func(visit func(key, value []byte) error) error { return visit([]byte(mark.key), []byte(mark.value)) }, 0, NewClock(time.Time{}))
		if err == nil || !strings.Contains(err.Error(), "is missing") {
			t.Errorf("after %v: %v", time.Duration(ran), err)
		}
	}
}

// TestStanding: whether an order may be asked again depends on its own outcome, and on that of the order that had its id before.
func TestStanding(t *testing.T) {
	first := Order{ID: "a", Asked: true}
	second := Order{ID: "b", Asked: true, Reuses: "a", After: minutes(1)}
	for _, c := range []struct {
		name    string
		order   Order
		ids     []string // outcomes at 1 minute, which is when the process has begun
		elapsed time.Duration
		want    standing
	}{
		{"no outcome yet", first, nil, 5 * time.Minute, mayBeAsked},
		{"within its time", first, []string{"a"}, 8 * time.Minute, mayBeAsked},
		{"nearly at its end", first, []string{"a"}, 10 * time.Minute, fades},
		{"perhaps over", first, []string{"a"}, 11 * time.Minute, fades},
		{"over", first, []string{"a"}, 13 * time.Minute, hasExpired},
		{"the one before within its time", second, []string{"a"}, 8 * time.Minute, mustWait},
		{"the one before perhaps over", second, []string{"a"}, 11 * time.Minute, mustWait},
		{"the one before over", second, []string{"a"}, 13 * time.Minute, mayBeAsked},
	} {
		o := (&outcomes{keep: keepOutcomes, judged: true, opened: minutes(1), ran: minutes(1), opening: time.Second}).clone()
		must(t, o.take(epochAt(t, minutes(1), c.ids...), minutes(1)))
		if got := o.standing(c.order, c.elapsed); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}
