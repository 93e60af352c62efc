package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Options say how a server listens, and whom it lets in. The zero value listens on the loopback interface, on [DefaultAddress], and lets
// everybody do everything who can reach that.
type Options struct {
	// Address is where to listen: a host and a port, such as "127.0.0.1:7411"; port 0 is one that is free. Any other host than the loopback
	// interface's needs TLS and Credentials. Default: DefaultAddress.
	Address string

	// Credentials say who may do what. With some, nobody is let in without, also on the loopback interface. Default: none.
	Credentials *Credentials

	// TLS has the server's certificates. With ClientCAs it may ask for certificates of clients: ClientAuth is tls.VerifyClientCertIfGiven
	// then if it says nothing. Default: none, which only the loopback interface allows.
	TLS *tls.Config

	// Hosts are names by which clients may reach the server, besides those of the loopback interface, the host of Address and those in the
	// server's certificate. A request for any other is refused, so that no foreign page can reach the server through a name of its own
	// (DNS rebinding).
	Hosts []string

	// Origins are those, such as "https://console.example.com", whose pages may send requests, besides the server's own.
	Origins []string

	// BackupDir is a directory in which backups that operators ask for are put together before they are sent, and removed then. It is made if it
	// is missing. On the file system of the engine's directory they take little room there: tables get a second name. It must not be in the
	// engine's directory, and has to be this engine's alone: Start removes the backups there that a server left which was killed meanwhile.
	// Default: the system's directory for temporary files, in which such a one stays.
	BackupDir string

	// MaxBodyBytes bounds the body of a request, and a message of a stream. Default: 8 MiB.
	MaxBodyBytes int

	// MaxHeaderBytes bounds the headers of a request. Default: 32 KiB.
	MaxHeaderBytes int

	// MaxConnections bounds the open connections. At one more the one that has been idle longest is closed, and if none is idle the new one.
	// Default: 4,096.
	MaxConnections int

	// MaxStreams bounds the pipelines and consoles that are open; one more is refused as overloaded. Default: 1,024.
	MaxStreams int

	// MaxStreamRequests bounds the requests that are in flight on one pipeline: until an answer is written the server reads no more than so
	// many. Default: 4,096.
	MaxStreamRequests int

	// HeaderTimeout bounds the time for the headers of a request, BodyTimeout that for the rest of one that is no stream. Defaults: 5 s, 30 s.
	HeaderTimeout, BodyTimeout time.Duration

	// WaitTimeout bounds the time for which a request that is no stream's waits for its outcome; then that is unknown to the client, who asks
	// again under the same id. Default: 60 s.
	WaitTimeout time.Duration

	// WriteTimeout bounds the time for which a client may leave an answer unread. Default: 30 s.
	WriteTimeout time.Duration

	// IdleTimeout is how long a connection may be idle. Default: 2 minutes.
	IdleTimeout time.Duration

	// Metrics are shown at /metrics besides those of the engine and the process. Default: none.
	Metrics prometheus.Gatherer

	// NoConsole leaves out the console, a page for people at /console/. Default: it is there.
	NoConsole bool

	// Compare tells what the program compares, for the console to show side by side and GET /console/api/compare. It is called twice a second
	// while somebody looks, and may be called by several goroutines at once; ctx is over after a second. Default: nothing is compared, and the
	// console has no such view.
	Compare func(ctx context.Context) (Comparison, error)

	// Logger takes what goes wrong. Default: slog.Default().
	Logger *slog.Logger

	// views are in the place of the console's own of their names, for tests.
	views map[string]liveLook
}

// DefaultAddress is where a server listens if nothing else is said.
const DefaultAddress = "127.0.0.1:7411"

func (o Options) withDefaults() Options {
	setDefault(&o.Address, DefaultAddress)
	setDefault(&o.MaxBodyBytes, 8<<20)
	setDefault(&o.MaxHeaderBytes, 32<<10)
	setDefault(&o.MaxConnections, 4096)
	setDefault(&o.MaxStreams, 1024)
	setDefault(&o.MaxStreamRequests, 4096)
	setDefault(&o.HeaderTimeout, 5*time.Second)
	setDefault(&o.BodyTimeout, 30*time.Second)
	setDefault(&o.WaitTimeout, time.Minute)
	setDefault(&o.WriteTimeout, 30*time.Second)
	setDefault(&o.IdleTimeout, 2*time.Minute)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.TLS != nil {
		o.TLS = o.TLS.Clone()
		if o.TLS.ClientCAs != nil && o.TLS.ClientAuth == tls.NoClientCert {
			o.TLS.ClientAuth = tls.VerifyClientCertIfGiven
		}
		o.TLS.MinVersion = max(o.TLS.MinVersion, tls.VersionTLS12)
	}
	return o
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate reports what is wrong with the options.
func (o Options) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("server: "+format, args...))
		}
	}
	setDefault(&o.Address, DefaultAddress)
	host, _, err := net.SplitHostPort(o.Address)
	check(err == nil, "Options.Address is %q, which is no host and port: %v", o.Address, err)
	if err == nil && !isLoopback(host) {
		check(o.TLS != nil, "Options.Address is %q, which others can reach: that needs TLS", o.Address)
		check(!o.Credentials.IsEmpty(), "Options.Address is %q, which others can reach: that needs Credentials", o.Address)
	}
	if o.TLS != nil {
		check(len(o.TLS.Certificates) > 0 || o.TLS.GetCertificate != nil || o.TLS.GetConfigForClient != nil, "Options.TLS has no certificate")
		check(!o.TLS.InsecureSkipVerify, "Options.TLS has InsecureSkipVerify set")
	}
	if o.Credentials.HasCertificates() {
		check(o.TLS != nil && o.TLS.ClientCAs != nil, "Options.Credentials has client certificates: these need Options.TLS with ClientCAs")
	}
	for _, origin := range o.Origins {
		u, err := url.Parse(origin)
		check(err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.Path == "" && u.RawQuery == "" && u.User == nil,
			"Options.Origins has %q, which is none like https://console.example.com", origin)
	}
	for _, host := range o.Hosts {
		check(host != "" && !strings.ContainsAny(host, "/ "), "Options.Hosts has %q, which is no name of a host", host)
	}
	for name, n := range map[string]int{
		"MaxBodyBytes": o.MaxBodyBytes, "MaxHeaderBytes": o.MaxHeaderBytes, "MaxConnections": o.MaxConnections, "MaxStreams": o.MaxStreams,
		"MaxStreamRequests": o.MaxStreamRequests, "HeaderTimeout": int(o.HeaderTimeout), "BodyTimeout": int(o.BodyTimeout),
		"WaitTimeout": int(o.WaitTimeout), "WriteTimeout": int(o.WriteTimeout), "IdleTimeout": int(o.IdleTimeout),
	} {
		check(n >= 0, "Options.%s is negative", name)
	}
	return errors.Join(errs...)
}

// isLoopback reports whether only this machine reaches a host. A name is asked for nowhere: who answers might change.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
