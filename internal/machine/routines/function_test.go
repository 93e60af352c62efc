package routines_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/machine/routines"
)

func TestInputThatDoesNotDecode(t *testing.T) {
	if n, err := routines.Input[int](routines.NewRoutine(), []byte{7}); n != 7 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	for _, data := range [][]byte{nil, {0xff}, {7, 7}, []byte("\x61x")} {
		if _, err := routines.Input[int](routines.NewRoutine(), data); !errors.Is(err, functions.ErrBadArgument) {
			t.Errorf("%x: %v", data, err)
		}
	}
}

func TestFunctionNames(t *testing.T) {
	must(t, function(nil).Validate())
	for _, name := range []string{"", "a\x00", strings.Repeat("x", instances.MaxName+1)} {
		f := routines.Function{Name: name}
		if f.Validate() == nil {
			t.Errorf("%.20q is a good name", name)
		}
	}
}
