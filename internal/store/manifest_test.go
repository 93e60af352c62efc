package store

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// manifestIn is the path of the manifest that the next Open reads. Each note in the directory has to be one of a manifest.
func manifestIn(t *testing.T, fs vfs.FS) string {
	t.Helper()
	names, err := fs.List("data")
	ok(t, err)
	for _, name := range names {
		if of, isNote := strings.CutSuffix(name, noteSuffix); isNote && !slices.Contains(names, of) {
			t.Fatalf("a note is left of no manifest: %q", names)
		}
	}
	desc, err := pebble.Peek("data", fs)
	ok(t, err)
	return desc.ManifestFilename
}

// TestDamagedManifest: a manifest in which any byte is flipped, or that ends anywhere before its end, is refused.
func TestDamagedManifest(t *testing.T) {
	fs := vfs.NewMem()
	s := open(t, Options{FS: fs})
	for _, row := range []string{"a=1", "a=2", "b=1"} {
		put(t, s, row)
		ok(t, s.Flush())
	}
	ok(t, s.Close())
	path := manifestIn(t, fs)
	whole := read(t, fs, path)
	for at := range whole {
		flipped := bytes.Clone(whole)
		flipped[at] ^= 1 << (at % 8)
		for what, content := range map[string][]byte{"flipped": flipped, "cut": whole[:at]} {
			write(t, fs, path, content)
			if s, err := tryOpen(Options{FS: fs}); !errors.Is(err, errManifest) {
				t.Errorf("%s at byte %d of %d: %v", what, at, len(whole), err)
				if err == nil {
					t.Fatalf("and these rows are served: %q", rows(t, s, "", ""))
				}
			}
		}
	}
	write(t, fs, path, append(bytes.Clone(whole), "the beginning of a record that was not synced"...))
	s = open(t, Options{FS: fs})
	if got := rows(t, s, "", ""); !slices.Equal(got, []string{"a=2", "b=1"}) {
		t.Errorf("with a torn record behind it: %q", got)
	}
	ok(t, s.Close())
}

// TestTornNote: without its note, or with one that is damaged, a manifest counts as it is.
func TestTornNote(t *testing.T) {
	fs := vfs.NewMem()
	s := open(t, Options{FS: fs})
	put(t, s, "a=1")
	ok(t, s.Close())
	for i := range noteBytes + 1 {
		for _, what := range []string{"cut", "flipped", "removed"} {
			path := manifestIn(t, fs)
			note := read(t, fs, path+noteSuffix)
			if len(note) != noteBytes {
				t.Fatalf("the note has %d bytes", len(note))
			}
			switch what {
			case "cut":
				write(t, fs, path+noteSuffix, note[:i])
			case "flipped":
				note[i%noteBytes] ^= 4
				write(t, fs, path+noteSuffix, note)
			case "removed":
				ok(t, fs.Remove(path+noteSuffix))
			}
			s = open(t, Options{FS: fs})
			if got := rows(t, s, "", ""); !slices.Equal(got, []string{"a=1"}) {
				t.Errorf("%s at byte %d: %q", what, i, got)
			}
			ok(t, s.Close())
		}
	}
}

// TestNoteOfFormerManifest: a manifest that is made under the name of one that never became the current one does not inherit its note.
func TestNoteOfFormerManifest(t *testing.T) {
	mem := vfs.NewCrashableMem()
	fs := manifests{mem}
	const name = manifestPrefix + "000007"
	former, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	ok(t, err)
	_, err = former.Write(make([]byte, 300))
	ok(t, errors.Join(err, former.Sync(), former.Close()))
	next, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	ok(t, err)
	_, err = next.Write([]byte("shorter"))
	ok(t, err)
	if length, _, err := fs.readNote(name + noteSuffix); length != 0 || err != nil {
		t.Errorf("before its sync the new one has a note of %d bytes, %v", length, err)
	}
	ok(t, errors.Join(next.Sync(), next.Close()))
	if length, _, err := fs.readNote(name + noteSuffix); length != 7 || err != nil {
		t.Errorf("after its sync the new one has a note of %d bytes, %v", length, err)
	}
	ok(t, fs.Remove(name))
	if left, err := mem.List(""); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

// failing is a file whose writes fail.
type failing struct{ vfs.File }

var errWrite = errors.New("test: the write failed")

func (failing) Write([]byte) (int, error) { return 0, errWrite }

// TestNoNoteAfterFailedWrite: of a manifest to which a write has failed nothing more is noted.
func TestNoNoteAfterFailedWrite(t *testing.T) {
	fs := manifests{vfs.NewMem()}
	file, err := fs.Create(manifestPrefix+"000001", vfs.WriteCategoryUnspecified)
	ok(t, err)
	m := file.(*manifest)
	m.File = failing{m.File}
	if _, err := m.Write([]byte("lost")); !errors.Is(err, errWrite) {
		t.Errorf("the write's error is %v", err)
	}
	ok(t, errors.Join(m.Sync(), m.Close()))
	if length, _, err := fs.readNote(manifestPrefix + "000001" + noteSuffix); length != 0 || err != nil {
		t.Errorf("%d bytes are noted, %v", length, err)
	}
}
