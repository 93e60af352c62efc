package store

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestMark: the mark that was left last is there when the store is opened again; a torn one counts for nothing.
func TestMark(t *testing.T) {
	fs := vfs.NewMem()
	s := open(t, Options{FS: fs})
	if s.Marked() != 0 {
		t.Errorf("a new directory has the mark %d", s.Marked())
	}
	ok(t, s.Mark(7))
	ok(t, s.Mark(1<<40))
	ok(t, s.Close())
	s = open(t, Options{FS: fs})
	if s.Marked() != 1<<40 {
		t.Errorf("the mark is %d, want %d", s.Marked(), 1<<40)
	}
	ok(t, s.Close())
	whole := read(t, fs, "data/"+markName)
	for i := range whole {
		flipped := append([]byte(nil), whole...)
		flipped[i] ^= 4
		for what, content := range map[string][]byte{"cut": whole[:i], "flipped": flipped} {
			write(t, fs, "data/"+markName, content)
			s = open(t, Options{FS: fs})
			if s.Marked() != 0 {
				t.Errorf("%s at byte %d, the mark is %d", what, i, s.Marked())
			}
			ok(t, s.Close())
		}
	}
}
