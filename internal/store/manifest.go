package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// errManifest: the list of the store's files is not as it was synced.
var errManifest = errors.New("the manifest is damaged")

// manifests is a file system that keeps a note beside each of Pebble's manifests, the lists of its files: how much of it was synced,
// and the hash of that. Pebble takes the first record that it cannot read for the end of a manifest, wherever it is, and would go on
// from an older list without an error. A note is written and synced after each sync of its manifest, so it is never ahead of it.
type manifests struct{ vfs.FS }

const (
	manifestPrefix = "MANIFEST-"
	noteSuffix     = ".synced"
	noteBytes      = 24 // the length, the hash of what is so long, and the hash of both
)

// isManifest reports whether a file is a manifest.
func (m manifests) isManifest(name string) bool {
	base := m.PathBase(name)
	return strings.HasPrefix(base, manifestPrefix) && !strings.HasSuffix(base, noteSuffix)
}

// Create makes a file, and if it is a manifest, its note. A note that is left of a manifest with the same name is emptied first.
func (m manifests) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if !m.isManifest(name) {
		return m.FS.Create(name, category)
	}
	note, err := m.FS.Create(name+noteSuffix, category)
	if err != nil {
		return nil, err
	}
	file, err := m.FS.Create(name, category)
	if err != nil {
		return nil, errors.Join(err, note.Close())
	}
	return &manifest{File: file, note: note, hash: xxhash.New()}, nil
}

// Remove removes a file, and the note of a manifest before it.
func (m manifests) Remove(name string) error {
	if m.isManifest(name) {
		if err := m.FS.Remove(name + noteSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return m.FS.Remove(name)
}

// Unwrap is for whoever needs the file system below.
func (m manifests) Unwrap() vfs.FS { return m.FS }

// check compares the manifest that Pebble is going to read with its note. Without a note, or with one that is torn, there is nothing
// to compare.
func (m manifests) check(before *pebble.DBDesc) error {
	if !before.Exists {
		return nil
	}
	length, hash, err := m.readNote(before.ManifestFilename + noteSuffix)
	if err != nil || length == 0 {
		return err
	}
	file, err := m.Open(before.ManifestFilename)
	if err != nil {
		return err
	}
	digest := xxhash.New()
	switch n, err := io.CopyN(digest, file, length); {
	case errors.Is(err, io.EOF):
		err = fmt.Errorf("%w: %s has %d of %d bytes that were synced", errManifest, m.PathBase(before.ManifestFilename), n, length)
		return errors.Join(err, file.Close())
	case err != nil:
		return errors.Join(err, file.Close())
	case digest.Sum64() != hash:
		err = fmt.Errorf("%w: %s has other bytes than were synced", errManifest, m.PathBase(before.ManifestFilename))
		return errors.Join(err, file.Close())
	}
	return file.Close()
}

// readNote reads a note; the length is 0 if there is none.
func (m manifests) readNote(name string) (length int64, hash uint64, err error) {
	file, err := m.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	var b [noteBytes]byte
	_, err = io.ReadFull(file, b[:])
	switch err = errors.Join(ignoreShort(err), file.Close()); {
	case err != nil:
		return 0, 0, err
	case binary.BigEndian.Uint64(b[16:]) != xxhash.Sum64(b[:16]):
		return 0, 0, nil
	}
	return int64(binary.BigEndian.Uint64(b[:])), binary.BigEndian.Uint64(b[8:]), nil
}

// ignoreShort is an error of a read, unless it is that the file is too short.
func ignoreShort(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// manifest is a manifest that is being written. Pebble uses it from one goroutine at a time, and syncs it by Sync only.
type manifest struct {
	vfs.File
	note   vfs.File
	length uint64
	hash   *xxhash.Digest
	torn   bool // a write failed
}

// Write may be left with a p that the file system below has used as scratch space, so the hash comes first. After a write that failed
// there are no more notes: nobody knows what is in the file.
func (m *manifest) Write(p []byte) (int, error) {
	_, _ = m.hash.Write(p) // a hash never fails
	m.length += uint64(len(p))
	n, err := m.File.Write(p)
	m.torn = m.torn || err != nil
	return n, err
}

// Sync syncs the manifest, and then its note.
func (m *manifest) Sync() error {
	if err := m.File.Sync(); err != nil || m.torn {
		return err
	}
	var b [noteBytes]byte
	binary.BigEndian.PutUint64(b[:], m.length)
	binary.BigEndian.PutUint64(b[8:], m.hash.Sum64())
	binary.BigEndian.PutUint64(b[16:], xxhash.Sum64(b[:16]))
	if _, err := m.note.WriteAt(b[:], 0); err != nil {
		return fmt.Errorf("store: note what is synced of the manifest: %w", err)
	}
	return m.note.Sync()
}

func (m *manifest) Close() error { return errors.Join(m.File.Close(), m.note.Close()) }
