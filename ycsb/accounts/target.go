package accounts

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/locks"
	"github.com/concordat-dev/concordat/ycsb"
)

// Protocol is how a transfer is made.
type Protocol string

// The protocols.
const (
	// Plain makes two calls, one after the other, each durable by itself: a yardstick without a protocol. A transfer whose
	// second call fails has lost the money.
	Plain Protocol = "plain"
	// Saga makes the calls as the steps of a saga.
	Saga Protocol = "saga"
	// Serializable makes them in a transaction.
	Serializable Protocol = "serializable"
)

// ParseProtocol reads the name of a protocol.
func ParseProtocol(s string) (Protocol, error) {
	switch p := Protocol(s); p {
	case Plain, Saga, Serializable:
		return p, nil
	}
	return "", fmt.Errorf("protocol: %q is none of plain, saga and serializable", s)
}

// Options say how a target is opened.
type Options struct {
	// Dir is the engine's directory.
	Dir string
	// Keys is the number of rows, at least 1.
	Keys int
	// Protocol of the transfers. Default: Serializable.
	Protocol Protocol
	// Policy of the locks. Default: locks.Detect.
	Policy locks.Policy
	// Workers of the engine. Default: the engine's.
	Workers int
	// CacheBytes of the engine. Default: the engine's.
	CacheBytes int64
	// Logger of the engine. Default: slog.Default().
	Logger *slog.Logger
}

// Target runs the workload on an engine. It is a [ycsb.Target].
type Target struct {
	engine   *engine.Engine
	protocol Protocol
	ids      []string
}

var _ ycsb.Target = (*Target)(nil)

// Open opens an engine and makes it a target.
func Open(o Options) (*Target, error) {
	if o.Protocol == "" {
		o.Protocol = Serializable
	}
	if _, err := ParseProtocol(string(o.Protocol)); err != nil {
		return nil, err
	}
	if o.Keys < 1 || o.Keys > ycsb.MaxKeys {
		return nil, fmt.Errorf("accounts: %d keys are not between 1 and %d", o.Keys, ycsb.MaxKeys)
	}
	e, err := engine.Open(engine.Options{
		Dir: o.Dir, Workers: o.Workers, Policy: o.Policy, CacheBytes: o.CacheBytes, Logger: o.Logger,
	}, Rows, TransferTx, TransferSaga)
	if err != nil {
		return nil, err
	}
	return &Target{engine: e, protocol: o.Protocol, ids: ycsb.RowIDs(o.Keys)}, nil
}

// Close implements [ycsb.Target]: it closes the engine.
func (t *Target) Close() error { return t.engine.Close() }

// Counters implements [ycsb.Target].
func (t *Target) Counters() ycsb.Counters {
	s := t.engine.Stats()
	return ycsb.Counters{Retries: s.Retries, Deadlocks: s.Deadlocks}
}

// Load implements [ycsb.Target].
func (t *Target) Load(ctx context.Context, key int) error {
	err := t.engine.Do(ctx, Insert.On(t.ids[key], ycsb.NewRow(key)))
	if errors.Is(err, functions.ErrExists) {
		return nil
	}
	return err
}

// Read implements [ycsb.Target].
func (t *Target) Read(ctx context.Context, key int) error {
	_, err := engine.Ask(ctx, t.engine, ReadRow.On(t.ids[key]))
	return classify(err)
}

// Balance implements [ycsb.Target].
func (t *Target) Balance(ctx context.Context, key int) (int64, error) {
	return engine.Ask(ctx, t.engine, Balance.On(t.ids[key]))
}

// Update implements [ycsb.Target].
func (t *Target) Update(ctx context.Context, requestID string, u ycsb.FieldUpdate) error {
	return t.do(ctx, requestID, UpdateField.On(t.ids[u.Key], NewField{Field: u.Field, Value: u.Value}))
}

// Transfer implements [ycsb.Target].
func (t *Target) Transfer(ctx context.Context, requestID string, x ycsb.Transfer) error {
	input := Transfer{From: t.ids[x.From], To: t.ids[x.To], Amount: x.Amount, Refuse: x.Refuse}
	switch t.protocol {
	case Serializable:
		return t.do(ctx, requestID, TransferTx.With(input))
	case Saga:
		return t.do(ctx, requestID, TransferSaga.With(input))
	}
	if err := t.do(ctx, requestID, Debit.On(input.From, input.Amount)); err != nil {
		return err
	}
	if requestID != "" {
		requestID += "c" // a request of its own
	}
	return t.do(ctx, requestID, input.crediting())
}

// identifiable is a request that can be given an id.
type identifiable interface {
	functions.Request
	As(requestID string) functions.Identified
}

// do makes a request, with its id if it has one.
func (t *Target) do(ctx context.Context, requestID string, r identifiable) error {
	if requestID == "" {
		return classify(t.engine.Do(ctx, r))
	}
	return classify(t.engine.Do(ctx, r.As(requestID)))
}

// classify marks the errors after which nobody knows what happened. All others leave everything as it was: failures, and
// requests that the engine did not take.
func classify(err error) error {
	if errors.Is(err, engine.ErrUnknown) {
		return fmt.Errorf("%w: %w", ycsb.ErrUnknown, err)
	}
	return err
}
