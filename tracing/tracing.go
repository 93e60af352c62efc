// Package tracing tells OpenTelemetry what an engine does: a run of a coordinator function is a span, and each call to a participant is
// one in it, with how long it waited for a lock, what it voted and why.
//
//	traces := tracing.New(nil)
//	defer traces.Close()
//	e, err := engine.Open(engine.Options{Dir: dir, Events: traces.Events()}, parts...)
//
// A request whose context has a span that is sampled is traced, however many there are, and its run becomes a child of that span: a server
// (package server) takes the span from the headers of W3C Trace Context, a client (package client) sends it. Of the other runs some are traced,
// see engine.Events.TransactionSealed, as far as the provider's own sampler wants them.
//
// The package uses the interface of OpenTelemetry alone; which spans are kept, and where they go, is the provider's business.
package tracing

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/concordat-dev/concordat/engine"
)

// Attributes of the spans.
const (
	AttributeProtocol  = attribute.Key("concordat.protocol")   // "serializable" or "saga"
	AttributeRun       = attribute.Key("concordat.run")        // the number of the run
	AttributeRequestID = attribute.Key("concordat.request_id") // of the request, if it has one
	AttributeAttempts  = attribute.Key("concordat.attempts")   // how often the transaction was tried
	AttributeAttempt   = attribute.Key("concordat.attempt")    // in which attempt the call was made
	AttributeEpoch     = attribute.Key("concordat.epoch")      // in which it was decided
	AttributeCalls     = attribute.Key("concordat.calls")      // how many calls there were: at most engine.MaxTracedCalls have a span
	AttributeType      = attribute.Key("concordat.type")       // of the participant
	AttributeID        = attribute.Key("concordat.id")         // of the participant
	AttributeVote      = attribute.Key("concordat.vote")       // "yes", "no", "gave way"
	AttributeUndo      = attribute.Key("concordat.undo")       // of the compensation of a saga's step: true
)

// maxWaiting bounds the courses that wait until they are handed to the provider.
const maxWaiting = 4096

// Tracer makes spans of what engines tell.
type Tracer struct {
	tracer  trace.Tracer
	waiting chan engine.Trace
	closing chan struct{}
	ended   chan struct{}
	once    sync.Once
	dropped atomic.Uint64
}

// New makes a Tracer for a provider; nil is the global one, as it is now. It has a goroutine until Close.
func New(provider trace.TracerProvider) *Tracer {
	if provider == nil {
		provider = otel.GetTracerProvider()
	}
	t := &Tracer{
		tracer: provider.Tracer("github.com/concordat-dev/concordat/tracing"), waiting: make(chan engine.Trace, maxWaiting),
		closing: make(chan struct{}), ended: make(chan struct{}),
	}
	go t.run()
	return t
}

// Events is what an engine has to tell of: engine.Options.Events. Several engines may have it.
func (t *Tracer) Events() engine.Events {
	return engine.Events{TransactionSealed: t.add, SagaSealed: t.add, TraceWanted: isSampled}
}

func isSampled(ctx context.Context) bool { return trace.SpanContextFromContext(ctx).IsSampled() }

// Dropped is how many runs have no spans although they were traced: 4096 others waited for a provider that takes longer than they do.
func (t *Tracer) Dropped() uint64 { return t.dropped.Load() }

// Close returns once the spans of everything that was told are the provider's. What is told later has none. It may be called several times.
func (t *Tracer) Close() {
	t.once.Do(func() { close(t.closing) })
	<-t.ended
}

// add takes the course of a run. It does not wait: the engine seals meanwhile.
func (t *Tracer) add(of engine.Trace) {
	select {
	case t.waiting <- of:
	default:
		t.dropped.Add(1)
	}
}

func (t *Tracer) run() {
	defer close(t.ended)
	for {
		select {
		case of := <-t.waiting:
			t.tell(&of)
		case <-t.closing:
			for {
				select {
				case of := <-t.waiting:
					t.tell(&of)
				default:
					return
				}
			}
		}
	}
}

// tell makes the spans of a run.
func (t *Tracer) tell(of *engine.Trace) {
	ctx := of.Context
	if ctx == nil {
		ctx = context.Background()
	}
	protocol := "serializable"
	if of.Saga {
		protocol = "saga"
	}
	at := func(since time.Duration) trace.SpanEventOption { return trace.WithTimestamp(of.Began.Add(since)) }
	ctx, span := t.tracer.Start(ctx, of.Function, trace.WithTimestamp(of.Began), trace.WithAttributes(
		AttributeProtocol.String(protocol), AttributeRun.Int64(int64(of.ID)), AttributeAttempts.Int64(int64(of.Attempts)),
		AttributeEpoch.Int64(int64(of.Epoch)), AttributeCalls.Int(of.CallCount)))
	defer span.End(at(of.Sealed))
	if !span.IsRecording() {
		return
	}
	if of.RequestID != "" {
		span.SetAttributes(AttributeRequestID.String(of.RequestID))
	}
	if !of.Committed {
		span.SetStatus(codes.Error, of.Failure)
	}
	for i := range of.Calls {
		t.tellCall(ctx, of, &of.Calls[i])
	}
	span.AddEvent("decided", at(of.Decided))
	span.AddEvent("durable", at(of.Sealed))
}

// tellCall makes the span of a call, in that of its run.
func (t *Tracer) tellCall(ctx context.Context, of *engine.Trace, c *engine.TracedCall) {
	at := func(since time.Duration) trace.SpanEventOption { return trace.WithTimestamp(of.Began.Add(since)) }
	name := c.Operation
	if name == "" {
		name = c.Address.Type + " lock"
	}
	attributes := []attribute.KeyValue{AttributeType.String(c.Address.Type), AttributeID.String(c.Address.ID)}
	if c.Undo {
		attributes = append(attributes, AttributeUndo.Bool(true))
	}
	if !of.Saga {
		attributes = append(attributes, AttributeAttempt.Int64(int64(c.Attempt)))
	}
	if c.Vote != "" {
		attributes = append(attributes, AttributeVote.String(c.Vote))
	}
	_, span := t.tracer.Start(ctx, name, trace.WithTimestamp(of.Began.Add(c.Sent)), trace.WithAttributes(attributes...))
	if c.WaitEnded != 0 {
		span.AddEvent("waits for the lock", at(c.WaitBegan))
		span.AddEvent("has the lock, or has given it up", at(c.WaitEnded))
	}
	switch {
	case c.Vote == "gave way":
		span.SetStatus(codes.Error, "gave way in a deadlock")
	case c.Failure != "":
		span.SetStatus(codes.Error, c.Failure)
	}
	end := c.Back
	if end == 0 {
		end = of.Sealed
	}
	span.End(at(end))
}
