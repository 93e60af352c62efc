package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/examples/bank"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/cli"
	kafkasettings "github.com/concordat-dev/concordat/kafka/settings"
	"github.com/concordat-dev/concordat/server"
	"github.com/concordat-dev/concordat/ycsb/accounts"
)

type serveCommand struct {
	Dir    string `arg:"" help:"The directory of the engine's data. It is made if it is missing."`
	Config string `placeholder:"FILE" env:"CONCORDAT_CONFIG" help:"A file with settings: a JSON object with the names of these flags."`
	configPrinting
	serveSettings
}

// serveSettings are what a file of settings can have. The command line goes before the environment, that before the file.
type serveSettings struct {
	Address     string   `default:"127.0.0.1:7411" env:"CONCORDAT_ADDRESS" help:"Where to listen. Any other host than the loopback interface's needs --tls-cert and --credentials."`
	Credentials string   `placeholder:"FILE" env:"CONCORDAT_CREDENTIALS" help:"Who may do what; see concordat token."`
	TLSCert     string   `name:"tls-cert" placeholder:"FILE" env:"CONCORDAT_TLS_CERT" help:"The server's certificate, with those of its authorities (PEM)."`
	TLSKey      string   `name:"tls-key" placeholder:"FILE" env:"CONCORDAT_TLS_KEY" help:"Its key (PEM)."`
	ClientCA    string   `name:"client-ca" placeholder:"FILE" env:"CONCORDAT_CLIENT_CA" help:"The authorities of clients' certificates (PEM)."`
	Host        []string `env:"CONCORDAT_HOSTS" help:"A further name of this server; can be repeated."`
	Origin      []string `env:"CONCORDAT_ORIGINS" help:"An origin whose pages may send requests, such as https://console.example.com; can be repeated."`
	YCSB        bool     `name:"ycsb" env:"CONCORDAT_YCSB" help:"Serve also the rows and transfers of the benchmark, for concordat ycsb run --target."`
	Workers     int      `env:"CONCORDAT_WORKERS" help:"Goroutines that run functions. Default: half of the processors."`

	// Kafka is only in the file.
	Kafka *kafkasettings.Settings `kong:"-"`
}

// Help is shown by kong.
func (*serveCommand) Help() string {
	return `It serves the bank of examples/bank, to try a server without writing a program: accounts, and transfers between them, serializable or as
sagas. A program of your own serves its functions with server.Start. It ends with SIGINT or SIGTERM, once the requests that had come in are
answered.

A file of settings may have "kafka", an object that says which topics of Apache Kafka ask for which functions: see docs/kafka.md.`
}

// configure implements configured.
func (c *serveCommand) configure(p *program) error {
	return c.finish(p, c.Config, &c.serveSettings)
}

// Run is called by kong.
func (c *serveCommand) Run(p *program) error {
	o, err := c.serveSettings.options()
	if err != nil {
		return fmt.Errorf("%w: %w", cli.ErrInput, err)
	}
	if err := o.Validate(); err != nil {
		return usage(err)
	}
	o.Logger = slog.New(slog.NewTextHandler(p.stderr, nil))
	in := engine.Options{Dir: c.Dir, Workers: c.Workers, Logger: o.Logger}
	if c.Kafka != nil {
		ends, err := c.Kafka.Ends(server.NewFunctions(c.parts()...), o.Logger)
		if err != nil {
			return fmt.Errorf("%w: config: kafka: %w", cli.ErrInput, err)
		}
		in.Sources, in.Egresses, o.Metrics = ends.Sources, ends.Egresses, ends.Metrics
	}
	if o.BackupDir, err = backupDir(c.Dir); err != nil {
		return err
	}
	e, err := engine.Open(in, c.parts()...)
	if err != nil {
		return err
	}
	return errors.Join(serveUntil(p, e, o), e.Close(context.Background()))
}

// backupDir is where backups of a directory are put together: beside it, on the file system of the data.
func backupDir(dir string) (string, error) {
	whole, err := filepath.Abs(dir) // beside ., too
	return whole + ".backups", err
}

// parts are the functions that are served.
func (s *serveSettings) parts() []functions.Part {
	all := bank.Parts()
	if s.YCSB {
		all = append(all, accounts.Parts()...)
	}
	return all
}

// endWithin is how long a server waits at its end for requests that are under way.
const endWithin = 30 * time.Second

// serveUntil serves until the program is told to end.
func serveUntil(p *program, e *engine.Engine, o server.Options) error {
	s, err := server.Start(e, o)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "serving on %s\n", s.URL())
	<-p.ctx.Done()
	end, cancel := context.WithTimeout(context.Background(), endWithin)
	defer cancel()
	return s.Shutdown(end)
}

// options are the server's options that the settings mean.
func (s *serveSettings) options() (o server.Options, err error) {
	o = server.Options{Address: s.Address, Hosts: s.Host, Origins: s.Origin}
	if s.Credentials != "" {
		if o.Credentials, err = server.ReadCredentials(s.Credentials); err != nil {
			return o, err
		}
	}
	switch {
	case (s.TLSCert == "") != (s.TLSKey == ""):
		return o, errors.New("tls-cert and tls-key belong together")
	case s.TLSCert == "" && s.ClientCA != "":
		return o, errors.New("client-ca needs tls-cert and tls-key")
	case s.TLSCert == "":
		return o, nil
	}
	certificate, err := tls.LoadX509KeyPair(s.TLSCert, s.TLSKey)
	if err != nil {
		return o, fmt.Errorf("tls-cert: %w", err)
	}
	o.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	if s.ClientCA != "" {
		if o.TLS.ClientCAs, err = readAuthorities(s.ClientCA); err != nil {
			return o, fmt.Errorf("client-ca: %w", err)
		}
	}
	return o, nil
}

// readAuthorities reads certificates of authorities.
func readAuthorities(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s has no certificate (PEM)", path)
	}
	return pool, nil
}

type tokenCommand struct {
	Role        string        `arg:"" enum:"reader,caller,operator" help:"What its bearer may do: reader, caller or operator."`
	Name        string        `arg:"" help:"Whose it is."`
	Credentials string        `required:"" placeholder:"FILE" help:"The file to which the line is added that lets the bearer in. It is made if it is missing."`
	For         time.Duration `help:"How long it holds, such as 720h. Default: forever."`
}

// Help is shown by kong.
func (*tokenCommand) Help() string {
	return `It makes a token, writes it to the standard output, and adds its hash to the file. The token is nowhere else: who loses it needs another
one. A server reads the file when it starts.`
}

// Run is called by kong.
func (c *tokenCommand) Run(p *program) (err error) {
	role, err := server.ParseRole(c.Role)
	if err != nil {
		return usage(err)
	}
	var until time.Time
	if c.For != 0 {
		until = time.Now().Add(c.For)
	}
	token, line, err := server.NewToken(role, c.Name, until)
	if err != nil {
		return usage(err)
	}
	f, err := os.OpenFile(c.Credentials, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("%w: %w", cli.ErrInput, err)
	}
	_, err = fmt.Fprintln(f, line)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.stdout, token)
	return err
}
