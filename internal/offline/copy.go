package offline

import (
	"context"
	"errors"
	"io"

	"github.com/concordat-dev/concordat/internal/archive"
)

// Copy makes a copy of a directory in another one, which is missing or empty: a backup of a directory that no engine has open, or a
// directory for an engine of a backup. It opens only once it is whole; after an error what was written is removed. It does not look for damage, which
// [Verify] does. Errors are those of [Inspect], of a target that is not empty, is in the directory or cannot be written, and the cause of ctx.
func Copy(ctx context.Context, o Options, to string) (err error) {
	o = o.withDefaults()
	t, err := openTable(o) // nobody can write to it while it is open
	if err != nil {
		return other(o.Dir, err)
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	if _, err := formatIn(o.Dir, t.Get); err != nil {
		return err
	}
	r, w := io.Pipe()
	sent := make(chan error, 1)
	go func() {
		err := archive.Send(ctx, w, o.Dir)
		sent <- errors.Join(err, w.CloseWithError(err))
	}()
	err = archive.Receive(ctx, r, to, o.Dir)
	_ = r.CloseWithError(errNotReceived) // never fails
	if sending := <-sent; err != nil && sending != nil && !errors.Is(sending, errNotReceived) && !errors.Is(err, sending) {
		err = errors.Join(sending, err)
	}
	return err
}

// errNotReceived ends the sender of an archive whose receiver has ended.
var errNotReceived = errors.New("offline: the copy has ended")
