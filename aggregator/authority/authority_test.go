package authority

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// memory is a store in memory for one goroutine.
type memory struct {
	secrets map[string][]byte
	tokens  map[string]Enrollment
	serials []string
}

func (m *memory) Secret(_ context.Context, name string, mint func() ([]byte, error)) ([]byte, error) {
	if m.secrets[name] == nil {
		secret, err := mint()
		if err != nil {
			return nil, err
		}
		m.secrets[name] = secret
	}
	return m.secrets[name], nil
}

func (m *memory) CreateEnrollment(_ context.Context, e Enrollment) error {
	m.tokens[string(e.SecretHash)] = e
	return nil
}

func (m *memory) ConsumeEnrollment(_ context.Context, hash []byte) (Agent, error) {
	e, ok := m.tokens[string(hash)]
	if !ok {
		return Agent{}, ErrToken
	}
	delete(m.tokens, string(hash))
	return Agent{ID: "a-1", Name: e.Name, Region: e.Region, Zone: e.Zone}, nil
}

func (m *memory) RecordCertificate(_ context.Context, _, serial string, _ time.Time) error {
	m.serials = append(m.serials, serial)
	return nil
}

// clock is a time that the test moves.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func open(t *testing.T) (*Authority, *memory, *clock) {
	t.Helper()
	m := &memory{secrets: map[string][]byte{}, tokens: map[string]Enrollment{}}
	c := &clock{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	a, err := Open(t.Context(), m, c.Now)
	if err != nil {
		t.Fatal(err)
	}
	return a, m, c
}

func csr(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func p256(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestNodesShareOneAuthority(t *testing.T) {
	first, store, c := open(t)
	second, err := Open(t.Context(), store, c.Now)
	if err != nil {
		t.Fatal(err)
	}
	if string(first.Certificate()) != string(second.Certificate()) {
		t.Error("two nodes have two authorities")
	}
}

func TestTokenCarriesSecretAndPin(t *testing.T) {
	a, store, c := open(t)
	token, expires, err := a.Token(t.Context(), "edge-1", "eu", "a")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	pin := sha256.Sum256(a.Certificate())
	if err != nil || len(raw) != 64 || string(raw[32:]) != string(pin[:]) {
		t.Fatalf("token %q: %v", token, err)
	}
	hash := sha256.Sum256(raw[:32])
	if e := store.tokens[string(hash[:])]; e.Name != "edge-1" || !e.Expires.Equal(expires) || expires.Sub(c.now) != tokenLife {
		t.Errorf("stored %+v", e)
	}
	for stored := range store.tokens {
		if strings.Contains(stored, string(raw[:32])) {
			t.Error("the secret itself is stored")
		}
	}
}

func TestCertificateIsTheAgentsAndShortLived(t *testing.T) {
	a, store, c := open(t)
	der, err := a.Renew(t.Context(), "a-1", csr(t, p256(t)))
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	if id, err := protocol.AgentID(cert); id != "a-1" || err != nil {
		t.Errorf("names %q: %v", id, err)
	}
	if cert.NotAfter.Sub(c.now) != agentLife || cert.IsCA || len(cert.ExtKeyUsage) != 1 || cert.ExtKeyUsage[0] != x509.ExtKeyUsageClientAuth {
		t.Errorf("until %s, CA %t, for %v", cert.NotAfter, cert.IsCA, cert.ExtKeyUsage)
	}
	if len(store.serials) != 1 || store.serials[0] != cert.SerialNumber.Text(16) {
		t.Errorf("recorded %v", store.serials)
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: c.now, DNSName: protocol.ServerName}); err == nil {
		t.Error("an agent's certificate passes for an aggregator's")
	}
}

func TestWeakAndBrokenRequestsAreRefused(t *testing.T) {
	a, store, _ := open(t)
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	forged := csr(t, p256(t))
	forged[len(forged)-1] ^= 1
	for name, request := range map[string][]byte{
		"RSA": csr(t, weak), "forged signature": forged, "nothing": nil, "9 KiB": make([]byte, 9<<10),
	} {
		if _, err := a.Renew(t.Context(), "a-1", request); err == nil {
			t.Errorf("%s: served", name)
		}
	}
	if len(store.serials) != 0 {
		t.Errorf("certificates recorded: %v", store.serials)
	}
	for _, secret := range []string{"", "short", strings.Repeat("x", 43), "not base64 !"} {
		if _, _, err := a.Enroll(t.Context(), secret, csr(t, p256(t))); !errors.Is(err, ErrToken) {
			t.Errorf("secret %q: %v", secret, err)
		}
	}
}

func TestServerCertificateIsRenewedInTime(t *testing.T) {
	a, _, c := open(t)
	first, err := a.serverCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	c.now = c.now.Add(serverLife / 2)
	if again, err := a.serverCertificate(nil); err != nil || again != first {
		t.Errorf("half-way it is another one: %v", err)
	}
	c.now = c.now.Add(serverLife / 3)
	second, err := a.serverCertificate(nil)
	if err != nil || second == first || !second.Leaf.NotAfter.After(c.now.Add(serverLife/2)) {
		t.Errorf("with a sixth of its life left it is still the old one: %v", err)
	}
}
