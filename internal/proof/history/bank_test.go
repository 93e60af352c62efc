package history

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var bankAnomalies = []struct {
	name  string
	text  string
	want  []Kind
	valid string
}{
	{
		name: "half a transfer is seen in a look at everything", want: []Kind{WrongTotal},
		text: `p1 ok: add a -10, add b 10
			p2 ok: r a 90, r b 100, r c 100`,
		valid: `p1 ok: add a -10, add b 10
			p2 ok: r a 90, r b 110, r c 100`,
	},
	{
		name: "half a transfer is seen in a look at some", want: []Kind{WrongBalance},
		text: `p1 ok: add a -10, add b 10
			p2 ok: r a 90, r b 100`,
		valid: `p1 ok: add a -10, add c 10
			p2 ok: r a 90, r b 100`,
	},
	{
		name: "an acknowledged transfer is not seen", want: []Kind{WrongBalance},
		text: `p1 0-10 ok: add a -10, add b 10
			p2 20-30 ok: r a 100`,
		valid: `p1 0-20 ok: add a -10, add b 10
			p2 20-30 ok: r a 100`,
	},
	{
		name: "a failed transfer is seen", want: []Kind{WrongBalance},
		text: `p1 0-10 fail: add a -10, add b 10
			p2 20-30 ok: r a 90`,
		valid: `p1 0-10 unknown: add a -10, add b 10
			p2 20-30 ok: r a 90`,
	},
	{
		name: "a transfer is done twice", want: []Kind{WrongBalance},
		text: `p1 0-10 ok: add a -10, add b 10
			p2 20-30 ok: r a 80, r b 120, r c 100`,
		valid: `p1 0-10 ok: add a -10, add b 10
			p1 11-12 unknown: add a -10, add b 10
			p2 20-30 ok: r a 80, r b 120, r c 100`,
	},
	{
		name: "a transfer of the future is seen", want: []Kind{WrongBalance},
		text: `p1 20-30 ok: add a -10, add b 10
			p2 0-10 ok: r b 110`,
		valid: `p1 10-30 ok: add a -10, add b 10
			p2 0-10 ok: r b 110`,
	},
	{
		name: "does not see its own transfer", want: []Kind{WrongBalance},
		text:  `p1 ok: add a -10, add b 10, r a 100`,
		valid: `p1 ok: add a -10, add b 10, r a 90`,
	},
	{
		name: "sees two balances", want: []Kind{Internal},
		text: `p1 ok: r a 100, add a -10, add b 10, r a 80
			p2 ok: add a -10, add b 10`,
		valid: `p1 ok: r a 90, add a -10, add b 10, r a 80
			p2 ok: add a -10, add b 10`,
	},
	{
		name: "money of an unknown transfer is there once", want: []Kind{WrongBalance},
		text: `p1 0-10 unknown: add a -10, add b 10
			p2 20-30 ok: r a 80`,
		valid: `p1 0-10 unknown: add a -10, add b 10
			p2 20-30 ok: r a 90`,
	},
}

func TestBankAnomalies(t *testing.T) {
	header := BankHeader(Bank, 3, 100)
	for _, test := range bankAnomalies {
		t.Run(test.name, func(t *testing.T) {
			r := Check(script(t, header, test.text))
			if got := kinds(r); !slices.Equal(got, test.want) {
				t.Errorf("found %q, want %q:\n%s", got, test.want, reportText(t, r))
			}
			if r := Check(script(t, header, test.valid)); !r.OK() {
				t.Errorf("the valid history beside it is not accepted:\n%s", reportText(t, r))
			}
		})
	}
}

// drawBank draws a small history of a bank: serial in a hidden order, with looks at some accounts, one of which may be spoiled.
func drawBank(t *rapid.T) []Tx {
	names := []string{"a", "b", "c"}
	txs := make([]Tx, rapid.IntRange(1, 6).Draw(t, "transactions"))
	balances := map[string]int64{"a": 100, "b": 100, "c": 100}
	now := int64(0)
	for i := range txs {
		now += rapid.Int64Range(0, 4).Draw(t, "pause")
		tx := &txs[i]
		*tx = Tx{Process: int32(i), Start: max(0, now-rapid.Int64Range(0, 8).Draw(t, "before")), End: now + rapid.Int64Range(0, 8).Draw(t, "after")}
		happens := true
		if rapid.IntRange(0, 5).Draw(t, "status") == 0 {
			tx.Status = rapid.SampledFrom([]Status{Failed, Unknown}).Draw(t, "not ok")
			happens = tx.Status == Unknown && rapid.Bool().Draw(t, "happens")
		}
		sums := map[string]int64{}
		if rapid.Bool().Draw(t, "transfer") {
			order := rapid.Permutation(names).Draw(t, "accounts")
			amount := rapid.Int64Range(1, 3).Draw(t, "amount")
			tx.Ops = append(tx.Ops, Op{Kind: Add, Key: order[0], Value: -amount}, Op{Kind: Add, Key: order[1], Value: amount})
			sums[order[0]], sums[order[1]] = -amount, amount
		}
		for _, name := range names {
			if rapid.Bool().Draw(t, "look") {
				tx.Ops = append(tx.Ops, Op{Kind: Read, Key: name, Value: balances[name] + sums[name]})
			}
		}
		for name, sum := range sums {
			if happens {
				balances[name] += sum
			}
		}
	}
	if rapid.Bool().Draw(t, "spoil") {
		tx := &txs[rapid.IntRange(0, len(txs)-1).Draw(t, "which")]
		for j := range tx.Ops {
			if tx.Ops[j].Kind == Read {
				tx.Ops[j].Value += rapid.Int64Range(-3, 3).Draw(t, "by")
				break
			}
		}
	}
	return txs
}

// TestManyUnknownTransfers: transfers of unknown outcome are never over, and all of them are around each look at accounts.
func TestManyUnknownTransfers(t *testing.T) {
	var text strings.Builder
	const count = 20_000
	for i := range count {
		fmt.Fprintf(&text, "p%d %d- unknown: add a -1, add b 1\n", i+1, 10*i)
		fmt.Fprintf(&text, "p0 %d-%d ok: r a 100, r b 100\n", 10*i+1, 10*i+9)
	}
	h := script(t, BankHeader(Bank, 3, 100), text.String())
	if r := Check(h); !r.OK() {
		t.Error(reportText(t, r))
	}
}
