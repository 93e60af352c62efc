// Package postgrestest starts a server of PostgreSQL for tests. Where that runs as root the server runs as the user postgres, or nobody, as
// PostgreSQL refuses root.
package postgrestest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrMissing: PostgreSQL is not on this machine.
var ErrMissing = errors.New("PostgreSQL's server is not installed (Debian: apt-get install postgresql)")

// programs is the directory of initdb and postgres.
func programs() (string, error) {
	dirs, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if path, failed := exec.LookPath("postgres"); failed == nil {
		dirs = append(dirs, filepath.Dir(path))
	}
	slices.Reverse(dirs)
	for _, dir := range dirs {
		if _, failed := os.Stat(filepath.Join(dir, "initdb")); failed == nil {
			return dir, err
		}
	}
	return "", ErrMissing
}

// unprivileged is who runs the server: PostgreSQL refuses root. Nil is whoever runs the test.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	gid, failed := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(err, failed)
}

// Start starts a server in a directory of its own, on a port of the loopback interface that is free, and returns once it lets in. url is that of a
// superuser's with a password, and stop ends the server and removes the directory. It fails with [ErrMissing] where there is no PostgreSQL.
func Start() (url string, stop func(), err error) {
	bin, err := programs()
	if err != nil {
		return "", nil, err
	}
	as, err := unprivileged()
	if err != nil {
		return "", nil, err
	}
	dir, err := os.MkdirTemp("", "concordat-postgres-")
	if err != nil {
		return "", nil, err
	}
	remove := func() { os.RemoveAll(dir) }
	ended := remove
	defer func() {
		if err != nil {
			ended()
		}
	}()
	data, password, secret := filepath.Join(dir, "data"), filepath.Join(dir, "password"), rand.Text()
	if err := errors.Join(os.Mkdir(data, 0o700), os.WriteFile(password, []byte(secret), 0o600)); err != nil {
		return "", nil, err
	}
	for _, path := range []string{dir, data, password} {
		if as != nil {
			err = errors.Join(err, os.Chown(path, int(as.Uid), int(as.Gid)))
		}
	}
	if err != nil {
		return "", nil, err
	}
	program := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(bin, name), args...)
		cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
		return cmd
	}
	if out, err := program("initdb", "-D", data, "-U", "tester", "-A", "scram-sha-256", "--pwfile", password, "-E", "UTF8", "--no-sync").CombinedOutput(); err != nil {
		return "", nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	port, err := freePort()
	if err != nil {
		return "", nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return "", nil, err
	}
	server := program("postgres", "-D", data, "-c", "listen_addresses=127.0.0.1", "-p", port, "-c", "unix_socket_directories=", "-c", "shared_buffers=32MB")
	server.Stdout, server.Stderr = log, log
	if err := server.Start(); err != nil {
		return "", nil, err
	}
	ended = func() {
		_ = server.Process.Signal(syscall.SIGINT) // a fast shutdown
		_ = server.Wait()
		remove()
	}
	url = fmt.Sprintf("postgres://tester:%s@127.0.0.1:%s/postgres?sslmode=disable", secret, port)
	if err := await(url); err != nil {
		said, _ := os.ReadFile(log.Name())
		return "", nil, fmt.Errorf("%w: %s", err, said)
	}
	return url, ended, nil
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// await waits until the server lets in.
func await(url string) (err error) {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		var c *pgx.Conn
		if c, err = pgx.Connect(context.Background(), url); err == nil {
			return c.Close(context.Background())
		}
	}
	return fmt.Errorf("the server does not let in: %w", err)
}
