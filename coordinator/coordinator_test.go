package coordinator_test

import (
	"errors"
	"testing"

	"github.com/concordat-dev/concordat/coordinator"
	"github.com/concordat-dev/concordat/functions"
)

func TestProtocolNames(t *testing.T) {
	for p, want := range map[coordinator.Protocol]string{coordinator.Saga: "saga", coordinator.Serializable: "serializable", 9: "Protocol(9)"} {
		if p.String() != want {
			t.Errorf("%v, want %s", p, want)
		}
	}
}

// TestStarts: a start is a message, an effect and, with an id or without, a request; its result goes where it was asked for.
func TestStarts(t *testing.T) {
	start := coordinator.NewStart(functions.Envelope{Coordinator: "test/function", Arg: []byte{7}})
	if e := start.Envelope(); e.Coordinator != "test/function" || e.RequestID != "" {
		t.Errorf("%+v", e)
	}
	if e := start.As("id").RequestEnvelope(); e.Coordinator != "test/function" || e.RequestID != "id" || e.Err != nil {
		t.Errorf("%+v", e)
	}
	if err := start.As("").RequestEnvelope().Err; !errors.Is(err, functions.ErrBadCall) {
		t.Errorf("error %v", err)
	}
	var effects functions.Effects
	if err := start.AddTo(&effects); err != nil || len(effects.Sends) != 1 {
		t.Errorf("%+v, %v", effects, err)
	}
	n := 1
	if err := coordinator.NewStartReturning[int](start).Question(&n).Into(functions.EncodedResult([]byte{7})); err != nil || n != 7 {
		t.Errorf("%d, %v", n, err)
	}
}
