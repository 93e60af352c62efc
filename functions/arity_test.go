package functions_test

import (
	"strings"
	"testing"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/machine/instances"
)

var vases = functions.NewType[vase]("test/vase")

// vase is a state that tells what was done to it.
type vase struct{ Flowers int64 }

// put puts n flowers into a vase; on an argument that is negative it fails.
func (v *vase) put(n int64) (int64, error) {
	if v.Flowers += n; n < 0 {
		return 0, errPoor
	}
	return v.Flowers, nil
}

func put0(_ *functions.Ctx, v *vase) error                            { _, err := v.put(1); return err }
func put1(_ *functions.Ctx, v *vase, n int64) error                   { _, err := v.put(n); return err }
func put0Returning(_ *functions.Ctx, v *vase) (int64, error)          { return v.put(1) }
func put1Returning(_ *functions.Ctx, v *vase, n int64) (int64, error) { return v.put(n) }

// arities are the operations of each kind that changes an instance, by what they take and return.
var arities = map[instances.Kind]struct {
	plain         functions.Command0
	with          functions.Command[int64]
	returning     functions.Command0Returning[int64]
	withReturning functions.CommandReturning[int64, int64]
}{
	instances.KindCreate: {
		functions.Create0(vases, "create0", put0), functions.Create(vases, "create", put1),
		functions.Create0Returning(vases, "create0-returning", put0Returning), functions.CreateReturning(vases, "create-returning", put1Returning),
	},
	instances.KindUpdate: {
		functions.Update0(vases, "update0", put0), functions.Update(vases, "update", put1),
		functions.Update0Returning(vases, "update0-returning", put0Returning), functions.UpdateReturning(vases, "update-returning", put1Returning),
	},
	instances.KindUpsert: {
		functions.Upsert0(vases, "upsert0", put0), functions.Upsert(vases, "upsert", put1),
		functions.Upsert0Returning(vases, "upsert0-returning", put0Returning), functions.UpsertReturning(vases, "upsert-returning", put1Returning),
	},
	instances.KindDelete: {
		functions.Delete(vases, "delete", put0), functions.Delete1(vases, "delete1", put1),
		functions.DeleteReturning(vases, "delete-returning", put0Returning), functions.Delete1Returning(vases, "delete1-returning", put1Returning),
	},
}

// TestArities: an operation of each kind gets the argument that it takes, if it takes one, gives the result that it returns, if it
// returns one, does to the instance what its kind says, and nothing if it fails.
func TestArities(t *testing.T) {
	must(t, infoOf(vases).Validate())
	if want := 4*len(arities) + 1; len(infoOf(vases).Operations()) != want { // and exists
		t.Errorf("%d operations, want %d", len(infoOf(vases).Operations()), want)
	}
	for kind, of := range arities {
		for name, tc := range map[string]struct {
			call      func(result *int64) functions.Call
			put       int64
			returning bool
		}{
			"plain":                       {func(*int64) functions.Call { return of.plain.On("v") }, 1, false},
			"with an argument":            {func(*int64) functions.Call { return of.with.On("v", 7) }, 7, false},
			"returning":                   {func(result *int64) functions.Call { return of.returning.On("v").Into(result) }, 1, true},
			"with an argument, returning": {func(result *int64) functions.Call { return of.withReturning.On("v", 7).Into(result) }, 7, true},
		} {
			cell, before := newCell(vases), int64(0)
			if kind == instances.KindUpdate || kind == instances.KindDelete {
				must(t, run(cell, arities[instances.KindCreate].with.On("v", 10), roomy).err)
				before = 10
			}
			result := int64(-1)
			if op := tc.call(&result).Envelope().Op; op.Kind != kind {
				t.Errorf("kind %d, %s: the kind is %d", kind, name, op.Kind)
			}
			r := run(cell, tc.call(&result), roomy)
			must(t, r.err)
			if want := map[bool]int64{true: before + tc.put, false: -1}[tc.returning]; result != want || (r.result != nil) != tc.returning {
				t.Errorf("kind %d, %s: the result is %d, want %d", kind, name, result, want)
			}
			if cell.Exists == (kind == instances.KindDelete) {
				t.Errorf("kind %d, %s: exists is %v", kind, name, cell.Exists)
			}
			if cell.Exists && cell.State().(*vase).Flowers != before+tc.put {
				t.Errorf("kind %d, %s: the state is %+v", kind, name, cell.State())
			}
		}
		for name, bad := range map[string]functions.Call{"with": of.with.On("v", -1), "returning": of.withReturning.On("v", -1).Drop()} {
			cell := newCell(vases)
			if kind == instances.KindUpdate || kind == instances.KindDelete {
				must(t, run(cell, arities[instances.KindCreate].with.On("v", 10), roomy).err)
			}
			image := cell.Image()
			wantErr(t, run(cell, bad, roomy).err, errPoor)
			same(t, cell, image)
			if t.Failed() {
				t.Fatalf("kind %d, %s", kind, name)
			}
		}
	}
}

// TestOperationsWithoutAFunction: of each kind and arity they are errors of the type, not panics.
func TestOperationsWithoutAFunction(t *testing.T) {
	of := functions.NewType[vase]("test/empty")
	var (
		plain         func(*functions.Ctx, *vase) error
		with          func(*functions.Ctx, *vase, int64) error
		returning     func(*functions.Ctx, *vase) (int64, error)
		withReturning func(*functions.Ctx, *vase, int64) (int64, error)
		view          func(*functions.Ctx, vase) (int64, error)
		view1         func(*functions.Ctx, vase, int64) (int64, error)
	)
	functions.Update0(of, "a", plain)
	functions.Update(of, "b", with)
	functions.Update0Returning(of, "c", returning)
	functions.UpdateReturning(of, "d", withReturning)
	functions.View(of, "e", view)
	functions.View1(of, "f", view1)
	err := infoOf(of).Validate()
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		if err == nil || !strings.Contains(err.Error(), "operation test/empty."+name+" has no function") {
			t.Errorf("operation %s: %v", name, err)
		}
	}
}
