package node

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writeCertificate puts a certificate of the given number into dir.
func writeCertificate(t *testing.T, dir string, number int64) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(number), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"agent.example.com"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	certificate, key = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	for path, block := range map[string]*pem.Block{certificate: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Unix(1_700_000_000+number, 0) // the clock of the file system may be coarse
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	return certificate, key
}

func TestCertificateIsReloadedWhenItsFilesChange(t *testing.T) {
	dir, now := t.TempDir(), time.Unix(1_800_000_000, 0)
	certificate, key := writeCertificate(t, dir, 1)
	files := &certificateFiles{certificate: certificate, key: key, log: slog.New(slog.DiscardHandler), now: func() time.Time { return now }}
	served := func() int64 {
		t.Helper()
		c, err := files.get(&tls.ClientHelloInfo{})
		if err != nil {
			t.Fatal(err)
		}
		return c.Leaf.SerialNumber.Int64()
	}
	if n := served(); n != 1 {
		t.Fatalf("certificate %d", n)
	}
	writeCertificate(t, dir, 2)
	if n := served(); n != 1 {
		t.Errorf("certificate %d before the files were due", n)
	}
	now = now.Add(reloadInterval)
	if n := served(); n != 2 {
		t.Errorf("certificate %d after the files changed", n)
	}
	if err := os.WriteFile(certificate, []byte("half of a"), 0o600); err != nil {
		t.Fatal(err)
	}
	now = now.Add(reloadInterval)
	if n := served(); n != 2 {
		t.Errorf("certificate %d while the files are damaged", n)
	}
	writeCertificate(t, dir, 3)
	now = now.Add(reloadInterval)
	if n := served(); n != 3 {
		t.Errorf("certificate %d after they were mended", n)
	}
}

func TestACMEAsksForTheNamedHostsOnly(t *testing.T) {
	c := DefaultConfig()
	c.DataDir, c.ACMEHosts = t.TempDir(), []string{"agent.example.com"}
	config, err := c.doorTLS(slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := config.GetCertificate(&tls.ClientHelloInfo{ServerName: "other.example.com", CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}}); err == nil {
		t.Error("a certificate for a host that nobody named")
	}
}

func TestServesHTTPSWithTheFilesOfItsConfig(t *testing.T) {
	c := enrolled(t)
	c.TLSCertificate, c.TLSKey = writeCertificate(t, t.TempDir(), 7)
	r := start(t, c)
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{ForceAttemptHTTP2: true,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // of its own making a moment ago
	defer client.CloseIdleConnections()
	answer, err := client.Get("https://" + r.Addr().String() + "/v1/projects/" + writeKey + "/settings")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != 200 || answer.ProtoMajor != 2 || answer.TLS.PeerCertificates[0].SerialNumber.Int64() != 7 ||
		!strings.Contains(string(body), `"protocol":"https"`) {
		t.Errorf("%s %s %s %v", answer.Proto, answer.Status, body, err)
	}
}
