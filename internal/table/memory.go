package table

import (
	"sync"
	"sync/atomic"
)

// chunk is memory in which batches grow, one behind the other, and in which their changes stay until they are written to the store.
type chunk struct {
	bytes []byte
	users atomic.Int32 // the parts of batches and layers that are in it, and the batch that goes on in it
}

// A chunk is a sixteenth of a layer, and at most maxChunkBytes. A change that would take more than half of one has memory of its own.
const (
	chunksInLayer = 16
	maxChunkBytes = 256 << 10
)

// chunks are chunks that nobody uses any more. They are not used again to save the time that allocating takes: most of what a busy table
// allocates is batches, and each time the heap has grown by them the garbage collector takes the processors for some milliseconds.
type chunks struct {
	mu   sync.Mutex
	free []*chunk
	size int
	most int
}

// init is called before anything else, with the size of a layer.
func (c *chunks) init(layer int64) {
	c.size = int(min(layer/chunksInLayer, maxChunkBytes))
	c.most = int(layer / int64(c.size))
}

// take returns a chunk that has one user.
func (c *chunks) take() *chunk {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.free)
	if n == 0 {
		fresh := &chunk{bytes: make([]byte, c.size)}
		fresh.users.Store(1)
		return fresh
	}
	k := c.free[n-1]
	c.free[n-1] = nil
	c.free = c.free[:n-1]
	k.users.Store(1)
	return k
}

// leave notes that a chunk has a user less. Without any it is used again, as far as there are to be any spare ones.
func (c *chunks) leave(k *chunk) {
	if k == nil || k.users.Add(-1) > 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.free) < c.most {
		c.free = append(c.free, k)
	}
}
