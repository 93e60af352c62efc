package registry

import (
	"encoding/binary"
	"testing"

	"github.com/cespare/xxhash/v2"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/twopc"
)

var (
	jars  = functions.NewType[int]("test/jar")
	fill  = functions.Upsert(jars, "fill", func(_ *functions.Ctx, jar *int, n int) error { *jar = n; return nil })
	spill = functions.Upsert(jars, "spill", func(_ *functions.Ctx, jar *int, n int) error { *jar -= n; return nil })
	left  = twopc.New("test/left", func(*twopc.Tx, int) error { return nil })
	right = twopc.New("test/right", func(*twopc.Tx, int) error { return nil })
)

func newRegistry(t *testing.T) *Registry {
	t.Helper()
	r, err := New([]functions.Part{jars, left, right})
	if err != nil {
		t.Fatal(err)
	}
	r.Shards = 8
	return r
}

// TestOldOutcomes: of an outcome of before format version 5, whose key has nothing but an id, it is known what it may be of: in the forms that
// have a hash of the target. The oldest one may be of anything.
func TestOldOutcomes(t *testing.T) {
	r := newRegistry(t)
	forms := map[string]func(target, arg uint64) format.Outcome{
		"tag": func(target, arg uint64) format.Outcome {
			row, i := make(format.Outcome, format.OutcomeLen(nil)), NewIdentity(target, arg, 7)
			format.PutOutcome(row, i.Fingerprint, i.Tag, 1, false, nil)
			return row
		},
		"wide": func(target, arg uint64) format.Outcome {
			row := make(format.Outcome, 29)
			binary.BigEndian.PutUint64(row, target)
			row[16] = 2
			binary.BigEndian.PutUint64(row[17:], arg)
			return row
		},
		"oldest": func(target, arg uint64) format.Outcome { return make(format.Outcome, 17) },
	}
	a, b := format.Request{Name: format.NameHash("test/jar"), Instance: "a", ID: "id"}, format.Request{Name: format.NameHash("test/jar"), Instance: "b", ID: "id"}
	l, o := format.Request{Name: format.NameHash("test/left"), ID: "id"}, format.Request{Name: format.NameHash("test/right"), ID: "id"}
	for name, form := range forms {
		for _, c := range []struct {
			target uint64
			of     format.Request
		}{{TargetOf("test/jar", "fill", "a"), a}, {TargetOf("test/jar", "spill", "a"), a}, {TargetOf("test/left"), l}} {
			row := form(c.target, 99)
			if row.IsDamaged() {
				t.Fatalf("%s: the row %x is damaged", name, row)
			}
			for _, of := range []format.Request{a, b, l, o} {
				if got, want := r.MayBeOf(row, of), of == c.of || name == "oldest"; got != want {
					t.Errorf("%s: an outcome of %v may be of %v: %v, want %v", name, c.of, of, got, want)
				}
			}
		}
	}
}

// TestRequestsAreNamedByTheirTargets: a request with an id is named by the instance or the coordinator function that it is for, whatever else
// it says, and so it is looked up.
func TestRequestsAreNamedByTheirTargets(t *testing.T) {
	r := newRegistry(t)
	for _, c := range []struct {
		env instances.Envelope
		at  format.Address
	}{
		{fill.On("a", 1).As("id").RequestEnvelope(), format.Address{Type: "test/jar", ID: "a"}},
		{spill.On("a", 2).As("id").RequestEnvelope(), format.Address{Type: "test/jar", ID: "a"}},
		{fill.On("b", 1).As("id").RequestEnvelope(), format.Address{Type: "test/jar", ID: "b"}},
		{left.As("id", 1).RequestEnvelope(), format.Address{Type: "test/left"}},
		{right.As("id", 1).RequestEnvelope(), format.Address{Type: "test/right"}},
	} {
		to, err := r.Find(&c.env, 100)
		if err != nil {
			t.Fatal(err)
		}
		want := format.Request{Name: xxhash.Sum64String(c.at.Type), Instance: c.at.ID, ID: "id"}
		looked, err := r.RequestFor(functions.Address(c.at), "id")
		if got := to.Request(&c.env); got != want || looked != want || err != nil {
			t.Errorf("%s is %v, looked up as %v (%v), want %v", c.env.Target(), got, looked, err, want)
		}
	}
}
