package server

import (
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// gate lets requests in: those for a name of this server, from a page of this server or from none, with credentials that are good.
type gate struct {
	options Options
	hosts   map[string]bool
	origins map[string]bool
}

func newGate(o Options) *gate {
	g := &gate{options: o, hosts: map[string]bool{"localhost": true}, origins: map[string]bool{}}
	if host, _, err := net.SplitHostPort(o.Address); err == nil && host != "" {
		g.hosts[canonicalHost(host)] = true
	}
	for _, host := range o.Hosts {
		g.hosts[canonicalHost(host)] = true
	}
	for _, origin := range o.Origins {
		g.origins[strings.ToLower(origin)] = true
	}
	return g
}

// canonicalHost is a host's name without a dot at its end and brackets, in lower case.
func canonicalHost(host string) string {
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}

// admit returns who sends a request; a fault if it is not let in at all. Without credentials in the options everybody is an operator.
func (g *gate) admit(r *http.Request) (credential, *fault) {
	if f := g.checkHost(r); f != nil {
		return credential{}, f
	}
	if f := g.checkOrigin(r); f != nil {
		return credential{}, f
	}
	if g.options.Credentials.IsEmpty() {
		return credential{role: Operator}, nil
	}
	return g.options.Credentials.identify(r, time.Now())
}

// checkHost refuses a request for a name that is not the server's. A page on another host whose name was made to mean this one sends them.
func (g *gate) checkHost(r *http.Request) *fault {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = canonicalHost(host)
	if g.hosts[host] || isLoopback(host) || host != "" && tlsNames(g.options.TLS, host) {
		return nil
	}
	return faultf(codeForbidden, "the request is for the host %.100q, which is no name of this server: see Options.Hosts", r.Host)
}

// checkOrigin refuses a request that a browser sends for a page of somebody else, whatever its method: it has the user's certificate, or
// the run of the loopback interface.
func (g *gate) checkOrigin(r *http.Request) *fault {
	origin := r.Header.Get("Origin")
	if origin == "" {
		switch r.Header.Get("Sec-Fetch-Site") {
		case "", "none", "same-origin":
			return nil
		}
		return faultf(codeForbidden, "a browser sends the request for a page of another origin")
	}
	u, err := url.Parse(origin)
	if err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host) && (u.Scheme == "https") == (r.TLS != nil) || g.origins[strings.ToLower(origin)] {
		return nil
	}
	return faultf(codeForbidden, "a browser sends the request for a page of the origin %.100q: see Options.Origins", origin)
}
