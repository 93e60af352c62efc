package stages

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"runtime/pprof"

	"github.com/google/pprof/profile"
)

// Recorder takes CPU profiles of runs, one after the other. The zero value is ready to use; a process has one CPU profile at a time. It is
// for one goroutine at a time.
type Recorder struct {
	data bytes.Buffer
	err  error
}

// Record begins the profile; it ends when the returned function is called, which may take a tenth of a second.
// See ycsb.Driving.OnMeasured. Errors are told by [Recorder.Split].
func (r *Recorder) Record() (over func()) {
	r.data.Reset()
	if r.err = pprof.StartCPUProfile(&r.data); r.err != nil {
		return func() {}
	}
	return pprof.StopCPUProfile
}

// ErrNothing: no profile was taken since the last one was split.
var ErrNothing = errors.New("stages: no profile was taken")

// Split splits the profile, once. It is [ErrNothing] if none was begun.
func (r *Recorder) Split() (Split, error) {
	defer r.data.Reset()
	switch {
	case r.err != nil:
		return Split{}, fmt.Errorf("stages: %w", r.err)
	case r.data.Len() == 0:
		return Split{}, ErrNothing
	}
	p, err := profile.ParseData(r.data.Bytes())
	if err != nil {
		return Split{}, fmt.Errorf("stages: %w", err)
	}
	return Of(p, min(runtime.GOMAXPROCS(0), runtime.NumCPU()))
}
