package accounts

import (
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
}

// Target runs the workload on an engine. It is a [ycsb.Target] with all abilities.
type Target struct {
	engine   *engine.Engine
	health   *bulk.Health
	protocol Protocol
	ids      []string
}

// id is the instance id of a key: made beforehand, or now if the row was inserted by the run.
func (t *Target) id(key int) string {
	if key < len(t.ids) {
		return t.ids[key]
	}
	return ycsb.RowID(key)
}

// Open opens an engine and makes it a target.
func Open(o Options) (*Target, error) {
	if o.Protocol == "" {
		o.Protocol = Serializable
	}
	protocol, err := ParseProtocol(string(o.Protocol))
	if err != nil {
		return nil, err
	}
	if o.Keys < 1 || o.Keys > ycsb.MaxKeys {
		return nil, fmt.Errorf("accounts: %d keys are not between 1 and %d", o.Keys, ycsb.MaxKeys)
	}
	health := new(bulk.Health)
	e, err := engine.Open(engine.Options{
		Dir: o.Dir, Workers: o.Workers, Policy: o.Policy, CacheBytes: o.CacheBytes, Logger: o.Logger, Fatal: health.Fatal,
	}, Parts()...)
	if err != nil {
		return nil, err
	}
	return &Target{engine: e, health: health, protocol: protocol, ids: ycsb.RowIDs(o.Keys)}, nil
}

// Engine is the engine that the target runs on.
func (t *Target) Engine() *engine.Engine { return t.engine }

// Close closes the engine.
func (t *Target) Close() error { return t.health.Close(t.engine) }

// Counters implements [ycsb.Counter].
func (t *Target) Counters() ycsb.Counters {
	s := t.engine.Stats()
	return ycsb.Counters{Retries: s.Retries, Deadlocks: s.Deadlocks, LockWaits: s.LockWaits, LockWaitTime: s.LockWaitTime}
}
