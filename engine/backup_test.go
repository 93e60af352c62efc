package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/examples/bank"
	"github.com/concordat-dev/concordat/internal/seams"
	"github.com/concordat-dev/concordat/internal/store"
)

// TestBackupsAddUp: each of several backups that are made while money is moved opens; all that was acknowledged before it began is there,
// each request that is in it has its outcome, and its money adds up. Where it was made, nothing is lost.
func TestBackupsAddUp(t *testing.T) {
	const accounts, each, rounds = 10, 1000, 4
	dir := t.TempDir()
	o := engine.Options{Dir: filepath.Join(dir, "data"), Workers: 2, MemTableBytes: 64 << 10} // layers are applied all the time
	e := open(t, o)
	var names []string
	for i := range accounts {
		names = append(names, account(i))
		must(t, e.Do(ctx, bank.Open.On(names[i], each)))
	}
	var stop atomic.Bool
	var clients sync.WaitGroup
	for c := range 8 {
		clients.Go(func() {
			rng := rand.New(rand.NewPCG(5, uint64(c)))
			for i := 0; !stop.Load(); i++ {
				transfer := bank.Transfer{From: names[rng.IntN(accounts)], To: names[rng.IntN(accounts)], Amount: int64(1 + rng.IntN(50))}
				id := fmt.Sprintf("%d-%d", c, i)
				err := e.Do(ctx, bank.TransferTx.As(id, transfer))
				if i%2 == 1 {
					err = e.Do(ctx, bank.TransferSaga.As(id+"-saga", transfer))
				}
				if err != nil && !errors.Is(err, bank.ErrInsufficientFunds) {
					t.Errorf("transfer %s: %v", id, err)
					return
				}
			}
		})
	}
	finish := func() { stop.Store(true); clients.Wait() }
	defer finish()
	addsUp := func(what string, e *engine.Engine) {
		t.Helper()
		eventually(t, what+": sagas that were under way are over, and the accounts hold what they held", func() bool {
			return ask(t, e, bank.Total.With(names)) == accounts*each
		})
	}
	for round := range rounds {
		mine, id := fmt.Sprint("mine-", round), fmt.Sprint("open-", round)
		must(t, e.Do(ctx, bank.Open.On(mine, int64(round)).As(id)))
		to := o
		to.Dir = filepath.Join(dir, fmt.Sprint("backup-", round))
		must(t, e.Backup(t.Context(), to.Dir))
		restored := open(t, to)
		if got := ask(t, restored, bank.Balance.On(mine)); got != int64(round) {
			t.Errorf("backup %d: what was opened before it has %d", round, got)
		}
		must(t, restored.Do(ctx, bank.Open.On(mine, int64(round)).As(id))) // it has its outcome: another one would fail with ErrExists
		addsUp(fmt.Sprint("backup ", round), restored)
		must(t, restored.Do(ctx, bank.Open.On("after", 0)))
		must(t, restored.Close())
	}
	finish()
	e = reopen(t, e, o)
	addsUp("the engine itself", e)
}

// TestBackupBadInput: a directory that has something in it, an engine that is closed, a context that is over; half a backup does not open.
func TestBackupBadInput(t *testing.T) {
	full := t.TempDir()
	must(t, os.WriteFile(filepath.Join(full, "letter"), nil, 0o644))
	e := open(t, engine.Options{}, notes)
	if err := e.Backup(ctx, full); err == nil || !strings.Contains(err.Error(), "not empty: it has letter") {
		t.Errorf("into a directory with a letter: %v", err)
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	to := filepath.Join(t.TempDir(), "backup")
	wantErr(t, e.Backup(over, to), engine.ErrNotBegun)
	must(t, e.Close())
	wantErr(t, e.Backup(ctx, to), engine.ErrClosed)
	if _, err := os.Stat(to); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is a directory: %v", err)
	}
	must(t, os.Mkdir(to, 0o755))
	must(t, os.WriteFile(filepath.Join(to, store.UnfinishedName), nil, 0o644))
	refuses(t, engine.Options{Dir: to}, engine.ErrFormat, nil, "unfinished backup")
	must(t, os.Rename(filepath.Join(to, store.UnfinishedName), filepath.Join(to, "000007.sst")))
	refuses(t, engine.Options{Dir: to}, engine.ErrFormat, nil, "000007.sst", "was it not copied to its end?")
}

// TestBackupEnds: a backup that is under way ends when its context does, and when the engine is closed: with the reason, and without a
// trace.
func TestBackupEnds(t *testing.T) {
	for name, end := range map[string]func(e *engine.Engine, cancel func(error)) (want error){
		"context": func(_ *engine.Engine, cancel func(error)) error { cancel(errRude); return errRude },
		"close": func(e *engine.Engine, _ func(error)) error {
			closed := make(chan error, 1)
			go func() { closed <- e.Close() }()
			eventually(t, "the engine closes", func() bool { return engine.IsClosed(e) })
			select {
			case err := <-closed:
				t.Errorf("the directory is closed while it is read: %v", err)
			case <-time.After(50 * time.Millisecond):
			}
			return engine.ErrClosed
		},
	} {
		t.Run(name, func(t *testing.T) {
			held, letGo := make(chan struct{}), make(chan struct{})
			var once sync.Once
			mem := vfs.NewMem()
			disk := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
				if op.Kind == errorfs.OpCreate && strings.HasPrefix(op.Path, "backup/MANIFEST") {
					once.Do(func() { close(held); <-letGo })
				}
				return nil
			}))
			e := open(t, engine.Options{Dir: "data", Seams: seams.Set{FS: disk}}, notes)
			must(t, e.Do(ctx, newNote.On("a", 0)))
			under, cancel := context.WithCancelCause(ctx)
			done := make(chan error, 1)
			go func() { done <- e.Backup(under, "backup") }()
			<-held
			want := end(e, cancel)
			close(letGo)
			wantErr(t, <-done, want, "back up to backup")
			if names, err := mem.List("backup"); err == nil {
				t.Errorf("it leaves %q", names)
			}
			must(t, e.Close())
			names, err := mem.List("data")
			must(t, err)
			for _, name := range names {
				if strings.HasPrefix(name, "pin-") {
					t.Errorf("it leaves %s", name)
				}
			}
		})
	}
}
