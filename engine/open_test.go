package engine_test

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/routines"
	"github.com/concordat-dev/concordat/internal/machine/sagas"
	"github.com/concordat-dev/concordat/internal/seams"
	"github.com/concordat-dev/concordat/internal/values"
	"github.com/concordat-dev/concordat/saga"
)

// doors counts how often an egress was opened, by Position, and closed.
type doors struct {
	opened, closed int
	position       func() (uint64, error)
}

func (d *doors) Position() (uint64, error) {
	d.opened++
	if d.position != nil {
		return d.position()
	}
	return 0, nil
}

func (*doors) Write(context.Context, []engine.Record) error { return nil }
func (d *doors) Close() error                               { d.closed++; return nil }

// TestFailedOpenClosesEgresses: whatever Open fails for after an egress was asked for its position, each that was asked is closed
// once, the others not at all; the error names the egress, and the directory is free.
func TestFailedOpenClosesEgresses(t *testing.T) {
	away := errors.New("test: away")
	dir := t.TempDir()
	e := openBells(t, engine.Options{Dir: dir})
	must(t, e.Do(ctx, set.On("b", []alarm{{1, time.Hour}})))
	must(t, e.Close())
	for name, c := range map[string]struct {
		position func() (uint64, error)
		words    []string
		asked    bool // c too
	}{
		"error":     {func() (uint64, error) { return 0, away }, []string{`egress "b"`, "test: away"}, false},
		"panic":     {func() (uint64, error) { panic("test: boom") }, []string{`egress "b"`, "test: boom"}, false},
		"goexit":    {func() (uint64, error) { runtime.Goexit(); return 0, nil }, []string{`egress "b"`, "Goexit"}, false},
		"too large": {func() (uint64, error) { return 9, nil }, []string{`egress "b"`, "record 9"}, false},
		"parts":     {nil, []string{"timer of test/bell/b", "test/note", "jot"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			a, b, c2 := new(doors), &doors{position: c.position}, new(doors)
			o := engine.Options{Dir: dir, Logger: new(logLines).logger(), Egresses: map[string]engine.Egress{"a": a, "b": b, "c": c2}}
			refuses(t, o, nil, []functions.Part{bells}, c.words...)
			if a.opened != 1 || a.closed != 1 || b.opened != 1 || b.closed != 1 || (c2.opened == 1) != c.asked || c2.closed != c2.opened {
				t.Errorf("opened and closed are %d %d, %d %d, %d %d", a.opened, a.closed, b.opened, b.closed, c2.opened, c2.closed)
			}
			must(t, open(t, engine.Options{Dir: dir}, bells, notes).Close())
		})
	}
}

// TestNilEnds: an egress or an ingress that nobody has set is an error that names it.
func TestNilEnds(t *testing.T) {
	var none *doors
	for name, to := range map[string]engine.Egress{
		"nil": nil, "nil-pointer": none, "nil-callback": engine.Callback(nil), "nil-channel": engine.Channel(nil),
	} {
		o := engine.Options{Dir: t.TempDir(), Egresses: map[string]engine.Egress{"ok": new(doors), name: to}}
		refuses(t, o, nil, nil, `egress "`+name+`"`)
		must(t, open(t, engine.Options{Dir: o.Dir}).Close())
	}
	var tape *tape
	for name, from := range map[string]engine.Ingress{
		"nil": nil, "nil-pointer": tape, "nil-function": ingressFunc(nil),
	} {
		refuses(t, engine.Options{Dir: t.TempDir(), Ingresses: map[string]engine.Ingress{name: from}}, nil, nil, `ingress "`+name+`"`)
	}
}

// particular is an egress and an ingress that says what is wrong with it.
type particular struct {
	doors
	tape
}

func (p *particular) Validate() error { return errRude }

// TestEndsAreValidated: an egress, an ingress or a source that knows what is wrong with it is asked before anything is opened.
func TestEndsAreValidated(t *testing.T) {
	p := new(particular)
	refuses(t, engine.Options{Dir: t.TempDir(), Egresses: map[string]engine.Egress{"out": p}}, errRude, nil, `egress "out"`)
	refuses(t, engine.Options{Dir: t.TempDir(), Ingresses: map[string]engine.Ingress{"in": p}}, errRude, nil, `ingress "in"`)
	if p.opened > 0 {
		t.Error("it was opened")
	}
}

// TestEndsHaveOneName: what is one egress or ingress cannot be opened and closed under two names.
func TestEndsHaveOneName(t *testing.T) {
	to, from := new(doors), new(tape)
	refuses(t, engine.Options{Dir: t.TempDir(), Egresses: map[string]engine.Egress{"a": to, "b": to}}, nil, nil, `egress "b" is the same as egress "a"`)
	refuses(t, engine.Options{Dir: t.TempDir(), Ingresses: map[string]engine.Ingress{"a": from, "b": from}}, nil, nil, `ingress "b" is the same as ingress "a"`)
	if to.opened > 0 {
		t.Error("it was opened")
	}
}

// TestMemTableBytes: a memtable that Pebble cannot take is refused with the bound, and the directory stays free.
func TestMemTableBytes(t *testing.T) {
	for _, bytes := range []int64{-1, 1, 4<<10 - 1, 1 << 31} {
		o := engine.Options{Dir: t.TempDir(), MemTableBytes: bytes}
		refuses(t, o, nil, nil, "Options.MemTableBytes", "4096")
		must(t, open(t, engine.Options{Dir: o.Dir}).Close())
	}
	must(t, open(t, engine.Options{MemTableBytes: 4 << 10}).Close())
}

// TestLargestOptions: the largest number that a bound can have bounds nothing, and breaks nothing.
func TestLargestOptions(t *testing.T) {
	e := open(t, engine.Options{
		MaxAttempts: math.MaxInt, MaxUndoTries: math.MaxInt, MaxInFlight: math.MaxInt, CacheBytes: math.MaxInt64, KeepOutcomes: math.MaxInt64,
		MaxTimers: math.MaxInt, MaxDrain: math.MaxInt64,
	}, notes, jotTx)
	must(t, e.Do(ctx, newNote.On("n", 0)))
	must(t, e.Do(ctx, jotTx.With("n").As("1")))
	must(t, e.Do(ctx, jotTx.With("n").As("1")))
	if got := ask(t, e, lines.On("n")); len(got) != 1 {
		t.Errorf("the note has %v", got)
	}
	_, err := e.Sagas(ctx)
	must(t, err)
}

// TestLowerMaxBytes: a message, a timer and a saga whose arguments are larger than a smaller bound were accepted, and go on.
func TestLowerMaxBytes(t *testing.T) {
	clock := newHandClock()
	o := engine.Options{Dir: t.TempDir(), Seams: seams.Set{Clock: clock}}
	long := strings.Repeat("x", 2000)
	later := functions.Create(stickers, "later", func(ctx *functions.Ctx, _ *string, text string) error {
		ctx.SendAfter(time.Hour, stick.On("s", text))
		return nil
	})
	sticking := saga.New("test/sticking", func(s *saga.Run, text string) error {
		if err := s.Do(stick.On("u", text), stick.On("u", text[4:])); err != nil {
			return err
		}
		if err := s.Sleep(time.Hour); err != nil {
			return err
		}
		return errRude
	})
	e := open(t, o, stickers, sticking)
	must(t, e.Do(ctx, newSticker.On("s", "")))
	must(t, e.Do(ctx, newSticker.On("u", "")))
	_, err := e.Submit(sticking.With(long))
	must(t, err)
	eventually(t, "the saga sleeps", func() bool { return ask(t, e, stuckLength.On("u")) == len(long) })
	must(t, e.Do(ctx, later.On("t", long)))
	o.MaxBytes = 1000
	e = reopen(t, e, o, stickers, sticking)
	clock.move(2 * time.Hour)
	wantErr(t, e.Do(ctx, stick.On("s", long)), functions.ErrTooLarge, "1000")
	eventually(t, "the timer fires", func() bool { return ask(t, e, stuckLength.On("s")) == len(long) })
	eventually(t, "the saga is undone", func() bool { return ask(t, e, stuckLength.On("u")) == len(long)-4 })
	noSagas(t, e)
}

// TestLowerMaxBytesOfAStep: nor does a step fail that was on its way when the process ended.
func TestLowerMaxBytesOfAStep(t *testing.T) {
	long := strings.Repeat("x", 2000)
	sticking := saga.New("test/sticking", func(s *saga.Run, _ bool) error { return s.Do(stick.On("u", long), stick.On("u", "")) })
	o := engine.Options{Dir: t.TempDir(), Shards: 8}
	e := open(t, o, stickers, sticking)
	must(t, e.Do(ctx, newSticker.On("u", "")))
	must(t, e.Close())
	journal := sagas.Journal{Entries: []sagas.Entry{{Step: routines.Step{Call: stick.On("u", long).Envelope(), Undo: stick.On("u", "").Envelope(), HasUndo: true}}}}
	stored, err := journal.Marshal()
	must(t, err)
	input, err := values.Encode(true)
	must(t, err)
	run := format.NumberedKey(nil, format.RequestShard("id", 8), format.KindCoordinator, firstLeft)
	leave(t, o.Dir, map[string]any{string(run): format.Run{Function: "test/sticking", Input: input, RequestID: "id", Journal: stored}})
	o.MaxBytes = 1000
	e = open(t, o, stickers, sticking)
	must(t, e.Do(ctx, sticking.As("id", true)))
	if n := ask(t, e, stuckLength.On("u")); n != len(long) {
		t.Errorf("the step has left %d bytes, want %d", n, len(long))
	}
	wantErr(t, e.Do(ctx, sticking.With(true)), functions.ErrTooLarge, "1000") // the step of a new one does
}

var (
	stickers    = functions.NewType[string]("test/sticker")
	newSticker  = functions.Create(stickers, "new", func(_ *functions.Ctx, s *string, text string) error { *s = text; return nil })
	stick       = functions.Update(stickers, "stick", func(_ *functions.Ctx, s *string, text string) error { *s = text[:len(text)/4]; return nil })
	stuckLength = functions.View(stickers, "length", func(_ *functions.Ctx, s string) (int, error) { return 4 * len(s), nil })
)

// TestErrorsOfDirectories: what users decide on is told apart. For those who are not root: nobody is kept out by permissions otherwise.
func TestErrorsOfDirectories(t *testing.T) {
	const env = "CONCORDAT_TEST_DIR"
	if dir := os.Getenv(env); dir != "" { // the other user
		_, err := engine.Open(engine.Options{Dir: dir, ReserveBytes: -1}, notes)
		if !errors.Is(err, fs.ErrPermission) || errors.Is(err, engine.ErrInUse) {
			t.Fatalf("opening %s gives %v", dir, err)
		}
		return
	}
	dir := t.TempDir()
	e := open(t, engine.Options{Dir: dir}, notes)
	refuses(t, engine.Options{Dir: dir}, engine.ErrInUse, nil, dir)
	must(t, e.Close())
	refuses(t, engine.Options{Dir: "/proc/nope"}, fs.ErrNotExist, nil, "/proc/nope")
	asNobody(t, env, dir)
}

// asNobody runs the test again as a user who is not root, with a variable set.
func asNobody(t *testing.T, env, value string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root to become somebody else")
	}
	if _, err := exec.LookPath("setpriv"); err != nil {
		t.Skip(err)
	}
	for dir := value; len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) {
		must(t, os.Chmod(dir, 0o755))
	}
	binary := filepath.Join(value, "..", "test.bin") // where others may run it
	data, err := os.ReadFile(os.Args[0])
	must(t, err)
	must(t, os.WriteFile(binary, data, 0o755))
	other := exec.Command("setpriv", "--reuid=65534", "--clear-groups", binary, "-test.run=^"+t.Name()+"$", "-test.v")
	other.Dir = "/"
	other.Env = append(os.Environ(), env+"="+value)
	if out, err := other.CombinedOutput(); err != nil {
		t.Errorf("as nobody: %v, %s", err, out)
	}
}
