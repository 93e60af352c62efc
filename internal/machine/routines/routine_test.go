package routines_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/failures"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/machine/routines"
	"github.com/concordat-dev/concordat/internal/values"
)

const errNo functions.Failure = "test: no"

var (
	things = functions.NewType[struct{}]("test/thing")
	poke   = functions.Update(things, "poke", func(*functions.Ctx, *struct{}, int) error { return nil })
	look   = functions.View(things, "look", func(*functions.Ctx, struct{}) (int, error) { return 0, nil })
)

func step(id string) routines.Step { return routines.Step{Call: poke.On(id, 1).Envelope()} }

// function makes a function whose body has no input.
func function(body func(r *routines.Routine) ([]byte, error)) *routines.Function {
	return &routines.Function{Name: "test/function", Protocol: routines.Saga,
		Body: func(r *routines.Routine, _ []byte) (*instances.Result, error) {
			data, err := body(r)
			return instances.EncodedResult(data), err
		}}
}

// newRoutine makes a routine that has begun.
func newRoutine(t *testing.T, body func(r *routines.Routine) ([]byte, error)) *routines.Routine {
	t.Helper()
	r := routines.NewRoutine()
	t.Cleanup(r.Close)
	r.Begin(function(body), nil, 1)
	return r
}

// drive answers all steps with answer until the body returns, and says how often it was resumed.
func drive(r *routines.Routine, answer func(s *routines.Step)) (rounds int) {
	for !r.Resume() {
		rounds++
		steps := r.Issued()
		for i := range steps {
			answer(&steps[i])
		}
	}
	return rounds
}

func succeed(s *routines.Step) {
	data, _ := values.Encode(7)
	s.Result = instances.EncodedResult(data)
}

func TestSeveralRounds(t *testing.T) {
	var trace []string
	r := newRoutine(t, func(r *routines.Routine) ([]byte, error) {
		var n int
		ask := routines.Step{Call: look.On("a").Into(&n).Envelope()}
		if err := r.IssueOne(ask); err != nil || n != 7 {
			return nil, fmt.Errorf("looked: %d, %w", n, err)
		}
		if err := r.IssueAll([]routines.Step{step("b"), step("c")}); err != nil {
			return nil, err
		}
		return []byte("result"), r.IssueAll(nil) // nothing to wait for
	})
	rounds := drive(r, func(s *routines.Step) {
		trace = append(trace, s.Call.ID)
		succeed(s)
	})
	if rounds != 2 || strings.Join(trace, " ") != "a b c" {
		t.Errorf("%d rounds: %v", rounds, trace)
	}
	if r.Err != nil || string(r.Result.Encoded()) != "result" {
		t.Errorf("returned %q, %v", r.Result, r.Err)
	}
}

func TestFailuresOfSteps(t *testing.T) {
	var kept int
	for _, tc := range []struct {
		name  string
		fails string // the ids of the steps that fail
		want  string
	}{
		{"none", "", ""},
		{"the first failure is returned, in the order of the steps", "cb", "test: no: b"},
		{"one of several", "c", "test: no: c"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			kept = 0
			var got error
			r := newRoutine(t, func(r *routines.Routine) ([]byte, error) {
				got = r.IssueAll([]routines.Step{{Call: look.On("a").Into(&kept).Envelope()}, step("b"), step("c")})
				return nil, nil
			})
			drive(r, func(s *routines.Step) {
				if succeed(s); strings.Contains(tc.fails, s.Call.ID) && tc.fails != "" {
					s.Err = fmt.Errorf("%w: %s", errNo, s.Call.ID)
				}
			})
			if fmt.Sprint(got) != map[bool]string{true: "<nil>", false: tc.want}[tc.want == ""] {
				t.Errorf("got %v, want %q", got, tc.want)
			}
			if (kept == 7) != (tc.want == "") {
				t.Errorf("the result of a is %d", kept)
			}
			if r.Err != nil {
				t.Errorf("a failure that the body swallowed fails it: %v", r.Err)
			}
		})
	}
}

func TestPanicIsAFailure(t *testing.T) {
	for name, value := range map[string]any{"text": "boom", "nil": nil, "error": errNo} {
		r := newRoutine(t, func(r *routines.Routine) ([]byte, error) {
			must(t, r.IssueOne(step("a")))
			panic(value)
		})
		drive(r, succeed)
		var p *failures.PanicError
		if !errors.Is(r.Err, functions.ErrPanic) || !errors.As(r.Err, &p) || !strings.Contains(string(p.Stack), "TestPanicIsAFailure") {
			t.Errorf("%s: %v", name, r.Err)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// A body that is stopped is unwound: its defers run, and whatever it tries, it makes no further step.
func TestStopUnwinds(t *testing.T) {
	for name, after := range map[string]func(r *routines.Routine) error{
		"plain":               func(*routines.Routine) error { return nil },
		"recovers, goes on":   func(r *routines.Routine) error { return r.IssueOne(step("after")) },
		"recovers, all":       func(r *routines.Routine) error { return r.IssueAll([]routines.Step{step("x"), step("y")}) },
		"recovers and panics": func(*routines.Routine) error { panic("again") },
	} {
		t.Run(name, func(t *testing.T) {
			var trace []string
			r := newRoutine(t, func(r *routines.Routine) (_ []byte, err error) {
				defer func() { trace = append(trace, "outer") }()
				defer func() { _ = recover(); trace = append(trace, "inner"); err = after(r); trace = append(trace, "on") }()
				err = r.IssueOne(step("a"))
				trace = append(trace, "went on")
				return nil, err
			})
			if r.Resume() {
				t.Fatal("returned")
			}
			r.Stop()
			want := "inner outer"
			if name == "plain" {
				want = "inner on outer"
			}
			if got := strings.Join(trace, " "); got != want {
				t.Errorf("ran %q, want %q", got, want)
			}
			r.Stop() // a second time changes nothing
			reuse(t, r)
		})
	}
}

func reuse(t *testing.T, r *routines.Routine) {
	t.Helper()
	r.Begin(function(func(r *routines.Routine) ([]byte, error) {
		return []byte{byte(r.Attempt())}, r.IssueOne(step("z"))
	}), nil, 3)
	if drive(r, succeed) != 1 || r.Err != nil || len(r.Result.Encoded()) != 1 || r.Result.Encoded()[0] != 3 {
		t.Errorf("used again: %v, %v", r.Result, r.Err)
	}
}

func TestStopOfARoutineThatHasNotBegun(t *testing.T) {
	r := newRoutine(t, func(*routines.Routine) ([]byte, error) { return nil, nil })
	r.Stop()
	reuse(t, r)
}

// A routine that begins anew knows nothing of its last run.
func TestReuseStartsAfresh(t *testing.T) {
	r := newRoutine(t, func(r *routines.Routine) ([]byte, error) {
		must(t, r.IssueAll(append(r.Steps(3)[:0], step("a"), step("b"), step("c"))))
		r.AddSuccess(poke.On("a", 1))
		each(r.AddFailure)(poke.On("a", 1), poke.On("", 1))
		return []byte("old"), nil
	})
	drive(r, succeed)
	if !errors.Is(r.Err, functions.ErrBadCall) || len(r.OnSuccess.Sends) != 1 || len(r.OnFailure.Sends) != 1 {
		t.Errorf("%v, %v, %v", r.Err, r.OnSuccess, r.OnFailure)
	}
	r.Begin(function(func(r *routines.Routine) ([]byte, error) {
		for _, s := range r.Steps(3) {
			if s.Call.Op != nil || s.Result.Encoded() != nil {
				t.Errorf("a step of the last run: %+v", s)
			}
		}
		return nil, nil
	}), nil, 1)
	if drive(r, succeed) != 0 || r.Err != nil || r.Result.Encoded() != nil || !r.OnSuccess.Empty() || !r.OnFailure.Empty() {
		t.Errorf("%v, %q, %v, %v", r.Err, r.Result, r.OnSuccess, r.OnFailure)
	}
}

// The input of one run, handed on as it is, is never that of the next.
func TestInputsByValue(t *testing.T) {
	f := &routines.Function{Name: "test/input", Body: func(r *routines.Routine, data []byte) (*instances.Result, error) {
		n, err := routines.Input[int64](r, data)
		return instances.EncodedResult([]byte{byte(n)}), err
	}}
	r := routines.NewRoutine()
	t.Cleanup(r.Close)
	r.WithValue(int64(1)).Begin(f, nil, 1)
	if drive(r, succeed); r.Err != nil || string(r.Result.Encoded()) != "\x01" {
		t.Errorf("by value: %v, %v", r.Result, r.Err)
	}
	r.Begin(f, []byte{2}, 1)
	if drive(r, succeed); r.Err != nil || string(r.Result.Encoded()) != "\x02" {
		t.Errorf("encoded: %v, %v", r.Result, r.Err)
	}
	r.WithValue("of another type").Begin(f, []byte{3}, 1)
	if drive(r, succeed); r.Err != nil || string(r.Result.Encoded()) != "\x03" {
		t.Errorf("of another type: %v, %v", r.Result, r.Err)
	}
}

func TestBeginWhileRunningPanics(t *testing.T) {
	r := newRoutine(t, func(r *routines.Routine) ([]byte, error) { return nil, r.IssueOne(step("a")) })
	r.Resume()
	defer func() {
		if p := recover(); p == nil || !strings.Contains(fmt.Sprint(p), "only after it has returned") {
			t.Errorf("panic: %v", p)
		}
	}()
	r.Begin(function(nil), nil, 1)
}

func TestMaxStepsAtTheBound(t *testing.T) {
	for over := range 2 {
		r := newRoutine(t, func(r *routines.Routine) ([]byte, error) {
			for range routines.MaxSteps/2 + over {
				must(t, r.IssueAll(append(r.Steps(0), step("a"), step("b"))))
			}
			return nil, nil
		})
		rounds := drive(r, succeed)
		if rounds != routines.MaxSteps/2 || errors.Is(r.Err, functions.ErrTooLarge) != (over > 0) {
			t.Errorf("%d over the bound: %d rounds, %v", over, rounds, r.Err)
		}
	}
}

// A body that tries the same again forever, whatever the answer, comes to an end.
func TestEndlessRetriesEnd(t *testing.T) {
	for _, endless := range []routines.Step{step("a"), step("")} {
		r := newRoutine(t, func(r *routines.Routine) ([]byte, error) {
			for r.IssueOne(endless) != nil {
			}
			return nil, nil
		})
		drive(r, func(s *routines.Step) { s.Err = errNo })
		wantErr(t, r.Err, functions.ErrTooLarge)
	}
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got error %v, want one that is %v", err, want)
	}
}

// A step that cannot be made fails the run, even if the body swallows the error, and none beside it is made.
func TestBadStepsFailTheRun(t *testing.T) {
	long := strings.Repeat("x", functions.MaxID+1)
	undo := func(undo functions.Call) routines.Step {
		return routines.Step{Call: poke.On("a", 1).Envelope(), Undo: undo.Envelope(), HasUndo: true}
	}
	for name, tc := range map[string]struct {
		bad  routines.Step
		want error
	}{
		"zero call":  {routines.Step{Call: functions.Call{}.Envelope()}, functions.ErrBadCall},
		"empty id":   {step(""), functions.ErrBadCall},
		"long id":    {step(long), functions.ErrTooLarge},
		"undo of ''": {undo(poke.On("", 1)), functions.ErrBadCall},
		"long undo":  {undo(poke.On(long, 1)), functions.ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			var got error
			r := newRoutine(t, func(r *routines.Routine) ([]byte, error) {
				got = r.IssueAll([]routines.Step{step("good"), tc.bad})
				return []byte("fine"), nil
			})
			if drive(r, succeed) != 0 {
				t.Error("steps were made")
			}
			wantErr(t, got, tc.want)
			wantErr(t, r.Err, tc.want)
		})
	}
}

// Close leaves nothing behind, wherever the routine stands.
func TestCloseLeavesNoGoroutine(t *testing.T) {
	before := runtime.NumGoroutine()
	for i := range 50 {
		r := routines.NewRoutine()
		if i%5 > 0 {
			r.Begin(function(func(r *routines.Routine) ([]byte, error) {
				defer func() { _ = recover() }()
				if i%5 == 4 {
					panic("x")
				}
				return nil, r.IssueOne(step("a"))
			}), nil, 1)
		}
		if i%5 > 1 {
			r.Resume()
		}
		if i%5 == 3 {
			succeed(&r.Issued()[0])
			r.Resume()
		}
		r.Close()
	}
	for tries := 0; runtime.NumGoroutine() > before; tries++ {
		if tries == 1000 {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
		runtime.Gosched()
	}
}
