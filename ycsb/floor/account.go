package floor

import (
	"sync"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/store"
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

func newAccounts(n int) []account {
	accounts := make([]account, n)
	for i, id := range ycsb.RowIDs(n) {
		accounts[i].number = int32(i)
		accounts[i].key = store.InstanceKey(nil, rowShard(id), typeName, id)
	}
	return accounts
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
	data, err := functions.Encode(&a.row)
	if err != nil {
		panic("floor: a row always encodes: " + err.Error())
	}
	a.image, a.saved = data, true
}
