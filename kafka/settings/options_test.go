package settings

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"

	"github.com/concordat-dev/concordat/kafka"
)

// TestOptions: each setting reaches the option that it is for.
func TestOptions(t *testing.T) {
	var s Settings
	if err := json.Unmarshal([]byte(`{"brokers": ["b:1", "c:2"], "ingresses": {"a": {
		"topics": ["in", "more"], "start": "2026-01-02T15:04:05Z", "lost": "skip", "unordered": true, "no_outcomes": true,
		"answers": {"topics": ["x", "y"], "transactional_id": "id", "position_topic": "where", "timeout": "5s"},
		"dead_letters": {"topic": "dead", "at_least_once": true}
	}, "b": {"topics": ["in"], "start": "latest", "lost": "stop"}}}`), &s); err != nil {
		t.Fatal(err)
	}
	b := builder{settings: &s, ends: Ends{Metrics: prometheus.NewRegistry()}}
	a := s.Ingresses["a"]
	for name, c := range map[string]struct{ got, want any }{
		"a": {b.ingressOptions("a", a), kafka.IngressOptions{
			Brokers: []string{"b:1", "c:2"}, Topics: []string{"in", "more"}, Start: kafka.At(time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)), Lost: kafka.SkipLost,
			Unordered: true, NoOutcomes: true, Answers: "a.answers", ReplyTopics: []string{"x", "y"}, DeadLetters: "a.dead-letters",
		}},
		"b":       {b.ingressOptions("b", s.Ingresses["b"]), kafka.IngressOptions{Brokers: []string{"b:1", "c:2"}, Topics: []string{"in"}, Start: kafka.Latest()}},
		"answers": {b.egressOptions("a", "x", a.Answers.Producer), kafka.EgressOptions{Brokers: []string{"b:1", "c:2"}, TransactionalID: "id", PositionTopic: "where", Timeout: 5 * time.Second}},
		"dead":    {b.egressOptions("a", "y", a.DeadLetters.Producer), kafka.EgressOptions{Brokers: []string{"b:1", "c:2"}, AtLeastOnce: true}},
	} {
		got := reflect.ValueOf(&c.got).Elem().Elem()
		changed := reflect.New(got.Type()).Elem()
		changed.Set(got)
		if changed.FieldByName("Client").Len() != 1 {
			t.Errorf("%s: %d options of the client, want that of its metrics", name, changed.FieldByName("Client").Len())
		}
		changed.FieldByName("Client").SetZero()
		if !reflect.DeepEqual(changed.Interface(), c.want) {
			t.Errorf("%s: %+v, want %+v", name, changed, c.want)
		}
	}
	if len(b.errs) > 0 {
		t.Error(b.errs)
	}
}

// TestLogins: each mechanism logs in as its own, with the user and the password of the file.
func TestLogins(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("secret\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		s := Settings{SASL: &SASL{Mechanism: name, User: "chief", PasswordFile: file}}
		options, err := s.client()
		if err != nil {
			t.Fatal(err)
		}
		client, err := kgo.NewClient(options...)
		if err != nil {
			t.Fatal(err)
		}
		mechanisms, _ := client.OptValue(kgo.SASL).([]sasl.Mechanism)
		client.Close()
		if len(mechanisms) != 1 || mechanisms[0].Name() != name {
			t.Fatalf("%s: %v", name, mechanisms)
		}
		_, first, err := mechanisms[0].Authenticate(t.Context(), "b:1")
		if err != nil || !strings.Contains(string(first), "chief") {
			t.Errorf("%s: it begins with %q, %v", name, first, err)
		}
		if name == "PLAIN" && string(first) != "\x00chief\x00secret" {
			t.Errorf("%s: it begins with %q", name, first)
		}
	}
}

// TestCertificates: a client's certificate is shown to brokers that ask for one; a file without a certificate is an error that names it.
func TestCertificates(t *testing.T) {
	https := httptest.NewTLSServer(nil)
	defer https.Close()
	pair := https.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	file := func(name, kind string, data []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	c := TLS{Cert: file("cert.pem", "CERTIFICATE", pair.Certificate[0]), Key: file("key.pem", "PRIVATE KEY", key)}
	config, err := c.config()
	if err != nil || len(config.Certificates) != 1 || !reflect.DeepEqual(config.Certificates[0].Certificate, pair.Certificate) || config.MinVersion < tls.VersionTLS12 {
		t.Errorf("%+v, %v", config, err)
	}
	none := TLS{CA: c.Key}
	if _, err := none.config(); err == nil || !strings.Contains(err.Error(), "tls.ca: "+c.Key+" has no certificate") {
		t.Errorf("a key in the place of authorities: %v", err)
	}
}
