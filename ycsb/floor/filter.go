package floor

// filter is a set of hashes that can say "certainly not in it": of a fresh request id it spares the look into the store, which
// costs more than all the rest of a transfer (6 of 20 µs of processor time, measured). It is a chain of split block Bloom
// filters (Putze, Sanders, Singler, "Cache-, Hash- and Space-Efficient Bloom Filters", 2007; the constants are those of Apache
// Parquet), each twice as large as the one before; so it grows with the ids and asking stays cheap. It takes 2 bytes an id and
// is wrong about one fresh id in some hundreds, which then costs a look into the store.
type filter struct {
	parts []filterPart
	room  int // hashes that the last part still takes
}

type filterPart []filterBlock

// filterBlock is half a cache line: a hash sets one bit in each word.
type filterBlock [8]uint32

const (
	firstBlocks    = 1 << 10
	hashesPerBlock = 16
)

var filterSalt = filterBlock{
	0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d, 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31,
}

// add adds a hash and reports whether it may have been there before.
func (f *filter) add(hash uint64) (maybe bool) {
	for _, part := range f.parts {
		if part.block(hash).has(uint32(hash)) {
			return true
		}
	}
	if f.room == 0 {
		blocks := firstBlocks << len(f.parts)
		f.parts = append(f.parts, make(filterPart, blocks))
		f.room = blocks * hashesPerBlock
	}
	f.room--
	f.parts[len(f.parts)-1].block(hash).set(uint32(hash))
	return false
}

// block picks a block by the high half of the hash; the low half picks the bits. The number of blocks is a power of two.
func (p filterPart) block(hash uint64) *filterBlock { return &p[int(hash>>32)&(len(p)-1)] }

func (b *filterBlock) has(hash uint32) bool {
	missing := uint32(0)
	for i, salt := range filterSalt {
		missing |= ^(b[i] >> (hash * salt >> 27))
	}
	return missing&1 == 0
}

func (b *filterBlock) set(hash uint32) {
	for i, salt := range filterSalt {
		b[i] |= 1 << (hash * salt >> 27)
	}
}
