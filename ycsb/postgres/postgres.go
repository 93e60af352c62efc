// Package postgres is the workload of package ycsb on PostgreSQL, to be compared with: the same rows, transfers, request ids and audit. A transfer
// is one call of a stored procedure, under an [Isolation]; transactions that PostgreSQL could not serialize, and victims of its deadlocks, are
// run again.
//
// Rows are in a table, a column for each field. A write with a request id notes the id in a table of its own in the same transaction, as
// whoever needs an effect once would have it; ids stay there. All of it is in a schema of the database, [Schema].
//
// Start reading here, then operations.go.
package postgres

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/ycsb"
)

// Schema is the name of the schema that has all that the target makes. It stays; DROP SCHEMA concordat_ycsb CASCADE removes it.
const Schema = "concordat_ycsb"

// Isolation is how transactions are isolated from each other.
type Isolation string

// The isolations.
const (
	// ReadCommitted is PostgreSQL's default. Transfers hold, since they lock their rows; a snapshot is one statement, which sees one moment.
	ReadCommitted Isolation = "read-committed"
	// Serializable is the one that compares with serializable transactions of Concordat.
	Serializable Isolation = "serializable"
)

// ParseIsolation reads the name of an isolation. Upper and lower case are the same.
func ParseIsolation(s string) (Isolation, error) {
	switch i := Isolation(strings.ToLower(s)); i {
	case ReadCommitted, Serializable:
		return i, nil
	}
	return "", fmt.Errorf("protocol: %q is neither %s nor %s, which PostgreSQL has", s, ReadCommitted, Serializable)
}

// Options say which database is used, and how.
type Options struct {
	// URL is the database, such as "postgres://user:password@127.0.0.1:5432/name". What it leaves out is taken from the environment (PGUSER,
	// PGPASSWORD and so on), as psql does.
	URL string
	// Isolation of the transactions. Default: Serializable.
	Isolation Isolation
	// Connections bounds the sessions. Clients beyond that wait for one. Default: DefaultConnections.
	Connections int
}

// DefaultConnections is how many sessions there are unless something else is said: PostgreSQL has a process for each, and gets slower with more than
// its processors can use.
const DefaultConnections = 32

// Limits of the options and of what is tried.
const (
	maxConnections = 10_000
	maxAttempts    = 1000 // of a transaction, as engine.Options.MaxAttempts
	connectTime    = 10 * time.Second
	longestWait    = 50 * time.Millisecond // before a transaction is run again
)

// Target runs the workload on PostgreSQL. It is a [ycsb.Target] with all abilities.
type Target struct {
	pool      *pgxpool.Pool
	retries   atomic.Uint64
	deadlocks atomic.Uint64
}

//go:embed schema.sql
var schema string

// Open connects, and makes the tables and the procedure unless they are there. Errors: bad options, a database that cannot be reached or
// does not let in, one in which the tables cannot be made. None of them has a password in it.
func Open(o Options) (*Target, error) {
	isolation, err := ParseIsolation(string(o.Isolation))
	if o.Isolation == "" {
		isolation, err = Serializable, nil
	}
	if err != nil {
		return nil, err
	}
	if o.Connections == 0 {
		o.Connections = DefaultConnections
	}
	if o.Connections < 1 || o.Connections > maxConnections {
		return nil, fmt.Errorf("postgres: %d connections are not between 1 and %d", o.Connections, maxConnections)
	}
	config, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	config.MaxConns, config.MinConns = int32(o.Connections), 0
	config.ConnConfig.ConnectTimeout = connectTime
	config.ConnConfig.RuntimeParams["default_transaction_isolation"] = strings.ReplaceAll(string(isolation), "-", " ")
	config.ConnConfig.RuntimeParams["search_path"] = Schema
	config.ConnConfig.RuntimeParams["application_name"] = "concordat ycsb"
	ctx := context.Background()
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	t := &Target{pool: pool}
	if err := t.retry(ctx, func() error { _, err := pool.Exec(ctx, schema); return err }); err != nil {
		pool.Close()
		return nil, fmt.Errorf("postgres: make the tables: %w", err)
	}
	return t, nil
}

// Close ends the sessions.
func (t *Target) Close() error {
	t.pool.Close()
	return nil
}

// Counters implements [ycsb.Counter]: transactions that were run again, and deadlocks.
func (t *Target) Counters() ycsb.Counters {
	return ycsb.Counters{Retries: t.retries.Load(), Deadlocks: t.deadlocks.Load()}
}

// What PostgreSQL's errors mean, by their codes; those that begin with CY are the procedure's.
const (
	codeSerialization = "40001"
	codeDeadlock      = "40P01"
	codeUnique        = "23505"
	codePoor          = "CY001"
	codeMissing       = "CY002"
	codeRefused       = "CY003"
)

// retry runs a transaction until it is neither the victim of a deadlock nor one that cannot be serialized, and says what its error means.
func (t *Target) retry(ctx context.Context, run func() error) (err error) {
	for attempt := range maxAttempts {
		if err = run(); err == nil {
			return nil
		}
		var of *pgconn.PgError
		if !errors.As(err, &of) || (of.Code != codeSerialization && of.Code != codeDeadlock) || ctx.Err() != nil {
			return classify(err)
		}
		t.retries.Add(1)
		if of.Code == codeDeadlock {
			t.deadlocks.Add(1)
		}
		time.Sleep(rand.N(min(time.Duration(attempt+1)*time.Millisecond, longestWait))) // otherwise those that fail each other would go on so
	}
	return fmt.Errorf("postgres: tried %d times: %w", maxAttempts, err)
}

// errMissing is the error of a row that is not there, as the procedure's.
var errMissing = &pgconn.PgError{Severity: "ERROR", Code: codeMissing, Message: "the row is missing"}

// classify says what an error means to a workload.
func classify(err error) error {
	var of *pgconn.PgError
	switch {
	case errors.As(err, &of):
		return classifyAnswer(of)
	case pgconn.SafeToRetry(err), errors.As(err, new(*pgconn.ConnectError)):
		return fmt.Errorf("postgres: nothing was sent: %v", err)
	}
	return fmt.Errorf("%w: %w", ycsb.ErrUnknown, err)
}

// classifyAnswer says what an error means that PostgreSQL has answered with.
func classifyAnswer(of *pgconn.PgError) error {
	switch of.Code {
	case codePoor:
		return ycsb.ErrInsufficientFunds
	case codeMissing:
		return functions.ErrNotFound
	case codeRefused:
		return ycsb.ErrRefused
	case codeUnique:
		return functions.ErrExists
	case "40003", "57P01", "57P02", "57P03": // it is not known whether the commit happened; the server ends or has crashed
		return fmt.Errorf("%w: %w", ycsb.ErrUnknown, of)
	}
	if of.Code[:min(2, len(of.Code))] == "53" && of.Code != "53300" { // no room, no memory; not: no session
		return fmt.Errorf("%w: %w", ycsb.ErrStore, of)
	}
	return of
}
