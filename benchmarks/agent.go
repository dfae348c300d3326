package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/unmogrowp/unmogrowp/agent/links"
	"github.com/unmogrowp/unmogrowp/deploy/children"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// writeKey is the key of the app that the agents here serve.
const writeKey = "benchmark-write-key"

// maxProfile bounds what is read of a profile.
const maxProfile = 64 << 20

// build builds a real program, the agent or the aggregator, as the Makefile does.
func build(ctx context.Context, dir, name string) (string, error) {
	path := filepath.Join(dir, name)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", path, "github.com/unmogrowp/unmogrowp/"+name)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the %s: %w: %s", name, err, out)
	}
	return path, nil
}

// startAgent starts an agent that has an identity and an app, and finds no aggregator: what it
// accepts stays on its disk.
func startAgent(ctx context.Context, program, dir string) (*server, error) {
	if err := os.MkdirAll(filepath.Join(dir, "identity"), 0o700); err != nil {
		return nil, fmt.Errorf("prepare agent: %w", err)
	}
	if err := writeIdentity(filepath.Join(dir, "identity", "identity.json"), time.Now()); err != nil {
		return nil, fmt.Errorf("prepare agent: %w", err)
	}
	if err := writeSettings(filepath.Join(dir, "settings")); err != nil {
		return nil, fmt.Errorf("prepare agent: %w", err)
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	admin, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s := &server{address: address, admin: admin.String()}
	s.program = &children.Program{
		Command: children.Command{Name: "agent", Path: program, Args: []string{"run"}, Log: dir + ".log", StopTimeout: 15 * time.Second,
			Env: []string{"UNMOGROWP_DATA_DIR=" + dir, "UNMOGROWP_LISTEN=" + address.String(), "UNMOGROWP_ADMIN_LISTEN=" + s.admin,
				"UNMOGROWP_UPLINK_BIND=127.0.0.1:0", "UNMOGROWP_AGGREGATORS=127.0.0.1:9", "UNMOGROWP_BALLAST=0", "UNMOGROWP_LOG_LEVEL=warn"}},
		Ready: func(ctx context.Context) error {
			_, err := s.ask(ctx, "/readyz")
			return err
		},
	}
	return s, s.program.Start(ctx)
}

// ask gets something from the agent's admin listener.
func (s *server) ask(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.admin+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxProfile))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %s: %.200s", path, resp.Status, body)
	}
	return body, err
}

// writeSettings leaves what an aggregator would have sent: one app and its key.
func writeSettings(path string) error {
	table, err := links.Open(path)
	if err != nil {
		return err
	}
	hash := sha256.Sum256([]byte(writeKey))
	return table.Replace(protocol.Settings{Generation: 1, Apps: []protocol.App{{ID: "bench", Name: "Benchmark"}},
		Keys: []protocol.Key{{Hash: hash[:], App: "bench", Kind: protocol.KeyClient}}})
}

// writeIdentity makes an agent's identity under an authority of its own, in the form that
// enrolment leaves.
func writeIdentity(path string, now time.Time) error {
	authority, authorityKey, err := certificate(&x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "benchmark"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour)}, nil, nil)
	if err != nil {
		return err
	}
	uri, err := url.Parse(protocol.AgentURI("bench"))
	if err != nil {
		return err
	}
	leaf, key, err := certificate(&x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "bench"}, URIs: []*url.URL{uri},
		KeyUsage: x509.KeyUsageDigitalSignature, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour)}, authority, authorityKey)
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
		"key": text("PRIVATE KEY", encodedKey), "certificate": text("CERTIFICATE", leaf.Raw), "authority": text("CERTIFICATE", authority.Raw)})
	if err != nil {
		return err
	}
	return os.WriteFile(path, record, 0o600)
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
