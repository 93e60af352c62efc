package limit

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/seams"
	"github.com/concordat-dev/concordat/internal/table"
	"github.com/concordat-dev/concordat/ycsb"
	"github.com/concordat-dev/concordat/ycsb/accounts"
)

// TestSameRowsAsTheEngine: for a transfer with an id an entry has what the engine seals in an epoch: the same states, and an outcome and a
// watermark of the same length.
func TestSameRowsAsTheEngine(t *testing.T) {
	ctx := t.Context()
	transfer := ycsb.Transfer{From: 3, To: 4, Amount: 7}
	const id = "0000000000000000001"
	for _, refused := range []bool{false, true} {
		transfer.Refuse = refused

		l := open(t, Options{Dir: t.TempDir(), Keys: 5})
		load(t, l, 5)
		if err := l.Transfer(ctx, id, transfer); (err != nil) != refused {
			t.Fatal(err)
		}
		last, err := l.log.Read(l.log.Last(), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, ours := changes(t, last.Data)
		closed(t, l)

		theirs := engineRows(t, id, transfer)
		if want := 4 - 2*btoi(refused); len(ours) != want || len(theirs) != want {
			t.Fatalf("refused %v: we have %d rows, the engine %d, want %d", refused, len(ours), len(theirs), want)
		}
		for key, value := range ours {
			their := theirs[bucketless(key)]
			switch key[2] {
			case format.KindInstance:
				if !bytes.Equal(value, their) {
					t.Errorf("%q is %x, the engine's is %x", key, value, their)
				}
			case format.KindOutcome:
				ourPayload, ourFailed := format.Outcome(value).Payload()
				theirPayload, theirFailed := format.Outcome(their).Payload()
				if len(value) != len(their) || ourFailed != refused || theirFailed != refused || !bytes.Equal(ourPayload, theirPayload) {
					t.Errorf("the outcome is %x, the engine's is %x", value, their)
				}
			default:
				const few = 12 // numbers grow, and the wall time has fewer digits sometimes
				if d := len(value) - len(their); d < -few || d > few || len(their) == 0 {
					t.Errorf("%q has %d bytes, the engine's %d", key, len(value), len(their))
				}
			}
		}
	}
}

// engineRows are the rows of the last epoch that an engine sealed for a transfer, the keys of outcomes without their buckets.
func engineRows(t *testing.T, id string, transfer ycsb.Transfer) map[string][]byte {
	t.Helper()
	var sealed []map[string][]byte
	e, err := engine.Open(engine.Options{Dir: t.TempDir(), Seams: seams.Set{
		Log: seams.Over(func(_ uint64, batch *table.Batch, write func() error) error {
			rows := make(map[string][]byte)
			err := batch.Each(func(key, value []byte) { rows[bucketless(string(key))] = slices.Clone(value) }, func(_, _ []byte) {})
			if err != nil {
				return err
			}
			sealed = append(sealed, rows)
			return write()
		}),
	}}, accounts.Parts()...)
	if err != nil {
		t.Fatal(err)
	}
	for key := range 5 {
		if err := e.Do(context.Background(), accounts.Insert.On(ycsb.RowID(key), ycsb.Shape{}.NewRow(key))); err != nil {
			t.Fatal(err)
		}
	}
	n := len(sealed)
	err = e.Do(context.Background(), accounts.TransferTx.As(id, accounts.Transfer{
		From: ycsb.RowID(transfer.From), To: ycsb.RowID(transfer.To), Amount: transfer.Amount, Refuse: transfer.Refuse,
	}))
	if (err != nil) != transfer.Refuse {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return sealed[n]
}

// bucketless is a key, of an outcome without the time when its bucket began.
func bucketless(key string) string {
	if key[2] != format.KindOutcome {
		return key
	}
	_, shard, of, err := format.OutcomeOf([]byte(key))
	if err != nil {
		panic(err)
	}
	return string(format.OutcomeIn(nil, 0, shard, of))
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
