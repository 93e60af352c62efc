package instances

import (
	"testing"

	"github.com/concordat-dev/concordat/internal/values"
)

// TestResults: a result is what decoding its bytes gives, whether it was decoded or handed on: it shares no memory with what was
// returned, and may be asked for as another type.
func TestResults(t *testing.T) {
	type point struct{ X, Y int }
	type wide struct{ X, Y, Z int64 }
	of := func(s *values.Type, v any) *Result {
		r, err := NewResult(s, v)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := of(values.Of[point](), point{1, 2})
	if r.value != (point{1, 2}) {
		t.Error("a faithful value is not handed on")
	}
	for range 2 { // handed on, then decoded
		if got, err := ResultAs[point](r); err != nil || got != (point{1, 2}) {
			t.Errorf("%v, %v", got, err)
		}
		if got, err := ResultAs[wide](r); err != nil || got != (wide{1, 2, 0}) {
			t.Errorf("as another type: %v, %v", got, err)
		}
		if got, err := ResultAs[string](r); err == nil {
			t.Errorf("as a type that does not fit: %q", got)
		}
		r.Handed()
	}

	list := []int{1, 2}
	r = of(values.Of[[]int](), list)
	list[0] = 7
	if got, err := ResultAs[[]int](r); err != nil || got[0] != 1 {
		t.Errorf("a list shares its memory: %v, %v", got, err)
	}

	none := EncodedResult(nil)
	none.Handed()
	if _, err := ResultAs[int](none); none != nil || none.Encoded() != nil || err == nil {
		t.Errorf("no result: %v, %v", none, err)
	}
}
