// Package floor is what careful hand-written Go does for the transfers of package ycsb: the honest yardstick for an engine
// that does them in general. It keeps the same promises (durable before the answer, exactly once by request id, serializable)
// and writes the same rows with the same codec through the same store.
//
// A [Floor] has all accounts in memory, each with a mutex. An operation claims its request id, locks the accounts that it
// needs in the order of their keys, changes them, joins the open group, unlocks, and waits until its group is sealed. The
// committer cuts the open group and writes the rows that it changed in one batch; the sealer puts the batch on disk with one
// sync and wakes the group's waiters. Meanwhile the committer writes the next batch, and the group after it fills.
//
// # Why the mutexes can be released before the sync
//
// Whoever sees a change that is not sealed yet joins the same group or a later one, because it joins after the change was made
// and groups open one after the other. Groups are sealed in order. So when its answer goes out, everything it saw is durable;
// and if a crash undoes the change, it undoes its successor as well. Reads wait for the group that wrote what they read.
//
// # Why rows are encoded late
//
// A row that changes several times within a group is encoded once, by the committer after the cut. By then the next group
// may want to change it: whoever does so first encodes it for the closed group (see account.touch). With 100 keys that
// saves most of the encoding, with many keys it moves it off the mutexes.
//
// Start reading at transfer.go, then several.go, group.go and claims.go.
package floor

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/store"
	"github.com/concordat-dev/concordat/ycsb"
)

// ErrReused: a request id was used before for a different request. Nothing happened.
var ErrReused = errors.New("floor: the request id was used for a different request")

// typeName is the type under which the rows are; the engine's accounts have another.
const typeName = "ycsb/floor"

// rowShard and outcomeShard are where the engine would put a row or an outcome: the floor writes the same rows, so its keys are
// spread in the same way.
func rowShard(id string) uint16 { return format.InstanceShard(typeHash, id, format.DefaultShards) }

func outcomeShard(requestID string) uint16 {
	return format.RequestShard(requestID, format.DefaultShards)
}

var typeHash = format.NameHash(typeName)

// Options say how a floor is opened.
type Options struct {
	// Dir is the directory; it is made if it is missing.
	Dir string
	// Keys is the number of accounts, at least 1. All are kept in memory from the start.
	Keys int
	// Room is for how many more accounts there is room, for insertions; it takes memory only as it is used, and is rounded up
	// to a multiple of 1,024. Rows in the directory for which there is no room are an error. Default 0.
	Room int
	// CacheBytes bounds the store's block cache. Default: the store's.
	CacheBytes int64
	// Logger takes the store's errors. Default: slog.Default().
	Logger *slog.Logger
}

// Floor is a [ycsb.Target] with all abilities but that of counting: with mutexes in order there is nothing to retry. Its methods may be called at once; they block until what they did is durable.
type Floor struct {
	store    *store.Store
	accounts *accounts
	claims   claims

	mu       sync.Mutex // guards the groups and what is in the open one; taken after account mutexes
	open     *group
	unsealed []*group // cut, the oldest first
	failure  error    // of the store; from then on nothing changes

	work    chan struct{} // holds a token when the open group has something to seal
	written chan sealing  // from the committer to the sealer, which takes one when it has sealed the one before
	spare   chan *group   // groups with memory to use again
	running sync.WaitGroup
}

// Open opens or makes a floor.
func Open(o Options) (*Floor, error) {
	if o.Keys < 1 || o.Keys > ycsb.MaxKeys {
		return nil, fmt.Errorf("floor: %d keys are not between 1 and %d", o.Keys, ycsb.MaxKeys)
	}
	if o.Room < 0 || o.Room > ycsb.MaxKeys-o.Keys {
		return nil, fmt.Errorf("floor: room for %d keys more than %d is not between 0 and %d", o.Room, o.Keys, ycsb.MaxKeys-o.Keys)
	}
	f := &Floor{
		accounts: newAccounts(o.Keys, o.Room),
		open:     newGroup(),
		work:     make(chan struct{}, 1),
		written:  make(chan sealing),
		spare:    make(chan *group, 2),
	}
	f.claims.init()
	var err error
	if f.store, err = store.Open(store.Options{Dir: o.Dir, CacheBytes: o.CacheBytes, Logger: o.Logger, Fatal: f.fail}); err != nil {
		return nil, err
	}
	if err := f.recover(); err != nil {
		return nil, errors.Join(err, f.store.Close())
	}
	f.running.Go(f.commitLoop)
	f.running.Go(f.sealLoop)
	return f, nil
}

// recover reads the rows, and the ids of all requests that have an outcome.
func (f *Floor) recover() error {
	if _, found, err := f.store.Get(format.Prefix(nil, format.NodeShard, format.KindFormat)); err != nil || found {
		return errors.Join(err, fmt.Errorf("floor: the directory is an engine's"))
	}
	for shard := range uint16(format.DefaultShards) {
		if err := errors.Join(f.recoverRows(shard), f.recoverOutcomes(shard)); err != nil {
			return err
		}
	}
	return nil
}

func (f *Floor) recoverOutcomes(shard uint16) error {
	prefix := format.OutcomeKey(nil, shard, "")
	return f.store.Scan(prefix, format.Upper(prefix), func(key, _ []byte) error {
		hash := format.RequestHash(string(key[len(prefix):]))
		f.claims.part(hash).seen.add(hash)
		return nil
	})
}

func (f *Floor) recoverRows(shard uint16) error {
	prefix := format.InstanceKey(nil, shard, typeName, "")
	return f.store.Scan(prefix, format.Upper(prefix), func(key, value []byte) error {
		n, err := ycsb.ParseRowID(string(key[len(prefix):]))
		if err == nil && !f.accounts.has(n) {
			err = fmt.Errorf("floor: the directory has a row %d, for which there is no room", n)
		}
		if err != nil {
			return err
		}
		a := f.accounts.of(n)
		a.exists = true
		f.accounts.made(n)
		return functions.Decode(value, &a.row)
	})
}

// Close waits for what is under way and closes the store. No method may be called afterwards. A store that has failed cannot be
// closed; then the error says so.
func (f *Floor) Close() error {
	if err := f.failed(); err != nil {
		return fmt.Errorf("floor: it cannot be closed: %w", err)
	}
	close(f.work)
	ended := make(chan struct{})
	go func() { f.running.Wait(); close(ended) }()
	select {
	case <-ended:
		return f.store.Close()
	case <-time.After(closeTimeout):
		return fmt.Errorf("floor: it cannot be closed: the store has not written for %v", closeTimeout)
	}
}

// closeTimeout is how long Close waits for the store to write what is under way.
const closeTimeout = 5 * time.Second
