// Package seen keeps a [Filter] of hashes: it says of one either that it is certainly new, or that it may have been seen. The
// engine asks it of each request id before it looks for a row, since most ids are new and a look for a row that does not exist
// costs as much as all the rest of a request.
package seen

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Filter is a row of growing Bloom filters (Bloom, CACM 1970), its generations: hashes are added to the youngest, and to forget them the
// oldest is dropped. The first generation is that of the hashes that were there before; until all of them were found everything may have
// been seen.
//
// A generation is blocked: the eight bits of a hash are in one block of four words, half a cache line, two in each word (Putze, Sanders,
// Singler: "Cache-, hash- and space-efficient Bloom filters", WEA 2007), so a look is one cache miss per layer. With at least 16
// bits for each hash about one look in a thousand is a false alarm. A generation that has grown to its largest size goes on filling
// up: false alarms become more, and memory stays.
//
// The methods may be called by different goroutines at the same time. A hash that was added before May is called is never called new,
// until its generation is dropped.
type Filter struct {
	maxBytes int // of a generation

	mu   sync.Mutex // guards growing and changing generations
	all  atomic.Pointer[[]*generation]
	gone bool // the first generation was dropped
}

// generation is a filter as it grows: a layer is added, twice as large as the last, when that is full.
type generation struct {
	grown atomic.Pointer[layers]
	whole atomic.Bool // everything that belongs to it was added
}

type layers struct {
	layers []layer
	room   atomic.Int64 // hashes until the last layer is full
	bytes  int
}

type layer []uint64

const (
	firstWords  = 1 << 14 // 128 KiB
	hashesAWord = 4
)

// New makes a filter whose generations use at most about maxBytes each.
func New(maxBytes int) *Filter {
	f := &Filter{maxBytes: maxBytes}
	f.all.Store(&[]*generation{newGeneration()})
	return f
}

func newGeneration() *generation {
	g := new(generation)
	first := new(layers)
	first.grow(firstWords)
	g.grown.Store(first)
	return g
}

// May reports whether the hash may have been seen. False is certain.
func (f *Filter) May(hash uint64) bool {
	for _, g := range *f.all.Load() {
		if !g.whole.Load() {
			return true
		}
		for _, l := range g.grown.Load().layers {
			if l.may(hash) {
				return true
			}
		}
	}
	return false
}

// Add notes a hash.
func (f *Filter) Add(hash uint64) {
	all := *f.all.Load()
	f.addTo(all[len(all)-1], hash)
}

// Find notes a hash that was there before.
func (f *Filter) Find(hash uint64) {
	f.mu.Lock()
	gone, first := f.gone, (*f.all.Load())[0]
	f.mu.Unlock()
	if !gone {
		f.addTo(first, hash)
	}
}

// Found says that there are no more of those.
func (f *Filter) Found() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.gone {
		(*f.all.Load())[0].whole.Store(true)
	}
}

// Turn begins a new generation.
func (f *Filter) Turn() {
	f.mu.Lock()
	defer f.mu.Unlock()
	g := newGeneration()
	g.whole.Store(true)
	all := append(slices.Clip(*f.all.Load()), g)
	f.all.Store(&all)
}

// Drop drops the oldest generation, of at least two.
func (f *Filter) Drop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := slices.Clone(*f.all.Load())[1:]
	f.all.Store(&all)
	f.gone = true
}

func (f *Filter) addTo(g *generation, hash uint64) {
	l := g.grown.Load()
	l.layers[len(l.layers)-1].add(hash)
	if l.room.Add(-1) < 0 {
		f.enlarge(g, l)
	}
}

// enlarge adds a layer to a generation that is full. Layers are shared by the old and the new list, so nothing is lost to those
// who still add to the old.
func (f *Filter) enlarge(g *generation, l *layers) {
	f.mu.Lock()
	defer f.mu.Unlock()
	words := 2 * len(l.layers[len(l.layers)-1])
	if g.grown.Load() != l || l.bytes+8*words > f.maxBytes {
		return
	}
	larger := &layers{layers: slices.Clip(l.layers), bytes: l.bytes}
	larger.grow(words)
	g.grown.Store(larger)
}

func (l *layers) grow(words int) {
	l.layers = append(l.layers, make(layer, words))
	l.room.Store(int64(words) * hashesAWord)
	l.bytes += 8 * words
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
