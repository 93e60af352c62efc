package failures_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/concordat-dev/concordat/internal/failures"
)

const (
	errA failures.Failure = "test: a"
	errB failures.Failure = "test: b"
	errC failures.Failure = "test: c"
)

// far sends an error over the wire.
func far(err error) error { return failures.Decode(failures.Encode(err)) }

func TestFailuresSurviveEncoding(t *testing.T) {
	ab := errors.Join(errA, errB)
	for _, tc := range []struct {
		name string
		err  error
		is   []error
		not  []error
	}{
		{"bare", errA, []error{errA}, []error{errB}},
		{"wrapped", fmt.Errorf("deep: %w", fmt.Errorf("down: %w", errA)), []error{errA}, []error{errB}},
		{"joined", ab, []error{errA, errB}, []error{errC}},
		{"several in one wrap", fmt.Errorf("%w and %w", errC, ab), []error{errA, errB, errC}, nil},
		{"encoded twice", far(ab), []error{errA, errB}, []error{errC}},
		{"wrapped on the far side, encoded again", fmt.Errorf("%w: %w", errC, far(ab)), []error{errA, errB, errC}, nil},
		{"no failure at all", errors.New("plain"), nil, []error{errA, errors.New("plain")}},
		{"a panic", failures.NewPanicError("boom"), []error{failures.ErrPanic}, nil},
		{"the empty failure", failures.Failure(""), []error{failures.Failure("")}, []error{errA}},
		{"no utf-8", fmt.Errorf("\xff\xfe: %w", errA), []error{errA}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for way, got := range map[string]error{"decoded": far(tc.err), "not encoded": failures.Far(tc.err)} {
				if got.Error() != tc.err.Error() {
					t.Errorf("%s: text %q became %q", way, tc.err, got)
				}
				for _, want := range tc.is {
					wantErr(t, got, want)
				}
				for _, other := range tc.not {
					if errors.Is(got, other) {
						t.Errorf("%s: %v is %v", way, got, other)
					}
				}
			}
			once := failures.Far(tc.err)
			if data := once.Encoded(); !bytes.Equal(far(once).(*failures.FarError).Encoded(), data) || once.Size() < len(data) || once.Size() > len(data)+60 {
				t.Errorf("%d bytes, said to be about %d: %q", len(data), once.Size(), data)
			}
		})
	}
}

func TestFailureTextIsCut(t *testing.T) {
	at := fmt.Errorf("%s%w", strings.Repeat("x", 4096-len(errA)), errA)
	if got := far(at).Error(); got != at.Error() {
		t.Errorf("a text of 4,096 bytes became one of %d", len(got))
	}
	over := fmt.Errorf("%s%w", strings.Repeat("x", 4096), errA)
	got := far(over)
	if got.Error() != over.Error()[:4096] {
		t.Errorf("a text of %d bytes became one of %d", len(over.Error()), len(got.Error()))
	}
	wantErr(t, got, errA)
	letters := far(errors.New("x" + strings.Repeat("ä", 4096)))
	if !utf8.ValidString(letters.Error()) {
		t.Error("the cut went through a letter")
	}
}

func TestFailureKeepsSixteenCodes(t *testing.T) {
	var all []error
	for i := range 20 {
		all = append(all, failures.Failure(fmt.Sprintf("test: %d", i)))
	}
	nested := errors.Join(errors.Join(all[:7]...), far(errors.Join(all[7:]...)))
	for name, err := range map[string]error{"flat": errors.Join(all...), "nested": nested} {
		got := far(far(err))
		for i, code := range all {
			if errors.Is(got, code) != (i < 16) {
				t.Errorf("%s: errors.Is(%v) is %v", name, code, !(i < 16))
			}
		}
	}
}

func TestNilFailurePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("nil was encoded as a failure")
		}
	}()
	failures.Encode(nil)
}

// spoiled is an error whose methods panic, as those of a nil pointer in an error do.
type spoiled struct{ text string }

func (s *spoiled) Error() string { return s.text }
func (s *spoiled) Unwrap() error { return errors.New(s.text) }

func TestBrokenErrorIsStillAFailure(t *testing.T) {
	var broken *spoiled
	for name, err := range map[string]error{"bare": broken, "joined": errors.Join(errA, broken)} {
		got := far(err)
		if got.Error() == "" {
			t.Errorf("%s: no text", name)
		}
		if name == "joined" {
			wantErr(t, got, errA)
		}
	}
}

// ring is an error that wraps itself, in so many ways.
type ring int

func (r ring) Error() string   { return "test: ring" }
func (r ring) Unwrap() []error { return slices.Repeat([]error{r}, int(r)) }

// An error that wraps itself is encoded like any other; what stands beside it is kept if it comes first.
func TestErrorsThatWrapThemselves(t *testing.T) {
	for _, err := range []error{ring(1), ring(2)} {
		got := far(errors.Join(errA, err))
		wantErr(t, got, errA)
		if far(err).Error() != "test: ring" || failures.Wraps(err, &spoiled{}) {
			t.Errorf("%v: encoded as %v", err, far(err))
		}
	}
}

func TestWraps(t *testing.T) {
	one, other := &spoiled{"one"}, &spoiled{"one"}
	for name, tc := range map[string]struct {
		err  error
		want bool
	}{
		"nil": {nil, false}, "itself": {one, true}, "an equal one": {other, false}, "wrapped": {fmt.Errorf("x: %w", one), true},
		"behind one that panics": {errors.Join((*spoiled)(nil), errA, fmt.Errorf("x: %w", errors.Join(errB, one))), true},
	} {
		if got := failures.Wraps(tc.err, one); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestGarbageIsNoFailure(t *testing.T) {
	whole := failures.Encode(errors.Join(errA, errB))
	for cut := range whole {
		if err := failures.Decode(whole[:cut]); err == nil || errors.Is(err, errA) {
			t.Errorf("the first %d bytes decode to %v", cut, err)
		}
	}
	for name, data := range map[string][]byte{"nothing": nil, "noise": {0xff, 0x00}, "too long": append(whole[:len(whole):len(whole)], 0)} {
		err := failures.Decode(data)
		if err == nil || !strings.Contains(err.Error(), "not an encoded failure") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got error %v, want one that is %v", err, want)
	}
}
