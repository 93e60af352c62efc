package accounts

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/locks"
	"github.com/concordat-dev/concordat/ycsb"
	"github.com/concordat-dev/concordat/ycsb/internal/bulk"
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

// ParseProtocol reads the name of a protocol. Upper and lower case are the same.
func ParseProtocol(s string) (Protocol, error) {
	switch p := Protocol(strings.ToLower(s)); p {
	case Plain, Saga, Serializable:
		return p, nil
	}
	return "", fmt.Errorf("protocol: %q is none of plain, saga and serializable", s)
}

// Options say how a target is opened.
type Options struct {
	// Dir is the engine's directory.
	Dir string
	// Keys is the number of rows whose ids are made beforehand, at least 1. There may be more.
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
	// Sources and Egresses of the engine. Default: none.
	Sources  map[string]engine.Source
	Egresses map[string]engine.Egress
}

// Target runs the workload on an engine of this process. It is a [ycsb.Target] with all abilities.
type Target struct {
	requests
	engine *engine.Engine
}

// The abilities that it has besides those of requests.
var _ interface {
	ycsb.Scanner
	ycsb.Counter
} = (*Target)(nil)

// Open opens an engine and makes it a target.
func Open(o Options) (*Target, error) {
	protocol, err := checkOptions(o.Keys, o.Protocol)
	if err != nil {
		return nil, err
	}
	health := new(bulk.Health)
	e, err := engine.Open(engine.Options{
		Dir: o.Dir, Workers: o.Workers, Policy: o.Policy, CacheBytes: o.CacheBytes, Logger: o.Logger, Fatal: health.Fatal,
		Sources: o.Sources, Egresses: o.Egresses,
	}, Parts()...)
	if err != nil {
		return nil, err
	}
	return &Target{requests{e, health, protocol, ycsb.RowIDs(o.Keys)}, e}, nil
}

// checkOptions returns the protocol that is meant.
func checkOptions(keys int, p Protocol) (Protocol, error) {
	if keys < 1 || keys > ycsb.MaxKeys {
		return "", fmt.Errorf("accounts: %d keys are not between 1 and %d", keys, ycsb.MaxKeys)
	}
	if p == "" {
		return Serializable, nil
	}
	return ParseProtocol(string(p))
}

// Engine is the engine that the target runs on.
func (t *Target) Engine() *engine.Engine { return t.engine }

// Close closes the engine.
func (t *Target) Close() error { return t.health.Close(t.engine) }

// Scan implements [ycsb.Scanner]: the rows as they were at one moment, whatever the protocol.
func (t *Target) Scan(_ context.Context, from, n int) error {
	for _, err := range engine.Walk(t.engine, Rows, t.id(from)) {
		if n--; err != nil || n == 0 {
			return t.certain(err)
		}
	}
	return nil
}

// Counters implements [ycsb.Counter].
func (t *Target) Counters() ycsb.Counters {
	s := t.engine.Stats()
	return ycsb.Counters{Retries: s.Retries, Deadlocks: s.Deadlocks, LockWaits: s.LockWaits, LockWaitTime: s.LockWaitTime}
}
