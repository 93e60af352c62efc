package ycsb

import (
	"context"
	"testing"
	"time"
)

// idle is a target that does nothing, so that what remains is the driver.
type idle struct{}

func (idle) Load(context.Context, int, Row) error              { return nil }
func (idle) Read(context.Context, int) error                   { return nil }
func (idle) Update(context.Context, string, FieldUpdate) error { return nil }
func (idle) Transfer(context.Context, string, Transfer) error  { return nil }
func (idle) Balance(context.Context, int) (int64, error)       { return 0, nil }

// BenchmarkOperation is what an operation costs besides the target: drawing it, its id, the clock, counting it. The clients
// share the processors with what they measure, so this is part of every figure.
func BenchmarkOperation(b *testing.B) {
	for _, mix := range []Mix{{Transfer: 1}, {Read: 1}, {Update: 1}} {
		b.Run(mix.String(), func(b *testing.B) {
			rows, err := NewRows(Config{Mix: mix}, idle{})
			if err != nil {
				b.Fatal(err)
			}
			if err := rows.Load(b.Context(), func(int, int) {}); err != nil {
				b.Fatal(err)
			}
			r := newMixRun(Driving{Clients: 1}.withDefaults(), rows, sleepByTimer)
			r.from = time.Now()
			r.to = r.from.Add(time.Hour)
			c := r.runners[0]
			c.tally.begin(r)
			b.ReportAllocs()
			now := time.Now()
			for b.Loop() {
				now = c.operate(nil, now)
			}
			c.tally.flush()
		})
	}
}
