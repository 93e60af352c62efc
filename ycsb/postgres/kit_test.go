package postgres

import (
	"crypto/rand"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/concordat-dev/concordat/internal/postgrestest"
	"github.com/concordat-dev/concordat/ycsb"
)

// database is a server of PostgreSQL for the tests of the package; it ends with them.
var database struct {
	sync.Once
	url  string
	err  error
	stop func()
}

func TestMain(m *testing.M) {
	status := m.Run()
	if database.stop != nil {
		database.stop()
	}
	os.Exit(status)
}

// start returns the URL of a server, and skips the test where PostgreSQL is not installed.
func start(t *testing.T) string {
	t.Helper()
	database.Do(func() { database.url, database.stop, database.err = postgrestest.Start() })
	switch {
	case errors.Is(database.err, postgrestest.ErrMissing):
		t.Skip(database.err)
	case database.err != nil:
		t.Fatal(database.err)
	}
	return database.url
}

// open opens a target in a database of its own.
func open(t *testing.T, isolation Isolation) *Target {
	t.Helper()
	url := start(t)
	name := "test_" + strings.ToLower(rand.Text())
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	if _, err := c.Exec(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	target, err := Open(Options{URL: strings.Replace(url, "/postgres?", "/"+name+"?", 1), Isolation: isolation, Connections: 16})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := target.Close(); err != nil {
			t.Error(err)
		}
	})
	return target
}

// loaded opens a target with some rows.
func loaded(t *testing.T, isolation Isolation, keys int) *Target {
	t.Helper()
	target := open(t, isolation)
	for key := range keys {
		if err := target.Load(t.Context(), key, ycsb.Shape{}.NewRow(key)); err != nil {
			t.Fatal(err)
		}
	}
	return target
}
