package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/url"
	"os"
	"time"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// authority signs for the agent and for the sink.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	now         time.Time
}

func newAuthority(now time.Time) (*authority, error) {
	made, key, err := certificate(&x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "benchmark"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour)}, nil, nil)
	return &authority{made, key, now}, err
}

// leaf signs a certificate for a day.
func (a *authority) leaf(template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	template.SerialNumber, template.KeyUsage = big.NewInt(2), x509.KeyUsageDigitalSignature
	template.NotBefore, template.NotAfter = a.now.Add(-time.Hour), a.now.Add(24*time.Hour)
	return certificate(template, a.certificate, a.key)
}

// writeIdentity makes an agent's identity, in the form that enrolment leaves.
func (a *authority) writeIdentity(path string) error {
	uri, err := url.Parse(protocol.AgentURI("bench"))
	if err != nil {
		return err
	}
	leaf, key, err := a.leaf(&x509.Certificate{Subject: pkix.Name{CommonName: "bench"}, URIs: []*url.URL{uri}})
	if err != nil {
		return err
	}
	encodedKey, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	text := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	record, err := json.Marshal(map[string]string{"agent": "bench", "name": "bench", "region": "default",
		"key": text("PRIVATE KEY", encodedKey), "certificate": text("CERTIFICATE", leaf.Raw), "authority": text("CERTIFICATE", a.certificate.Raw)})
	if err != nil {
		return err
	}
	return os.WriteFile(path, record, 0o600)
}

// serverTLS is the TLS configuration of an aggregator.
func (a *authority) serverTLS() (*tls.Config, error) {
	leaf, key, err := a.leaf(&x509.Certificate{DNSNames: []string{protocol.ServerName}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.certificate)
	return &tls.Config{MinVersion: tls.VersionTLS13, ClientCAs: roots, ClientAuth: tls.RequireAndVerifyClientCert, NextProtos: []string{protocol.ALPN},
		Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Raw, a.certificate.Raw}, PrivateKey: key}}}, nil
}

// certificate makes a key and a certificate for it, signed by parent or, without one, by itself.
func certificate(template, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		return nil, nil, err
	}
	made, err := x509.ParseCertificate(der)
	return made, key, err
}
