package sim

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Disk is a file system in memory that a power failure can strike at any operation. What survives is up to a seed alone, file by
// file and block by block, so that the same seed leaves the same bytes however many goroutines use the disk.
//
// What a failure may do:
//   - File data that was not synced survives in blocks of 4 KiB, each or not; a lost block that is followed by one that survived
//     reads as it did at the last sync, or as zeros.
//   - Names (files made, removed and renamed) that were not synced with their directory survive each or not. A rename is one
//     step. Nothing overtakes a marker file: the change of one survives only with all changes before it in its directory, as on
//     the file systems that people use; Pebble relies on it when it moves its marker to a new manifest.
//
// It is safe for use by many goroutines.
type Disk struct {
	mu     sync.Mutex
	root   *node
	locked map[string]bool
	free   uint64 // bytes that GetDiskUsage tells; 0 for plenty
	ops    OpCounts

	// OnOp, if set, is called before each operation that changes something, with no lock held. Its error is the operation's.
	OnOp func(op Op) error
	// DropSyncs makes syncs do nothing and succeed: a disk that lies. Only to show that checks can fail.
	DropSyncs bool
}

// OpCounts counts operations by kind.
type OpCounts map[OpKind]int

// OpKind is a kind of operation that changes something.
type OpKind string

// The kinds of operations.
const (
	OpCreate  OpKind = "create"
	OpRemove  OpKind = "remove"
	OpRename  OpKind = "rename"
	OpReuse   OpKind = "reuse"
	OpLink    OpKind = "link"
	OpMkdir   OpKind = "mkdir"
	OpWrite   OpKind = "write"
	OpSync    OpKind = "sync"
	OpSyncDir OpKind = "sync-dir"
)

// Op is an operation that is about to happen.
type Op struct {
	Kind  OpKind
	Path  string
	Bytes int // of a write; 0 of one to a log, which stands for all up to the next sync
}

// File is the kind of file that the operation is on: log, table, manifest, options, marker, lock, dir or other.
func (o Op) File() string { return fileKind(o.Path, o.Kind == OpMkdir || o.Kind == OpSyncDir) }

func fileKind(name string, dir bool) string {
	base := path.Base(name)
	switch {
	case dir:
		return "dir"
	case strings.HasSuffix(base, ".log"):
		return "log"
	case strings.HasSuffix(base, ".sst"), strings.HasSuffix(base, ".blob"):
		return "table"
	case strings.HasPrefix(base, "MANIFEST"):
		return "manifest"
	case strings.HasPrefix(base, "OPTIONS"), strings.HasPrefix(base, "temporary"):
		return "options"
	case strings.HasPrefix(base, "marker."):
		return "marker"
	case base == "LOCK":
		return "lock"
	}
	return "other"
}

func (o Op) String() string {
	if o.Kind == OpWrite && o.Bytes > 0 {
		return fmt.Sprintf("write %d to %s", o.Bytes, o.Path)
	}
	return fmt.Sprintf("%s %s", o.Kind, o.Path)
}

// NewDisk makes an empty disk.
func NewDisk() *Disk {
	return &Disk{root: newDir(), locked: map[string]bool{}, ops: OpCounts{}}
}

// Ops returns how many operations of each kind there have been.
func (d *Disk) Ops() OpCounts {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.ops)
}

// SetFree says how many bytes GetDiskUsage tells to be free; 0 is plenty.
func (d *Disk) SetFree(bytes uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.free = bytes
}

// before tells of an operation.
func (d *Disk) before(op Op) error {
	d.mu.Lock()
	d.ops[op.Kind]++
	d.mu.Unlock()
	if d.OnOp == nil {
		return nil
	}
	return d.OnOp(op)
}

// lookUp finds the directory of a name and what has the name there, or nil. The caller holds mu.
func (d *Disk) lookUp(name string) (dir *node, base string, found *node, err error) {
	name = path.Clean(name)
	dir = d.root
	if name == "." || name == "/" {
		return dir, ".", dir, nil
	}
	parts := strings.Split(strings.TrimPrefix(name, "/"), "/")
	for _, part := range parts[:len(parts)-1] {
		next := dir.names[part]
		if next == nil || !next.isDir {
			return nil, "", nil, &os.PathError{Op: "open", Path: name, Err: os.ErrNotExist}
		}
		dir = next
	}
	base = parts[len(parts)-1]
	return dir, base, dir.names[base], nil
}

// file finds what exists. The caller holds mu.
func (d *Disk) file(op, name string) (*node, error) {
	_, _, n, err := d.lookUp(name)
	if err == nil && n == nil {
		err = &os.PathError{Op: op, Path: name, Err: os.ErrNotExist}
	}
	return n, err
}

// Create implements vfs.FS.
func (d *Disk) Create(name string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	if err := d.before(Op{Kind: OpCreate, Path: name}); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	dir, base, _, err := d.lookUp(name)
	if err != nil {
		return nil, err
	}
	n := &node{}
	dir.change(nameChange{set: base, node: n})
	return &file{disk: d, node: n, path: name}, nil
}

// Link implements vfs.FS.
func (d *Disk) Link(oldName, newName string) error {
	if err := d.before(Op{Kind: OpLink, Path: newName}); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.file("link", oldName)
	if err != nil {
		return err
	}
	dir, base, taken, err := d.lookUp(newName)
	if err == nil && taken != nil {
		err = &os.LinkError{Op: "link", Old: oldName, New: newName, Err: os.ErrExist}
	}
	if err != nil {
		return err
	}
	dir.change(nameChange{set: base, node: n})
	return nil
}

// Open implements vfs.FS.
func (d *Disk) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.file("open", name)
	if err != nil {
		return nil, err
	}
	f := &file{disk: d, node: n, path: name, readOnly: true}
	for _, o := range opts {
		o.Apply(f)
	}
	return f, nil
}

// OpenReadWrite implements vfs.FS.
func (d *Disk) OpenReadWrite(name string, category vfs.DiskWriteCategory, _ ...vfs.OpenOption) (vfs.File, error) {
	d.mu.Lock()
	n, err := d.file("open", name)
	d.mu.Unlock()
	if err != nil {
		return d.Create(name, category)
	}
	return &file{disk: d, node: n, path: name}, nil
}

// OpenDir implements vfs.FS.
func (d *Disk) OpenDir(name string) (vfs.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.file("open", name)
	if err == nil && !n.isDir {
		err = &os.PathError{Op: "open", Path: name, Err: os.ErrInvalid}
	}
	if err != nil {
		return nil, err
	}
	return &file{disk: d, node: n, path: name}, nil
}

// Remove implements vfs.FS.
func (d *Disk) Remove(name string) error {
	if err := d.before(Op{Kind: OpRemove, Path: name}); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.file("remove", name)
	if err == nil && n.isDir && len(n.names) > 0 {
		err = &os.PathError{Op: "remove", Path: name, Err: os.ErrExist}
	}
	if err != nil {
		return err
	}
	dir, base, _, err := d.lookUp(name)
	if err == nil {
		dir.change(nameChange{clear: base})
	}
	return err
}

// RemoveAll implements vfs.FS. Directories are not walked into: what is below them goes with them.
func (d *Disk) RemoveAll(name string) error {
	if err := d.before(Op{Kind: OpRemove, Path: name}); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if dir, base, n, err := d.lookUp(name); err == nil && n != nil {
		dir.change(nameChange{clear: base})
	}
	return nil
}

// Rename implements vfs.FS, within one directory.
func (d *Disk) Rename(oldName, newName string) error {
	return d.rename(OpRename, oldName, newName)
}

func (d *Disk) rename(kind OpKind, oldName, newName string) error {
	if err := d.before(Op{Kind: kind, Path: newName}); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.file("rename", oldName)
	if err != nil {
		return err
	}
	from, oldBase, _, _ := d.lookUp(oldName)
	to, newBase, _, err := d.lookUp(newName)
	if err == nil && from != to {
		err = &os.LinkError{Op: "rename", Old: oldName, New: newName, Err: fmt.Errorf("another directory: %w", os.ErrInvalid)}
	}
	if err == nil {
		from.change(nameChange{clear: oldBase, set: newBase, node: n})
	}
	return err
}

// ReuseForWrite implements vfs.FS: the file keeps its old bytes until they are overwritten.
func (d *Disk) ReuseForWrite(oldName, newName string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if err := d.rename(OpReuse, oldName, newName); err != nil {
		return nil, err
	}
	return d.OpenReadWrite(newName, category)
}

// MkdirAll implements vfs.FS.
func (d *Disk) MkdirAll(name string, _ os.FileMode) error {
	name = path.Clean(name)
	if name == "." || name == "/" {
		return nil
	}
	if err := d.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	d.mu.Lock()
	_, _, n, err := d.lookUp(name)
	d.mu.Unlock()
	switch {
	case err != nil:
		return err
	case n != nil && !n.isDir:
		return &os.PathError{Op: "mkdir", Path: name, Err: os.ErrExist}
	case n != nil:
		return nil
	}
	if err := d.before(Op{Kind: OpMkdir, Path: name}); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	dir, base, _, err := d.lookUp(name)
	if err == nil {
		dir.change(nameChange{set: base, node: newDir()})
	}
	return err
}

// Lock implements vfs.FS. A lock is the process's: it does not survive a power failure.
func (d *Disk) Lock(name string) (io.Closer, error) {
	f, err := d.OpenReadWrite(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.locked[name] {
		return nil, &os.PathError{Op: "lock", Path: name, Err: os.ErrExist}
	}
	d.locked[name] = true
	return &heldLock{File: f, disk: d, name: name}, nil
}

type heldLock struct {
	vfs.File
	disk *Disk
	name string
}

func (l *heldLock) Close() error {
	l.disk.mu.Lock()
	defer l.disk.mu.Unlock()
	delete(l.disk.locked, l.name)
	return nil
}

// List implements vfs.FS. The names are sorted.
func (d *Disk) List(dir string) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.file("list", dir)
	if err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(n.names)), nil
}

// Stat implements vfs.FS.
func (d *Disk) Stat(name string) (vfs.FileInfo, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.file("stat", name)
	if err != nil {
		return nil, err
	}
	return info{name: path.Base(name), size: int64(len(n.data)), isDir: n.isDir}, nil
}

// GetDiskUsage implements vfs.FS.
func (d *Disk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	const total = 1 << 40
	free := d.free
	if free == 0 {
		free = total / 2
	}
	return vfs.DiskUsage{AvailBytes: free, TotalBytes: total, UsedBytes: total - free}, nil
}

// PathBase implements vfs.FS.
func (*Disk) PathBase(p string) string { return path.Base(p) }

// PathJoin implements vfs.FS.
func (*Disk) PathJoin(elem ...string) string { return path.Join(elem...) }

// PathDir implements vfs.FS.
func (*Disk) PathDir(p string) string { return path.Dir(p) }

// Unwrap implements vfs.FS.
func (*Disk) Unwrap() vfs.FS { return nil }

type info struct {
	name  string
	size  int64
	isDir bool
}

func (i info) Name() string           { return i.name }
func (i info) Size() int64            { return i.size }
func (i info) IsDir() bool            { return i.isDir }
func (i info) ModTime() time.Time     { return time.Time{} }
func (i info) Sys() any               { return nil }
func (i info) DeviceID() vfs.DeviceID { return vfs.DeviceID{} }
func (i info) Mode() os.FileMode {
	if i.isDir {
		return os.ModeDir | 0o755
	}
	return 0o644
}
