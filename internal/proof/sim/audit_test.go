package sim

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/values"
)

// audited runs a world to its end and returns the auditor's material.
func audited(t *testing.T) (*Driver, func() *Books) {
	t.Helper()
	d := NewDriver(3)
	must(t, d.Open())
	must(t, errors.Join(d.Run(150), d.Settle(), d.Decide(), d.Wrong()))
	t.Cleanup(func() { must(t, d.Engine.Close()) })
	return d, func() *Books {
		b, err := d.Books()
		must(t, err)
		return b
	}
}

// TestAuditorFindsWhatIsWrong changes books that are in order in one place at a time, as a bug would, and each time the auditor says
// so.
func TestAuditorFindsWhatIsWrong(t *testing.T) {
	d, read := audited(t)
	check := func(b *Books, outcomes map[string]string) []string {
		return (&Audit{Books: b, World: d.World, Outcomes: outcomes, Decided: d.Decided, Cancelled: d.Cancelled}).Check(d.Orders)
	}
	if wrong := check(read(), d.Outcomes); len(wrong) > 0 {
		t.Fatalf("the books are not in order to begin with: %v", wrong)
	}
	till := slices.Sorted(maps.Keys(read().Tills))[0]
	edit := func(f func(s *TillState)) func(b *Books) {
		return func(b *Books) {
			s := b.Tills[till]
			s.Lines, s.Timers = slices.Clone(s.Lines), slices.Clone(s.Timers)
			f(&s)
			b.Tills[till] = s
		}
	}
	noted := ""
	for id := range read().Sinks[0].Notes {
		noted = id
	}
	for what, change := range map[string]func(b *Books){
		"money appears":                                edit(func(s *TillState) { s.Balance++ }),
		"a movement is lost":                           edit(func(s *TillState) { s.Lines = s.Lines[1:] }),
		"a movement happens twice":                     edit(func(s *TillState) { s.Lines = append(s.Lines, s.Lines[0]) }),
		"a movement that nobody ordered":               edit(func(s *TillState) { s.Lines = append(s.Lines, TillLine{ID: "w:?", Amount: 0}) }),
		"a record of the ingress is lost":              func(b *Books) { dropLine(t, b, fedDeposit(t, d)) },
		"a record of the ingress is handled too early": func(b *Books) { putFirst(t, b, fedDeposit(t, d)) },
		"a message is lost":                            func(b *Books) { b.Sinks[0].Last = map[string]uint64{} },
		"messages are in the wrong order":              func(b *Books) { b.Sinks[0].Disorder = []string{"1 after 2"} },
		"a timer fires twice": func(b *Books) {
			for _, s := range b.Sinks {
				for key := range s.Fired {
					s.Fired[key]++
				}
			}
		},
		"a timer never fires": func(b *Books) {
			for i := range b.Sinks {
				b.Sinks[i].Fired = nil
			}
		},
		"an end is lost":                    func(b *Books) { delete(b.Sinks[0].Notes, noted) },
		"something ends twice":              func(b *Books) { b.Sinks[0].Notes[noted] = []string{"ok", "ok"} },
		"a record is lost":                  func(b *Books) { b.Records = b.Records[:len(b.Records)-1] },
		"a record comes twice":              func(b *Books) { b.Records = append(slices.Clone(b.Records), b.Records[0]) },
		"a slip exists that was torn":       func(b *Books) { b.Slips["w:slip-0"] = !b.Slips["w:slip-0"] },
		"a request runs twice under its id": func(b *Books) { countOnce(t, b, d, 1) },
		"a request did not run":             func(b *Books) { countOnce(t, b, d, -1) },
		"a request ran that nobody made":    func(b *Books) { b.Tallies["w:tally-0"].Runs["w:?"]++ },
		"a message makes one hop too few":   func(b *Books) { dropHop(b) },
		"a step of a saga is not undone":    func(b *Books) { dropUndo(t, b) },
		"a gate that nobody has gone through": func(b *Books) {
			g := b.Gates["w:gate-0"]
			g.Lines = append(slices.Clone(g.Lines), TillLine{ID: "w:?"})
			b.Gates["w:gate-0"] = g
		},
	} {
		b := read()
		change(b)
		if wrong := check(b, d.Outcomes); len(wrong) == 0 {
			t.Errorf("%s, and the auditor does not notice", what)
		}
	}
	told := maps.Clone(d.Outcomes)
	told[committed(t, d)] = "failed: " + string(errShort)
	if len(check(read(), told)) == 0 {
		t.Error("a client was told that it failed, and the auditor does not notice")
	}
}

// committed is a transaction that has moved money.
func committed(t *testing.T, d *Driver) string {
	t.Helper()
	for _, o := range d.Orders {
		if o.Kind == "tx" && isOK(d.Outcomes[o.ID]) {
			return o.ID
		}
	}
	t.Fatal("no transaction was committed")
	return ""
}

// fedDeposit is the last deposit that came through the ingress behind another one to the same till.
func fedDeposit(t *testing.T, d *Driver) (last Order) {
	t.Helper()
	before := map[string]bool{}
	for _, o := range d.Tape {
		if o.Kind != "deposit" {
			continue
		}
		if before[o.To] {
			last = o
		}
		before[o.To] = true
	}
	if last.ID == "" {
		t.Fatal("the ingress had no two deposits to one till")
	}
	return last
}

// dropLine takes away what a deposit left, with the money.
func dropLine(t *testing.T, b *Books, o Order) {
	t.Helper()
	s := b.Tills[o.To]
	i := slices.Index(s.Lines, TillLine{ID: o.ID, Amount: o.Amount})
	s.Balance -= o.Amount
	s.Lines = slices.Delete(slices.Clone(s.Lines), i, i+1)
	b.Tills[o.To] = s
}

// putFirst makes a deposit the first thing that happened to its till.
func putFirst(t *testing.T, b *Books, o Order) {
	t.Helper()
	dropLine(t, b, o)
	s := b.Tills[o.To]
	s.Balance += o.Amount
	s.Lines = slices.Insert(s.Lines, 0, TillLine{ID: o.ID, Amount: o.Amount})
	b.Tills[o.To] = s
}

// countOnce changes how often a request has run that was told it.
func countOnce(t *testing.T, b *Books, d *Driver, by int64) {
	t.Helper()
	for _, o := range d.Orders {
		if o.Kind == "tally" && isOK(d.Outcomes[o.ID]) {
			b.Tallies[o.To].Runs[o.RequestID()] += by
			return
		}
	}
	t.Error("no tally was told")
}

// dropHop takes away a relay's last hop.
func dropHop(b *Books) {
	for _, r := range b.Relays {
		for id, hops := range r.Hops {
			r.Hops[id] = hops[:len(hops)-1]
			return
		}
	}
}

// dropUndo takes away a compensation, with the money that it gave back.
func dropUndo(t *testing.T, b *Books) {
	for name, s := range b.Tills {
		if i := slices.IndexFunc(s.Lines, func(l TillLine) bool { return l.Undo }); i >= 0 {
			s.Balance -= s.Lines[i].Amount
			s.Lines = slices.Delete(slices.Clone(s.Lines), i, i+1)
			b.Tills[name] = s
			return
		}
	}
	t.Error("no saga was undone")
}

// TestLedger: rows that are missing, changed or made up are found; the epoch that was being sealed may be there or not, as a whole.
func TestLedger(t *testing.T) {
	set := func(pairs ...string) (changes []rowChange) {
		for i := 0; i < len(pairs); i += 2 {
			changes = append(changes, rowChange{key: pairs[i], value: pairs[i+1], deleted: pairs[i+1] == ""})
		}
		return changes
	}
	for _, c := range []struct {
		name string
		rows []string
		tail bool
		want string
	}{
		{"all that was sealed", []string{"a", "2", "b", "1"}, false, ""},
		{"and what was being sealed", []string{"a", "3", "c", "1"}, false, ""},
		{"half of what was being sealed", []string{"a", "3", "b", "1"}, false, "the row"},
		{"an epoch is lost", []string{"a", "1"}, false, "the row"},
		{"an epoch is lost that may be", []string{"a", "1"}, true, ""},
		{"half an epoch is lost", []string{"a", "1", "b", "1"}, true, "the row"},
		{"a row is changed", []string{"a", "2", "b", "X"}, false, "it was sealed as"},
		{"a row is made up", []string{"a", "2", "b", "1", "d", "1"}, false, "never sealed"},
		{"a deleted row is back", []string{"a", "2", "b", "1", "z", "1"}, false, "or deleted"},
		{"nothing is left", nil, false, "missing"},
	} {
		l := newLedger(World{Prefix: "w", Tills: 8})
		l.base = map[string]string{"z": "1"}
		dropped := rowChange{key: "x", upper: "x3"}
		l.sealed = [][]rowChange{append(set("a", "1", "z", "", "x1", "5", "x2", "6"), dropped), set("a", "2", "b", "1")}
		l.pending = set("a", "3", "b", "", "c", "1")
		l.mayLoseTail = c.tail
		err := l.recovered(func(visit func(key, value []byte) error) error {
			for i := 0; i < len(c.rows); i += 2 {
				if err := visit([]byte(c.rows[i]), []byte(c.rows[i+1])); err != nil {
					return err
				}
			}
			return nil
		}, 0, NewClock(time.Time{}))
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (!errors.Is(err, errRows) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// TestLedgerKnowsClosing: an engine that was closed may have left a later watermark than that of its last epoch, and no other.
func TestLedgerKnowsClosing(t *testing.T) {
	encode := func(change func(m *format.Watermark)) string {
		m := format.Watermark{Epoch: 5, NextID: 7, Timers: 2, Egress: map[string]uint64{"out": 3}, At: time.Unix(100, 0).UTC(), Time: 1000}
		change(&m)
		value, err := codec.Encode(m)
		must(t, err)
		return string(value)
	}
	sealed := encode(func(*format.Watermark) {})
	o := outcomes{ran: 2000}
	for name, c := range map[string]struct {
		change func(m *format.Watermark)
		may    bool
	}{
		"the same":            {func(*format.Watermark) {}, true},
		"later":               {func(m *format.Watermark) { m.Time, m.At = 2000, time.Unix(1, 0).UTC() }, true},
		"later than time ran": {func(m *format.Watermark) { m.Time = 2001 }, false},
		"earlier":             {func(m *format.Watermark) { m.Time = 999 }, false},
		"an earlier epoch":    {func(m *format.Watermark) { m.Epoch = 4 }, false},
		"smaller numbers":     {func(m *format.Watermark) { m.NextID = 6 }, false},
		"other timers":        {func(m *format.Watermark) { m.Timers = 3 }, false},
		"timers that failed":  {func(m *format.Watermark) { m.Epoch, m.Timers = 6, 3 }, true},
		"other records":       {func(m *format.Watermark) { m.Egress = nil }, false},
	} {
		found := encode(c.change)
		if got := o.closedLater(sealed, found); (got == found) != c.may {
			t.Errorf("%s: may be %v, want %v", name, got == found, c.may)
		}
	}
	if o.closedLater("", sealed) != "" {
		t.Error("a watermark that was never sealed may be")
	}
}

// TestLedgerCountsMoney: an epoch after which the vault has another sum is found when it is sealed.
func TestLedgerCountsMoney(t *testing.T) {
	w := World{Prefix: "w", Tills: 4}
	l := newLedger(w)
	row := func(name string, balance int64) rowChange {
		value, err := values.Encode(TillState{Balance: balance})
		must(t, err)
		return rowChange{key: "\x00\x00i" + tillType.Definition().DefinedName() + "\x00" + name, value: string(value)}
	}
	l.pending = []rowChange{row(w.Till(0), FirstBalance), row(w.Till(1), FirstBalance)}
	must(t, l.done(0))
	l.pending = []rowChange{row(w.Till(0), FirstBalance-10), row(w.Till(1), FirstBalance+10)}
	must(t, l.done(0))
	l.pending = []rowChange{row(w.Till(0), FirstBalance)}
	if err := l.done(0); err == nil {
		t.Error("10 have appeared and nobody noticed")
	}
}
