package sim

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// writeDisk writes a file, syncs it if told to, and closes it.
func writeDisk(t *testing.T, d *Disk, name string, data []byte, sync bool) {
	t.Helper()
	f, err := d.Create(name, vfs.WriteCategoryUnspecified)
	must(t, err)
	_, err = f.Write(data)
	must(t, err)
	if sync {
		must(t, f.Sync())
	}
	must(t, f.Close())
}

func syncDir(t *testing.T, d *Disk, name string) {
	t.Helper()
	f, err := d.OpenDir(name)
	must(t, err)
	must(t, f.Sync())
}

func readDisk(t *testing.T, d *Disk, name string) []byte {
	t.Helper()
	f, err := d.Open(name)
	must(t, err)
	data := make([]byte, d.Size(name))
	_, err = f.ReadAt(data, 0)
	must(t, err)
	return data
}

// TestCrashKeepsWhatIsSynced: data and names that were synced survive whatever is kept; without a sync of the directory a synced file
// has no name; and nothing survives that was never written.
func TestCrashKeepsWhatIsSynced(t *testing.T) {
	for seed := range uint64(50) {
		d := NewDisk()
		must(t, d.MkdirAll("a/b", 0o755))
		for _, dir := range []string{"a", "."} {
			syncDir(t, d, dir)
		}
		writeDisk(t, d, "a/b/synced", bytes.Repeat([]byte("s"), 10_000), true)
		syncDir(t, d, "a/b")
		writeDisk(t, d, "a/b/nameless", []byte("x"), true)
		f, err := d.OpenReadWrite("a/b/synced", vfs.WriteCategoryUnspecified)
		must(t, err)
		_, err = f.WriteAt(bytes.Repeat([]byte("n"), 10_000), 5_000)
		must(t, err)
		none := d.CrashClone(0, seed)
		if got := none.Files(); !slices.Equal(got, []string{"a/b/synced"}) {
			t.Fatalf("of what is synced, %v is left", got)
		}
		if got := readDisk(t, none, "a/b/synced"); !bytes.Equal(got, bytes.Repeat([]byte("s"), 10_000)) {
			t.Fatalf("synced data is %.20q", got)
		}
		half := readDisk(t, d.CrashClone(50, seed), "a/b/synced")
		if !bytes.Equal(half[:4096], bytes.Repeat([]byte("s"), 4096)) {
			t.Fatal("bytes changed that nobody wrote")
		}
		all := d.CrashClone(100, seed)
		if got := readDisk(t, all, "a/b/synced"); !bytes.Equal(got, readDisk(t, d, "a/b/synced")) || len(all.Files()) != 2 {
			t.Fatal("a process that is killed loses something")
		}
	}
}

// TestCrashDependsOnItsSeedOnly: the same seed leaves the same, another one something else, and 50 % is about half.
func TestCrashDependsOnItsSeedOnly(t *testing.T) {
	d := NewDisk()
	writeDisk(t, d, "f", nil, true)
	syncDir(t, d, ".")
	f, err := d.OpenReadWrite("f", vfs.WriteCategoryUnspecified)
	must(t, err)
	_, err = f.Write(bytes.Repeat([]byte{1}, 400*blockSize))
	must(t, err)
	first, again, other := readDisk(t, d.CrashClone(50, 7), "f"), readDisk(t, d.CrashClone(50, 7), "f"), readDisk(t, d.CrashClone(50, 8), "f")
	if !bytes.Equal(first, again) || bytes.Equal(first, other) {
		t.Error("the same seed leaves something else, or another seed the same")
	}
	if kept := bytes.Count(first, []byte{1}) / blockSize; kept < 150 || kept > 250 {
		t.Errorf("%d of 400 blocks are kept, of 50%%", kept)
	}
}

// TestRenamesAreWhole: after a crash there is the old name or the new one, never both or none; and a marker does not overtake the
// file that it points to.
func TestRenamesAreWhole(t *testing.T) {
	old, renamed, marked := 0, 0, 0
	for seed := range uint64(200) {
		d := NewDisk()
		writeDisk(t, d, "old", []byte("x"), true)
		syncDir(t, d, ".")
		must(t, d.Rename("old", "new"))
		writeDisk(t, d, "MANIFEST-2", []byte("m"), true)
		writeDisk(t, d, "marker.2", nil, true)
		files := d.CrashClone(50, seed).Files()
		switch {
		case slices.Contains(files, "old") == slices.Contains(files, "new"):
			t.Fatalf("after a rename there are %v", files)
		case slices.Contains(files, "old"):
			old++
		default:
			renamed++
		}
		if slices.Contains(files, "marker.2") {
			marked++
			if !slices.Contains(files, "MANIFEST-2") || slices.Contains(files, "old") {
				t.Fatalf("the marker overtook: %v", files)
			}
		}
	}
	if old == 0 || renamed == 0 || marked == 0 {
		t.Errorf("%d old, %d renamed, %d marked: one never happened", old, renamed, marked)
	}
}

// TestReusedFileKeepsOldBytes: a recycled file reads as before behind what was overwritten, and its operations are seen.
func TestReusedFileKeepsOldBytes(t *testing.T) {
	d := NewDisk()
	writeDisk(t, d, "1.log", []byte("old bytes"), true)
	syncDir(t, d, ".")
	f, err := d.ReuseForWrite("1.log", "2.log", vfs.WriteCategoryUnspecified)
	must(t, err)
	var ops []Op
	d.OnOp = func(op Op) error { ops = append(ops, op); return nil }
	_, err = f.Write([]byte("new"))
	must(t, err)
	must(t, f.Sync())
	if got := readDisk(t, d, "2.log"); string(got) != "new bytes" {
		t.Errorf("the recycled file reads %q", got)
	}
	if len(ops) != 2 || ops[0].File() != "log" || ops[0].Kind != OpWrite || ops[1].Kind != OpSync {
		t.Errorf("operations on a recycled file: %v", ops)
	}
}

func TestDiskErrors(t *testing.T) {
	d := NewDisk()
	_, err := d.Open("none")
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("opening what is not there: %v", err)
	}
	if _, err := d.Create("no/dir", ""); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file in no directory: %v", err)
	}
	if err := d.Remove("none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("removing what is not there: %v", err)
	}
	lock, err := d.Lock("LOCK")
	must(t, err)
	if _, err := d.Lock("LOCK"); err == nil {
		t.Error("a lock is taken twice")
	}
	if _, err := d.CrashClone(0, 1).Lock("LOCK"); err != nil {
		t.Errorf("a lock survives a power failure: %v", err)
	}
	must(t, lock.Close())
	if _, err := d.Lock("LOCK"); err != nil {
		t.Error(err)
	}
	writeDisk(t, d, "f", []byte("1"), false)
	d.OnOp = func(Op) error { return errInjected }
	f, err := d.OpenReadWrite("f", "")
	must(t, err)
	if _, err := f.Write([]byte("2")); !errors.Is(err, errInjected) {
		t.Errorf("a write that is to fail: %v", err)
	}
	if err := f.Sync(); !errors.Is(err, errInjected) || string(readDisk(t, d, "f")) != "1" {
		t.Errorf("a sync that is to fail: %v; and the failed write has changed the file to %q", err, readDisk(t, d, "f"))
	}
	d.OnOp, d.DropSyncs = nil, true
	must(t, f.Sync())
	syncDir(t, d, ".")
	if files := d.CrashClone(0, 1).Files(); len(files) != 0 {
		t.Errorf("a disk that drops syncs keeps %v", files)
	}
}
