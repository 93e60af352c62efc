package table

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestFewHashes: rows whose hashes are the same, or follow each other, are told apart: also where ranges have deleted some, and in layers
// that were made one.
func TestFewHashes(t *testing.T) {
	defer func(all uint64) { hashBits = all }(hashBits)
	hashBits = 7
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 0))
		var layers []*layer
		want := map[string]string{} // "" of one that was deleted
		for range 1 + rng.IntN(3) {
			l := newLayer()
			for entry := range 1 + rng.IntN(5) {
				b := new(Batch)
				for range rng.IntN(10) {
					k, end := fmt.Sprint("k", rng.IntN(30)), fmt.Sprint("k", rng.IntN(30))
					switch rng.IntN(10) {
					case 0:
						b.DeleteRange([]byte(k), []byte(end))
						maps.DeleteFunc(want, func(other, _ string) bool { return k <= other && other < end })
					case 1:
						b.Delete([]byte(k))
						want[k] = ""
					default:
						want[k] = fmt.Sprint("v", rng.IntN(1000))
						b.Set([]byte(k), []byte(want[k]))
					}
				}
				b.endPart()
				l.add(uint64(entry), b.parts...)
				l.index(rng.IntN(10))
			}
			l.indexAll()
			layers = append(layers, l)
		}
		m := merged(layers)
		var keys []string
		for _, at := range m.order() {
			keys = append(keys, string(m.row(at).key))
		}
		if all := slices.Sorted(maps.Keys(want)); !slices.Equal(keys, all) {
			t.Fatalf("seed %d: the rows are %q, want %q", seed, keys, all)
		}
		for i := range 30 {
			k := fmt.Sprint("k", i)
			value, known := m.get([]byte(k))
			if w, ok := want[k]; string(value) != w || (ok && !known) {
				t.Fatalf("seed %d: %s is %q, %v, want %q, %v", seed, k, value, known, w, ok)
			}
		}
	}
}

// TestReadIndexes: a read sees what was sealed also before anybody has indexed it in the background.
func TestReadIndexes(t *testing.T) {
	tab := &Table{layers: []*layer{newLayer()}} // nothing runs in the background
	for n := range 3 {
		b := new(Batch)
		b.Set([]byte("k"), fmt.Append(nil, n))
		b.endPart()
		tab.newest().add(uint64(n), b.parts...)
		if value, found, known := tab.getSealed([]byte("k")); !known || !found || string(value) != fmt.Sprint(n) {
			t.Errorf("after change %d: %q, %v, %v", n, value, found, known)
		}
	}
}
