package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/concordat-dev/concordat/internal/cli"
	concordatv1 "github.com/concordat-dev/concordat/proto/concordat/v1"
	"github.com/concordat-dev/concordat/proto/concordat/v1/concordatv1connect"
)

// address is a server, and how to get in there.
type address struct {
	URL       string `name:"url" default:"http://127.0.0.1:7411" env:"CONCORDAT_URL" help:"The server."`
	TokenFile string `name:"token-file" placeholder:"FILE" env:"CONCORDAT_TOKEN_FILE" help:"A file with the token. The variable CONCORDAT_TOKEN may have it instead."`
	CA        string `name:"ca" placeholder:"FILE" env:"CONCORDAT_CA" help:"The authorities of the server's certificate (PEM). Default: the system's."`
}

// remoteSettings is the server that a command talks to.
type remoteSettings struct {
	address
	Config string `placeholder:"FILE" env:"CONCORDAT_CLIENT_CONFIG" help:"A file with settings: a JSON object that may have url, token-file and ca."`
	configPrinting
}

// configure implements configured.
func (r *remoteSettings) configure(p *program) error {
	return r.finish(p, r.Config, &r.address)
}

// remote is what a command that asks a server something has.
type remote struct {
	remoteSettings
	Timeout time.Duration `default:"60s" help:"How long to wait for an answer, at most."`
	JSON    bool          `name:"json" help:"Write JSON."`
}

// connection is a way to a server.
type connection struct {
	use     concordatv1connect.ConcordatServiceClient
	operate concordatv1connect.OperatorServiceClient
	ctx     context.Context
	cancel  context.CancelFunc
}

func (r *remote) connect(p *program) (*connection, error) {
	client, err := r.client()
	if err != nil {
		return nil, err
	}
	c := &connection{
		use:     concordatv1connect.NewConcordatServiceClient(client, strings.TrimSuffix(r.URL, "/")),
		operate: concordatv1connect.NewOperatorServiceClient(client, strings.TrimSuffix(r.URL, "/")),
	}
	c.ctx, c.cancel = context.WithTimeout(p.ctx, r.Timeout)
	return c, nil
}

// client is the way to the server.
func (r *address) client() (*http.Client, error) {
	u, err := url.Parse(r.URL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil {
		return nil, usage(errors.New("url: it is none like http://127.0.0.1:7411"))
	}
	token, err := r.token()
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
	if r.CA != "" {
		pool, err := readAuthorities(r.CA)
		if err != nil {
			return nil, fmt.Errorf("%w: ca: %w", cli.ErrInput, err)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	return &http.Client{Transport: bearer{transport, token}, CheckRedirect: func(*http.Request, []*http.Request) error {
		return errors.New("the server redirects, which a server of Concordat does not")
	}}, nil
}

// token is what the server knows the command by; "" is nothing.
func (r *address) token() (string, error) {
	if r.TokenFile == "" {
		return os.Getenv("CONCORDAT_TOKEN"), nil
	}
	text, err := os.ReadFile(r.TokenFile)
	if err != nil {
		return "", fmt.Errorf("%w: token-file: %w", cli.ErrInput, err)
	}
	return strings.TrimSpace(string(text)), nil
}

// bearer adds a token to requests.
type bearer struct {
	http.RoundTripper
	token string
}

// RoundTrip implements http.RoundTripper.
func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.token != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+b.token)
	}
	return b.RoundTripper.RoundTrip(r)
}

// failed is a procedure's error as the command tells it.
func failed(err error) error {
	var of *connect.Error
	if !errors.As(err, &of) {
		return unanswered(err)
	}
	for _, d := range of.Details() {
		if value, failed := d.Value(); failed == nil {
			if e, ok := value.(*concordatv1.Error); ok {
				return errorText(e)
			}
		}
	}
	return unanswered(err)
}

// unanswered is the error of a request that no server has answered: nothing happened if there was no connection, and otherwise nobody knows.
func unanswered(err error) error {
	mark := cli.ErrUnknown
	var dialled *net.OpError
	if errors.As(err, &dialled) && dialled.Op == "dial" {
		mark = cli.ErrUnavailable
	}
	return fmt.Errorf("%w: %s", mark, printable(err.Error()))
}

// errorText is an error of the server's: its code and its text. What is invalid or not there is the command line's fault.
func errorText(e *concordatv1.Error) error {
	err := fmt.Errorf("%s: %s", e.Code, printable(e.Text))
	mark := map[string]error{"invalid": cli.ErrInput, "not_found": cli.ErrInput, "unknown": cli.ErrUnknown, "overloaded": cli.ErrUnavailable}[e.Code]
	if mark == nil {
		return err
	}
	return fmt.Errorf("%w: %w", mark, err)
}

// readFault reads the error that a route which is no procedure's answers with; nil if it is none.
func readFault(body []byte) *concordatv1.Error {
	var answer struct {
		Error *struct{ Code, Text string }
	}
	if json.Unmarshal(body, &answer) != nil || answer.Error == nil {
		return nil
	}
	return &concordatv1.Error{Code: answer.Error.Code, Text: answer.Error.Text}
}

// writeMessage writes a message as JSON.
func writeMessage(w io.Writer, m proto.Message) error {
	text, err := protojson.MarshalOptions{EmitDefaultValues: true}.Marshal(m)
	if err != nil {
		return err
	}
	var plain, indented bytes.Buffer // protojson varies the spaces on purpose
	if err := errors.Join(json.Compact(&plain, text), json.Indent(&indented, plain.Bytes(), "", "  ")); err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, indented.String())
	return err
}

// writeColumns writes a table for people: a line with the names of the columns, and rows.
func writeColumns(w io.Writer, head string, rows func(row func(cells ...any))) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.ReplaceAll(head, " ", "\t"))
	rows(func(cells ...any) {
		for i, c := range cells {
			if i > 0 {
				fmt.Fprint(t, "\t")
			}
			fmt.Fprint(t, printable(fmt.Sprint(c)))
		}
		fmt.Fprintln(t)
	})
	return t.Flush()
}

// printable is a text that a terminal shows as it is: ids and failures are anybody's, and might have control characters.
func printable(text string) string {
	if text == "" {
		return "-"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '\ufffd'
		}
		return r
	}, text)
}

// argument reads an argument: as it stands, from a file (@FILE), or from the standard input (-).
func readArgument(text string) (string, error) {
	switch {
	case text == "-":
		all, err := io.ReadAll(os.Stdin)
		return string(all), err
	case strings.HasPrefix(text, "@"):
		all, err := os.ReadFile(text[1:])
		return string(all), err
	}
	return text, nil
}
