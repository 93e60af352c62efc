package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"

	"github.com/concordat-dev/concordat/client"
	"github.com/concordat-dev/concordat/internal/cli"
	"github.com/concordat-dev/concordat/ycsb/accounts"
	"github.com/concordat-dev/concordat/ycsb/postgres"
)

// externalFlags are the flags for targets that run elsewhere: servers and PostgreSQL.
type externalFlags struct {
	TokenFile   string `placeholder:"FILE" env:"CONCORDAT_TOKEN_FILE" help:"A file with the token for a server that is the target. The variable CONCORDAT_TOKEN may have it instead."`
	CA          string `name:"ca" placeholder:"FILE" env:"CONCORDAT_CA" help:"The authorities of that server's certificate (PEM). Default: the system's."`
	Connections int    `default:"0" help:"Sessions of PostgreSQL. 0: 32."`
}

// The kinds of targets that run elsewhere.
const (
	ofServer   = "server"
	ofPostgres = "postgres"
)

// protocolsOf are those that a kind is compared under.
var protocolsOf = map[string][]string{
	ofServer:   {string(accounts.Saga), string(accounts.Serializable)},
	ofPostgres: {string(postgres.ReadCommitted), string(postgres.Serializable)},
}

// kindOf is the kind of a target.
func kindOf(text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "", errors.New("target: it is no URL") // the error would repeat a password
	case (u.Scheme == "http" || u.Scheme == "https") && u.Host != "":
		return ofServer, nil
	case u.Scheme == "postgres" || u.Scheme == "postgresql":
		return ofPostgres, nil
	}
	return "", fmt.Errorf("target: %q is neither a server's (http://, https://) nor PostgreSQL's (postgres://)", u.Redacted())
}

// protocol is what reports call a protocol that was asked for: with a target that runs elsewhere, that target's.
func (s settings) protocol(asked string) string {
	for name := range s.external {
		return name // add was called once
	}
	return asked
}

// external opens a target that runs elsewhere, for a number of keys.
type external func(keys int) (target, error)

// externals are the targets that run elsewhere, by what reports call their protocols, such as server/saga.
type externals map[string]external

// add adds a target under protocols; none are those that it is compared under. The error is for the command line.
func (e externals) add(f externalFlags, target string, protocols ...string) (names []string, err error) {
	kind, err := kindOf(target)
	if err != nil {
		return nil, err
	}
	if len(protocols) == 0 {
		protocols = protocolsOf[kind]
	}
	for _, protocol := range protocols {
		open, normal, err := f.opens(kind, target, protocol)
		if err != nil {
			return nil, err
		}
		name := path.Join(kind, normal)
		if e[name] != nil {
			return nil, fmt.Errorf("target: there are two of the kind %s", kind)
		}
		e[name] = open
		names = append(names, name)
	}
	return names, nil
}

// opens returns how to open a target, and its protocol in lower case.
func (f externalFlags) opens(kind, url, protocol string) (external, string, error) {
	if kind == ofPostgres {
		isolation, err := postgres.ParseIsolation(protocol)
		return func(int) (target, error) {
			return postgres.Open(postgres.Options{URL: url, Isolation: isolation, Connections: f.Connections})
		}, string(isolation), err
	}
	p, err := accounts.ParseProtocol(protocol)
	return func(keys int) (target, error) {
		return f.connect(url, p, keys)
	}, string(p), err
}

// connect connects to a server.
func (f externalFlags) connect(url string, protocol accounts.Protocol, keys int) (target, error) {
	token, err := (&address{TokenFile: f.TokenFile}).token()
	if err != nil {
		return nil, err
	}
	o := client.Options{URL: url, Token: token}
	if f.CA != "" {
		pool, err := readAuthorities(f.CA)
		if err != nil {
			return nil, fmt.Errorf("%w: ca: %w", cli.ErrInput, err)
		}
		o.TLS = &tls.Config{RootCAs: pool}
	}
	if err := o.Validate(); err != nil {
		return nil, usage(fmt.Errorf("target: %w", err))
	}
	t, err := accounts.Connect(accounts.RemoteOptions{Client: o, Keys: keys, Protocol: protocol})
	switch {
	case errors.Is(err, client.ErrDiffers):
		return nil, fmt.Errorf("%w\na server of concordat serve --ycsb has the functions of the workload", err)
	case err != nil:
		return nil, err
	}
	return t, nil
}

// engineFlagsGiven reports flags of the engine that are given and mean nothing for a target that runs elsewhere.
func engineFlagsGiven(given map[string]bool) error {
	var names []string
	for _, flag := range []string{"policy", "workers", "dir", "stages"} {
		if given[flag] {
			names = append(names, "--"+flag)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("%s: the target has an engine or a database of its own", strings.Join(names, ", "))
}
