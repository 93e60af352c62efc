package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/examples/bank"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/saga"
	"github.com/concordat-dev/concordat/server"
	"github.com/concordat-dev/concordat/twopc"
)

// transferTx moves money as a serializable transaction, one call after the other: it holds the lock of the first account while it waits for that
// of the second. Two of them in opposite directions can wait for each other.
var transferTx = twopc.New("demo/transfer", func(tx *twopc.Tx, t bank.Transfer) error {
	if err := tx.Do(bank.Debit.On(t.From, t.Amount)); err != nil {
		return err
	}
	return tx.Do(bank.Credit.On(t.To, t.Amount))
})

// between is how long transferSlowly rests between its steps: long enough to see what they leave in between.
const between = 700 * time.Millisecond

// transferSlowly moves money as a saga that rests between its steps.
var transferSlowly = saga.New("demo/transfer-slowly", func(s *saga.Run, t bank.Transfer) error {
	if err := s.Do(bank.Debit.On(t.From, t.Amount), bank.Credit.On(t.From, t.Amount)); err != nil {
		return err
	}
	if err := s.Sleep(between); err != nil {
		return err
	}
	return s.Do(bank.Credit.On(t.To, t.Amount), bank.Debit.On(t.To, t.Amount))
})

func parts() []functions.Part { return append(bank.Parts(), transferTx, transferSlowly) }

// announcement is the line with which an engine's process says where it can be reached.
const announcement = "serving on "

// endWithin is how long an engine's process waits at its end for requests that are under way.
const endWithin = 10 * time.Second

// RunEngine is what an engine's process does: it opens the engine in a directory and serves it at an address, writes a line that says where, and ends
// once ctx is over, or stdin ends: the demo has ended, however that was. On stdin it is told how both sides do, which its console shows.
func RunEngine(ctx context.Context, dir, address string, stdin io.Reader, stdout, stderr io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var told told
	go func() {
		told.listen(stdin)
		cancel()
	}()
	logger := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	e, err := engine.Open(engine.Options{Dir: dir, Workers: 2, CacheBytes: 32 << 20, Logger: logger}, parts()...)
	if err != nil {
		return err
	}
	s, err := server.Start(e, server.Options{Address: address, Logger: logger, BackupDir: dir + ".backups", Compare: told.compare})
	if err != nil {
		return errors.Join(err, e.Close())
	}
	if _, err := fmt.Fprintf(stdout, "%s%s\n", announcement, s.URL()); err != nil {
		cancel()
	}
	<-ctx.Done()
	end, over := context.WithTimeout(context.Background(), endWithin)
	defer over()
	return errors.Join(s.Shutdown(end), e.Close(end))
}
