// Package seen keeps a [Filter] of hashes: it says of one either that it is certainly new, or that it may have been seen. The
// engine asks it of each request id before it looks for a row, since most ids are new and a look for a row that does not exist
// costs as much as all the rest of a request.
package seen

import (
	"sync"
	"sync/atomic"
)

// Filter is a growing Bloom filter (Bloom, CACM 1970) that is made anew from time to time, from what is still there: that is
// how it forgets. Until it was made for the first time everything may have been seen.
//
// It is blocked: the eight bits of a hash are in one block of four words, half a cache line, two in each word (Putze, Sanders,
// Singler: "Cache-, hash- and space-efficient Bloom filters", WEA 2007), so a look is one cache miss per layer. With at least 16
// bits for each hash about one look in a thousand is a false alarm. A filter that has grown to its largest size goes on filling
// up: false alarms become more, and memory stays.
//
// Add, May and the rebuilding may be called by different goroutines at the same time. A hash that was added before May is
// called is never called new.
type Filter struct {
	maxBytes int

	mu      sync.Mutex // guards growing and changing generations
	current atomic.Pointer[generation]
	next    atomic.Pointer[generation]
}

// generation is a filter as it grows: a layer is added, twice as large as the last, when that is full.
type generation struct {
	layers []layer
	room   atomic.Int64 // hashes until the last layer is full
	bytes  int
}

type layer []uint64

const (
	firstWords  = 1 << 14 // 128 KiB
	hashesAWord = 4
)

// New makes a filter that uses at most about maxBytes, twice that while it is rebuilt.
func New(maxBytes int) *Filter { return &Filter{maxBytes: maxBytes} }

// May reports whether the hash may have been seen. False is certain.
func (f *Filter) May(hash uint64) bool {
	g := f.current.Load()
	if g == nil {
		return true
	}
	for _, l := range g.layers {
		if l.may(hash) {
			return true
		}
	}
	return false
}

// Add notes a hash.
func (f *Filter) Add(hash uint64) {
	f.addTo(&f.next, hash)
	f.addTo(&f.current, hash)
}

// Begin begins to make the filter anew. What Add notes from now on is in both.
func (f *Filter) Begin() {
	g := &generation{}
	g.grow(firstWords)
	f.next.Store(g)
}

// Keep notes a hash that is still there, while the filter is made anew.
func (f *Filter) Keep(hash uint64) { f.addTo(&f.next, hash) }

// End puts the new filter in the place of the old one.
func (f *Filter) End() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.current.Store(f.next.Load())
	f.next.Store(nil)
}

// Ready reports whether the filter was made at least once.
func (f *Filter) Ready() bool { return f.current.Load() != nil }

func (f *Filter) addTo(p *atomic.Pointer[generation], hash uint64) {
	g := p.Load()
	if g == nil {
		return
	}
	g.layers[len(g.layers)-1].add(hash)
	if g.room.Add(-1) < 0 {
		f.enlarge(p, g)
	}
}

// enlarge adds a layer to a generation that is full. Layers are shared by the old and the new one, so nothing is lost to those
// who still add to the old.
func (f *Filter) enlarge(p *atomic.Pointer[generation], g *generation) {
	f.mu.Lock()
	defer f.mu.Unlock()
	words := 2 * len(g.layers[len(g.layers)-1])
	if p.Load() != g || g.bytes+8*words > f.maxBytes {
		return
	}
	larger := &generation{layers: append([]layer(nil), g.layers...), bytes: g.bytes}
	larger.grow(words)
	p.Store(larger)
}

func (g *generation) grow(words int) {
	g.layers = append(g.layers, make(layer, words))
	g.room.Store(int64(words) * hashesAWord)
	g.bytes += 8 * words
}

// wordsABlock is the size of a block; its number of words in a layer is a power of two.
const wordsABlock = 4

// block is the first word of a hash's block, which its upper half says.
func (l layer) block(hash uint64) []uint64 {
	at := (hash >> 32) & uint64(len(l)-1) &^ (wordsABlock - 1)
	return l[at : at+wordsABlock : at+wordsABlock]
}

// spread makes another hash of a hash, from which each word of a block takes its bits: 12 of the upper 48.
func spread(hash uint64) uint64 { return hash * 0x9e3779b97f4a7c15 }

// bits are a hash's two bits in a word of its block.
func bits(spread uint64, word int) uint64 {
	s := spread >> (16 + 12*word)
	return 1<<(s&63) | 1<<(s>>6&63)
}

func (l layer) may(hash uint64) bool {
	block, s := l.block(hash), spread(hash)
	for i := range block {
		if b := bits(s, i); atomic.LoadUint64(&block[i])&b != b {
			return false
		}
	}
	return true
}

func (l layer) add(hash uint64) {
	block, s := l.block(hash), spread(hash)
	for i := range block {
		if b := bits(s, i); atomic.LoadUint64(&block[i])&b != b {
			atomic.OrUint64(&block[i], b)
		}
	}
}
