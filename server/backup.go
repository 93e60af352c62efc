package server

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/concordat-dev/concordat/internal/archive"
)

// backup sends a backup of the engine's directory, as one archive; see [engine.Engine.Backup]. It is put together in a directory of its own
// first, so that a client who is slow holds up nothing of the engine's. One is made at a time.
func (s *Server) backup(w http.ResponseWriter, r *http.Request) {
	if s.isClosing() {
		writeFault(w, faultf(codeOverloaded, "the server is closing"))
		return
	}
	if !s.backing.CompareAndSwap(false, true) {
		writeFault(w, faultf(codeOverloaded, "another backup is being made"))
		return
	}
	defer s.backing.Store(false)
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	go func() {
		select {
		case <-s.closing:
			cancel(errClosing)
		case <-ctx.Done():
		}
	}()
	dir, err := s.makeBackup(ctx)
	if dir != "" {
		defer func() {
			if err := os.RemoveAll(dir); err != nil {
				s.options.Logger.Error("a backup that was sent cannot be removed", "directory", dir, "error", err)
			}
		}()
	}
	if err != nil {
		s.options.Logger.Error("a backup was not made", "error", err)
		writeFault(w, faultf(codeOverloaded, "the backup was not made: %v", err))
		return
	}
	w.Header().Set("Content-Type", "application/x-tar")
	to := patient{w, http.NewResponseController(w), s.options.WriteTimeout}
	if err := archive.Send(ctx, to, filepath.Join(dir, "data")); err != nil {
		s.options.Logger.Error("a backup was not sent to its end", "error", err)
		panic(http.ErrAbortHandler) // so that the client does not take it for the end
	}
}

var errClosing = errors.New("server: it is closing")

// backupNames are the names of the directories in which backups are put together.
const backupNames = "concordat-backup-*"

// makeBackup makes a backup in a directory data below the one that it returns, which is there unless it returns "".
func (s *Server) makeBackup(ctx context.Context) (dir string, err error) {
	if in := s.options.BackupDir; in != "" {
		if err := os.MkdirAll(in, 0o700); err != nil {
			return "", err
		}
	}
	if dir, err = os.MkdirTemp(s.options.BackupDir, backupNames); err != nil {
		return "", err
	}
	return dir, s.engine.Backup(ctx, filepath.Join(dir, "data"))
}

// removeHalfBackups removes what a server left in the engine's own BackupDir that was killed while it made or sent a backup. The engine is open
// here, so that server has ended.
func (s *Server) removeHalfBackups() {
	if s.options.BackupDir == "" {
		return // others' are there, too
	}
	entries, err := os.ReadDir(s.options.BackupDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.options.Logger.Error("it is not known whether half a backup was left", "directory", s.options.BackupDir, "error", err)
	}
	for _, entry := range entries {
		if half, _ := filepath.Match(backupNames, entry.Name()); !half || !entry.IsDir() {
			continue
		}
		left := filepath.Join(s.options.BackupDir, entry.Name())
		if err := os.RemoveAll(left); err != nil {
			s.options.Logger.Error("half a backup that was left cannot be removed", "directory", left, "error", err)
		}
	}
}

// patient is a writer to a client that has some time for each portion.
type patient struct {
	http.ResponseWriter
	control *http.ResponseController
	time    time.Duration
}

// Write implements io.Writer.
func (p patient) Write(data []byte) (int, error) {
	_ = p.control.SetWriteDeadline(time.Now().Add(p.time)) // not all writers can: then there is none
	return p.ResponseWriter.Write(data)
}
