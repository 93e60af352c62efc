package coordinator_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/concordat-dev/concordat/coordinator"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/machine/routines"
	"github.com/concordat-dev/concordat/internal/values"
)

// function is a coordinator function that a test makes as saga.New does.
func function() *coordinator.Function[int] {
	return &coordinator.Function[int]{Part: instances.PartOf(routines.New[int]("test/function", routines.Saga, nil))}
}

// returning is function with a result.
func returning() *coordinator.FunctionReturning[int, string] {
	return &coordinator.FunctionReturning[int, string]{Part: function().Part}
}

// TestStarts: a start is a message, an effect and, with an id or without, a request; its result goes where it was asked for.
func TestStarts(t *testing.T) {
	start := function().With(7)
	if e := start.Envelope(); e.Coordinator != "test/function" || string(e.Encoded()) != "\x07" || e.Err != nil || e.RequestID != "" {
		t.Errorf("%+v", e)
	}
	for _, request := range []functions.Request{start.As("id"), function().As("id", 7)} {
		if e := request.RequestEnvelope(); e.Coordinator != "test/function" || e.RequestID != "id" || e.Err != nil {
			t.Errorf("%+v", e)
		}
	}
	if err := start.As("").RequestEnvelope().Err; !errors.Is(err, functions.ErrBadCall) {
		t.Errorf("error %v", err)
	}
	var effects instances.Effects
	if err := start.AddTo(&effects); err != nil || len(effects.Sends) != 1 || effects.Sends[0].Coordinator != "test/function" {
		t.Errorf("%+v, %v", effects, err)
	}
	bad := &coordinator.Function[chan int]{Part: function().Part}
	if err := bad.With(make(chan int)).Envelope().Err; !errors.Is(err, functions.ErrBadCall) {
		t.Errorf("an input that does not encode: %v", err)
	}
}

// TestResults: the result of a start goes where it was asked for, under a request id or without.
func TestResults(t *testing.T) {
	var result string
	for name, e := range map[string]instances.Envelope{
		"asked":            returning().With(7).EnvelopeInto(&result),
		"into":             returning().With(7).Into(&result).Envelope(),
		"into, with an id": returning().With(7).Into(&result).As("id").RequestEnvelope(),
		"with an id":       returning().With(7).As("id").EnvelopeInto(&result),
		"of the function":  returning().As("id", 7).EnvelopeInto(&result),
	} {
		result = "old"
		data, err := values.Encode("new")
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Into(instances.EncodedResult(data)); err != nil || result != "new" {
			t.Errorf("%s: %q, %v", name, result, err)
		}
		err = e.Into(instances.EncodedResult([]byte{7}))
		if err == nil || !strings.Contains(err.Error(), "test/function") || result != "new" {
			t.Errorf("%s: a result that does not decode: %v, result %q", name, err, result)
		}
		if want := strings.Contains(name, "id") || strings.Contains(name, "function"); (e.RequestID == "id") != want {
			t.Errorf("%s: the id is %q", name, e.RequestID)
		}
	}
	if returning().With(7).Drop().Envelope().Into != nil {
		t.Error("a dropped result is decoded")
	}
	err := returning().With(7).Into(&result).AddTo(new(instances.Effects))
	if !errors.Is(err, functions.ErrBadCall) {
		t.Errorf("nobody takes the result of what is sent: %v", err)
	}
	if err := returning().As("", 7).EnvelopeInto(&result).Err; !errors.Is(err, functions.ErrBadCall) {
		t.Errorf("an empty id: %v", err)
	}
}

// TestStartsOfZeroFunctions: a function that nobody made, as a variable is that was not set yet, starts nothing, and says so.
func TestStartsOfZeroFunctions(t *testing.T) {
	var none *coordinator.Function[int]
	var noneReturning *coordinator.FunctionReturning[int, string]
	for _, m := range []functions.Message{
		none.With(7), new(coordinator.Function[int]).With(7),
		noneReturning.With(7).Drop(), new(coordinator.FunctionReturning[int, string]).With(7).Drop(),
	} {
		if err := m.Envelope().Err; !errors.Is(err, functions.ErrBadCall) {
			t.Errorf("error %v", err)
		}
	}
}
