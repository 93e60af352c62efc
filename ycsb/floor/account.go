package floor

import (
	"sync"
	"sync/atomic"

	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/ycsb"
)

// account is a row with its mutex, which guards all of it. Account mutexes are taken in the order of the keys.
type account struct {
	mu     sync.Mutex
	exists bool
	row    ycsb.Row
	number int32  // the account's key; never changes
	key    []byte // of the row in the store; never changes

	writer *group // the last group that changed the row; nil if none did
	saved  bool   // the row as writer left it is encoded: in image, or in the batch
	image  []byte // the row as an earlier, closed group left it, until the committer takes it
}

func (a *account) init(key int, id string) {
	a.number = int32(key)
	a.key = format.InstanceKey(nil, rowShard(id), typeName, id)
}

// accounts are all accounts: those of the keys that were announced in one piece, and room for more, made a chunk at a time.
type accounts struct {
	first  []account
	chunks []atomic.Pointer[[chunkAccounts]account]
	top    atomic.Int64 // keys from here on have never had a row
}

const chunkAccounts = 1024

func newAccounts(keys, room int) *accounts {
	all := &accounts{first: make([]account, keys), chunks: make([]atomic.Pointer[[chunkAccounts]account], (room+chunkAccounts-1)/chunkAccounts)}
	for i, id := range ycsb.RowIDs(keys) {
		all.first[i].init(i, id)
	}
	return all
}

// has reports whether there is room for an account with this key.
func (a *accounts) has(key int) bool {
	return key >= 0 && key < len(a.first)+len(a.chunks)*chunkAccounts
}

// of returns the account of a key, for which there must be room.
func (a *accounts) of(key int) *account {
	if key < len(a.first) {
		return &a.first[key]
	}
	more := key - len(a.first)
	at := &a.chunks[more/chunkAccounts]
	chunk := at.Load()
	if chunk == nil {
		chunk = new([chunkAccounts]account)
		for i := range chunk {
			n := key - more%chunkAccounts + i
			chunk[i].init(n, ycsb.RowID(n))
		}
		if !at.CompareAndSwap(nil, chunk) { // another goroutine has made it meanwhile
			chunk = at.Load()
		}
	}
	return &chunk[more%chunkAccounts]
}

// made notes that there is a row of this key.
func (a *accounts) made(key int) {
	for top := a.top.Load(); int64(key) >= top && !a.top.CompareAndSwap(top, int64(key)+1); top = a.top.Load() {
	}
}

// settle encodes the row for the closed group that changed it last, if the committer has not done so. It is called before
// the caller takes the floor's mutex, so that the encoding is not done under it.
func (a *account) settle() {
	if a.writer != nil && !a.saved && a.writer.closed.Load() {
		a.save()
	}
}

// touch makes g the row's last writer, before the caller changes the row. The floor's mutex is held, and g is the open group.
//
// If another group was the writer it is closed, and its version of the row is about to be lost: it is encoded first. Mostly
// settle has done that; here it happens when the group was cut between the two. One image is enough: when g is closed in its
// turn and someone touches the row for the group after it, the committer has long written the batch before g.
func (a *account) touch(g *group) {
	if a.writer == g {
		return
	}
	if a.writer != nil && !a.saved {
		a.save()
	}
	a.writer, a.saved = g, false
	g.dirty = append(g.dirty, a.number)
}

func (a *account) save() {
	data, err := codec.Encode(&a.row)
	if err != nil {
		panic("floor: a row always encodes: " + err.Error())
	}
	a.image, a.saved = data, true
}
