package engine

import (
	"context"
	"os"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/format"
)

// CacheBytes adds up what the workers' caches hold, and the most that they may. Only while nothing runs.
func (e *Engine) CacheBytes() (bytes, budget int64, instances int) {
	for _, w := range e.workers {
		bytes += w.cache.bytes
		budget += w.cache.budget
		for _, byID := range w.cache.byType {
			instances += len(byID)
		}
	}
	return bytes, budget, instances
}

// IsCached reports whether a worker's cache holds an instance with the id. Only while nothing runs.
func (e *Engine) IsCached(id string) bool {
	for _, w := range e.workers {
		for _, byID := range w.cache.byType {
			if byID[id] != nil {
				return true
			}
		}
	}
	return false
}

// Queued counts the messages that nobody waits for and that were not run yet, by weight.
func (e *Engine) Queued() int64 { return e.queued.Load() }

// LinesFile is the file of a JSONLines egress.
type LinesFile = linesFile

// JSONLinesOn is JSONLines with a file that the test wraps.
func JSONLinesOn(path string, wrap func(LinesFile) LinesFile) Egress {
	return &jsonLines{path: path, open: func(path string) (linesFile, error) {
		file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
		return wrap(file), err
	}}
}

// WalksWaiting is how many walks wait for what they saw to be sealed.
func WalksWaiting(e *Engine) int { return int(e.walks.waiting.Load()) }

// HoldWalks keeps walks from being woken until they are let go.
func HoldWalks(e *Engine) (letGo func()) {
	e.walks.mu.Lock()
	return e.walks.mu.Unlock
}

// Sealed is the last epoch that counts as sealed.
func Sealed(e *Engine) uint64 { return e.sealed.Load() }

// Readable reports whether the store shows an instance's row to who reads it now, sealed or not.
func Readable(e *Engine, typeName, id string) bool {
	snapshot := e.store.Snapshot()
	defer snapshot.Close()
	_, found, err := snapshot.Get(format.InstanceKey(nil, format.InstanceShard(format.TypeHash(typeName), id, uint64(e.options.Shards)), typeName, id))
	return err == nil && found
}

// The room that others than clients have.
const (
	QuestionReserve = questionReserve
	OperatorReserve = operatorReserve
)

// IsAlike reports whether all states of a type in the directory are of its shape.
func IsAlike(e *Engine, part functions.Part) bool { return e.registry.isAlike(part.Definition()) }

// InFlight is how many requests wait for their outcome.
func InFlight(e *Engine) int { return int(e.inFlight.Load()) }

// IsClosed reports whether Close was called, or the engine has failed.
func IsClosed(e *Engine) bool { return e.closed.Load() }

// IsStopping reports whether the epochs that are cut now are the last.
func IsStopping(e *Engine) bool { return e.stopping.Load() }

// IsOpen reports whether requests are admitted to the running epoch.
func IsOpen(e *Engine) bool { return e.gate.open.Load() }

// Runs names the user code that a worker runs.
func Runs(e *Engine) string {
	for _, w := range e.workers {
		if name, _, runs := w.runsNow(); runs {
			return name
		}
	}
	return ""
}

// TimersSet is how many timers instances have set.
func TimersSet(e *Engine) int { return int(e.timers.Load()) }

// MaxUnsealed is how many records of an ingress may be taken, and not handled and sealed yet.
const MaxUnsealed = maxUnsealed

// SealNow seals the epoch of a stepped engine that waits for that, if one does.
func SealNow(e *Engine) {
	if len(e.toSeal) > 0 {
		e.seal(<-e.toSeal)
	}
}

// NextSize is how many suspects have their first turn together, after a turn.
var NextSize = nextSize

// HaveTurns reports whether suspects have their turns in the background, or will have them.
func HaveTurns(e *Engine) bool { return e.trials.frozen.Load() }

// Unwind unwinds the bodies that are left, as Close does, when hard is over.
func Unwind(e *Engine, hard context.Context) error { return e.unwind(hard) }
