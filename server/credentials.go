package server

import (
	"bufio"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// Credentials say who may do what. They come from a file with a line for each:
//
//	ROLE NAME sha256:HASH [UNTIL]
//	ROLE NAME certificate [UNTIL]
//
// The first is a token, of which the file has the SHA-256 only, in hexadecimal; [NewToken] makes both. The second is a client certificate
// whose subject has the common name NAME. UNTIL is when it expires, as RFC 3339 has it. Empty lines and those that begin with # count for
// nothing.
type Credentials struct {
	tokens       []credential
	certificates map[string]credential // by common name
}

type credential struct {
	name  string
	role  Role
	hash  [sha256.Size]byte
	until time.Time // zero: it does not expire
}

// MaxCredentials bounds the lines of a file of credentials: each token is compared with each that is presented.
const MaxCredentials = 1000

// tokenPrefix begins every token, so that those who search for leaked secrets find it.
const tokenPrefix = "concordat_"

// NewToken makes a token, and the line of a file of credentials that lets its bearer in. The token itself is stored nowhere.
func NewToken(role Role, name string, until time.Time) (token, line string, err error) {
	if role < Reader || role > Operator {
		return "", "", fmt.Errorf("server: a token has the role reader, caller or operator, not %v", role)
	}
	if err := checkCredentialName(name); err != nil {
		return "", "", err
	}
	var secret [32]byte
	if _, err := rand.Read(secret[:]); err != nil {
		return "", "", err
	}
	token = tokenPrefix + base64.RawURLEncoding.EncodeToString(secret[:])
	hash := sha256.Sum256([]byte(token))
	line = fmt.Sprintf("%v %s sha256:%x", role, name, hash)
	if !until.IsZero() {
		line += " " + until.UTC().Format(time.RFC3339)
	}
	return token, line, nil
}

// ReadCredentials reads a file of credentials. Its errors name the line, and have nothing of a hash in them. A file that others than its
// owner can write is an error.
func ReadCredentials(path string) (*Credentials, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("server: credentials: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("server: credentials: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return nil, fmt.Errorf("server: credentials: others can write %s (mode %v): chmod go-w it", path, mode)
	}
	c, err := ParseCredentials(f)
	if err != nil {
		return nil, fmt.Errorf("server: credentials: %s: %w", path, err)
	}
	return c, nil
}

// ParseCredentials is [ReadCredentials] of what was opened already.
func ParseCredentials(r io.Reader) (*Credentials, error) {
	c := &Credentials{certificates: map[string]credential{}}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 4096)
	number := 0
	for lines.Scan() {
		number++
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := c.add(strings.Fields(line)); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", number+1, err)
	}
	return c, nil
}

func (c *Credentials) add(fields []string) error {
	if len(fields) < 3 || len(fields) > 4 {
		return fmt.Errorf("it has %d fields; it is to be ROLE NAME sha256:HASH [UNTIL] or ROLE NAME certificate [UNTIL]", len(fields))
	}
	role, err := ParseRole(fields[0])
	if err != nil {
		return err
	}
	one := credential{role: role, name: fields[1]}
	if err := checkCredentialName(one.name); err != nil {
		return err
	}
	if len(fields) == 4 {
		if one.until, err = time.Parse(time.RFC3339, fields[3]); err != nil {
			return errors.New("the time until which it holds is none of RFC 3339, such as 2030-01-31T00:00:00Z")
		}
	}
	if len(c.tokens)+len(c.certificates) >= MaxCredentials {
		return fmt.Errorf("there are more than %d credentials", MaxCredentials)
	}
	if fields[2] == "certificate" {
		if _, twice := c.certificates[one.name]; twice {
			return fmt.Errorf("the certificate of %q is there twice", one.name)
		}
		c.certificates[one.name] = one
		return nil
	}
	text, isHash := strings.CutPrefix(fields[2], "sha256:")
	if n, err := hex.Decode(one.hash[:], []byte(text[:min(len(text), 2*sha256.Size)])); !isHash || err != nil || n != sha256.Size || len(text) != 2*sha256.Size {
		return errors.New("the third field is neither certificate nor sha256: and 64 hexadecimal digits")
	}
	c.tokens = append(c.tokens, one)
	return nil
}

func checkCredentialName(name string) error {
	if name == "" || len(name) > 128 || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == '#' || r == 0x7f }) {
		return errors.New("a name has 1 to 128 letters, and neither spaces nor #")
	}
	return nil
}

// IsEmpty reports whether nobody has credentials.
func (c *Credentials) IsEmpty() bool { return c == nil || len(c.tokens)+len(c.certificates) == 0 }

// HasCertificates reports whether there are credentials for client certificates.
func (c *Credentials) HasCertificates() bool { return c != nil && len(c.certificates) > 0 }

// identify returns who sends a request. A token that is presented has to be good, also beside a certificate.
func (c *Credentials) identify(r *http.Request, now time.Time) (credential, *fault) {
	header := r.Header.Values("Authorization")
	switch {
	case len(header) > 1:
		return credential{}, faultf(codeUnauthenticated, "there are several Authorization headers")
	case len(header) == 1:
		scheme, token, _ := strings.Cut(header[0], " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return credential{}, faultf(codeUnauthenticated, "the Authorization header is none of the scheme Bearer")
		}
		return c.byToken(strings.TrimSpace(token), now)
	case r.TLS != nil && len(r.TLS.VerifiedChains) > 0:
		return c.byCertificate(r.TLS.VerifiedChains[0][0].Subject.CommonName, now)
	}
	return credential{}, nil
}

// byToken compares a token's hash with all that there are, in a time that tells nothing of which one is like it.
func (c *Credentials) byToken(token string, now time.Time) (found credential, _ *fault) {
	hash := sha256.Sum256([]byte(token))
	at := -1
	for i := range c.tokens {
		at = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(hash[:], c.tokens[i].hash[:]), i, at)
	}
	if at < 0 {
		return found, faultf(codeUnauthenticated, "the token is not known")
	}
	return c.tokens[at].valid(now)
}

func (c *Credentials) byCertificate(name string, now time.Time) (credential, *fault) {
	found, known := c.certificates[name]
	if !known {
		return credential{}, faultf(codeUnauthenticated, "the client certificate's common name is not among the credentials")
	}
	return found.valid(now)
}

func (c credential) valid(now time.Time) (credential, *fault) {
	if !c.until.IsZero() && !now.Before(c.until) {
		return credential{}, faultf(codeUnauthenticated, "the credentials have expired")
	}
	return c, nil
}
