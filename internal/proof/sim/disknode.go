package sim

import (
	"errors"
	"hash/fnv"
	"io"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// node is a file or a directory of a [Disk], as it is now and as a power failure would find it.
type node struct {
	isDir bool

	// Of a file. What differs between data and synced lies in data[dirtyFrom:dirtyTo].
	data, synced       []byte
	dirtyFrom, dirtyTo int

	// Of a directory.
	names, syncedNames map[string]*node
	changes            []nameChange // since the last sync, in order
}

// nameChange is one step in a directory: a name goes, or comes, or both at once in a rename.
type nameChange struct {
	clear, set string
	node       *node // of set
}

func (c nameChange) applyTo(names map[string]*node) {
	if c.clear != "" {
		delete(names, c.clear)
	}
	if c.set != "" {
		names[c.set] = c.node
	}
}

func (c nameChange) marker() bool {
	return strings.HasPrefix(c.set, "marker.") || strings.HasPrefix(c.clear, "marker.")
}

func newDir() *node {
	return &node{isDir: true, names: map[string]*node{}, syncedNames: map[string]*node{}}
}

func (n *node) change(c nameChange) {
	c.applyTo(n.names)
	n.changes = append(n.changes, c)
}

func (n *node) write(at int, p []byte) {
	end := at + len(p)
	if n.dirtyFrom == n.dirtyTo {
		n.dirtyFrom, n.dirtyTo = at, end
	} else {
		n.dirtyFrom, n.dirtyTo = min(n.dirtyFrom, at), max(n.dirtyTo, end)
	}
	if grow := end - len(n.data); grow > 0 {
		n.dirtyFrom = min(n.dirtyFrom, len(n.data))
		n.data = append(n.data, make([]byte, grow)...)
	}
	copy(n.data[at:], p)
}

func (n *node) sync() {
	if n.isDir {
		n.syncedNames = maps.Clone(n.names)
		n.changes = nil
		return
	}
	if grow := len(n.data) - len(n.synced); grow > 0 {
		n.synced = append(n.synced, n.data[len(n.synced):]...)
	}
	copy(n.synced[n.dirtyFrom:], n.data[n.dirtyFrom:n.dirtyTo])
	n.dirtyFrom, n.dirtyTo = 0, 0
}

// CrashClone returns what a power failure at this moment may leave: all that was synced, and of the rest about keep percent, as
// the seed says.
func (d *Disk) CrashClone(keep int, seed uint64) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := &crash{keep: keep, seed: seed, done: map[*node]*node{}}
	return &Disk{root: c.clone(d.root, ""), locked: map[string]bool{}, ops: OpCounts{}}
}

// Copy returns the disk as it is now, all of it synced.
func (d *Disk) Copy() *Disk { return d.CrashClone(100, 0) }

// crash makes one clone.
type crash struct {
	keep int
	seed uint64
	done map[*node]*node // a file may have two names
}

// coins is a sequence of decisions that depends on the seed and a name only.
func (c *crash) coins(name string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // never fails
	return rand.New(rand.NewPCG(c.seed, h.Sum64()))
}

func (c *crash) clone(n *node, name string) *node {
	if made := c.done[n]; made != nil {
		return made
	}
	made := &node{isDir: n.isDir}
	c.done[n] = made
	if !n.isDir {
		made.data = c.blocks(n, name)
		made.synced = slices.Clone(made.data)
		return made
	}
	made.names = maps.Clone(n.syncedNames)
	first := 0 // changes before it survive: a marker depends on them
	for i, change := range n.changes {
		if c.coins(path.Join(name, change.clear, "to", change.set)).IntN(100) >= c.keep {
			continue
		}
		if change.marker() {
			for _, before := range n.changes[first:i] {
				before.applyTo(made.names)
			}
			first = i + 1
		}
		change.applyTo(made.names)
	}
	for base, child := range made.names {
		made.names[base] = c.clone(child, path.Join(name, base))
	}
	made.syncedNames = maps.Clone(made.names)
	return made
}

const blockSize = 4096

// blocks is what is left of a file.
func (c *crash) blocks(n *node, name string) []byte {
	left := slices.Clone(n.synced)
	if n.dirtyFrom == n.dirtyTo {
		return left
	}
	coins := c.coins(name)
	for at := n.dirtyFrom / blockSize * blockSize; at < n.dirtyTo; at += blockSize {
		if coins.IntN(100) >= c.keep {
			continue
		}
		end := min(at+blockSize, len(n.data))
		if grow := end - len(left); grow > 0 {
			left = append(left, make([]byte, grow)...)
		}
		copy(left[at:end], n.data[at:end])
	}
	return left
}

// Files lists the files, with their directories, in order.
func (d *Disk) Files() (names []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.root.walk("", func(name string, _ *node) { names = append(names, name) })
	return names
}

func (n *node) walk(name string, visit func(name string, n *node)) {
	if !n.isDir {
		visit(name, n)
		return
	}
	for _, base := range slices.Sorted(maps.Keys(n.names)) {
		n.names[base].walk(path.Join(name, base), visit)
	}
}

// Damage replaces the bytes of a file by what edit makes of a copy of them, as a failing medium does: without an operation.
func (d *Disk) Damage(name string, edit func(data []byte) []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.file("damage", name)
	if err != nil {
		return err
	}
	n.data = edit(slices.Clone(n.data))
	n.synced, n.dirtyFrom, n.dirtyTo = slices.Clone(n.data), 0, 0
	return nil
}

// Size returns the size of a file in bytes, 0 if there is none.
func (d *Disk) Size(name string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.file("size", name)
	if err != nil {
		return 0
	}
	return len(n.data)
}

// file is an open file or directory. Its methods implement vfs.File.
type file struct {
	disk     *Disk
	node     *node
	path     string
	at       int
	readOnly bool
}

func (f *file) Close() error { return nil }

func (f *file) Read(p []byte) (int, error) {
	n, err := f.ReadAt(p, int64(f.at))
	f.at += n
	if n > 0 {
		err = nil
	}
	return n, err
}

func (f *file) ReadAt(p []byte, at int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if at >= int64(len(f.node.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.node.data[at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *file) Write(p []byte) (int, error) {
	n, err := f.WriteAt(p, int64(f.at))
	f.at += n
	return n, err
}

func (f *file) WriteAt(p []byte, at int64) (int, error) {
	if f.readOnly || f.node.isDir {
		return 0, errors.New("sim: write to a file that is open for reading")
	}
	if !f.goesOn() {
		if err := f.disk.before(Op{Kind: OpWrite, Path: f.path, Bytes: f.bytes(p)}); err != nil {
			return 0, err
		}
	}
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	f.node.write(int(at), p)
	return len(p), nil
}

// isLog reports whether the file is a log. A goroutine of Pebble's own writes it, a record in one piece or two as it happens, so
// all writes to it up to a sync are one operation, of no particular size.
func (f *file) isLog() bool { return fileKind(f.path, false) == "log" }

// goesOn reports whether a write belongs to the operation that an earlier one began.
func (f *file) goesOn() bool {
	if !f.isLog() {
		return false
	}
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return f.node.dirtyFrom != f.node.dirtyTo
}

// bytes is the size of a write as it is told.
func (f *file) bytes(p []byte) int {
	if f.isLog() {
		return 0
	}
	return len(p)
}

func (f *file) Preallocate(_, _ int64) error { return nil }

func (f *file) Stat() (vfs.FileInfo, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return info{name: path.Base(f.path), size: int64(len(f.node.data)), isDir: f.node.isDir}, nil
}

func (f *file) Sync() error {
	kind := OpSync
	if f.node.isDir {
		kind = OpSyncDir
	}
	if err := f.disk.before(Op{Kind: kind, Path: f.path}); err != nil {
		return err
	}
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if !f.disk.DropSyncs {
		f.node.sync()
	}
	return nil
}

// SyncTo promises nothing, which is all that it has to.
func (f *file) SyncTo(int64) (fullSync bool, err error) { return false, nil }

func (f *file) SyncData() error { return f.Sync() }

func (f *file) Prefetch(_, _ int64) error { return nil }

func (f *file) Fd() uintptr { return vfs.InvalidFd }
