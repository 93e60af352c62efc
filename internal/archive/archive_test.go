package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/concordat-dev/concordat/internal/store"
)

// files are those of a directory, by their names, but for its lock.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path == store.LockName {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, path))
		all[path] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func sent(t *testing.T, content map[string]string) []byte {
	t.Helper()
	dir := t.TempDir()
	for name, text := range content {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if err := Send(t.Context(), &out, dir); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestRoundTrip: what was sent is there, without the sender's lock, in a directory that is missing or empty.
func TestRoundTrip(t *testing.T) {
	want := map[string]string{"000001.sst": "table", "log/0001": string(make([]byte, 100_000)), "empty": "", "a/b/c": "x"}
	stream := sent(t, maps.Collect(func(yield func(string, string) bool) {
		for name, text := range want {
			yield(name, text)
		}
		yield(store.LockName, "")
	}))
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "new")} {
		if err := Receive(t.Context(), bytes.NewReader(stream), dir, ""); err != nil {
			t.Fatal(err)
		}
		if got := files(t, dir); !maps.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
}

// TestCut: of an archive that is cut short, wherever, nothing is left.
func TestCut(t *testing.T) {
	stream := sent(t, map[string]string{"a": "first", "log/1": string(make([]byte, 3000)), "z": "last"})
	whole := len(stream) - 2*512 // tar's own end is not looked for
	for cut := 0; cut < whole; cut += 97 {
		dir := filepath.Join(t.TempDir(), "data")
		if err := Receive(t.Context(), bytes.NewReader(stream[:cut]), dir, ""); !errors.Is(err, ErrArchive) {
			t.Errorf("cut at %d of %d: %v", cut, whole, err)
		}
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("cut at %d: %v is there", cut, files(t, dir))
		}
	}
}

// TestHostile: an archive writes nowhere but into its directory, and no links, locks or marks there.
func TestHostile(t *testing.T) {
	for _, h := range []tar.Header{
		{Name: "../outside", Typeflag: tar.TypeReg}, {Name: "/outside", Typeflag: tar.TypeReg}, {Name: "a/../../outside", Typeflag: tar.TypeReg},
		{Name: store.UnfinishedName, Typeflag: tar.TypeReg}, {Name: "./" + store.LockName, Typeflag: tar.TypeReg}, {Name: ".", Typeflag: tar.TypeDir},
		{Name: "link", Typeflag: tar.TypeSymlink, Linkname: "/etc"}, {Name: "link", Typeflag: tar.TypeLink, Linkname: "x"}, {Name: "pipe", Typeflag: tar.TypeFifo},
	} {
		var stream bytes.Buffer
		out := tar.NewWriter(&stream)
		if err := errors.Join(out.WriteHeader(&h), out.WriteHeader(&tar.Header{Name: end, Typeflag: tar.TypeReg}), out.Close()); err != nil {
			t.Fatal(err)
		}
		parent := t.TempDir()
		if err := Receive(t.Context(), &stream, filepath.Join(parent, "data"), ""); !errors.Is(err, ErrArchive) {
			t.Errorf("%+v: %v", h, err)
		}
		if left, err := os.ReadDir(parent); err != nil || len(left) > 0 {
			t.Errorf("%+v left %v, %v", h, left, err)
		}
	}
	if err := Receive(t.Context(), bytes.NewReader([]byte("no archive, but a text that is as long as a header of one has to be"+string(make([]byte, 1000)))), filepath.Join(t.TempDir(), "x"), ""); !errors.Is(err, ErrArchive) {
		t.Error(err)
	}
}

// TestTargets: a directory that has something in it stays as it is, and so does what is inside the original.
func TestTargets(t *testing.T) {
	stream := sent(t, map[string]string{"a": "b"})
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mine"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Receive(t.Context(), bytes.NewReader(stream), dir, ""); err == nil || len(files(t, dir)) != 1 {
		t.Errorf("%v, %v", err, files(t, dir))
	}
	if err := Receive(t.Context(), bytes.NewReader(stream), filepath.Join(dir, "below"), dir); err == nil || len(files(t, dir)) != 1 {
		t.Errorf("%v, %v", err, files(t, dir))
	}
}

// TestEnds: a context ends both, and what was received goes.
func TestEnds(t *testing.T) {
	stream := sent(t, map[string]string{"a": "b"})
	why := errors.New("no more")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	dir := filepath.Join(t.TempDir(), "data")
	if err := Receive(ctx, bytes.NewReader(stream), dir, ""); !errors.Is(err, why) {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Error("it is there", err)
	}
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "a"), []byte("b"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Send(ctx, &bytes.Buffer{}, full); !errors.Is(err, why) {
		t.Error(err)
	}
}
