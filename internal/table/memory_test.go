package table

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// openStepped opens a table in memory that does nothing in the background.
func openStepped(t *testing.T, layerBytes int64) *Table {
	t.Helper()
	tab, err := Open(Options{Dir: "data", FS: vfs.NewMem(), Stepped: true, LayerBytes: layerBytes, Ours: []byte("z"), Position: []byte("zz")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tab.Close(); err != nil {
			t.Error(err)
		}
	})
	return tab
}

// fill seals a batch of 1,000 rows with one letter in all values.
func fill(t *testing.T, tab *Table, b *Batch, letter byte) {
	t.Helper()
	for i := range 1000 {
		b.Set(fmt.Appendf(nil, "k%03d", i), bytes.Repeat([]byte{letter}, 1000))
	}
	if err := tab.Seal(b); err != nil {
		t.Fatal(err)
	}
}

func apply(t *testing.T, tab *Table) {
	t.Helper()
	if err := tab.Apply(); err != nil {
		t.Fatal(err)
	}
}

// TestMemoryIsUsedAgain: the memory of what was applied is that of later batches, but while a view may look at it.
func TestMemoryIsUsedAgain(t *testing.T) {
	tab := openStepped(t, 4<<20)
	b := tab.NewBatch()
	fill(t, tab, b, 'a')
	fill(t, tab, b, 'b')
	apply(t, tab)
	spare := len(tab.chunks.free)
	if spare != 2*1_000_000/maxChunkBytes {
		t.Fatalf("%d chunks are spare after 2 MB were applied", spare)
	}
	fill(t, tab, b, 'c')
	if taken := spare - len(tab.chunks.free); taken != 4 {
		t.Fatalf("another batch took %d spare chunks", taken)
	}

	view := tab.View()
	spare = len(tab.chunks.free)
	apply(t, tab)
	if len(tab.chunks.free) != spare {
		t.Fatal("memory that a view looks at is spare")
	}
	for letter := byte('d'); letter < 'z'; letter++ {
		fill(t, tab, b, letter)
		apply(t, tab)
	}
	rows, err := view.Rows([]byte("k"), []byte("l"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; rows.Next(); n++ {
		if value, err := rows.Value(); err != nil || !bytes.Equal(value, bytes.Repeat([]byte("c"), 1000)) {
			t.Fatalf("a view shows %q of later, %v", value[:10], err)
		}
	}
	if err := rows.Close(); err != nil || n != 1000 {
		t.Fatalf("%d rows, %v", n, err)
	}
	if err := view.Close(); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		fill(t, tab, b, 'x')
	}
	apply(t, tab)
	if most := 4 << 20 / maxChunkBytes; len(tab.chunks.free) != most {
		t.Fatalf("%d chunks are spare, want %d", len(tab.chunks.free), most)
	}
}

// TestChunksFitTheLayer: however small a layer is, batches that grow side by side, one for each of many workers, take no more than it has.
func TestChunksFitTheLayer(t *testing.T) {
	for _, layer := range []int64{4 << 10, 64 << 10, 1 << 20, 64 << 20} {
		tab := openStepped(t, layer)
		taken := 0
		for i := range chunksInLayer {
			b := tab.NewBatch()
			b.Set([]byte{byte(i)}, []byte("value"))
			taken += cap(b.data)
		}
		if int64(taken) > layer {
			t.Errorf("%d batches with a row take %d bytes, and a layer has %d", chunksInLayer, taken, layer)
		}
	}
}

// TestGrowingBehind: several batches that are sealed in turns, each going on behind what was sealed of it, with changes that are larger than
// what is left of a chunk or than a whole one; what is sealed stays what it was, in the overlay and behind it.
func TestGrowingBehind(t *testing.T) {
	for seed := range uint64(8) {
		rng := rand.New(rand.NewPCG(seed, 1))
		tab := openStepped(t, 1<<20)
		batches := []*Batch{tab.NewBatch(), tab.NewBatch(), new(Batch)}
		want := map[string][]byte{}
		for round := range 30 {
			whole := tab.NewBatch()
			for i := range 1 + rng.IntN(len(batches)) {
				for range rng.IntN(10) {
					k := fmt.Appendf(nil, "%d-%d", i, rng.IntN(50)) // no row is in two of them
					value := bytes.Repeat([]byte{byte(rng.Uint32())}, []int{10, 1000, tab.chunks.size / 3, tab.chunks.size + 1}[max(0, rng.IntN(24)-20)])
					switch rng.IntN(4) {
					case 0:
						batches[i].Delete(k)
						delete(want, string(k))
					case 1:
						batches[i].SetDeferred(len(k), len(value), func(key, v []byte) { copy(key, k); copy(v, value) })
						want[string(k)] = value
					default:
						batches[i].Set(k, value)
						want[string(k)] = value
					}
				}
				whole.Append(batches[i])
			}
			if batches[0].Count() != 0 || batches[0].Len() != 0 {
				t.Fatal("a batch that was handed on is not empty")
			}
			if err := tab.Seal(whole); err != nil {
				t.Fatal(err)
			}
			if rng.IntN(10) == 0 {
				apply(t, tab)
			}
			if round%5 != 0 {
				continue
			}
			got := map[string][]byte{}
			err := tab.Scan(nil, []byte("9"), func(k, v []byte) error { got[string(k)] = bytes.Clone(v); return nil })
			if err != nil || !maps.EqualFunc(got, want, bytes.Equal) {
				t.Fatalf("seed %d: %d rows, want %d, or other values; %v", seed, len(got), len(want), err)
			}
		}
	}
}
