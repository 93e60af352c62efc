package client

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Options say which server a client uses, and how. Only URL is required.
type Options struct {
	// URL is the server's address, such as "http://127.0.0.1:7411" or "https://bank.example.com:7411".
	URL string

	// Token is what the server knows the client by. It is sent to no other than URL. Default: none.
	Token string

	// TLS has the certificates that the client trusts, and its own. Default: those that the system trusts.
	TLS *tls.Config

	// Timeout bounds the time to connect. Default: 5 s.
	Timeout time.Duration

	// RetryFor is how long a request is tried for that can be sent again: while the server cannot be reached, and after connections were lost.
	// Default: 30 s. Negative: it is tried once.
	RetryFor time.Duration

	// MaxInFlight bounds the requests that wait for their outcome; one more is ErrOverloaded at once. Default: 65,536.
	MaxInFlight int
}

func (o Options) withDefaults() Options {
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second
	}
	if o.RetryFor == 0 {
		o.RetryFor = 30 * time.Second
	}
	if o.MaxInFlight == 0 {
		o.MaxInFlight = 1 << 16
	}
	o.URL = strings.TrimSuffix(o.URL, "/")
	return o
}

// Validate reports what is wrong with the options.
func (o Options) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("client: "+format, args...))
		}
	}
	u, err := url.Parse(o.URL)
	check(err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.RawQuery == "" && u.Fragment == "",
		"Options.URL is none like http://127.0.0.1:7411")
	check(err != nil || u.User == nil, "Options.URL has a user or a password: credentials belong into Options.Token")
	check(err != nil || u.Scheme == "https" || o.TLS == nil, "Options.TLS needs a URL that begins with https")
	check(!strings.ContainsAny(o.Token, "\r\n"), "Options.Token has a line break")
	check(o.Timeout >= 0, "Options.Timeout is negative")
	check(o.MaxInFlight >= 0, "Options.MaxInFlight is negative")
	return errors.Join(errs...)
}
