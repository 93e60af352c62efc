package sim

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/table"
)

// ledger follows the rows that the engine seals, from the outside, and says what rows a crash may leave: exactly those of the last
// epoch that was sealed, or those of the one that was being sealed, as a whole.
type ledger struct {
	world   World
	base    map[string]string // rows to begin with; never changed
	sealed  [][]rowChange     // one for each epoch
	pending []rowChange       // of the epoch that is being sealed

	outcomes *outcomes
	balances map[string]int64             // of the vault's tills
	alive    map[byte]map[string]struct{} // the keys of rows that go when what they are of is over, by kind

	mayLoseTail bool // the last epochs may be missing, as a whole
	epochsLost  int  // that were
}

// errRows: the rows are not those that were sealed.
var errRows = errors.New("the rows are not those that were sealed")

type rowChange struct {
	key, value string
	deleted    bool
	upper      string // not "": all rows from key up to it are deleted
}

func newLedger(w World) *ledger { return (&ledger{world: w, outcomes: new(outcomes)}).clone() }

// clone returns the ledger as it is now, for a recovery.
func (l *ledger) clone() *ledger {
	return &ledger{
		world: l.world, base: l.base, sealed: slices.Clip(l.sealed), pending: l.pending, outcomes: l.outcomes.clone(), balances: map[string]int64{},
		alive: map[byte]map[string]struct{}{format.KindTimer: {}, format.KindCoordinator: {}, format.KindMessage: {}},
	}
}

// begin takes the rows of an epoch that is about to be sealed.
func (l *ledger) begin(batch *table.Batch) error {
	l.pending = []rowChange{}
	return batch.Each(func(key, value []byte) {
		l.pending = append(l.pending, rowChange{key: string(key), value: string(value), deleted: value == nil})
	}, func(lower, upper []byte) {
		l.pending = append(l.pending, rowChange{key: string(lower), upper: string(upper)})
	})
}

// done notes that the epoch is sealed, when so much has elapsed of its process, and checks that no money came or went in it and that
// no outcome went before its time.
func (l *ledger) done(elapsed time.Duration) error {
	err := l.outcomes.take(l.pending, l.outcomes.opened+int64(elapsed))
	for _, c := range l.pending {
		l.follow(c)
	}
	l.sealed = append(l.sealed, l.pending)
	l.pending = nil
	return errors.Join(err, l.conserved())
}

// follow keeps the balances of the vault's tills, and which timers, runs and carried messages there are.
func (l *ledger) follow(c rowChange) {
	if alive := l.alive[kindOf(c.key)]; alive != nil && c.upper == "" {
		if c.deleted {
			delete(alive, c.key)
		} else {
			alive[c.key] = struct{}{}
		}
		return
	}
	name, ok := strings.CutPrefix(instanceOf(c.key), tillType.Definition().DefinedName()+"\x00")
	if !ok {
		return
	}
	if !slices.Contains(l.world.Vault(), name) {
		return
	}
	var till struct{ Balance int64 }
	if err := codec.Decode([]byte(c.value), &till); err != nil {
		panic("sim: a till's row decodes: " + err.Error())
	}
	l.balances[name] = till.Balance
}

// kindOf is the kind of a row.
func kindOf(key string) byte {
	if prefix := len(format.Prefix(nil, 0, 0)); len(key) >= prefix {
		return key[prefix-1]
	}
	return 0
}

// instanceOf is "type\x00id" of an instance's row, or "".
func instanceOf(key string) string {
	if prefix := len(format.Prefix(nil, 0, format.KindInstance)); len(key) > prefix && key[prefix-1] == format.KindInstance {
		return key[prefix:]
	}
	return ""
}

// conserved checks the sum over the vault, once all its tills exist.
func (l *ledger) conserved() error {
	vault := l.world.Vault()
	if len(l.balances) < len(vault) {
		return nil
	}
	var sum int64
	for _, balance := range l.balances {
		sum += balance
	}
	if want := int64(len(vault) * FirstBalance); sum != want {
		return fmt.Errorf("in the state sealed with epoch %d the vault holds %d, not %d", len(l.sealed), sum, want)
	}
	return nil
}

// recovered compares the rows that a crash left with those that it may leave, and goes on from them. delivered is the number of
// records that have left: their rows may be gone.
func (l *ledger) recovered(scan func(visit func(key, value []byte) error) error, delivered int, clock *Clock) error {
	found := map[string]string{}
	err := scan(func(key, value []byte) error {
		found[string(key)] = string(value)
		return nil
	})
	if err != nil {
		return err
	}
	want := map[string]string{}
	for key, value := range l.base {
		want[key] = value
	}
	for _, epoch := range l.sealed {
		applyRows(want, epoch)
	}
	mayBeGone := func(key string) bool { return isDelivered(key, delivered) }
	want[watermarkKey] = l.outcomes.closedLater(want[watermarkKey], found[watermarkKey])
	if want[watermarkKey] == "" {
		delete(want, watermarkKey)
	}
	diff := diffRows(want, found, mayBeGone)
	if diff != "" && l.pending != nil {
		applyRows(want, l.pending)
		if pendingDiff := diffRows(want, found, mayBeGone); pendingDiff == "" {
			diff = ""
			err = l.outcomes.take(l.pending, l.outcomes.ran)
		} else {
			diff += "; and with the epoch that was being sealed: " + pendingDiff
		}
	}
	if diff != "" && l.mayLoseTail && l.lostTail(found, mayBeGone) {
		diff = ""
	}
	if diff != "" {
		return fmt.Errorf("%w: after %d epochs, %s", errRows, len(l.sealed), diff)
	}
	l.base, l.sealed, l.pending = found, nil, nil
	for key, value := range found {
		l.follow(rowChange{key: key, value: value})
	}
	return errors.Join(err, l.outcomes.recovered(found, clock.Now(), clock.Elapsed()), l.conserved())
}

// lostTail finds out how many of the last epochs are missing, if that is all that is.
func (l *ledger) lostTail(found map[string]string, mayBeGone func(key string) bool) bool {
	want := maps.Clone(l.base)
	if want == nil {
		want = map[string]string{}
	}
	for i := 0; ; i++ {
		if diffRows(want, found, mayBeGone) == "" {
			l.epochsLost = len(l.sealed) - i
			return true
		}
		if i == len(l.sealed) {
			return false
		}
		applyRows(want, l.sealed[i])
	}
}

func applyRows(rows map[string]string, changes []rowChange) {
	for _, c := range changes {
		switch {
		case c.upper != "":
			maps.DeleteFunc(rows, func(key, _ string) bool { return c.key <= key && key < c.upper })
		case c.deleted:
			delete(rows, c.key)
		default:
			rows[c.key] = c.value
		}
	}
}

// diffRows names a row that differs, or returns "".
func diffRows(want, found map[string]string, mayBeGone func(key string) bool) string {
	for key, value := range want {
		got, ok := found[key]
		switch {
		case !ok && !mayBeGone(key):
			return fmt.Sprintf("the row %q is missing", key)
		case ok && got != value:
			return fmt.Sprintf("the row %q is %.80q, it was sealed as %.80q", key, got, value)
		}
	}
	for key := range found {
		if _, ok := want[key]; !ok && !bytes.Equal([]byte(key), formatKey) {
			return fmt.Sprintf("there is a row %q that was never sealed, or deleted", key)
		}
	}
	return ""
}

var formatKey = format.Prefix(nil, format.NodeShard, format.KindFormat)

// isDelivered reports whether a row is of a record that has been delivered: a closing engine deletes those without an epoch.
func isDelivered(key string, delivered int) bool {
	if !bytes.HasPrefix([]byte(key), format.Prefix(nil, format.NodeShard, format.KindEgress)) {
		return false
	}
	seq, err := format.Number([]byte(key))
	return err == nil && seq <= uint64(delivered)
}
