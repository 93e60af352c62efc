package settings

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// TLS says how brokers prove who they are, and the client.
type TLS struct {
	// CA is a file with the authorities of the brokers' certificates (PEM). Default: those of the system.
	CA string `json:"ca,omitempty"`
	// Cert and Key are files with the client's certificate and its key (PEM). Default: none.
	Cert string `json:"cert,omitempty"`
	Key  string `json:"key,omitempty"`
}

// SASL says as whom the client logs in.
type SASL struct {
	// Mechanism is "PLAIN", "SCRAM-SHA-256" or "SCRAM-SHA-512". Required.
	Mechanism string `json:"mechanism"`
	// User is who logs in. Required.
	User string `json:"user"`
	// PasswordFile is a file with the password; a line end behind it does not count. Required.
	PasswordFile string `json:"password_file"`
}

// client is how brokers are reached.
func (s *Settings) client() (options []kgo.Opt, err error) {
	if s.TLS != nil {
		config, wrong := s.TLS.config()
		err = errors.Join(err, wrong)
		options = append(options, kgo.DialTLSConfig(config))
	}
	if s.SASL != nil {
		login, wrong := s.SASL.login()
		err = errors.Join(err, wrong)
		options = append(options, login)
	}
	return options, err
}

func (t *TLS) config() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("tls.ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls.ca: %s has no certificate (PEM)", t.CA)
		}
	}
	if t.Cert == "" && t.Key == "" {
		return config, nil
	}
	pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		return nil, fmt.Errorf("tls.cert, tls.key: %w", err)
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}

func (s *SASL) login() (kgo.Opt, error) {
	if s.User == "" {
		return nil, errors.New("sasl.user: there is none")
	}
	password, err := os.ReadFile(s.PasswordFile)
	if err != nil {
		return nil, fmt.Errorf("sasl.password_file: %w", err)
	}
	word := string(bytes.TrimRight(password, "\r\n"))
	switch s.Mechanism {
	case "PLAIN":
		return kgo.SASL(plain.Auth{User: s.User, Pass: word}.AsMechanism()), nil
	case "SCRAM-SHA-256":
		return kgo.SASL(scram.Auth{User: s.User, Pass: word}.AsSha256Mechanism()), nil
	case "SCRAM-SHA-512":
		return kgo.SASL(scram.Auth{User: s.User, Pass: word}.AsSha512Mechanism()), nil
	}
	return nil, fmt.Errorf(`sasl.mechanism: %q is none of "PLAIN", "SCRAM-SHA-256" and "SCRAM-SHA-512"`, s.Mechanism)
}
