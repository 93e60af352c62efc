package sim

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/saga"
)

// Audit checks books against the orders that were given.
type Audit struct {
	*Books
	World         World
	Outcomes      map[string]string                 // by order: as told to the client; "" or absent if nobody knows
	Decided       map[string]map[saga.Decision]bool // by order: what a person may have decided about its saga
	Cancelled     map[string]bool                   // by order: its saga may have been cancelled; "*" for sagas of orders without request id
	ClockWentBack bool

	lines   map[string][]movedLine // by order
	notes   map[string][]string    // by order
	toggles map[string]int         // by slip
	runs    map[string]int64       // by request and tally, see counted
	wrong   []string
}

type movedLine struct {
	where string
	TillLine
}

func (a *Audit) fail(format string, args ...any) {
	if len(a.wrong) < 5 {
		a.wrong = append(a.wrong, fmt.Sprintf(format, args...))
	}
}

// Check says what is wrong with the books; nothing if they are in order.
func (a *Audit) Check(orders []Order) []string {
	a.lines, a.notes, a.toggles, a.runs = map[string][]movedLine{}, map[string][]string{}, map[string]int{}, map[string]int64{}
	a.gather()
	for _, o := range orders {
		out := a.Outcomes[o.ID]
		a.checkReason(o, out)
		ok, open := isOK(out), out == ""
		if o.Fed { // nobody is told, and it has happened, unless it could fail
			ok, open = o.Kind != "withdraw", o.Kind == "withdraw"
		}
		switch {
		case strings.HasPrefix(o.Kind, "start-"):
			a.checkOrder(o.inner(), "", ok, open)
		default:
			a.checkOrder(o, out, ok, open)
		}
		delete(a.lines, o.ID)
		delete(a.lines, o.ID+"/in")
		delete(a.notes, o.ID)
		delete(a.notes, o.ID+"/in")
	}
	for id, lines := range a.lines {
		a.fail("order %s moved %v but was never given", id, lines)
	}
	for id, words := range a.notes {
		if base, ok := strings.CutSuffix(id, "/bounce"); !ok || !slices.ContainsFunc(orders, func(o Order) bool { return o.ID == base }) {
			a.fail("order %s ended with %v but was never given", id, words)
		}
	}
	a.checkTills()
	a.checkTallies(orders)
	a.checkTape(orders)
	a.checkRecords()
	for slip, exists := range a.Slips {
		if exists != (a.toggles[slip]%2 == 1) {
			a.fail("slip %s: exists is %v after %d toggles", slip, exists, a.toggles[slip])
		}
	}
	return a.wrong
}

func isOK(out string) bool { return strings.HasPrefix(out, "ok") }

// gather sorts all traces by order.
func (a *Audit) gather() {
	for _, name := range slices.Sorted(maps.Keys(a.Tills)) {
		for _, l := range a.Tills[name].Lines {
			a.lines[l.ID] = append(a.lines[l.ID], movedLine{name, l})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a.Gates)) {
		for _, l := range a.Gates[name].Lines {
			a.lines[l.ID] = append(a.lines[l.ID], movedLine{name, l})
		}
	}
	for name, s := range a.Tallies {
		for id, n := range s.Runs {
			a.runs[counted(id, name)] = n
		}
	}
	for _, s := range a.Sinks {
		for _, d := range s.Disorder {
			a.fail("%s", d)
		}
		for id, words := range s.Notes {
			a.notes[id] = append(a.notes[id], words...)
		}
	}
}

// checkReason allows only failures that user code chose.
func (a *Audit) checkReason(o Order, out string) {
	if out == "" || isOK(out) {
		return
	}
	chosen := strings.Contains(out, string(errShort)) || strings.Contains(out, string(errSorry))
	switch {
	case strings.Contains(out, "boom in a") && slices.Contains([]string{"boom", "tx-boom", "tx-bad", "saga-boom"}, o.Kind):
		return
	case strings.Contains(out, saga.ErrCancelled.Error()) && o.isSaga() && (a.Cancelled[o.ID] || !o.Asked && a.Cancelled["*"]):
		return
	}
	switch o.Kind {
	case "tx-boom", "tx-bad", "saga-boom", "tx", "chain", "else", "count", "doomed", "swallow", "saga", "sleepy", "sorry", "gates", "withdraw":
		if !chosen {
			a.fail("%s %s %s", o.Kind, o.ID, out)
		}
	default:
		a.fail("%s %s %s: nothing in it can fail", o.Kind, o.ID, out)
	}
}

// checkOrder checks what one order left behind. ok: it succeeded; open: nobody knows, so it may have happened or not.
func (a *Audit) checkOrder(o Order, out string, ok, open bool) {
	started := ok // of an order that was started by a message: the message was sent
	if o.isTx() || o.isSaga() {
		if out != "" {
			open, started = false, true
		}
		ok, started = a.checkNote(o, out, started, open)
		if !started {
			a.expect(o)
			return
		}
	}
	switch o.Kind {
	case "tx", "chain", "saga", "sleepy", "half", "doomed", "swallow", "total", "census", "toggle", "flip", "else", "count", "sorry",
		"gates", "tx-boom", "tx-bad", "saga-boom":
		a.checkMoves(o, out, ok)
	case "deposit":
		a.checkPlain(o, movedLine{o.To, TillLine{o.ID, o.Amount, false}}, ok, open)
	case "withdraw":
		a.checkPlain(o, movedLine{o.From, TillLine{o.ID, -o.Amount, false}}, ok, open)
	case "boom":
		a.expect(o)
	case "relay":
		a.checkRelay(o, ok, open)
	case "knock":
		if n := len(a.notes[o.ID+"/bounce"]); n > 1 || (n == 0 && ok) {
			a.fail("knock %s: outcome %q, %d bounces", o.ID, out, n)
		}
	}
}

// checkNote checks that a coordinator function left exactly one note on how it ended.
func (a *Audit) checkNote(o Order, out string, started, open bool) (ok, ended bool) {
	notes := a.notes[o.ID]
	switch {
	case len(notes) > 1:
		a.fail("%s %s: ended more than once: %v", o.Kind, o.ID, notes)
	case len(notes) == 0 && !started && (open || out == ""):
		return false, false
	case len(notes) == 0:
		a.fail("%s %s: no note of its end, outcome %q", o.Kind, o.ID, out)
		return isOK(out), true
	case !started && !open:
		a.fail("%s %s: ended with %v but was never started", o.Kind, o.ID, notes)
	case out != "" && isOK(out) != (notes[0] == "ok"):
		a.fail("%s %s: the client was told %q, the note says %v", o.Kind, o.ID, out, notes)
	}
	return notes[0] == "ok", true
}

// checkMoves checks the lines of a coordinator function that has ended.
func (a *Audit) checkMoves(o Order, out string, ok bool) {
	switch {
	case (o.Kind == "toggle" || o.Kind == "flip") && ok:
		a.toggles[o.To]++
	case o.Kind == "total" && out != "" && out != fmt.Sprintf("ok %d", len(o.Group)*FirstBalance):
		a.fail("total %s: %s", o.ID, out)
	}
	if o.Kind == "count" {
		at := counted(o.countedAs(), o.Group[0])
		if n := a.runs[at]; n != map[bool]int64{true: 1}[ok] {
			a.fail("count %s (outcome %q): it is counted %d times", o.ID, out, n)
		}
		delete(a.runs, at)
	}
	debit, credit := movedLine{o.From, TillLine{o.ID, -o.Amount, false}}, movedLine{o.To, TillLine{o.ID, o.Amount, false}}
	switch {
	case slices.Contains([]string{"total", "census", "toggle", "flip"}, o.Kind):
		a.expect(o)
	case ok && o.Kind == "else" && !slices.Contains(a.lines[o.ID], debit):
		a.expect(o, movedLine{o.Group[0], debit.TillLine}, credit)
	case ok && o.Kind == "half":
		a.checkHalf(o, out)
	case ok:
		a.expect(o, debit, credit)
	case o.isTx():
		a.expect(o)
	default:
		a.checkUndone(o, debit)
		a.checkUndone(o, credit)
		undebit := slices.Index(a.lines[o.ID], movedLine{o.From, TillLine{o.ID, o.Amount, true}})
		uncredit := slices.Index(a.lines[o.ID], movedLine{o.To, TillLine{o.ID, -o.Amount, true}})
		if o.From == o.To && undebit >= 0 && undebit < uncredit {
			a.fail("%s %s: undone in the wrong order: %v", o.Kind, o.ID, a.lines[o.ID])
		}
		for _, gate := range o.Group {
			a.checkUndone(o, movedLine{gate, TillLine{o.ID, 0, false}})
		}
	}
}

// checkUndone checks that a step of a saga that failed was done and undone, in this order, or neither.
func (a *Audit) checkUndone(o Order, do movedLine) {
	undo := do
	undo.Amount, undo.Undo = -do.Amount, true
	state := 0 // lines seen: 0 none, 1 done, 2 undone
	for _, l := range a.lines[o.ID] {
		switch {
		case l == do && state == 0:
			state = 1
		case l == undo && state == 1:
			state = 2
		case l == do || l == undo:
			a.fail("%s %s: %v is out of order or twice in %v", o.Kind, o.ID, l, a.lines[o.ID])
		}
	}
	decided := a.Decided[o.ID]
	if !o.Asked {
		decided = a.Decided["*"]
	}
	if state == 1 && !decided[saga.MarkDone] && (!decided[saga.Skip] || do.Amount != 0) {
		a.fail("%s %s failed but %v was not undone", o.Kind, o.ID, do)
	}
}

// checkHalf takes the amount from what the transaction told or did.
func (a *Audit) checkHalf(o Order, out string) {
	for _, l := range a.lines[o.ID] {
		o.Amount = max(l.Amount, -l.Amount)
	}
	if len(a.lines[o.ID]) == 0 {
		o.Amount = 0
	}
	if out != "" && out != fmt.Sprintf("ok %d", o.Amount) {
		a.fail("half %s: %q, but it moved %d", o.ID, out, o.Amount)
	}
	if o.Amount != 0 {
		a.expect(o, movedLine{o.From, TillLine{o.ID, -o.Amount, false}}, movedLine{o.To, TillLine{o.ID, o.Amount, false}})
	}
}

func (a *Audit) checkPlain(o Order, want movedLine, ok, open bool) {
	switch n := len(a.lines[o.ID]); {
	case ok, open && n > 0:
		a.expect(o, want)
	default:
		a.expect(o)
	}
}

// expect checks that an order left exactly these lines.
func (a *Audit) expect(o Order, want ...movedLine) {
	left := slices.Clone(a.lines[o.ID])
	for _, l := range want {
		i := slices.Index(left, l)
		if i < 0 {
			a.fail("%s %s (outcome %q): %v is missing in %v", o.Kind, o.ID, a.Outcomes[o.ID], l, a.lines[o.ID])
			return
		}
		left = slices.Delete(left, i, i+1)
	}
	if len(left) > 0 {
		a.fail("%s %s (outcome %q): %v too much", o.Kind, o.ID, a.Outcomes[o.ID], left)
	}
}

func (a *Audit) checkRelay(o Order, ok, open bool) {
	var all []int
	for _, r := range a.Relays {
		hops := r.Hops[o.ID]
		if !slices.IsSortedFunc(hops, func(x, y int) int { return y - x }) {
			a.fail("relay %s: hops out of order: %v", o.ID, hops)
		}
		all = append(all, hops...)
	}
	slices.Sort(all)
	var want []int
	if ok || (open && len(all) > 0) {
		for i := range relayHops + 1 {
			want = append(want, i)
		}
	}
	if !slices.Equal(all, want) {
		a.fail("relay %s (outcome %q): hops %v", o.ID, a.Outcomes[o.ID], all)
	}
}

// checkTills checks balances, notices and timers.
func (a *Audit) checkTills() {
	last, fired := map[string]uint64{}, map[string]int{}
	for _, s := range a.Sinks {
		maps.Copy(last, s.Last)
		maps.Copy(fired, s.Fired)
	}
	for name, s := range a.Tills {
		balance := int64(FirstBalance)
		for _, l := range s.Lines {
			balance += l.Amount
		}
		if s.Balance != balance || s.Sent != uint64(len(s.Lines)) {
			a.fail("%s: balance %d and %d sent, %d and %d by its lines", name, s.Balance, s.Sent, balance, len(s.Lines))
		}
		if last[name] != s.Sent {
			a.fail("%s sent %d notices, %d arrived", name, s.Sent, last[name])
		}
		for i, t := range s.Timers {
			key := fmt.Sprintf("%s/%d", name, i)
			if n := fired[key]; n > 1 || (n == 1 && t.Cancelled && !a.ClockWentBack) || (n == 0 && !t.Cancelled && !t.Late) {
				a.fail("timer %s fired %d times, cancelled %v, late %v", key, n, t.Cancelled, t.Late)
			}
		}
	}
	var vault int64
	for _, name := range a.World.Vault() {
		vault += a.Tills[name].Balance
	}
	if want := int64(FirstBalance * len(a.World.Vault())); vault != want {
		a.fail("the vault holds %d, not %d", vault, want)
	}
}

// checkTape checks the order of the ingress's records, where one is a call that leaves a line by itself.
func (a *Audit) checkTape(orders []Order) {
	positions := map[string]int{}
	for i, o := range orders {
		if o.Fed && (o.Kind == "deposit" || o.Kind == "withdraw") {
			positions[o.ID] = i + 1
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a.Tills)) {
		last := 0
		for _, l := range a.Tills[name].Lines {
			if at := positions[l.ID]; at > 0 {
				if at < last {
					a.fail("%s: the record %s was handled after %s, which came later", name, l.ID, orders[last-1].ID)
				}
				last = at
			}
		}
	}
}

// checkRecords checks the egress: numbered without gaps, and of each till every record once, in order.
func (a *Audit) checkRecords() {
	last := map[string]uint64{}
	for i, r := range a.Records {
		if r.Seq != uint64(i+1) {
			a.fail("record %d has number %d", i+1, r.Seq)
		}
		var n uint64
		if err := codec.Decode(r.Value, &n); err != nil || n != last[r.Key]+1 {
			a.fail("record %d of %s comes after %d (%v)", n, r.Key, last[r.Key], err)
		}
		last[r.Key] = n
	}
	for name, s := range a.Tills {
		if last[name] != s.Sent {
			a.fail("%s emitted %d records, %d arrived", name, s.Sent, last[name])
		}
	}
}
