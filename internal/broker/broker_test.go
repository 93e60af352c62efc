package broker

import (
	"errors"
	"testing"
)

// TestMissing: a machine without Java or Maven is told as that, before anything is fetched or written.
func TestMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := New(t.Context(), "/nowhere", 0); !errors.Is(err, ErrMissing) {
		t.Errorf("it is %v", err)
	}
}
