package settings_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/examples/bank"
	"github.com/concordat-dev/concordat/kafka"
	"github.com/concordat-dev/concordat/kafka/settings"
	"github.com/concordat-dev/concordat/server"
)

var (
	ctx   = context.Background()
	quiet = slog.New(slog.NewTextHandler(io.Discard, nil))
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	must(t, os.WriteFile(path, text, 0o600))
	return path
}

// read reads settings as the server's file has them.
func read(t *testing.T, text string) (s settings.Settings) {
	t.Helper()
	must(t, json.Unmarshal([]byte(text), &s))
	return s
}

// TestBadSettings: each mistake is told with its place.
func TestBadSettings(t *testing.T) {
	const good = `"topics":["in"],"function":"bank/transfer"`
	for _, c := range []struct{ text, want string }{
		{`{}`, "brokers: there are none"},
		{`{"brokers":["b:1"]}`, "ingresses: there are none"},
		{`{"brokers":["b:1"],"ingresses":{"a":{"topics":["in"]}}}`, `ingresses.a.function: server: there is no function ""`},
		{`{"brokers":["b:1"],"ingresses":{"a":{"topics":["in"],"function":"bank/account.rob"}}}`, `there is no function "bank/account.rob"`},
		{`{"brokers":["b:1"],"ingresses":{"a":{"function":"bank/transfer"}}}`, "ingresses.a: kafka: IngressOptions.Topics is empty"},
		{`{"brokers":["b:1"],"ingresses":{"a":{` + good + `,"start":"soon"}}}`, `ingresses.a.start: "soon" is neither`},
		{`{"brokers":["b:1"],"ingresses":{"a":{` + good + `,"lost":"ignore"}}}`, `ingresses.a.lost: "ignore" is neither`},
		{`{"brokers":["b:1"],"ingresses":{"a":{` + good + `,"answers":{"topics":["out"]}}}}`, "ingresses.a: a.answers: kafka: EgressOptions.TransactionalID is empty"},
		{`{"brokers":["b:1"],"ingresses":{"a":{` + good + `,"answers":{"transactional_id":"x"}}}}`, "Answers and ReplyTopics need each other"},
		{`{"brokers":["b:1"],"ingresses":{"a":{` + good + `,"dead_letters":{"transactional_id":"x"}}}}`, "ingresses.a.dead_letters.topic: there is none"},
		{`{"brokers":["b:1"],"ingresses":{"a":{` + good + `,"dead_letters":{"topic":"x","transactional_id":"x","timeout":"soon"}}}}`, "the timeout of a.dead-letters"},
		{`{"brokers":["b:1"],"tls":{"ca":"/nowhere"},"ingresses":{"a":{` + good + `}}}`, "tls.ca: open /nowhere"},
		{`{"brokers":["b:1"],"tls":{"cert":"/nowhere"},"ingresses":{"a":{` + good + `}}}`, "tls.cert, tls.key"},
		{`{"brokers":["b:1"],"sasl":{"user":"u","password_file":"/nowhere"},"ingresses":{"a":{` + good + `}}}`, "sasl.password_file: open /nowhere"},
		{`{"brokers":["b:1"],"sasl":{"mechanism":"MAGIC","user":"u","password_file":"/dev/null"},"ingresses":{"a":{` + good + `}}}`, `sasl.mechanism: "MAGIC" is none of`},
		{`{"brokers":["b:1"],"sasl":{"mechanism":"PLAIN","password_file":"/dev/null"},"ingresses":{"a":{` + good + `}}}`, "sasl.user: there is none"},
	} {
		s := read(t, c.text)
		if _, err := s.Ends(server.NewFunctions(bank.Parts()...), quiet); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.text, err, c.want)
		}
	}
}

// TestEnds: records ask for operations and coordinator functions, are answered in JSON, or go where dead letters go; over TLS, with a password; and
// a registry shows it.
func TestEnds(t *testing.T) {
	https := httptest.NewTLSServer(nil) // it has a certificate of 127.0.0.1
	defer https.Close()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "credits", "balances", "transfers", "receipts", "dead"),
		kfake.TLS(&tls.Config{Certificates: https.TLS.Certificates}), kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-256", "chief", "secret"))
	must(t, err)
	defer cluster.Close()
	ca := write(t, "ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: https.Certificate().Raw}))
	password := write(t, "password", []byte("secret\n"))
	text, err := json.Marshal(map[string]any{
		"brokers": cluster.ListenAddrs(),
		"tls":     map[string]any{"ca": ca},
		"sasl":    map[string]any{"mechanism": "SCRAM-SHA-256", "user": "chief", "password_file": password},
		"ingresses": map[string]any{
			"openings": map[string]any{"topics": []string{"credits"}, "function": "bank/account.open"},
			"balances": map[string]any{"topics": []string{"balances"}, "function": "bank/account.balance", "no_outcomes": true,
				"answers": map[string]any{"topics": []string{"receipts"}, "transactional_id": "balances", "timeout": "5s"}},
			"transfers": map[string]any{"topics": []string{"transfers"}, "function": "bank/transfer", "start": "earliest",
				"answers":      map[string]any{"topics": []string{"receipts"}, "transactional_id": "receipts"},
				"dead_letters": map[string]any{"topic": "dead", "at_least_once": true}},
		},
	})
	must(t, err)
	s := read(t, string(text))
	ends, err := s.Ends(server.NewFunctions(bank.Parts()...), quiet)
	must(t, err)
	e, err := engine.Open(engine.Options{Dir: t.TempDir(), ReserveBytes: -1, Sources: ends.Sources, Egresses: ends.Egresses, Logger: quiet}, bank.Parts()...)
	must(t, err)
	defer e.Close()
	authorities := x509.NewCertPool()
	authorities.AddCert(https.Certificate())
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.DialTLSConfig(&tls.Config{RootCAs: authorities}),
		kgo.SASL(scram.Auth{User: "chief", Pass: "secret"}.AsSha256Mechanism()), kgo.ConsumeTopics("receipts", "dead"), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	must(t, err)
	defer client.Close()
	produce := func(topic, key, value string) {
		t.Helper()
		must(t, client.ProduceSync(ctx, &kgo.Record{Topic: topic, Key: []byte(key), Value: []byte(value)}).FirstErr())
	}
	produce("credits", "a", "100")
	produce("credits", "b", "0")
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if _, err := engine.Ask(ctx, e, bank.Balance.On("b")); err == nil {
			break
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	produce("transfers", "a", `{"From":"a","To":"b","Amount":30}`)
	produce("transfers", "a", `{"From":"a","To":"b","Amount":300}`)
	produce("transfers", "c", `{"Form":"a"}`)
	got := wait(t, client, 3)
	produce("balances", "b", "")
	got = append(got, wait(t, client, 1)...)
	slices.Sort(got)
	if want := []string{
		`dead c {"Form":"a"} `,
		`receipts a  failed`,
		`receipts a  succeeded`,
		`receipts b 30 succeeded`,
	}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	shown := httptest.NewRecorder()
	promhttp.HandlerFor(ends.Metrics, promhttp.HandlerOpts{}).ServeHTTP(shown, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{
		`concordat_kafka_next_offset{ingress="transfers",partition="0",topic="transfers"} 3`, `concordat_kafka_write_bytes_total{end="transfers.answers"`,
		`concordat_kafka_read_bytes_total{end="openings"`,
	} {
		if !strings.Contains(shown.Body.String(), want) {
			t.Errorf("it is not shown: %s", want)
		}
	}
}

// wait waits for n records, and tells the topic, key, value and status of each.
func wait(t *testing.T, client *kgo.Client, n int) (all []string) {
	t.Helper()
	bounded, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for len(all) < n {
		fetches := client.PollFetches(bounded)
		must(t, bounded.Err())
		for _, r := range fetches.Records() {
			status := ""
			for _, h := range r.Headers {
				if h.Key == kafka.StatusHeader {
					status = string(h.Value)
				}
			}
			all = append(all, fmt.Sprintf("%s %s %s %s", r.Topic, r.Key, r.Value, status))
		}
	}
	return all
}
