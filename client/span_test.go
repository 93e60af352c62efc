package client_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/concordat-dev/concordat/client"
	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/examples/bank"
	"github.com/concordat-dev/concordat/server"
	"github.com/concordat-dev/concordat/tracing"
)

// TestSpansCrossTheWire: a transfer through a client, and one by plain HTTP with the header of W3C Trace Context, belong to the trace of whoever
// asked, each to its own, also where many share a stream; a header that is malformed is ignored.
func TestSpansCrossTheWire(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	traces := tracing.New(sdk.NewTracerProvider(sdk.WithSampler(sdk.ParentBased(sdk.NeverSample())), sdk.WithSpanProcessor(spans)))
	e, err := engine.Open(engine.Options{Dir: t.TempDir(), ReserveBytes: -1, Events: traces.Events(), Logger: slog.New(slog.DiscardHandler)}, parts()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close(ctx) })
	w := &world{engine: e, options: server.Options{Address: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler)}}
	w.start(t)
	t.Cleanup(w.stop)
	c := open(t, w, client.Options{})
	for _, id := range []string{"a", "b"} {
		if err := c.Do(ctx, bank.Open.On(id, 100)); err != nil {
			t.Fatal(err)
		}
	}
	move := bank.TransferTx.With(bank.Transfer{From: "a", To: "b", Amount: 1})
	const n = 20
	done := make(chan error)
	for i := range n {
		go func() {
			within := trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
				TraceID: trace.TraceID{byte(i + 1)}, SpanID: trace.SpanID{byte(i + 1)}, TraceFlags: trace.FlagsSampled,
			}))
			done <- c.Do(within, move)
		}()
		go func() { done <- c.Do(ctx, move) }() // nobody's
	}
	for range 2 * n {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	for _, header := range []string{"00-ff000000000000000000000000000000-ff00000000000000-01", "00-nonsense", ""} {
		r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, w.server.URL()+"/v1/run/bank/transfer",
			bytes.NewReader([]byte(`{"From": "a", "To": "b", "Amount": 1}`)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("traceparent", header)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusNoContent {
			t.Errorf("with the header %q: %s", header, response.Status)
		}
	}
	e.Close(ctx)
	traces.Close()
	runs := map[trace.TraceID]int{}
	for _, s := range spans.Ended() {
		if s.Name() == "bank/transfer" {
			if runs[s.SpanContext().TraceID()]++; s.Parent().TraceID() != s.SpanContext().TraceID() || !s.Parent().IsRemote() {
				t.Errorf("the parent of a run is %+v", s.Parent())
			}
		}
	}
	for i := range n {
		if runs[trace.TraceID{byte(i + 1)}] != 1 {
			t.Errorf("trace %d has %d transfers, want 1", i+1, runs[trace.TraceID{byte(i + 1)}])
		}
	}
	if runs[trace.TraceID{0xff}] != 1 || len(runs) != n+1 {
		t.Errorf("the traces of the transfers are %v", runs)
	}
}
