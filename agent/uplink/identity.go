package uplink

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// The identity is written twice, so that damage to one file leaves the other.
const (
	identityFile = "identity.json"
	identityCopy = "identity.copy.json"
)

// Identity is who the agent is: a key, the certificate that an aggregator has
// issued for it, and the authority that signs both sides. It lives in one file,
// so that a renewal replaces all of it or nothing.
type Identity struct {
	Restored error // why it was read from its copy; nil if it was not

	dir string

	mu        sync.Mutex
	agent     string
	name      string
	region    string
	key       *ecdsa.PrivateKey
	leaf      *x509.Certificate
	authority *x509.Certificate
}

// identityRecord is the file's form.
type identityRecord struct {
	Agent       string `json:"agent"`
	Name        string `json:"name"`
	Region      string `json:"region"`
	Key         string `json:"key"`           // PEM, PKCS #8
	Certificate string `json:"certificate"`   // PEM
	Authority   string `json:"authority"`     // PEM
	Sum         string `json:"sum,omitempty"` // CRC-32C of the others; earlier versions wrote none
}

func (r *identityRecord) sum() string {
	text := strings.Join([]string{r.Agent, r.Name, r.Region, r.Key, r.Certificate, r.Authority}, "\x00")
	return fmt.Sprintf("%08x", crc32.Checksum([]byte(text), crc32.MakeTable(crc32.Castagnoli)))
}

// LoadIdentity reads the identity in dir. An error that is fs.ErrNotExist
// means that the agent has not been enrolled there.
func LoadIdentity(dir string) (*Identity, error) {
	id, err := readIdentity(filepath.Join(dir, identityFile))
	if err != nil {
		second, secondErr := readIdentity(filepath.Join(dir, identityCopy))
		switch {
		case secondErr == nil:
			id = second
			id.Restored = fmt.Errorf("identity is restored from its copy: %w", err)
		case errors.Is(err, fs.ErrNotExist) && errors.Is(secondErr, fs.ErrNotExist):
			return nil, fmt.Errorf("load identity: %w", err)
		default:
			return nil, fmt.Errorf("load identity: %w; get a token that names this agent (aggregator agent token --agent …) "+
				"and enroll again: it stays the same agent", err)
		}
	}
	id.dir = dir
	if _, err := os.Stat(filepath.Join(dir, identityCopy)); id.Restored != nil || errors.Is(err, fs.ErrNotExist) {
		return id, id.saveLocked() // nobody else has it yet
	}
	return id, nil
}

// readIdentity reads one of the two files.
func readIdentity(path string) (*Identity, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	id, err := parseIdentity(raw)
	if err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", path, err)
	}
	return id, nil
}

func parseIdentity(raw []byte) (*Identity, error) {
	var r identityRecord
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, err
	}
	if r.Sum != "" && r.Sum != r.sum() {
		return nil, errors.New("its checksum is another one")
	}
	keyDER, err := pemBlock(r.Key, "PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(keyDER)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	ecKey, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("key is a %T, want ECDSA", key)
	}
	leafDER, err := pemBlock(r.Certificate, "CERTIFICATE")
	if err != nil {
		return nil, err
	}
	authorityDER, err := pemBlock(r.Authority, "CERTIFICATE")
	if err != nil {
		return nil, err
	}
	id := &Identity{name: r.Name, region: r.Region, key: ecKey}
	return id, id.adopt(leafDER, authorityDER)
}

func pemBlock(text, kind string) ([]byte, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != kind {
		return nil, fmt.Errorf("%s is missing or not PEM", kind)
	}
	return block.Bytes, nil
}

// adopt takes certificates after checking that they fit the key and each
// other. Time is not checked: an expired certificate is refused by the
// aggregator, with a reason.
func (id *Identity) adopt(leafDER, authorityDER []byte) error {
	leaf, err := x509.ParseCertificate(leafDER)
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	authority, err := x509.ParseCertificate(authorityDER)
	if err != nil {
		return fmt.Errorf("authority: %w", err)
	}
	if !id.key.PublicKey.Equal(leaf.PublicKey) {
		return errors.New("certificate is for another key")
	}
	if err := leaf.CheckSignatureFrom(authority); err != nil {
		return fmt.Errorf("certificate is not signed by the authority: %w", err)
	}
	agent, err := protocol.AgentID(leaf)
	if err != nil {
		return err
	}
	id.agent, id.leaf, id.authority = agent, leaf, authority
	return nil
}

// saveLocked replaces the identity file.
func (id *Identity) saveLocked() error {
	key, err := x509.MarshalPKCS8PrivateKey(id.key)
	if err != nil {
		return fmt.Errorf("save identity: %w", err)
	}
	r := identityRecord{
		Agent: id.agent, Name: id.name, Region: id.region,
		Key:         string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})),
		Certificate: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: id.leaf.Raw})),
		Authority:   string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: id.authority.Raw})),
	}
	r.Sum = r.sum()
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("save identity: %w", err)
	}
	for _, name := range [...]string{identityFile, identityCopy} {
		if err := writeFileSync(filepath.Join(id.dir, name), append(raw, '\n')); err != nil {
			return fmt.Errorf("save identity: %w", err)
		}
	}
	return nil
}

// Agent is the id in the certificate.
func (id *Identity) Agent() string {
	id.mu.Lock()
	defer id.mu.Unlock()
	return id.agent
}

// Name returns the agent's name, given by the operator, and the region where it
// was enrolled.
func (id *Identity) Name() (name, region string) {
	id.mu.Lock()
	defer id.mu.Unlock()
	return id.name, id.region
}

// Expires is when the certificate ends.
func (id *Identity) Expires() time.Time {
	id.mu.Lock()
	defer id.mu.Unlock()
	return id.leaf.NotAfter
}

// RenewAt is when a third of the certificate's life is over: before operators are
// alarmed, at half of it.
func (id *Identity) RenewAt() time.Time { return id.after(1.0 / 3) }

// HalfLife is when half of the certificate's life is over.
func (id *Identity) HalfLife() time.Time { return id.after(1.0 / 2) }

func (id *Identity) after(part float64) time.Time {
	id.mu.Lock()
	defer id.mu.Unlock()
	return id.leaf.NotBefore.Add(time.Duration(part * float64(id.leaf.NotAfter.Sub(id.leaf.NotBefore))))
}

// tlsConfig is for one connection: TLS 1.3, only the private authority, no
// resumption and so no early data.
func (id *Identity) tlsConfig(now func() time.Time) *tls.Config {
	id.mu.Lock()
	defer id.mu.Unlock()
	roots := x509.NewCertPool()
	roots.AddCert(id.authority)
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		ServerName:             protocol.ServerName,
		RootCAs:                roots,
		NextProtos:             []string{protocol.ALPN},
		Certificates:           []tls.Certificate{{Certificate: [][]byte{id.leaf.Raw}, PrivateKey: id.key, Leaf: id.leaf}},
		SessionTicketsDisabled: true,
		Time:                   now,
	}
}

// renew replaces key and certificates, in memory and on disk.
func (id *Identity) renew(key *ecdsa.PrivateKey, leafDER, authorityDER []byte) error {
	id.mu.Lock()
	defer id.mu.Unlock()
	next := &Identity{dir: id.dir, name: id.name, region: id.region, key: key}
	if err := next.adopt(leafDER, authorityDER); err != nil {
		return fmt.Errorf("renew certificate: %w", err)
	}
	if next.agent != id.agent {
		return fmt.Errorf("renew certificate: it names agent %s, this is %s", next.agent, id.agent)
	}
	if err := next.saveLocked(); err != nil {
		return fmt.Errorf("renew certificate: %w", err)
	}
	id.key, id.leaf, id.authority = next.key, next.leaf, next.authority
	return nil
}

// newKey makes a key and a signing request that carries nothing but the public
// key: name and rights are the aggregator's to say.
func newKey() (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make key: %w", err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, nil, fmt.Errorf("make signing request: %w", err)
	}
	return key, csr, nil
}

// writeFileSync replaces a file that only this user may read, so that after a
// power cut there is the old or the new content, never half of it.
func writeFileSync(path string, data []byte) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data) {
		return nil
	}
	f, err := os.OpenFile(path+".tmp", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
