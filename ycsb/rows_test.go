package ycsb

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// seconds drives four clients for so long.
func seconds(n int) Driving { return Driving{Clients: 4, Duration: time.Duration(n) * time.Second} }

// TestEveryKind: each kind of operation calls the method that is for it, and is counted under its name.
func TestEveryKind(t *testing.T) {
	for _, test := range []struct {
		config Config
		kind   string
		method string
	}{
		{Config{Mix: Mix{Read: 1}}, "read", "Read"},
		{Config{Mix: Mix{Read: 1}, ReadOneField: true}, "read", "ReadField"},
		{Config{Mix: Mix{Update: 1}}, "update", "Update"},
		{Config{Mix: Mix{Update: 1}, WriteAllFields: true}, "update", "Overwrite"},
		{Config{Mix: Mix{Transfer: 1}}, "transfer", "Transfer"},
		{Config{Mix: Mix{Transfer: 1}, Parties: 3}, "transfer", "Pay"},
		{Config{Mix: Mix{Insert: 1}}, "insert", "Insert"},
		{Config{Mix: Mix{Scan: 1}}, "scan", "Scan"},
		{Config{Mix: Mix{Modify: 1}}, "readmodifywrite", "Modify"},
		{Config{Mix: Mix{Modify: 1}, WriteAllFields: true}, "readmodifywrite", "Overwrite"},
		{Config{Mix: Mix{Snapshot: 1}}, "snapshot", "Snapshot"},
	} {
		synctest.Test(t, func(t *testing.T) {
			m := newMemory(10 * time.Millisecond)
			test.config.Keys, test.config.Driving = 20, seconds(1)
			r, err := runBubble(t.Context(), test.config, m)
			if err != nil || r.Failed+r.Unknown > 0 || r.Kinds[test.kind].Committed != r.Committed || r.Committed < 200 {
				t.Errorf("%s: %+v, %v", test.method, r, err)
			}
			if uint64(m.calls[test.method]) != r.Committed {
				t.Errorf("%s: %d committed, and the calls were %v", test.method, r.Committed, m.calls)
			}
			if test.method == "Overwrite" && test.kind == "readmodifywrite" && m.calls["Read"] != m.calls["Overwrite"] {
				t.Errorf("a read-modify-write without a read: %v", m.calls)
			}
		})
	}
}

// TestMissingAbilities: a mix that the target has not the abilities for is an error before anything is loaded.
func TestMissingAbilities(t *testing.T) {
	for _, test := range []struct {
		config Config
		want   string
	}{
		{Config{Mix: Mix{Update: 1}}, "cannot update"},
		{Config{Mix: Mix{Update: 1}, WriteAllFields: true}, "cannot overwrite"},
		{Config{Mix: Mix{Read: 1}, ReadOneField: true}, "cannot read a single field"},
		{Config{Mix: Mix{Insert: 1}}, "cannot insert"},
		{Config{Mix: Mix{Scan: 1}}, "cannot scan"},
		{Config{Mix: Mix{Modify: 1}}, "cannot update"},
		{Config{Mix: Mix{Snapshot: 1}}, "cannot read several rows"},
		{Config{Parties: 5}, "with 5 parties"},
	} {
		m := newMemory(0)
		if _, err := Run(t.Context(), test.config, modest{m}); !matches(err, test.want) || len(m.balances) > 0 {
			t.Errorf("%+v: error %v, want %q; %d rows loaded", test.config, err, test.want, len(m.balances))
		}
	}
}

// TestModestTarget: one without abilities can be read and transferred on, and counts nothing.
func TestModestTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Config{Keys: 10, Mix: Mix{Read: 0.5, Transfer: 0.5}, Driving: seconds(1)}
		r, err := runBubble(t.Context(), c, modest{newMemory(10 * time.Millisecond)})
		if err != nil || r.Committed != 400 || r.Counters != (Counters{}) {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// TestPayments: of so many parties, some refused, and the sum stays.
func TestPayments(t *testing.T) {
	for _, parties := range []int{3, MaxParties} {
		synctest.Test(t, func(t *testing.T) {
			m := newMemory(time.Millisecond)
			c := Config{Keys: 20, Parties: parties, Rollbacks: 0.5, Driving: seconds(1)}
			r, err := runBubble(t.Context(), c, m)
			if err != nil || r.Committed < 1500 || r.Failed < 1500 || !errors.Is(r.FirstFailure, ErrRefused) {
				t.Errorf("%+v, %v", r, err)
			}
			if slices.Min(m.parties) != parties || slices.Max(m.parties) != parties {
				t.Errorf("payments had %d to %d parties, want %d", slices.Min(m.parties), slices.Max(m.parties), parties)
			}
		})
	}
}

func TestScansHaveTheirLengths(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(time.Millisecond)
		c := Config{Keys: 20, Mix: Mix{Scan: 1}, MinScan: 3, MaxScan: 9, Driving: seconds(1)}
		if _, err := runBubble(t.Context(), c, m); err != nil || slices.Min(m.scanned) != 3 || slices.Max(m.scanned) != 9 {
			t.Errorf("lengths from %d to %d, %v", slices.Min(m.scanned), slices.Max(m.scanned), err)
		}
	})
}

// TestInsertions: rows that were inserted are read, paid and audited, and a second run goes on behind those of the first.
// Insertions that fail, or of which that is not known, leave holes, which nobody touches, even if the row is there after all.
func TestInsertions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(time.Millisecond)
		m.insertion = func(key int) error {
			switch key % 10 {
			case 3:
				return errors.New("refused")
			case 7:
				m.balances[key] = 123 // it happened
				return fmt.Errorf("%w: or not", ErrUnknown)
			}
			return nil
		}
		c := Config{Keys: 10, Mix: Mix{Insert: 0.2, Transfer: 0.4, Read: 0.4}, Driving: seconds(2)}
		r, err := runBubble(t.Context(), c, m)
		if err != nil || r.Kinds["insert"].Failed == 0 || r.Kinds["insert"].Unknown == 0 || r.Kinds["insert"].Committed < 1000 {
			t.Fatalf("%+v, %v", r, err)
		}
		if n := r.Kinds["read"].Failed + r.Kinds["transfer"].Failed; n > 0 {
			t.Errorf("%d operations met rows that were not there, the first: %v", n, r.FirstFailure)
		}
		inserted := 0
		for key, balance := range m.balances {
			if key >= 10 && key%10 != 7 && balance != OpeningBalance {
				inserted++
			}
			if key%10 == 7 && key >= 10 && balance != 123 {
				t.Errorf("row %d, of which nobody knows whether it is there, has %d", key, balance)
			}
		}
		if inserted == 0 {
			t.Error("no inserted row took part in a transfer")
		}
	})
}

// TestInsertionsGoOn: a second run counts the rows of the first as its own.
func TestInsertionsGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(time.Millisecond)
		c := Config{Keys: 10, Mix: Mix{Insert: 0.5, Transfer: 0.5}, Driving: seconds(1)}
		total := int64(10)
		for round := range 3 {
			r, err := runBubble(t.Context(), c, m)
			if before, _ := sums(r); err != nil || before != total*OpeningBalance || r.Failed > 0 {
				t.Fatalf("round %d: %+v, %v", round, r, err)
			}
			total += int64(r.Kinds["insert"].Committed)
			if int64(len(m.balances)) != total {
				t.Fatalf("round %d: %d rows, want %d", round, len(m.balances), total)
			}
		}
	})
}

// TestExistingRows: the first key without a row is found, however many there are, and an error is passed on.
func TestExistingRows(t *testing.T) {
	m := newMemory(0)
	for n := range 70 {
		if n >= 5 {
			if got, err := existingRows(t.Context(), m, 5); err != nil || got != n {
				t.Errorf("%d rows found, %v, want %d", got, err, n)
			}
		}
		m.balances[n] = 1
	}
	if _, err := existingRows(t.Context(), broken{m}, 5); !errors.Is(err, errBroken) {
		t.Errorf("error %v", err)
	}
}

// TestModifyThatCanNotRead: nothing was written, so its outcome is known.
func TestModifyThatCanNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(time.Millisecond)
		c := Config{Keys: 4, Mix: Mix{Modify: 1}, WriteAllFields: true, Driving: seconds(1)}
		r, err := runBubble(t.Context(), c, unreadable{m})
		if err != nil || r.Failed != 4000 || r.Unknown != 0 || m.calls["Overwrite"] != 0 {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// TestShapes: rows are as wide as was asked for.
func TestShapes(t *testing.T) {
	for _, s := range []Shape{{Fields: 1, FieldBytes: 1000}, {Fields: 3, FieldBytes: FieldBytes}, {Fields: 10, FieldBytes: 1}} {
		row := s.NewRow(7)
		for i, field := range row.Fields {
			want := s.FieldBytes
			if i >= s.Fields {
				want = 0
			}
			if len(field) != want || strings.ContainsRune(field, 0) {
				t.Errorf("%+v: field %d is %q", s, i, field)
			}
		}
	}
}
