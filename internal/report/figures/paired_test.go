package figures

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/concordat-dev/concordat/ycsb"
)

// TestPairing: both programs measure each cell as often, in turns, with the same seeds and rates; builds of one program take turns too.
// What cannot be compared is left out with the reason, and what is slower is told.
func TestPairing(t *testing.T) {
	plan := testPlan() // a, bb, and ccc with a quarter of a's load
	searched, tagged := simple("dddd"), simple("eeeee")
	searched.Search, searched.LoadOf, searched.LoadShare, tagged.Build = true, "a", 0.5, noTransactions
	plan.Experiments[0].Cells = append(plan.Experiments[0].Cells, searched, tagged, simple("unknown"))
	var turns []string
	program := func(name string, rate float64) func(context.Context, Order) (Measurement, error) {
		return func(_ context.Context, o Order) (Measurement, error) {
			turns = append(turns, fmt.Sprint(o.Cell.Name, " ", name, " ", o.Seed, " ", o.Rate))
			if err := os.WriteFile(o.Dir, nil, 0o600); err != nil {
				t.Errorf("the directory was there before, or cannot be made: %v", err)
			}
			if o.Cell.Name == "unknown" {
				return Measurement{}, errors.New("there is no such thing")
			}
			m := made(rate)
			if o.Cell.Name == "bb" {
				m = made(rate * rate / 100) // 0.81 of before
			}
			return m, nil
		}
	}
	data := t.TempDir()
	p := Pairing{Before: []func(context.Context, Order) (Measurement, error){program("A", 100), program("B", 100)}, Pairs: 3, Seed: 5, Data: data}
	p.After = []func(context.Context, Order) (Measurement, error){program("C", 90)}
	all, err := p.Run(t.Context(), plan, ycsb.Comparing{Tolerance: 0.15})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"a A 5 0", "a C 5 0", "a C 6 0", "a B 6 0", "a A 7 0", "a C 7 0"}
	if !slices.Equal(turns[:6], want) {
		t.Errorf("the turns are %q, want %q", turns[:6], want)
	}
	if got := turns[12]; got != "ccc A 5 25" {
		t.Errorf("the open loop is %q", got)
	}
	var table bytes.Buffer
	if err := WritePaired(&table, all); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"a 0.900 1.000 1.000 0.900 0.900 similar", "bb 0.810 1.000 1.000 0.810 0.810 slower", "ccc 0.900 1.000 1.000 1.000 1.000 similar",
		"dddd not measured: a search", "eeeee not measured: it needs a build", "unknown not measured: there is no such thing",
	} {
		if !strings.Contains(strings.Join(strings.Fields(table.String()), " "), "test "+line) {
			t.Errorf("there is no line %q in\n%s", line, &table)
		}
	}
	if left, err := os.ReadDir(data); len(left) > 0 || err != nil {
		t.Errorf("%v is left, %v", left, err)
	}
}

// TestPairingFails: a wrong audit, an interrupt, a program that breaks down after it could measure, and too few pairs.
func TestPairingFails(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		name  string
		pairs int
		then  func() (Measurement, error)
		want  error
	}{
		{"audit", 2, func() (Measurement, error) { return wrong(), fmt.Errorf("%w: of the books", ycsb.ErrAudit) }, ycsb.ErrAudit},
		{"interrupt", 2, func() (Measurement, error) { return Measurement{Report: ycsb.Report{Interrupted: true}}, nil }, ErrInterrupted},
		{"later", 2, func() (Measurement, error) { return Measurement{}, broken }, broken},
		{"one pair", 1, func() (Measurement, error) { return made(1), nil }, nil},
	} {
		number := 0
		measure := []func(context.Context, Order) (Measurement, error){func(context.Context, Order) (Measurement, error) {
			if number++; number > 2 {
				return c.then()
			}
			return made(100), nil
		}}
		p := Pairing{Before: measure, After: measure, Pairs: c.pairs, Data: t.TempDir()}
		if _, err := p.Run(t.Context(), testPlan(), ycsb.Comparing{}); err == nil || (c.want != nil && !errors.Is(err, c.want)) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}
