package postgres

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/ycsb"
)

var isolations = []Isolation{ReadCommitted, Serializable}

// TestEveryMix: all kinds of operations at once under both isolations, on rows of another shape, and the sum stays.
func TestEveryMix(t *testing.T) {
	for _, isolation := range isolations {
		t.Run(string(isolation), func(t *testing.T) {
			target := open(t, isolation)
			r, err := ycsb.Run(t.Context(), ycsb.Config{
				Keys: 30, Parties: 5, SnapshotKeys: 7, MaxScan: 20, Shape: ycsb.Shape{Fields: 3, FieldBytes: 10}, Distribution: ycsb.Zipfian,
				Mix:     ycsb.Mix{Read: 0.1, Update: 0.2, Transfer: 0.3, Insert: 0.1, Scan: 0.1, Modify: 0.1, Snapshot: 0.1},
				Driving: ycsb.Driving{Clients: 16, Operations: 1500},
			}, target)
			if err != nil || r.Unknown+r.Failed > 0 || r.Committed != 1500 || len(r.Kinds) != 8 {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}

// TestHotRow: transfers of many clients among two rows, of which some are refused; what cannot be serialized is run again.
func TestHotRow(t *testing.T) {
	for _, isolation := range isolations {
		target := open(t, isolation)
		c := ycsb.Config{Keys: 2, Mix: ycsb.Mix{Transfer: 1}, Rollbacks: 0.2, Driving: ycsb.Driving{Clients: 16, Operations: 400}}
		r, err := ycsb.Run(t.Context(), c, target)
		if err != nil || r.Unknown > 0 || r.Committed+r.Failed != 400 || r.Failed == 0 || !errors.Is(r.FirstFailure, ycsb.ErrRefused) {
			t.Errorf("%s: %+v, %v", isolation, r, err)
		}
		if isolation == Serializable && r.Counters.Retries == 0 {
			t.Error("nothing was run again")
		}
	}
}

// TestPayments: each gets the amount, once for an id, and what fails changes nothing, whichever row has the smaller key.
func TestPayments(t *testing.T) {
	for _, isolation := range isolations {
		target, ctx := loaded(t, isolation, 5), t.Context()
		for range 2 {
			for name, err := range map[string]error{
				"several": target.Pay(ctx, "p", ycsb.Payment{From: 3, To: []int{0, 2, 1}, Amount: 5}),
				"up":      target.Transfer(ctx, "t", ycsb.Transfer{From: 0, To: 4, Amount: 7}),
				"down":    target.Transfer(ctx, "u", ycsb.Transfer{From: 4, To: 1, Amount: 3}),
			} {
				if err != nil {
					t.Errorf("%s, %s: %v", isolation, name, err)
				}
			}
		}
		for name, c := range map[string]struct{ err, want error }{
			"poor":       {target.Transfer(ctx, "q", ycsb.Transfer{From: 0, To: 1, Amount: 2 * ycsb.OpeningBalance}), ycsb.ErrInsufficientFunds},
			"poor, down": {target.Transfer(ctx, "", ycsb.Transfer{From: 2, To: 1, Amount: 2 * ycsb.OpeningBalance}), ycsb.ErrInsufficientFunds},
			"poor, many": {target.Pay(ctx, "", ycsb.Payment{From: 0, To: []int{1, 2}, Amount: ycsb.OpeningBalance}), ycsb.ErrInsufficientFunds},
			"refused":    {target.Transfer(ctx, "r", ycsb.Transfer{From: 2, To: 3, Amount: 1, Refuse: true}), ycsb.ErrRefused},
			"no payee":   {target.Transfer(ctx, "", ycsb.Transfer{From: 2, To: 9, Amount: 1}), functions.ErrNotFound},
			"no payees":  {target.Pay(ctx, "", ycsb.Payment{From: 2, To: []int{1, 9}, Amount: 1}), functions.ErrNotFound},
			"no payer":   {target.Transfer(ctx, "", ycsb.Transfer{From: 9, To: 2, Amount: 1}), functions.ErrNotFound},
			"below":      {target.Transfer(ctx, "", ycsb.Transfer{From: 2, To: -1, Amount: 1}), functions.ErrNotFound},
		} {
			if !errors.Is(c.err, c.want) || errors.Is(c.err, ycsb.ErrUnknown) {
				t.Errorf("%s, %s: %v", isolation, name, c.err)
			}
		}
		for key, want := range []int64{5 - 7, 5 + 3, 5, -15, 7 - 3} {
			if balance, err := target.Balance(ctx, key); err != nil || balance != ycsb.OpeningBalance+want {
				t.Errorf("%s: balance of %d: %d, %v, want %d more", isolation, key, balance, err, want)
			}
		}
	}
}

// TestWrites: an id has one effect; a write of a row that is not there fails and does not use up its id.
func TestWrites(t *testing.T) {
	target, ctx := loaded(t, Serializable, 2), t.Context()
	field := func(key, field int) (text string) {
		t.Helper()
		if err := target.pool.QueryRow(ctx, readFields[field], key).Scan(&text); err != nil {
			t.Fatal(err)
		}
		return text
	}
	write := map[string]func(id string, key int, value string) error{
		"update": func(id string, key int, value string) error {
			return target.Update(ctx, id, ycsb.FieldUpdate{Key: key, Field: 2, Value: value})
		},
		"modify": func(id string, key int, value string) error {
			return target.Modify(ctx, id, ycsb.FieldUpdate{Key: key, Field: 2, Value: value})
		},
		"overwrite": func(id string, key int, value string) error {
			return target.Overwrite(ctx, id, key, [ycsb.MaxFields]string{2: value})
		},
	}
	for name, write := range write {
		if err := write(name, 7, "x"); !errors.Is(err, functions.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
		if err := errors.Join(write(name, 0, "new "+name), write(name, 0, "again")); err != nil || field(0, 2) != "new "+name {
			t.Errorf("%s: %v, %q", name, err, field(0, 2))
		}
		if err := errors.Join(write("", 0, "one"), write("", 0, "two")); err != nil || field(0, 2) != "two" {
			t.Errorf("%s: %v, %q", name, err, field(0, 2))
		}
	}
	if err := target.Insert(ctx, "i", 0, ycsb.Row{}); !errors.Is(err, functions.ErrExists) {
		t.Error(err)
	}
	for range 2 {
		if err := target.Insert(ctx, "i", 2, ycsb.Row{Balance: 1}); err != nil {
			t.Error(err)
		}
	}
	if err := target.Update(ctx, "", ycsb.FieldUpdate{Field: ycsb.MaxFields}); !errors.Is(err, functions.ErrBadArgument) {
		t.Error(err)
	}
}

// TestReads: of rows that are not there they fail, but for scans, and they are never unknown.
func TestReads(t *testing.T) {
	target, ctx := loaded(t, ReadCommitted, 3), t.Context()
	if err := errors.Join(target.Read(ctx, 1), target.ReadField(ctx, 1, 9), target.Scan(ctx, 1, 100), target.Scan(ctx, 7, 1), target.Snapshot(ctx, []int{2, 0})); err != nil {
		t.Error(err)
	}
	_, err := target.Balance(ctx, 7)
	for name, err := range map[string]error{
		"read": target.Read(ctx, 7), "field": target.ReadField(ctx, 7, 0), "balance": err, "snapshot": target.Snapshot(ctx, []int{0, 7}),
	} {
		if !errors.Is(err, functions.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestEndedSessions: what was under way when PostgreSQL ends a session is unknown, and the next one is not.
func TestEndedSessions(t *testing.T) {
	target, ctx := loaded(t, ReadCommitted, 2), t.Context()
	holder, err := pgx.ConnectConfig(ctx, target.pool.Config().ConnConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close(ctx)
	tx, err := holder.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(ctx, "SELECT 1 FROM rows WHERE key = 0 FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	waiting := make(chan error)
	go func() { waiting <- target.Transfer(ctx, "x", ycsb.Transfer{From: 0, To: 1, Amount: 5}) }()
	for ended := false; !ended; {
		err := holder.QueryRow(ctx, "SELECT COALESCE(bool_or(pg_terminate_backend(pid)), false) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").Scan(&ended)
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := <-waiting; !errors.Is(err, ycsb.ErrUnknown) {
		t.Error(err)
	}
	if err := tx.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	if err := target.Transfer(ctx, "x", ycsb.Transfer{From: 0, To: 1, Amount: 5}); err != nil {
		t.Error(err)
	}
	if balance, err := target.Balance(ctx, 1); err != nil || balance != ycsb.OpeningBalance+5 {
		t.Errorf("%d, %v", balance, err)
	}
}

// TestIsolation: sessions have the isolation that was asked for.
func TestIsolation(t *testing.T) {
	for _, isolation := range isolations {
		var got string
		if err := open(t, isolation).pool.QueryRow(t.Context(), "SHOW transaction_isolation").Scan(&got); err != nil || got != strings.ReplaceAll(string(isolation), "-", " ") {
			t.Errorf("%s: %q, %v", isolation, got, err)
		}
	}
}

// TestBadOptions: they are told before anything is run, and without the password.
func TestBadOptions(t *testing.T) {
	for part, o := range map[string]Options{
		"protocol":       {Isolation: "saga"},
		"connections":    {URL: "postgres://x", Connections: -1},
		"refused":        {URL: "postgres://me:secret@127.0.0.1:1/x"},
		"cannot parse":   {URL: "postgres://me:secret@127.0.0.1:port/x"},
		"authentication": {URL: "tester:secret"},
	} {
		if part == "authentication" {
			url := start(t)
			at := strings.Index(url, "@")
			o.URL = "postgres://tester:secret" + url[at:]
		}
		target, err := Open(o)
		if err == nil {
			_ = target.Close()
		}
		if text := fmt.Sprint(err); !strings.Contains(text, part) || strings.Contains(text, "secret") {
			t.Errorf("%s: %v", part, err)
		}
	}
}
