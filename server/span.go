package server

import (
	"context"

	"go.opentelemetry.io/otel/propagation"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	concordatv1 "github.com/concordat-dev/concordat/proto/concordat/v1"
)

// A request may belong to a span of whoever sends it. It is taken from the headers of W3C Trace Context or, in a pipeline, from the
// message, and goes with the request's context to the engine, which tells of it (package tracing). Without a span that costs a look.

const traceparent, tracestate = "traceparent", "tracestate"

// withSpan is ctx with the span that the carrier tells of, if it does.
func withSpan(ctx context.Context, from propagation.TextMapCarrier) context.Context {
	if from.Get(traceparent) == "" {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, from)
}

// withinSpan is a request of a pipeline, within the span that its message tells of, if it does.
func withinSpan(r functions.Request, m *concordatv1.Request) functions.Request {
	if m.Traceparent == "" {
		return r
	}
	return engine.Within(withSpan(context.Background(), spanCarrier{m}), r)
}

// spanCarrier is the message of a request that tells of a span. It implements propagation.TextMapCarrier.
type spanCarrier struct{ message *concordatv1.Request }

// Get returns a value; "" if there is none.
func (c spanCarrier) Get(key string) string {
	switch key {
	case traceparent:
		return c.message.GetTraceparent()
	case tracestate:
		return c.message.GetTracestate()
	}
	return ""
}

// Set does nothing: a server tells nobody of spans.
func (c spanCarrier) Set(string, string) {}

// Keys are the keys that there may be.
func (c spanCarrier) Keys() []string { return []string{traceparent, tracestate} }
