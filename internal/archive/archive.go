// Package archive carries a directory of an engine's data as one stream, a tar archive: [Send] writes one, and [Receive] makes a directory
// of it that opens only once it is whole.
package archive

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/concordat-dev/concordat/internal/store"
)

// ErrArchive: a stream is no archive of this package, or not all of one.
var ErrArchive = errors.New("archive: it is no backup, or not all of one")

// end is the name of the last entry, which is empty: an archive without it was cut short.
const end = "END"

// Send writes all that is in a directory, which nobody changes meanwhile, but for its lock. Errors are those of reading and writing, and
// the cause of ctx, which ends it between two portions of a file.
func Send(ctx context.Context, w io.Writer, dir string) error {
	out := tar.NewWriter(w)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir || path == filepath.Join(dir, store.LockName) {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		return send(ctx, out, path, filepath.ToSlash(name), d)
	})
	if err != nil {
		return fmt.Errorf("archive: send %s: %w", dir, err)
	}
	return errors.Join(out.WriteHeader(&tar.Header{Name: end, Typeflag: tar.TypeReg, Mode: fileMode}), out.Close())
}

// The modes of what is received.
const (
	fileMode = 0o644
	dirMode  = 0o755
)

func send(ctx context.Context, out *tar.Writer, path, name string, d fs.DirEntry) error {
	if d.IsDir() {
		return out.WriteHeader(&tar.Header{Name: name + "/", Typeflag: tar.TypeDir, Mode: dirMode})
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if err := out.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: fileMode, Size: info.Size()}); err != nil {
		return err
	}
	return copyBytes(ctx, out, file)
}

// copyBytes copies until the end, or until the context is over.
func copyBytes(ctx context.Context, to io.Writer, from io.Reader) error {
	_, err := io.Copy(struct{ io.Writer }{to}, reading{ctx, from})
	return err
}

// reading is a reader that ends with a context.
type reading struct {
	ctx context.Context
	io.Reader
}

// Read implements io.Reader.
func (r reading) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.Reader.Read(p)
}

// Receive makes a directory of an archive. The directory must be missing or empty, and is marked as unfinished until all of it is durable, so
// that nothing opens a part of it. of is a directory that it must not be in; "" is none. After an error what was written is removed. Errors:
// [ErrArchive], those of reading and writing, and the cause of ctx.
func Receive(ctx context.Context, r io.Reader, dir, of string) (err error) {
	target, err := store.NewTargetOnDisk(dir, of)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, target.Remove())
		}
	}()
	dirs := []string{}
	for in := tar.NewReader(reading{ctx, r}); ; {
		h, err := in.Next()
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF):
			return fmt.Errorf("%w: it ends early", ErrArchive)
		case errors.Is(err, tar.ErrHeader):
			return fmt.Errorf("%w: %w", ErrArchive, err)
		case err != nil:
			return fmt.Errorf("archive: %w", err)
		case h.Name == end:
			return finish(target, dirs)
		case !acceptable(h):
			return fmt.Errorf("%w: it has %.200q", ErrArchive, h.Name)
		}
		path := filepath.Join(target.Dir, filepath.FromSlash(h.Name))
		if h.Typeflag == tar.TypeDir {
			dirs = append(dirs, path)
			if err := os.Mkdir(path, dirMode); err != nil {
				return fmt.Errorf("archive: %w", err)
			}
			continue
		}
		if err := receive(ctx, path, in); err != nil {
			return err
		}
	}
}

// acceptable reports whether an entry is a file or a directory below the target, and none that the target has a meaning for.
func acceptable(h *tar.Header) bool {
	name := filepath.FromSlash(h.Name)
	isOwn := slices.Contains([]string{".", store.LockName, store.UnfinishedName}, filepath.Clean(name))
	return (h.Typeflag == tar.TypeReg || h.Typeflag == tar.TypeDir) && filepath.IsLocal(name) && !isOwn
}

// receive writes a file that is not there yet, durably.
func receive(ctx context.Context, path string, in io.Reader) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	err = copyBytes(ctx, file, in)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("%w: it ends early", ErrArchive)
	}
	return errors.Join(err, file.Sync(), file.Close())
}

// finish makes the directories durable, and ends the target.
func finish(target *store.Target, dirs []string) error {
	for _, path := range dirs {
		dir, err := os.Open(path)
		if err != nil {
			return fmt.Errorf("archive: %w", err)
		}
		if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
			return fmt.Errorf("archive: sync %s: %w", path, err)
		}
	}
	return target.Finish()
}
