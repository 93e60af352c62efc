package engine

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"reflect"
	"runtime"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/concordat-dev/concordat/internal/clock"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/seams"
	"github.com/concordat-dev/concordat/internal/store"
	"github.com/concordat-dev/concordat/locks"
)

// Options say how an engine is opened. Only Dir is required; the zero value of every other field is its default.
type Options struct {
	// Dir is the directory of the engine's data. It is made if it is missing. One engine at a time can have it open.
	Dir string

	// Workers is the number of worker goroutines, which run the functions; at most MaxWorkers. Default: DefaultWorkers. It may
	// change from one opening to the next.
	Workers int

	// Shards is the number of shards, fixed when the directory is made. Default: 64 for a new directory, what it has for an
	// old one. A number that differs from the directory's is an error. At most 4096.
	Shards int

	// Policy says what a transaction does that finds a lock taken. Default: locks.Detect.
	Policy locks.Policy

	// MaxAttempts bounds how often a transaction is run before it fails with twopc.ErrDeadlock. Default: 1000.
	MaxAttempts int

	// MaxUndoTries bounds how often a compensation is tried before its saga is stuck. Default: 8, over about 6 seconds.
	MaxUndoTries int

	// MaxInFlight bounds the requests that are waiting for their outcome. One more is ErrOverloaded at once. A request whose argument
	// has 16 KiB or more counts once more for each 16 KiB. Questions to an instance
	// without an id have room for 1,024 more, and those who operate the engine (Sagas, CancelSaga, DecideSaga) for another 64.
	// Default: 65,536.
	MaxInFlight int

	// MaxBytes bounds the encoded state of an instance, an argument and a result, each. Default: 1 MiB.
	MaxBytes int

	// CacheBytes bounds the memory for cached instances, roughly: rows that are not sealed yet are kept on top of it. Default:
	// 256 MiB. Pebble's block cache takes another quarter of it.
	CacheBytes int64

	// FilterBytes bounds the memory of the filters that tell most new request ids from those that were used, and twice that while some of
	// those expire. Filters that are full are never wrong, but more and more new ids are looked for in the table: see
	// Stats.FalseAlarms. It is enough for half as many ids as it has bytes. Default: a quarter of CacheBytes.
	FilterBytes int64

	// KeepOutcomes is how long the outcome of a request with an id is kept; after that the same id is a new request. Its row goes a
	// sixteenth of that later. Default: 1 hour. Negative: forever.
	KeepOutcomes time.Duration

	// MaxTimers bounds the timers that instances have set at a time; an operation that sets one more fails with ErrTooManyTimers.
	// They are kept in memory: one with an argument of more than a KiB counts once more for each KiB. Sleeps of sagas do not count. An
	// instance has at most functions.MaxEffects timers for itself, since its deletion takes them back. Default: 1,000,000.
	MaxTimers int

	// MaxMessages bounds the messages that nobody waits for (those that functions sent, of timers and of ingresses) and that have
	// not been run yet. They are kept in memory, in some 500 bytes each; one with an argument of more than a KiB counts once more
	// for each KiB. An operation that sends more than there is room for fails with ErrTooManyMessages. What a transaction's calls
	// send counts from the call on, and so do their timers and records for their bounds. Default: 1,000,000.
	MaxMessages int

	// MaxRuns bounds the coordinator functions that are under way and that no place in MaxInFlight counts for: those that messages
	// start, from when they are sent, or set as timers, until they end; those that an earlier opening has left; and stuck sagas, once
	// their clients were told. They are kept in memory, in some 10 KiB each; one with an input of more than a KiB counts once more for
	// each KiB. An operation that starts more fails with ErrTooManyRuns, a client's start with ErrOverloaded, and an ingress waits.
	// Default: 1,000,000.
	MaxRuns int

	// MaxDrain bounds how long work that goes on and on, such as a function that keeps sending to itself, may hold up a request:
	// the request is answered after at most so long, plus two seals, plus the one operation that runs. What does not come to an
	// end by then is carried from one epoch to the next; each epoch is cut after half of MaxDrain from when the one before is
	// sealed, or after 1,000,000 messages on a worker. Default: 50 ms.
	MaxDrain time.Duration

	// MaxJournalBytes bounds the journal of a saga: the arguments, results and failures of its steps, something for each, and the
	// effects that it attaches to its outcomes. A saga that needs more fails with functions.ErrTooLarge and is undone. They are kept
	// in memory. The number of steps is bounded by coordinator.MaxSteps. Default: 256 MiB.
	MaxJournalBytes int

	// MaxJournalsBytes bounds the journals of all sagas that are under way together, as MaxJournalBytes counts them. A saga whose next
	// step needs more fails with functions.ErrTooLarge and is undone. Those that an earlier opening has left go on. Default: 4 GiB.
	MaxJournalsBytes int64

	// MaxEpochBytes bounds what is written at once, and with it the memory for it: about this much while one epoch runs and as
	// much again for the one that is being sealed. A transaction may change a quarter of it, a saga make steps at once of a quarter, and
	// one operation, or one outcome, send, emit and set timers of an eighth; more fails with functions.ErrTooLarge. So does the transaction that changes something
	// while all those that are not decided have changed this much. Default: 1 GiB, or 8 times MaxBytes if that is more. At least 8
	// times MaxBytes, at most 3 GiB.
	MaxEpochBytes int64

	// CloseTimeout is how long Engine.Close goes on delivering to the egresses, and waits for walks and for code of users, if it is
	// called without a context that has a deadline. Default: 10 s.
	CloseTimeout time.Duration

	// ReserveBytes is the disk space below which new requests are refused with ErrNoSpace, so that what has been admitted can
	// be written: the log grows by pieces of at most a quarter of it, but not less than 64 KiB. What is under way goes on, and questions
	// without an id and those who operate the engine (Sagas, CancelSaga, DecideSaga) are let in. Default: 256 MiB. Negative: no check.
	ReserveBytes int64

	// MemTableBytes is the size of the portions in which what was sealed to the log is applied to the table: 4 KiB to 2 GiB. Larger ones cost
	// less: what changes several times within one is written once. Default: 64 MiB.
	MemTableBytes int64

	// OverlayBytes bounds what was sealed to the log and is not applied to the table yet. It is in memory, in some two times as many bytes,
	// and in the log, which takes at most this and 48 MiB of the disk. At the bound sealing waits until a portion is applied; once it has waited for
	// a second, requests that may change something fail with ErrOverloaded. A single epoch may be larger: then it has all the room. Besides,
	// up to MemTableBytes of memory is kept to be used again. At least twice MemTableBytes. Default: three times MemTableBytes.
	OverlayBytes int64

	// MaxBacklog bounds the records of an egress that its receiver has not taken yet. An operation that emits one more fails with
	// ErrEgressFull. Records of the running epoch that other workers emit are not counted until it is cut. Default: 10,000,000.
	MaxBacklog int

	// MaxParked bounds the records of an egress that are parked because its receiver cannot take them. At one more the egress waits
	// until somebody retries or drops one. Default: 1000.
	MaxParked int

	// Egresses receive the records that functions emit, by the name of the egress. Each functions.Egress among the parts has to have one;
	// a record for a name that has none fails the operation that emits it. None may be nil, and no pointer may have two names. One that has a
	// method Validate() error is asked for what is wrong with it before anything is opened; so are ingresses and sources.
	Egresses map[string]Egress

	// Ingresses are sources of messages, by a name under which their positions are kept. None may be nil, and no pointer may have two names.
	Ingresses map[string]Ingress

	// Sources are ingresses of several partitions, by a name under which their positions are kept. None may be nil or have the name of
	// an ingress, and no pointer may have two names.
	Sources map[string]Source

	// Events are functions that are told what happens in the engine. Default: none.
	Events Events

	// Logger takes panics of user code, failures that nobody waits for, and slow operations. Default: slog.Default().
	Logger *slog.Logger

	// Fatal is called with the first error after which nothing may be acknowledged any more, such as a failed sync. It must
	// not return: if it does, its goroutine blocks forever. Default: log the error and exit with status 70; once Close was called,
	// Close returns the error instead, and what was not sealed by then has no outcome.
	Fatal func(error)

	// Seams replace the clock, the file system, the scheduling and the log, for this module's own simulator and tests.
	Seams seams.Set
}

const (
	// MaxWorkers bounds Options.Workers.
	MaxWorkers = 64

	defaultMemTableBytes = 64 << 20

	maxDrainSteps = 1_000_000
)

// DefaultWorkers is half of GOMAXPROCS, at least 1: the other half makes requests, writes what workers changed, and compacts it.
// A program whose functions compute for long may want more.
func DefaultWorkers() int { return min(max(runtime.GOMAXPROCS(0)/2, 1), MaxWorkers) }

func (o Options) withDefaults() Options {
	setDefault(&o.Workers, DefaultWorkers())
	setDefault(&o.MaxAttempts, 1000)
	setDefault(&o.MaxUndoTries, 8)
	setDefault(&o.MaxInFlight, 1<<16)
	setDefault(&o.MaxBytes, 1<<20)
	setDefault(&o.CacheBytes, 256<<20)
	setDefault(&o.FilterBytes, o.CacheBytes/4)
	setDefault(&o.KeepOutcomes, time.Hour)
	setDefault(&o.MaxTimers, 1_000_000)
	setDefault(&o.MaxMessages, 1_000_000)
	setDefault(&o.MaxRuns, 1_000_000)
	setDefault(&o.MaxDrain, 50*time.Millisecond)
	setDefault(&o.MaxJournalBytes, 256<<20)
	setDefault(&o.MaxJournalsBytes, 4<<30)
	setDefault(&o.MaxEpochBytes, max(1<<30, statesInEpoch*int64(o.MaxBytes)))
	setDefault(&o.MaxBacklog, 10_000_000)
	setDefault(&o.MaxParked, 1000)
	setDefault(&o.CloseTimeout, 10*time.Second)
	setDefault(&o.ReserveBytes, 256<<20)
	setDefault(&o.MemTableBytes, defaultMemTableBytes)
	setDefault(&o.OverlayBytes, 3*o.MemTableBytes)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Fatal == nil {
		logger := o.Logger
		o.Fatal = func(err error) {
			logger.Error("concordat stops: nothing more can be made durable", "error", err)
			os.Exit(70)
		}
	}
	o.Seams = defaultSeams(o.Seams)
	return o
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate reports what is wrong with the options.
func (o Options) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("engine: "+format, args...))
		}
	}
	check(o.Dir != "", "Options.Dir is empty")
	check(o.Workers >= 0 && o.Workers <= MaxWorkers, "Options.Workers is %d, allowed are 1 to %d", o.Workers, MaxWorkers)
	check(o.Shards >= 0 && o.Shards <= format.MaxShards, "Options.Shards is %d, allowed are 1 to %d", o.Shards, format.MaxShards)
	check(o.Policy <= locks.NoWait, "Options.Policy is %v", o.Policy)
	check(o.MaxAttempts >= 0, "Options.MaxAttempts is negative")
	check(o.MaxUndoTries >= 0, "Options.MaxUndoTries is negative")
	check(o.MaxInFlight >= 0, "Options.MaxInFlight is negative")
	check(o.MaxBytes >= 0 && o.MaxBytes <= 256<<20, "Options.MaxBytes is %d, at most 256 MiB", o.MaxBytes)
	check(o.MaxJournalBytes >= 0, "Options.MaxJournalBytes is negative")
	check(o.CacheBytes >= 0, "Options.CacheBytes is negative")
	check(o.FilterBytes >= 0, "Options.FilterBytes is negative")
	check(o.MaxTimers >= 0, "Options.MaxTimers is negative")
	check(o.MaxMessages >= 0, "Options.MaxMessages is negative")
	check(o.MaxRuns >= 0, "Options.MaxRuns is negative")
	check(o.MaxJournalsBytes >= 0, "Options.MaxJournalsBytes is negative")
	check(o.MaxDrain >= 0, "Options.MaxDrain is negative")
	o.checkEpochBytes(check)
	check(o.MaxBacklog >= 0, "Options.MaxBacklog is negative")
	check(o.MaxParked >= 0, "Options.MaxParked is negative")
	check(o.CloseTimeout >= 0, "Options.CloseTimeout is negative")
	check(o.MemTableBytes == 0 || (o.MemTableBytes >= store.MinMemTableBytes && o.MemTableBytes < 1<<31),
		"Options.MemTableBytes is %d, allowed are %d to 2 GiB", o.MemTableBytes, store.MinMemTableBytes)
	least := 2 * cmp.Or(o.MemTableBytes, defaultMemTableBytes)
	check(o.OverlayBytes == 0 || o.OverlayBytes >= least, "Options.OverlayBytes is %d, at least twice Options.MemTableBytes, %d", o.OverlayBytes, least)
	for _, name := range slices.Sorted(maps.Keys(o.Egresses)) {
		errs = append(errs, checkEnd("egress", name, o.Egresses[name]))
	}
	for _, name := range slices.Sorted(maps.Keys(o.Ingresses)) {
		errs = append(errs, checkEnd("ingress", name, o.Ingresses[name]))
	}
	for _, name := range slices.Sorted(maps.Keys(o.Sources)) {
		errs = append(errs, checkEnd("source", name, o.Sources[name]))
		_, twice := o.Ingresses[name]
		check(!twice, "source %q has the name of an ingress", name)
	}
	errs = append(errs, checkSole("egress", o.Egresses), checkSole("ingress", o.Ingresses), checkSole("source", o.Sources))
	return errors.Join(errs...)
}

// checkSole reports a pointer that has two names: each of them is opened, run and closed, and has a position.
func checkSole[E any](what string, ends map[string]E) error {
	names := map[any]string{}
	for _, name := range slices.Sorted(maps.Keys(ends)) {
		end := any(ends[name])
		if t := reflect.TypeOf(end); t == nil || t.Kind() != reflect.Pointer || t.Elem().Size() == 0 {
			continue
		}
		if first, twice := names[end]; twice {
			return fmt.Errorf("engine: %s %q is the same as %s %q: each needs one of its own", what, name, what, first)
		}
		names[end] = name
	}
	return nil
}

// receiveAll is an error that names each of the egresses that has no receiver.
func (o Options) receiveAll(egresses map[string]bool) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(egresses)) {
		if o.Egresses[name] == nil {
			errs = append(errs, fmt.Errorf("engine: egress %q is a part and has no receiver in Options.Egresses", name))
		}
	}
	return errors.Join(errs...)
}

// checkEnd reports what is wrong with an egress or an ingress.
func checkEnd(what, name string, end any) error {
	if err := instances.CheckName(what, name); err != nil {
		return err
	}
	if isNil(end) {
		return fmt.Errorf("engine: %s %q is nil", what, name)
	}
	if v, ok := end.(interface{ Validate() error }); ok {
		if err := v.Validate(); err != nil {
			return fmt.Errorf("engine: %s %q: %w", what, name, err)
		}
	}
	return nil
}

func (o Options) checkEpochBytes(check func(ok bool, format string, args ...any)) {
	setDefault(&o.MaxBytes, 1<<20)
	least := statesInEpoch * int64(o.MaxBytes)
	check(o.MaxEpochBytes == 0 || (o.MaxEpochBytes >= least && o.MaxEpochBytes <= 3<<30),
		"Options.MaxEpochBytes is %d, allowed are %d (%d times MaxBytes) to 3 GiB", o.MaxEpochBytes, least, statesInEpoch)
}

// defaultSeams fills in the real world where nothing replaces it.
func defaultSeams(s seams.Set) seams.Set {
	if s.FS == nil {
		s.FS = vfs.Default
	}
	if s.Clock == nil {
		s.Clock = new(clock.Real)
	}
	setDefault(&s.FindAtOpen, findAtOpen)
	if s.Log == nil {
		s.Log = func(own seams.Log) seams.Log { return own }
	}
	return s
}
