package record

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/machine/instances"
	"github.com/concordat-dev/concordat/internal/proof/history"
	"github.com/concordat-dev/concordat/locks"
	"github.com/concordat-dev/concordat/saga"
)

// openEngine opens an engine for all workloads.
func openEngine(t testing.TB, dir string, policy locks.Policy) *engine.Engine {
	t.Helper()
	e, err := engine.Open(engine.Options{Dir: dir, Policy: policy, Workers: 2, ReserveBytes: -1, Logger: slog.New(slog.DiscardHandler)}, Parts()...)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// recording is a history in memory while it is made.
type recording struct {
	recorder *Recorder
	writer   *history.Writer
	data     bytes.Buffer
}

func newRecording(t testing.TB, o Options) *recording {
	t.Helper()
	var r recording
	var err error
	if r.writer, err = history.NewWriter(&r.data, o.Header()); err != nil {
		t.Fatal(err)
	}
	if r.recorder, err = New(o, r.writer); err != nil {
		t.Fatal(err)
	}
	return &r
}

// check ends the recording and checks it.
func (r *recording) check(t testing.TB) *history.Report {
	t.Helper()
	if err := r.writer.Close(); err != nil {
		t.Fatal(err)
	}
	h, err := history.Decode(&r.data)
	if err != nil {
		t.Fatal(err)
	}
	return history.Check(h)
}

func text(r *history.Report) string {
	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		panic(err)
	}
	return b.String()
}

var workloads = []history.Workload{history.ListAppend, history.Bank, history.Sagas}

// TestEngineIsStrictlySerializable runs each workload under each policy and checks what its clients saw.
func TestEngineIsStrictlySerializable(t *testing.T) {
	for _, workload := range workloads {
		for _, policy := range []locks.Policy{locks.Detect, locks.WaitDie, locks.WoundWait, locks.NoWait} {
			t.Run(fmt.Sprintf("%s-%v", workload, policy), func(t *testing.T) {
				t.Parallel()
				e := openEngine(t, t.TempDir(), policy)
				const requests = 1500
				rec := newRecording(t, Options{Workload: workload, Live: 6, Requests: requests, PerList: 20})
				err := errors.Join(rec.recorder.Run(t.Context(), e.Do, 16), e.Close())
				if err != nil {
					t.Fatal(err)
				}
				r := rec.check(t)
				if !r.OK() {
					t.Error(text(r))
				}
				counts := rec.recorder.Counts()
				if counts.OK.Load() < requests/2 || counts.Failed.Load() < requests/100 || counts.Unknown.Load() != 0 {
					t.Errorf("%d ok, %d failed, %d unknown", counts.OK.Load(), counts.Failed.Load(), counts.Unknown.Load())
				}
				if workload == history.Sagas && (r.Sagas != requests || r.Undos < requests/50) {
					t.Errorf("%d sagas with %d compensations", r.Sagas, r.Undos)
				}
			})
		}
	}
}

var errLost = errors.New("the connection is gone")

// TestUnknownOutcomes: when answers get lost, before or after the request reached the engine, the history is still explained, and the
// lost ones are in it as unknown.
func TestUnknownOutcomes(t *testing.T) {
	for _, workload := range workloads {
		t.Run(string(workload), func(t *testing.T) {
			t.Parallel()
			e := openEngine(t, t.TempDir(), locks.Detect)
			var n atomic.Int64
			lossy := func(ctx context.Context, r functions.Request) error {
				if r.RequestEnvelope().RequestID == "" || strings.Contains(r.RequestEnvelope().RequestID, "account") {
					return e.Do(ctx, r)
				}
				i := n.Add(1)
				if i%40 == 7 {
					return fmt.Errorf("%w: %w", engine.ErrUnknown, errLost)
				}
				err := e.Do(ctx, r)
				if i%40 == 20 {
					return fmt.Errorf("%w: %w", engine.ErrUnknown, errLost)
				}
				return err
			}
			rec := newRecording(t, Options{Workload: workload, Live: 6, Requests: 2000})
			if err := errors.Join(rec.recorder.Run(t.Context(), lossy, 16), e.Close()); err != nil {
				t.Fatal(err)
			}
			if r := rec.check(t); !r.OK() {
				t.Error(text(r))
			}
			if unknown := rec.recorder.Counts().Unknown.Load(); unknown != 2000/40*2 {
				t.Errorf("%d outcomes are unknown", unknown)
			}
		})
	}
}

// TestBrokenSystemsAreFound: a system that breaks its promises is found out through the same clients. The lies are told between the
// client and the engine, which is as good as an engine that does so.
func TestBrokenSystemsAreFound(t *testing.T) {
	var n atomic.Int64
	lies := []struct {
		name     string
		workload history.Workload
		lie      func(e *engine.Engine, ctx context.Context, r functions.Request) error
	}{
		{"acknowledged and never done", history.ListAppend, func(e *engine.Engine, ctx context.Context, r functions.Request) error {
			env := r.RequestEnvelope()
			if n.Add(1)%50 == 0 {
				return env.Into(instances.EncodedResult([]byte{0x98, 4, 0x80, 0x80, 0x80, 0x80})) // four empty lists
			}
			return e.Do(ctx, r)
		}},
		{"failed and done", history.ListAppend, func(e *engine.Engine, ctx context.Context, r functions.Request) error {
			err := e.Do(ctx, r)
			if n.Add(1)%50 == 0 {
				return ErrRefused
			}
			return err
		}},
		{"done twice", history.Bank, func(e *engine.Engine, ctx context.Context, r functions.Request) error {
			err := e.Do(ctx, r)
			if n.Add(1)%50 == 0 && r.RequestEnvelope().Coordinator == "record/transfer" {
				env := r.RequestEnvelope()
				return e.Do(ctx, instances.Identify(env, env.RequestID+"-again"))
			}
			return err
		}},
		{"a saga is said to be done and is not", history.Sagas, func(e *engine.Engine, ctx context.Context, r functions.Request) error {
			err := e.Do(ctx, r)
			if r.RequestEnvelope().RequestID == "" || strings.Contains(r.RequestEnvelope().RequestID, "account") {
				return err
			}
			return nil
		}},
	}
	for _, test := range lies {
		t.Run(test.name, func(t *testing.T) {
			n.Store(0)
			e := openEngine(t, t.TempDir(), locks.Detect)
			rec := newRecording(t, Options{Workload: test.workload, Live: 4, Requests: 1000})
			do := func(ctx context.Context, r functions.Request) error { return test.lie(e, ctx, r) }
			if err := errors.Join(rec.recorder.Run(t.Context(), do, 8), e.Close()); err != nil {
				t.Fatal(err)
			}
			if r := rec.check(t); r.OK() {
				t.Error("it is not found out")
			}
		})
	}
}

// TestSeveralHistoriesOnOneDirectory: another prefix begins anew.
func TestSeveralHistoriesOnOneDirectory(t *testing.T) {
	dir := t.TempDir()
	for _, workload := range workloads {
		for round := range 2 {
			e := openEngine(t, dir, locks.Detect)
			rec := newRecording(t, Options{Workload: workload, Requests: 200, Prefix: fmt.Sprintf("%s-%d-", workload, round)})
			if err := errors.Join(rec.recorder.Run(t.Context(), e.Do, 4), e.Close()); err != nil {
				t.Fatal(err)
			}
			if r := rec.check(t); !r.OK() {
				t.Error(text(r))
			}
		}
	}
}

// TestSurprises: an error that must not be ends the run.
func TestSurprises(t *testing.T) {
	rec := newRecording(t, Options{Requests: 10})
	err := rec.recorder.Run(t.Context(), func(context.Context, functions.Request) error { return functions.ErrPanic }, 2)
	if !errors.Is(err, functions.ErrPanic) {
		t.Errorf("the error is %v", err)
	}
}

// TestOutcomes: what errors mean.
func TestOutcomes(t *testing.T) {
	r := newRecording(t, Options{}).recorder
	for err, want := range map[error]history.Status{
		nil: history.OK, ErrRefused: history.Failed, ErrPoor: history.Failed, engine.ErrClosed: history.Failed, engine.ErrOverloaded: history.Failed,
		engine.ErrUnknown: history.Unknown, saga.ErrStuck: history.Unknown, errLost: history.Unknown,
		fmt.Errorf("%w: %w", saga.ErrStuck, ErrRefused): history.Unknown,
	} {
		if got := r.count(err); got != want {
			t.Errorf("%v is %v, want %v", err, got, want)
		}
	}
	if err := r.Surprise(); !errors.Is(err, errLost) {
		t.Errorf("the surprise is %v", err)
	}
}

func TestBadOptions(t *testing.T) {
	for _, o := range []Options{{Workload: "queue"}, {Workload: history.Register}, {Live: 1}, {Requests: -1}, {PerList: -1}, {Refused: 2}} {
		if _, err := New(o, nil); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
	r := newRecording(t, Options{}).recorder
	if err := r.Run(t.Context(), nil, 0); err == nil {
		t.Error("no clients: no error")
	}
}
