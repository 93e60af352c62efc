package ycsb

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestViolationsAreBounded: of each condition the first few are told one by one, and the others counted.
func TestViolationsAreBounded(t *testing.T) {
	var v Violations
	if errs := v.Errors(); len(errs) > 0 {
		t.Errorf("the zero value has %v", errs)
	}
	for i := range int64(100) {
		v.Differ("1", fmt.Sprintf("warehouse %d", i), "W_YTD", i, "sum(D_YTD)", -1)
		v.Differ("2", "warehouse 1", "a", i, "b", i)
	}
	v.Differ("3", "warehouse 1", "a", 1, "b", 2)
	errs := v.Errors()
	text := errors.Join(errs...).Error()
	if len(errs) != MaxViolations+2 || !strings.Contains(text, "condition 1: 95 more") ||
		!strings.Contains(text, "condition 3: warehouse 1: a is 1, but b is 2") {
		t.Errorf("%d errors: %s", len(errs), text)
	}
	if again := v.Errors(); len(again) != len(errs) {
		t.Errorf("asked again: %d errors", len(again))
	}
}

// TestAcknowledgedWithinUnknown: operations of unknown outcome may have happened or not, those that were acknowledged have.
func TestAcknowledgedWithinUnknown(t *testing.T) {
	for _, test := range []struct {
		added, committed, unknown int64
		wrong                     bool
	}{
		{5, 5, 0, false}, {5, 3, 2, false}, {3, 3, 2, false}, {2, 3, 2, true}, {6, 3, 2, true}, {4, 5, 0, true}, {6, 5, 0, true},
	} {
		var v Violations
		v.Acknowledged("everywhere", "orders", test.added, test.committed, test.unknown)
		if got := len(v.Errors()) > 0; got != test.wrong {
			t.Errorf("%+v: wrong is %v", test, got)
		}
	}
}
