package server_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/concordat-dev/concordat/client"
	"github.com/concordat-dev/concordat/examples/bank"
	"github.com/concordat-dev/concordat/server"
)

// tokens makes credentials with a token for each role, and an expired one.
func tokens(t testing.TB) (c *server.Credentials, of map[server.Role]string, expired string) {
	t.Helper()
	of = map[server.Role]string{}
	var file strings.Builder
	for role := server.Reader; role <= server.Operator; role++ {
		token, line, err := server.NewToken(role, "a-"+role.String(), time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		of[role] = token
		fmt.Fprintln(&file, line)
	}
	expired, line, err := server.NewToken(server.Operator, "old", time.Now().Add(-time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&file, "# the last one is over\n\n%s\n", line)
	if c, err = server.ParseCredentials(strings.NewReader(file.String())); err != nil {
		t.Fatal(err)
	}
	return c, of, expired
}

// probe is a request that tells whether a role gets past the door of a route.
type probe struct {
	needs              server.Role
	method, path, body string
}

// probes has each route of a server. A route that is not here fails TestRoles: say who may use it.
var probes = map[string]probe{
	"/v1/call/*":           {server.Caller, "POST", "/v1/call/test/drawer/count?id=d", "1"},
	"/v1/run/*":            {server.Caller, "POST", "/v1/run/bank/total", "[]"},
	"/v1/ask/*":            {server.Reader, "GET", "/v1/ask/test/drawer/concordat.exists?id=d", ""},
	"/v1/instances/*":      {server.Reader, "GET", "/v1/instances/test/drawer", ""},
	"/v1/request/*":        {server.Reader, "GET", "/v1/request/test/drawer?id=d&request=x", ""},
	"/v1/backup":           {server.Operator, "GET", "/v1/backup", ""},
	"/openapi.json":        {server.Reader, "GET", "/openapi.json", ""},
	"/healthz":             {server.Nobody, "GET", "/healthz", ""},
	"/readyz":              {server.Nobody, "GET", "/readyz", ""},
	"/metrics":             {server.Reader, "GET", "/metrics", ""},
	"/":                    {server.Nobody, "GET", "/", ""},
	"/console":             {server.Nobody, "GET", "/console", ""},
	"/console/":            {server.Nobody, "GET", "/console/", ""},
	"/console/*":           {server.Nobody, "GET", "/console/app.js", ""},
	"/console/api/live":    {server.Reader, "GET", "/console/api/live?views=nothing", ""},
	"/console/api/session": {server.Reader, "GET", "/console/api/session", ""},
	"/console/api/compare": {server.Reader, "GET", "/console/api/compare", ""},
	"/debug/pprof/*":       {server.Operator, "GET", "/debug/pprof/heap", ""},
	"/debug/pprof/cmdline": {server.Operator, "GET", "/debug/pprof/cmdline", ""},
	"/debug/pprof/profile": {server.Operator, "GET", "/debug/pprof/profile?seconds=1", ""},
	"/debug/pprof/symbol":  {server.Operator, "GET", "/debug/pprof/symbol", ""},
	"/debug/pprof/trace":   {server.Operator, "GET", "/debug/pprof/trace?seconds=0", ""},

	"/concordat.v1.ConcordatService/Do":               {server.Reader, "POST", "", `{"request":{"type":"test/drawer","operation":"concordat.exists","id":"d"}}`},
	"/concordat.v1.ConcordatService/Pipeline":         {server.Reader, "POST", "", ""},
	"/concordat.v1.ConcordatService/GetRequest":       {server.Reader, "POST", "", `{"requestId":"x","coordinator":"bank/total"}`},
	"/concordat.v1.ConcordatService/ListInstances":    {server.Reader, "POST", "", `{"type":"test/drawer"}`},
	"/concordat.v1.ConcordatService/Describe":         {server.Reader, "POST", "", "{}"},
	"/concordat.v1.OperatorService/ListTransactions":  {server.Reader, "POST", "", "{}"},
	"/concordat.v1.OperatorService/ListSagas":         {server.Reader, "POST", "", "{}"},
	"/concordat.v1.OperatorService/ListLocks":         {server.Reader, "POST", "", "{}"},
	"/concordat.v1.OperatorService/ListDeadlocks":     {server.Reader, "POST", "", "{}"},
	"/concordat.v1.OperatorService/ListTimers":        {server.Reader, "POST", "", "{}"},
	"/concordat.v1.OperatorService/DecideSaga":        {server.Operator, "POST", "", `{"id":"1","decision":"DECISION_SKIP"}`},
	"/concordat.v1.OperatorService/CancelSaga":        {server.Operator, "POST", "", `{"id":"1"}`},
	"/concordat.v1.OperatorService/CancelTransaction": {server.Operator, "POST", "", `{"id":"1"}`},
	"/concordat.v1.OperatorService/CancelRequest":     {server.Operator, "POST", "", `{"requestId":"x","coordinator":"bank/total"}`},
}

// TestRoles: each route lets in those roles that may use it, and nobody else; nothing is let in that is forged or expired.
func TestRoles(t *testing.T) {
	credentials, of, expired := tokens(t)
	s := start(t, openEngine(t), server.Options{Credentials: credentials})
	for path, needs := range s.Routes() {
		p, known := probes[path]
		if !known {
			t.Errorf("the route %s is not in the table: say who may use it", path)
			continue
		}
		if p.needs != needs {
			t.Errorf("%s is for %v, and is to be for %v", path, needs, p.needs)
		}
		if p.path == "" {
			p.path = path
		}
		for role := server.Nobody; role <= server.Operator; role++ {
			var headers []string
			if role > server.Nobody {
				headers = []string{"Authorization", "Bearer " + of[role]}
			}
			got := send(t, s, p.method, p.path, p.body, headers...)
			in := got.status != http.StatusUnauthorized && got.status != http.StatusForbidden
			if in != (role >= p.needs) || role == server.Nobody && !in && got.header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s as %v: %d %.200s", path, role, got.status, got.body)
			}
		}
		for name, header := range map[string]string{
			"forged": "Bearer concordat_forged", "expired": "Bearer " + expired, "cut": "Bearer " + of[server.Operator][:40], "empty": "Bearer ",
			"basic": "Basic " + of[server.Operator], "hash": "Bearer " + strings.Repeat("0", 64),
		} {
			got := send(t, s, p.method, p.path, p.body, "Authorization", header)
			if p.needs > server.Nobody && got.status != http.StatusUnauthorized {
				t.Errorf("%s with a token that is %s: %d %.200s", path, name, got.status, got.body)
			}
		}
	}
	if len(probes) != len(s.Routes()) {
		t.Errorf("the table has %d routes, the server %d", len(probes), len(s.Routes()))
	}
	expect(t, send(t, s, "POST", "/concordat.v1.ConcordatService/Do", `{"request":{"type":"test/drawer","operation":"count","id":"d","json":"1"}}`,
		"Authorization", "Bearer "+of[server.Caller]), 200, `{"answer":{"json":"3"}}`)
	expectCode(t, send(t, s, "POST", "/concordat.v1.ConcordatService/Do", `{"request":{"type":"test/drawer","operation":"count","id":"d","json":"1"}}`,
		"Authorization", "Bearer "+of[server.Reader]), 403, "permission_denied", "needs the role caller")
}

// TestPipelineRoles: on a stream each request is looked at.
func TestPipelineRoles(t *testing.T) {
	credentials, of, _ := tokens(t)
	s := start(t, openEngine(t), server.Options{Credentials: credentials})
	reader, err := client.Open(client.Options{URL: s.URL(), Token: of[server.Reader]}, parts()...)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if exists, err := client.Ask(ctx, reader, bank.Accounts.Exists("a")); err != nil || exists {
		t.Error(exists, err)
	}
	if err := reader.Do(ctx, bank.Open.On("a", 1)); !errors.Is(err, client.ErrForbidden) {
		t.Error(err)
	}
	for _, token := range []string{"", "concordat_forged"} {
		if _, err := client.Open(client.Options{URL: s.URL(), Token: token}, parts()...); !errors.Is(err, client.ErrUnauthenticated) {
			t.Error(err)
		}
	}
}

// TestForeignPages: requests for other hosts and from pages of other origins are refused, also on the loopback interface.
func TestForeignPages(t *testing.T) {
	s := start(t, openEngine(t), server.Options{Hosts: []string{"bank.example.com"}, Origins: []string{"https://console.example.com"}})
	_, port, _ := net.SplitHostPort(s.Addr().String())
	for _, c := range []struct {
		header, value string
		in            bool
	}{
		{"Host", "localhost:" + port, true}, {"Host", "LOCALHOST.", true}, {"Host", "127.0.0.1", true}, {"Host", "[::1]:80", true}, {"Host", "bank.example.com", true},
		{"Host", "evil.example.com", false}, {"Host", "localhost.evil.example.com", false}, {"Host", "127.0.0.1.evil.example.com", false}, {"Host", "evil.example.com:" + port, false},
		{"Origin", "https://console.example.com", true}, {"Origin", s.URL(), true},
		{"Origin", "https://evil.example.com", false}, {"Origin", "null", false}, {"Origin", strings.Replace(s.URL(), "http", "https", 1), false},
		{"Origin", "http://localhost:1", false}, {"Origin", "https://console.example.com.evil.example.com", false},
		{"Sec-Fetch-Site", "same-origin", true}, {"Sec-Fetch-Site", "none", true}, {"Sec-Fetch-Site", "cross-site", false}, {"Sec-Fetch-Site", "same-site", false},
	} {
		for _, p := range []probe{{path: "/v1/call/test/drawer/count?id=d", method: "POST", body: "1"}, {path: "/openapi.json", method: "GET"}, {path: "/healthz", method: "GET"}} {
			got := send(t, s, p.method, p.path, p.body, c.header, c.value)
			if in := got.status == 200; in != c.in || !in && got.status != http.StatusForbidden {
				t.Errorf("%s: %s, %s %s: %d %.200s", c.header, c.value, p.method, p.path, got.status, got.body)
			}
		}
	}
}

// TestOptions: what would let others in without TLS and credentials is refused.
func TestOptions(t *testing.T) {
	credentials, _, _ := tokens(t)
	with := func(f func(o *server.Options)) server.Options {
		o := server.Options{Address: "127.0.0.1:0"}
		f(&o)
		return o
	}
	certificate := &tls.Config{Certificates: []tls.Certificate{{}}}
	for part, o := range map[string]server.Options{
		"that needs TLS":          {Address: "0.0.0.0:0", Credentials: credentials},
		"that needs Credentials":  {Address: ":0", TLS: certificate},
		"needs TLS":               {Address: "example.com:1"},
		"no host and port":        {Address: "localhost"},
		"no certificate":          with(func(o *server.Options) { o.TLS = &tls.Config{} }),
		"Options.Origins":         with(func(o *server.Options) { o.Origins = []string{"*"} }),
		"Options.Hosts":           with(func(o *server.Options) { o.Hosts = []string{"http://x"} }),
		"Options.MaxBodyBytes":    with(func(o *server.Options) { o.MaxBodyBytes = -1 }),
		"Options.TLS with Client": with(func(o *server.Options) { o.Credentials = parse(t, "reader a certificate") }),
	} {
		if s, err := server.Start(nil, o); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v, %v: want %q", s, err, part)
		}
	}
	e := openEngine(t)
	first := start(t, e, server.Options{})
	if _, err := server.Start(e, server.Options{Address: first.Addr().String()}); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("a port in use: %v", err)
	}
}

func parse(t *testing.T, text string) *server.Credentials {
	t.Helper()
	c, err := server.ParseCredentials(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCredentialFiles: what is wrong with a file of credentials is told with the line, and without what is in it.
func TestCredentialFiles(t *testing.T) {
	hash := strings.Repeat("ab", 32)
	for text, part := range map[string]string{
		"reader":                                              "line 1: it has 1 fields",
		"\nking me sha256:" + hash:                            `line 2: server: there is no role "king"`,
		"reader me sha256:" + hash[1:]:                        "line 1: the third field",
		"reader me sha256:" + hash + "00":                     "line 1: the third field",
		"reader me md5:" + hash:                               "line 1: the third field",
		"reader me sha256:" + hash + " soon":                  "line 1: the time",
		"reader a certificate\nreader a certificate":          "line 2: the certificate",
		"reader " + strings.Repeat("x", 200) + " certificate": "line 1: a name",
		strings.Repeat("x", 1<<20):                            "line 1: ",
		strings.Repeat("reader me sha256:"+hash+"\n", server.MaxCredentials+1): "more than 1000",
	} {
		_, err := server.ParseCredentials(strings.NewReader(text))
		if err == nil || !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), hash[1:]) {
			t.Errorf("%.60q: %v", text, err)
		}
	}
	path := filepath.Join(t.TempDir(), "credentials")
	if _, err := server.ReadCredentials(path); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chmod(path, 0o666)); err != nil {
		t.Fatal(err)
	}
	if _, err := server.ReadCredentials(path); err == nil || !strings.Contains(err.Error(), "others can write") {
		t.Error(err)
	}
}

// certify makes a certificate, signed by another one or by itself.
func certify(t *testing.T, name string, by *tls.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: by == nil, BasicConstraintsValid: true,
	}
	parent, signer := template, any(key)
	if by != nil {
		parent, signer = by.Leaf, by.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// TestCertificates: a client certificate stands for a role, if its authority is the server's.
func TestCertificates(t *testing.T) {
	authority := certify(t, "authority", nil)
	pool := x509.NewCertPool()
	pool.AddCert(authority.Leaf)
	s := start(t, openEngine(t), server.Options{
		TLS:         &tls.Config{Certificates: []tls.Certificate{certify(t, "localhost", &authority)}, ClientCAs: pool},
		Credentials: parse(t, "caller alice certificate\nreader old certificate 2020-01-01T00:00:00Z"),
	})
	other := certify(t, "authority", nil)
	dial := func(certificates ...tls.Certificate) error {
		c, err := client.Open(client.Options{URL: s.URL(), TLS: &tls.Config{RootCAs: pool, Certificates: certificates}}, parts()...)
		if err != nil {
			return err
		}
		defer c.Close()
		return c.Do(ctx, bank.Open.On("a", 1))
	}
	if err := dial(certify(t, "alice", &authority)); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"nobody": dial(), "unknown": dial(certify(t, "bob", &authority)), "expired": dial(certify(t, "old", &authority)),
	} {
		if !errors.Is(err, client.ErrUnauthenticated) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := dial(certify(t, "alice", &other)); err == nil {
		t.Error("a certificate of another authority is let in")
	}
}

// TestNoSecrets: neither the log nor an answer has a token in it.
func TestNoSecrets(t *testing.T) {
	credentials, of, _ := tokens(t)
	var log bytes.Buffer
	s := start(t, openEngine(t), server.Options{Credentials: credentials, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	secret := of[server.Reader]
	for _, path := range []string{"/v1/call/test/drawer/count?id=d", "/v1/nothing", "/debug/pprof/heap", "/openapi.json"} {
		got := send(t, s, "POST", path, "1", "Authorization", "Bearer "+secret)
		if strings.Contains(got.body+fmt.Sprint(got.header), secret) {
			t.Errorf("%s: the answer has the token: %s", path, got.body)
		}
	}
	conn, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nBad Header %s\r\n\r\n", secret, secret)
	answer, _ := io.ReadAll(conn)
	conn.Close()
	if strings.Contains(string(answer), secret) || strings.Contains(log.String(), secret) {
		t.Errorf("the token is told: %s, %s", answer, log.String())
	}
}
