package chaos

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
)

// More of it: go test ./internal/proof/chaos -run TestKills -chaos.kills 500, or go run ./cmd/prove chaos --kills 500.
var kills = flag.Int("chaos.kills", 12, "how often TestKills kills its child")

const childDir = "CONCORDAT_TEST_CHAOS_DIR"

func TestMain(m *testing.M) {
	dir := os.Getenv(childDir)
	if dir == "" {
		os.Exit(m.Run())
	}
	if err := Serve(ChildOptions(dir), os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// thisTest is a child that is this test's program.
func thisTest(dir string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	return cmd
}

func check(t *testing.T, o Options) *Result {
	t.Helper()
	result, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, report := range result.Reports {
		if err := report.WriteText(&text); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%+v\n%s", result.Counts, text.String())
	if !result.OK() {
		t.Errorf("something is wrong: %s\n%s", strings.Join(result.Changed, "\n"), text.String())
	}
	return result
}

// TestKills: an engine is killed, stopped and restarted under load, and everything that clients saw has an explanation.
func TestKills(t *testing.T) {
	result := check(t, Options{Dir: t.TempDir(), Child: thisTest, Kills: *kills, Seed: 1})
	if result.Kills != *kills || result.GivenUp == 0 || result.Stops+result.Restarts == 0 {
		t.Errorf("it tested too little: %+v", result.Counts)
	}
}

// smallDisk mounts a file system of its own, of so many MiB.
func smallDisk(t *testing.T, mib int) string {
	t.Helper()
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, fmt.Sprintf("size=%dm", mib)); errors.Is(err, syscall.EPERM) {
		t.Skip("a file system of its own needs the right to mount one")
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	})
	return disk
}

// TestFullDisk: an engine whose disk is full refuses requests, and goes on when there is room.
func TestFullDisk(t *testing.T) {
	check(t, Options{Dir: t.TempDir(), Child: thisTest, Kills: 3, Fills: 3, Disk: smallDisk(t, 256), Seed: 2})
}

// TestFullDiskOnly: where a disk is to be filled up, nobody is killed unless that was asked for, too.
func TestFullDiskOnly(t *testing.T) {
	disk := smallDisk(t, 256)
	result := check(t, Options{Dir: t.TempDir(), Child: thisTest, Fills: 1, Disk: disk, Seed: 3})
	if result.Kills != 0 || result.Fills != 1 {
		t.Errorf("%+v", result.Counts)
	}
	if left, err := filepath.Glob(filepath.Join(disk, "ballast*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestOtherDisksAreNotFilled: only a small file system of its own, with nothing on it, is filled up. Nothing is written anywhere else.
func TestOtherDisksAreNotFilled(t *testing.T) {
	disk, dir := smallDisk(t, 1), t.TempDir()
	below, link := filepath.Join(disk, "below"), filepath.Join(t.TempDir(), "link")
	if err := errors.Join(CheckDisk(disk, dir), os.Symlink(disk, link), CheckDisk(link, dir), os.Mkdir(below, 0o755)); err != nil {
		t.Fatal(err)
	}
	large := smallDisk(t, 5<<10)
	for path, want := range map[string]string{
		disk: "is not empty", below: "not where a file system is mounted", dir: "not where a file system is mounted", "/": "not where",
		"/nowhere/at/all": "no such file", os.DevNull: "not a directory", large: "5120 MiB, more than 4096",
	} {
		o := Options{Dir: dir, Child: thisTest, Fills: 1, Disk: path}
		if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	if err := CheckDisk(large, large); err == nil || !strings.Contains(err.Error(), "would find no room") {
		t.Errorf("histories on the disk: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestFillIsInterrupted: a fill ends with its context, and its space is free again.
func TestFillIsInterrupted(t *testing.T) {
	disk := smallDisk(t, 64)
	free := func() uint64 {
		var s syscall.Statfs_t
		if err := syscall.Statfs(disk, &s); err != nil {
			t.Fatal(err)
		}
		return s.Bavail * uint64(s.Bsize)
	}
	before := free()
	ctx, cancel := context.WithCancel(t.Context())
	for _, ended := range []bool{false, true} {
		if ended {
			cancel()
		}
		ballast, err := fillUp(ctx, disk)
		if err != nil {
			t.Fatal(err)
		}
		if full := free() < leaveBytes; full == ended {
			t.Errorf("ended %v: %d bytes are free", ended, free())
		}
		if left, err := os.ReadDir(disk); err != nil || len(left) > 0 {
			t.Errorf("what a process that dies now leaves: %v, %v", left, err)
		}
		if err := ballast.Close(); err != nil || free() != before {
			t.Errorf("%d bytes are free, of %d before; %v", free(), before, err)
		}
	}
	cancel()
}

// TestBrokenChild: a child that ends by itself is an error that says what it said, and so is one that cannot be started.
func TestBrokenChild(t *testing.T) {
	_, err := Run(t.Context(), Options{Dir: t.TempDir(), Child: func(dir string) *exec.Cmd {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "CURRENT"), []byte("nonsense\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return thisTest(dir)
	}})
	if err == nil || !strings.Contains(err.Error(), "the child ended by itself") {
		t.Errorf("a damaged directory: %v", err)
	}
	_, err = Run(t.Context(), Options{Dir: t.TempDir(), Child: func(string) *exec.Cmd { return exec.Command("/nowhere/prove") }})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no program: %v", err)
	}
}

// TestValidate: options that make no sense are errors before anything is started.
func TestValidate(t *testing.T) {
	child := func(string) *exec.Cmd { t.Error("a child was started"); return nil }
	for name, o := range map[string]Options{
		"no directory":            {Child: child},
		"no child":                {Dir: "x"},
		"negative":                {Dir: "x", Child: child, Kills: -1},
		"full without small disk": {Dir: "x", Child: child, Fills: 1},
	} {
		if _, err := Run(t.Context(), o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestErrorsCrossTheWire: the engine's errors and users' failures are found again by errors.Is, with their texts.
func TestErrorsCrossTheWire(t *testing.T) {
	const errMine functions.Failure = "test: mine"
	for _, err := range []error{
		fmt.Errorf("%w: too many", engine.ErrOverloaded), fmt.Errorf("%w: why", errMine),
		fmt.Errorf("%w: %w", engine.ErrUnknown, errMine),
	} {
		var a answer
		a.encodeError(err)
		far := a.err()
		for _, target := range append([]error{errMine}, engineErrors...) {
			if errors.Is(err, target) != errors.Is(far, target) {
				t.Errorf("%v: errors.Is(%v) is %v on the far side", err, target, errors.Is(far, target))
			}
		}
		if far.Error() != err.Error() {
			t.Errorf("the text is %q, want %q", far, err)
		}
	}
	var none answer
	none.encodeError(nil)
	if none.err() != nil {
		t.Errorf("no error became %v", none.err())
	}
}
