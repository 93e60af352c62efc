package table

import (
	"math/bits"
	"sync"
)

// spares is memory of batches that were written to the store and that nobody looks at any more. To use it again is not about the time that
// allocating takes: most of what a busy table allocates are batches, and each time the heap has grown by them the garbage collector takes the
// processors for some milliseconds.
type spares struct {
	mu     sync.Mutex
	bySize [bits.UintSize][][]byte // by the logarithm of their size, rounded down
	bytes  int64
	most   int64 // bytes
}

// take returns memory for at least so many bytes, with nothing in it.
func (s *spares) take(size int) []byte {
	class := bits.Len(uint(size - 1)) // rounded up
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.bySize[class]); n > 0 {
		memory := s.bySize[class][n-1]
		s.bySize[class] = s.bySize[class][:n-1]
		s.bytes -= int64(cap(memory))
		return memory[:0]
	}
	return make([]byte, 0, 1<<class)
}

// put keeps memory to be used again, as far as there is to be any.
func (s *spares) put(parts [][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, memory := range parts {
		size := cap(memory)
		if size < leastSpare || s.bytes+int64(size) > s.most {
			continue
		}
		class := bits.Len(uint(size)) - 1
		s.bySize[class] = append(s.bySize[class], memory)
		s.bytes += int64(size)
	}
}

// leastSpare is the smallest memory that is kept.
const leastSpare = 256
