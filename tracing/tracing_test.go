package tracing_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/examples/bank"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/tracing"
)

var ctx = context.Background()

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// world is an engine with a bank, whose spans are recorded.
type world struct {
	spans    *tracetest.SpanRecorder
	provider *sdk.TracerProvider
	tracer   *tracing.Tracer
	engine   *engine.Engine
}

func newWorld(t *testing.T, sampler sdk.Sampler) *world {
	t.Helper()
	w := &world{spans: tracetest.NewSpanRecorder()}
	w.provider = sdk.NewTracerProvider(sdk.WithSampler(sampler), sdk.WithSpanProcessor(w.spans))
	w.tracer = tracing.New(w.provider)
	var err error
	w.engine, err = engine.Open(engine.Options{
		Dir: t.TempDir(), ReserveBytes: -1, Workers: 2, Events: w.tracer.Events(), Logger: slog.New(slog.DiscardHandler),
	}, bank.Parts()...)
	must(t, err)
	t.Cleanup(func() { must(t, w.engine.Close()) })
	for _, id := range []string{"a", "b"} {
		must(t, w.engine.Do(ctx, bank.Open.On(id, 100)))
	}
	return w
}

// ended are the spans of all runs that were told, by name.
func (w *world) ended(t *testing.T) map[string][]sdk.ReadOnlySpan {
	t.Helper()
	must(t, w.engine.Close()) // all is told
	w.tracer.Close()
	byName := map[string][]sdk.ReadOnlySpan{}
	for _, s := range w.spans.Ended() {
		byName[s.Name()] = append(byName[s.Name()], s)
	}
	return byName
}

func has(s sdk.ReadOnlySpan, key attribute.Key, value string) bool {
	for _, a := range s.Attributes() {
		if a.Key == key && a.Value.String() == value {
			return true
		}
	}
	return false
}

// TestTransferIsOneTrace: a transfer within a span that is sampled is one trace, under that span: a span for the run, and in it one for each
// participant, with times that fit into each other.
func TestTransferIsOneTrace(t *testing.T) {
	for _, c := range []struct {
		function functions.Request
		name     string
		protocol string
	}{
		{bank.TransferTx.With(bank.Transfer{From: "a", To: "b", Amount: 1}), "bank/transfer", "serializable"},
		{bank.TransferSaga.With(bank.Transfer{From: "a", To: "b", Amount: 1}), "bank/transfer-saga", "saga"},
	} {
		t.Run(c.protocol, func(t *testing.T) {
			w := newWorld(t, sdk.ParentBased(sdk.NeverSample()))
			parent := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled, Remote: true})
			within := trace.ContextWithSpanContext(ctx, parent)
			const n = 20
			for i := range n {
				switch i % 3 {
				case 0:
					must(t, w.engine.Do(within, c.function))
				case 1:
					p, err := w.engine.Submit(engine.Within(within, c.function))
					must(t, err)
					must(t, p.Wait(ctx))
				case 2:
					answers := w.engine.NewAnswers()
					must(t, w.engine.SubmitTo(engine.Within(within, c.function), answers, 7))
					for got := []engine.Answer(nil); len(got) == 0; {
						var err error
						got, err = answers.Take(ctx, got)
						must(t, err)
					}
				}
				must(t, w.engine.Do(ctx, c.function)) // not within it: nobody samples it
			}
			byName := w.ended(t)
			runs := byName[c.name]
			if len(runs) != n {
				t.Fatalf("%d runs have a span, want %d: %v", len(runs), n, byName)
			}
			calls := 0
			for name, spans := range byName {
				if name == c.name {
					continue
				}
				for _, s := range spans {
					calls++
					if s.SpanContext().TraceID() != parent.TraceID() || s.Status().Code == codes.Error || !has(s, tracing.AttributeVote, "yes") {
						t.Errorf("%s: %v %v %v", name, s.SpanContext(), s.Status(), s.Attributes())
					}
				}
			}
			if calls != 2*n {
				t.Errorf("there are %d spans of participants, want %d", calls, 2*n)
			}
			for _, run := range runs {
				if run.Parent().SpanID() != parent.SpanID() || !has(run, tracing.AttributeProtocol, c.protocol) || run.Status().Code == codes.Error {
					t.Errorf("the run's span: parent %v, %v, %v", run.Parent(), run.Attributes(), run.Status())
				}
				for _, spans := range byName {
					for _, s := range spans {
						if s.Parent().SpanID() == run.SpanContext().SpanID() && (s.StartTime().Before(run.StartTime()) || s.EndTime().After(run.EndTime())) {
							t.Errorf("%s is from %v to %v, its run from %v to %v", s.Name(), s.StartTime(), s.EndTime(), run.StartTime(), run.EndTime())
						}
					}
				}
			}
		})
	}
}

// TestFailureIsTold: what fails has the status and says why; a saga that is undone shows its compensation.
func TestFailureIsTold(t *testing.T) {
	w := newWorld(t, sdk.AlwaysSample())
	sampled := trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled}))
	for _, r := range []functions.Request{
		bank.TransferTx.With(bank.Transfer{From: "a", To: "b", Amount: 1000}),
		bank.TransferSaga.With(bank.Transfer{From: "a", To: "nobody", Amount: 1}),
	} {
		if err := w.engine.Do(sampled, r); err == nil {
			t.Fatal("the transfer succeeds")
		}
	}
	byName := w.ended(t)
	failed, undone := 0, 0
	for name, spans := range byName {
		for _, s := range spans {
			if s.Status().Code == codes.Error && s.Status().Description != "" {
				failed++
			}
			if has(s, tracing.AttributeUndo, "true") {
				undone++
			}
			_ = name
		}
	}
	if failed != 4 || undone != 1 {
		t.Errorf("%d spans say that something failed, want 2 runs and 2 calls; %d are of compensations, want 1: %v", failed, undone, byName)
	}
}

// slowProcessor takes its time, as an exporter that waits for the network does.
type slowProcessor struct{ sdk.SpanProcessor }

func (s slowProcessor) OnEnd(span sdk.ReadOnlySpan) {
	time.Sleep(20 * time.Millisecond)
	s.SpanProcessor.OnEnd(span)
}

// TestSlowExporterHoldsNobodyUp: a provider that takes 20 ms for each span does not hold up the engine, and costs it no more than a bounded
// list; what does not fit is counted.
func TestSlowExporterHoldsNobodyUp(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	provider := sdk.NewTracerProvider(sdk.WithSpanProcessor(slowProcessor{recorder}))
	tracer := tracing.New(provider)
	events := tracer.Events()
	began := time.Now()
	const n = 5000
	for i := range n {
		events.TransactionSealed(engine.Trace{ID: uint64(i), Function: "f", Began: began, Committed: true})
	}
	if took := time.Since(began); took > 10*time.Second { // 100 s of spans
		t.Errorf("%d runs were told of in %v", n, took)
	}
	if dropped := tracer.Dropped(); dropped < 500 || dropped > n-4096 {
		t.Errorf("%d runs have no spans, want about %d", dropped, n-4096)
	}
}

// TestIDsAreWhole: hostile names and ids arrive as they are.
func TestIDsAreWhole(t *testing.T) {
	w := newWorld(t, sdk.AlwaysSample())
	sampled := trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled}))
	id := strings.Repeat("<script>\x00\u202e", 10)
	must(t, w.engine.Do(ctx, bank.Open.On(id, 100)))
	must(t, w.engine.Do(sampled, bank.TransferTx.As("request", bank.Transfer{From: id, To: "b", Amount: 1})))
	found, requests := false, 0
	for _, spans := range w.ended(t) {
		for _, s := range spans {
			found = found || has(s, tracing.AttributeID, id)
			if has(s, tracing.AttributeRequestID, "request") {
				requests++
			}
		}
	}
	if !found || requests != 1 {
		t.Errorf("the id is there: %v; %d spans have the request's id, want 1", found, requests)
	}
}
