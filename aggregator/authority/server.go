package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// ServerTLS is the TLS configuration of an aggregator's QUIC listener: TLS 1.3
// with a certificate of this authority. A session must show an agent's
// certificate; enrolment, which has its own ALPN, cannot yet, and renewal, with
// another, may show one that has ended.
func (a *Authority) ServerTLS() *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	session := &tls.Config{
		MinVersion:             tls.VersionTLS13,
		GetCertificate:         a.serverCertificate,
		NextProtos:             []string{protocol.ALPN},
		ClientAuth:             tls.RequireAndVerifyClientCert,
		ClientCAs:              roots,
		SessionTicketsDisabled: true, // every session proves the certificate anew
		Time:                   a.now,
	}
	enroll := session.Clone()
	enroll.NextProtos = []string{protocol.EnrollALPN}
	enroll.ClientAuth = tls.NoClientCert
	renew := session.Clone()
	renew.NextProtos = []string{protocol.RenewALPN}
	renew.ClientAuth = tls.RequireAnyClientCert // TLS proves the key; VerifyConnection the rest
	renew.ClientCAs = nil
	renew.VerifyConnection = func(state tls.ConnectionState) error { return a.verifyExpired(roots, state.PeerCertificates) }
	base := session.Clone()
	base.NextProtos = []string{protocol.ALPN, protocol.EnrollALPN, protocol.RenewALPN}
	base.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if len(hello.SupportedProtos) == 1 {
			switch hello.SupportedProtos[0] {
			case protocol.EnrollALPN:
				return enroll, nil
			case protocol.RenewALPN:
				return renew, nil
			}
		}
		return session, nil
	}
	return base
}

// verifyExpired checks an agent's certificate as it stood at its end, which may lie back
// as long as it can be renewed.
func (a *Authority) verifyExpired(roots *x509.CertPool, chain []*x509.Certificate) error {
	leaf, now := chain[0], a.now()
	if now.After(leaf.NotAfter.Add(protocol.RenewWithin)) {
		return fmt.Errorf("certificate %s ended %s ago, it can be renewed for %s", leaf.SerialNumber, now.Sub(leaf.NotAfter), protocol.RenewWithin)
	}
	if now.After(leaf.NotAfter) {
		now = leaf.NotAfter
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return err
}

// serverCertificate returns this node's certificate, a new one when less than
// a third of its life is left. The chain carries the authority itself, which a
// new agent compares with the fingerprint in its token.
func (a *Authority) serverCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.server != nil && a.now().Before(a.server.Leaf.NotAfter.Add(-serverLife/3)) {
		return a.server, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make server key: %w", err)
	}
	template, err := a.template(serverLife)
	if err != nil {
		return nil, err
	}
	template.Subject = pkix.Name{CommonName: protocol.ServerName}
	template.DNSNames = []string{protocol.ServerName}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("sign server certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read server certificate: %w", err)
	}
	a.server = &tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key, Leaf: leaf}
	return a.server, nil
}
