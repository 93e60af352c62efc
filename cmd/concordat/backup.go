package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"

	"github.com/concordat-dev/concordat/internal/archive"
	"github.com/concordat-dev/concordat/internal/cli"
	"github.com/concordat-dev/concordat/internal/offline"
	"github.com/concordat-dev/concordat/internal/store"
)

type backupCommand struct {
	To  string `arg:"" help:"The directory for the backup, on this machine: one that is missing or empty."`
	Dir string `placeholder:"DIR" help:"Make it of this directory, which no engine has open, and not of a server."`
	remoteSettings
}

// Help is shown by kong.
func (*backupCommand) Help() string {
	return `A server makes a backup while its engine works, and sends it; that needs the role operator, and takes as long as it takes. The backup is a
directory like the engine's own: whole epochs, with all that was acknowledged before. It is read through once it is there, and does
not open before it is whole. The exit status is 1 if something of it is damaged.`
}

type restoreCommand struct {
	From string `arg:"" help:"The backup."`
	Dir  string `arg:"" help:"The directory for the engine: one that is missing or empty."`
}

// Help is shown by kong.
func (*restoreCommand) Help() string {
	return `It reads the backup through, copies it, and reads the copy. A backup that is damaged is not restored. An engine that runs cannot be given other
data: end its program, restore to another directory, and start it with that. docs/GUARANTEES.md says what restoring means for clients, sources
and receivers.`
}

// Run is called by kong.
func (c *backupCommand) Run(p *program) error {
	if c.Dir != "" {
		for _, flag := range []string{"url", "token-file", "ca"} {
			if p.given[flag] {
				return usage(fmt.Errorf("%s: --dir makes the backup of a directory, without a server", flag))
			}
		}
		return p.copyDir(c.Dir, c.To)
	}
	if err := checkTarget(c.To); err != nil {
		return fmt.Errorf("%w: %w", cli.ErrInput, err)
	}
	if err := c.fetch(p); err != nil {
		return err
	}
	return p.verifyCopy(c.To)
}

// checkTarget reports a directory that has something in it, before a server makes a backup for nothing.
func checkTarget(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case len(entries) > 0:
		return fmt.Errorf("%s is not empty: it has %s", dir, entries[0].Name())
	}
	return nil
}

// fetch makes the directory of what the server sends.
func (c *backupCommand) fetch(p *program) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(p.ctx, http.MethodGet, strings.TrimSuffix(c.URL, "/")+"/v1/backup", nil)
	if err != nil {
		return usage(fmt.Errorf("url: %w", err))
	}
	response, err := client.Do(request)
	if err != nil {
		return interruptedOr(p.ctx, unanswered(err))
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return plainError(response)
	}
	return interruptedOr(p.ctx, archive.Receive(p.ctx, response.Body, c.To, ""))
}

// interruptedOr is an error, which is an interruption once the context is over.
func interruptedOr(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return errors.Join(cli.ErrInterrupted, err)
	}
	return err
}

// Run is called by kong.
func (c *restoreCommand) Run(p *program) error { return p.copyDir(c.From, c.Dir) }

// copyDir copies a directory that nobody has open and that is not damaged.
func (p *program) copyDir(from, to string) error {
	if err := checkTarget(to); err != nil {
		return fmt.Errorf("%w: %w", cli.ErrInput, err)
	}
	of := offlineDirectory{Dir: from}
	o, done := of.options(p)
	found, err := offline.Verify(p.ctx, o)
	done()
	if err != nil {
		return of.failed(p, err)
	}
	if found.Damaged > 0 {
		return errors.Join(cli.ErrTold, writeVerification(p.stdout, &found))
	}
	err = offline.Copy(p.ctx, offline.Options{Dir: from}, to)
	if isOther := errors.Is(err, offline.ErrFormat) || errors.Is(err, store.ErrInUse); isOther {
		return fmt.Errorf("%w: %w", cli.ErrInput, err)
	}
	if err != nil {
		return interruptedOr(p.ctx, err)
	}
	return p.verifyCopy(to)
}

// verifyCopy reads what was written.
func (p *program) verifyCopy(dir string) error {
	return (&verifyCommand{offlineDirectory{Dir: dir}}).Run(p)
}

// plainError is the error of a route that is no procedure's.
func plainError(response *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		return err
	}
	if e := readFault(body); e != nil {
		return errorText(e)
	}
	return fmt.Errorf("the server answers %s: is it one of Concordat, of this version?", cmp.Or(response.Status, "nothing"))
}
