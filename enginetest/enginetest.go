// Package enginetest opens engines in memory, for tests of programs: [Open] opens one that the end of the test closes, and a [Disk] keeps
// what such an engine has sealed, for a test that opens it again.
//
// They are engines like any other, with the same protocols, bounds and errors, on a disk that is in memory and that no sync waits for. What
// a test is told has happened is on that disk, so what the next engine finds there is what it would find after a restart. No loss of power
// is simulated, and times of answers say nothing of a real disk.
package enginetest

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/seams"
)

// Open opens an engine on a new disk in memory, as [Disk.Open] does.
func Open(t testing.TB, o engine.Options, parts ...functions.Part) *engine.Engine {
	t.Helper()
	return new(Disk).Open(t, o, parts...)
}

// Disk is in memory. The zero value is empty. It may be used by several engines at once, each with another Options.Dir.
type Disk struct {
	once sync.Once
	disk seams.Set // its file system
}

// Open opens an engine on the disk and ends the test if that fails. An empty Options.Dir means the directory "data"; a MemTableBytes of 0
// means 1 MiB; nothing is reserved. Other options have their defaults.
//
// The engine is closed when the test ends, unless the test has closed it; an error of that Close fails the test. Another one can open the
// directory again once it is closed.
func (d *Disk) Open(t testing.TB, o engine.Options, parts ...functions.Part) *engine.Engine {
	t.Helper()
	d.once.Do(func() { d.disk = seams.InMemory() })
	o.Seams.FS, o.ReserveBytes = d.disk.FS, -1
	if o.Dir == "" {
		o.Dir = "data"
	}
	if o.MemTableBytes == 0 {
		o.MemTableBytes = 1 << 20
	}
	e, err := engine.Open(o, parts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := e.SagaPhases(context.Background()); errors.Is(err, engine.ErrClosed) {
			return // by the test, which has seen what Close says
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}
