package routines_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/concordat-dev/concordat/coordinator"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/machine/routines"
)

func TestStarts(t *testing.T) {
	f := function(nil)
	start := routines.NewStart(f, 7)
	if env := start.Envelope(); env.Coordinator != f.Name || string(env.Arg) != "\x07" || env.Err != nil {
		t.Errorf("%+v", env)
	}
	if env := start.As("id").RequestEnvelope(); env.RequestID != "id" || env.Coordinator != f.Name {
		t.Errorf("%+v", env)
	}
	wantErr(t, start.As("").RequestEnvelope().Err, functions.ErrBadCall)
	wantErr(t, routines.NewStart(f, make(chan int)).Envelope().Err, functions.ErrBadCall)
	var effects functions.Effects
	must(t, start.AddTo(&effects))
	if len(effects.Sends) != 1 || effects.Sends[0].Coordinator != f.Name {
		t.Errorf("%+v", effects)
	}
}

func TestResultOfAStart(t *testing.T) {
	start := coordinator.NewStartReturning[string](routines.NewStart(function(nil), 7))
	result := "old"
	data, _ := functions.Encode("new")
	env := start.Into(&result).Envelope()
	must(t, env.Into(functions.EncodedResult(data)))
	if result != "new" {
		t.Errorf("result %q", result)
	}
	if err := env.Into(functions.EncodedResult([]byte{7})); err == nil || !strings.Contains(err.Error(), "test/function") || result != "new" {
		t.Errorf("a result that does not decode: %v, result %q", err, result)
	}
	if start.Drop().Envelope().Into != nil {
		t.Error("a dropped result is decoded")
	}
	wantErr(t, start.Into(&result).AddTo(new(functions.Effects)), functions.ErrBadCall) // nobody takes it
}

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
	for _, name := range []string{"", "a\x00", strings.Repeat("x", functions.MaxName+1)} {
		f := routines.Function{Name: name}
		if f.Validate() == nil {
			t.Errorf("%.20q is a good name", name)
		}
	}
}
