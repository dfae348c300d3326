// Package authority is the private certificate authority of an installation:
// it names aggregators to agents, admits agents by single-use token, and
// renews their short-lived certificates. An agent's identity is the URI in the
// certificate that was issued here and nothing that it says of itself.
package authority

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"sync"
	"time"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// Lifetimes of certificates and tokens.
const (
	authorityLife = 10 * 365 * 24 * time.Hour
	serverLife    = 7 * 24 * time.Hour
	agentLife     = 48 * time.Hour
	tokenLife     = 15 * time.Minute
	backdate      = 5 * time.Minute // for agents whose clocks run behind
)

// ErrToken is returned for an enrolment token that is unknown, used or expired.
// It does not say which, so that tokens cannot be probed.
var ErrToken = errors.New("enrolment token is unknown, already used or expired: ask an operator for a new one")

// Agent is an enrolled agent.
type Agent struct {
	ID, Name, Region, Zone string
}

// Enrollment is the right of one agent to join, or to prove itself anew, until it expires.
type Enrollment struct {
	Name, Region, Zone string
	Agent              string // an agent that is there already, which keeps its id; empty: a new one
	SecretHash         []byte // SHA-256 of the token's secret
	Expires            time.Time
}

// Store keeps what outlives a node. Its implementation is Postgres.
type Store interface {
	// Secret returns the secret of that name, minting it if no node has yet.
	Secret(ctx context.Context, name string, mint func() ([]byte, error)) ([]byte, error)
	CreateEnrollment(ctx context.Context, e Enrollment) error
	// ConsumeEnrollment uses a token up and creates its agent. It returns
	// ErrToken when the token is unknown, used or expired.
	ConsumeEnrollment(ctx context.Context, secretHash []byte) (Agent, error)
	RecordCertificate(ctx context.Context, agent, serial string, expires time.Time) error
}

// Authority issues certificates. It is safe for concurrent use.
type Authority struct {
	store Store
	now   func() time.Time
	key   crypto.Signer
	cert  *x509.Certificate

	mu     sync.Mutex
	server *tls.Certificate // this node's own, replaced before it expires
}

// Open loads the installation's authority from the store, minting it on the
// first start of the first node.
func Open(ctx context.Context, store Store, now func() time.Time) (*Authority, error) {
	sealed, err := store.Secret(ctx, "agent-authority", func() ([]byte, error) { return mintAuthority(now()) })
	if err != nil {
		return nil, fmt.Errorf("load certificate authority: %w", err)
	}
	key, cert, err := parseAuthority(sealed)
	if err != nil {
		return nil, fmt.Errorf("load certificate authority: %w", err)
	}
	return &Authority{store: store, now: now, key: key, cert: cert}, nil
}

// Certificate returns the authority's own certificate in DER, which agents pin.
func (a *Authority) Certificate() []byte { return a.cert.Raw }

// Token creates a single-use enrolment token for an agent of that name and
// place: base64url of a 32-byte secret followed by the SHA-256 of the
// authority's certificate, so that the agent knows whom it may trust.
func (a *Authority) Token(ctx context.Context, name, region, zone string) (token string, expires time.Time, err error) {
	return a.token(ctx, Enrollment{Name: name, Region: region, Zone: zone})
}

// TokenFor creates one for an agent that has lost its certificate. It keeps its id.
func (a *Authority) TokenFor(ctx context.Context, agent string) (token string, expires time.Time, err error) {
	return a.token(ctx, Enrollment{Agent: agent})
}

func (a *Authority) token(ctx context.Context, e Enrollment) (token string, expires time.Time, err error) {
	var secret [32]byte
	if _, err := rand.Read(secret[:]); err != nil {
		return "", time.Time{}, fmt.Errorf("make enrolment token: %w", err)
	}
	hash := sha256.Sum256(secret[:])
	expires = a.now().Add(tokenLife)
	e.SecretHash, e.Expires = hash[:], expires
	if err := a.store.CreateEnrollment(ctx, e); err != nil {
		return "", time.Time{}, fmt.Errorf("store enrolment token: %w", err)
	}
	pin := sha256.Sum256(a.cert.Raw)
	return base64.RawURLEncoding.EncodeToString(append(secret[:], pin[:]...)), expires, nil
}

// Enroll admits the holder of a token's secret (base64url, without the pin)
// and issues its first certificate. The request is checked before the token is
// used up, so a broken client can try again.
func (a *Authority) Enroll(ctx context.Context, secret string, csr []byte) (Agent, []byte, error) {
	raw, err := base64.RawURLEncoding.DecodeString(secret)
	if err != nil || len(raw) != 32 {
		return Agent{}, nil, ErrToken
	}
	key, err := requestKey(csr)
	if err != nil {
		return Agent{}, nil, err
	}
	hash := sha256.Sum256(raw)
	agent, err := a.store.ConsumeEnrollment(ctx, hash[:])
	if err != nil {
		return Agent{}, nil, fmt.Errorf("use enrolment token: %w", err)
	}
	cert, err := a.issue(ctx, agent.ID, key)
	return agent, cert, err
}

// Renew issues a new certificate to an agent whose session proved its old one.
func (a *Authority) Renew(ctx context.Context, agent string, csr []byte) ([]byte, error) {
	key, err := requestKey(csr)
	if err != nil {
		return nil, err
	}
	return a.issue(ctx, agent, key)
}

// issue signs an agent's certificate. Name, purpose and lifetime are the
// authority's: whatever the request asked for is ignored.
func (a *Authority) issue(ctx context.Context, agent string, key crypto.PublicKey) ([]byte, error) {
	id, err := url.Parse(protocol.AgentURI(agent))
	if err != nil {
		return nil, fmt.Errorf("name agent %q: %w", agent, err)
	}
	template, err := a.template(agentLife)
	if err != nil {
		return nil, err
	}
	template.Subject = pkix.Name{CommonName: agent}
	template.URIs = []*url.URL{id}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key, a.key)
	if err != nil {
		return nil, fmt.Errorf("sign certificate of agent %s: %w", agent, err)
	}
	serial := template.SerialNumber.Text(16)
	if err := a.store.RecordCertificate(ctx, agent, serial, template.NotAfter); err != nil {
		return nil, fmt.Errorf("record certificate of agent %s: %w", agent, err)
	}
	return der, nil
}

func (a *Authority) template(life time.Duration) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("make serial number: %w", err)
	}
	now := a.now()
	return &x509.Certificate{
		SerialNumber:          serial,
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(life),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
	}, nil
}

// requestKey checks a certificate request's own signature and returns its key.
func requestKey(csr []byte) (crypto.PublicKey, error) {
	if len(csr) > 8<<10 {
		return nil, fmt.Errorf("certificate request of %d bytes, limit %d", len(csr), 8<<10)
	}
	req, err := x509.ParseCertificateRequest(csr)
	if err != nil {
		return nil, fmt.Errorf("read certificate request: %w", err)
	}
	if err := req.CheckSignature(); err != nil {
		return nil, fmt.Errorf("check certificate request: %w", err)
	}
	switch key := req.PublicKey.(type) {
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() || key.Curve == elliptic.P384() {
			return key, nil
		}
	case ed25519.PublicKey:
		return key, nil
	}
	return nil, errors.New("certificate request: key must be ECDSA P-256, P-384 or Ed25519")
}

func mintAuthority(now time.Time) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make authority key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("make serial number: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "UnMoGrowP agent authority"},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(authorityLife),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("sign authority: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode authority key: %w", err)
	}
	return encodePair(private, cert), nil
}
