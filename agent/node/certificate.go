package node

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// reloadInterval is how often the files of a certificate are looked at, if
// there are handshakes.
const reloadInterval = 10 * time.Second

// doorTLS is how SDK traffic is encrypted; nil if it is not. issuer is whom
// certificates are asked of, nil for Let's Encrypt.
func (c *Config) doorTLS(log *slog.Logger, issuer *acme.Client) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	switch {
	case c.TLSCertificate != "":
		files := &certificateFiles{certificate: c.TLSCertificate, key: c.TLSKey, log: log, now: time.Now}
		if _, err := files.get(nil); err != nil {
			return nil, err
		}
		config.GetCertificate = files.get
	case len(c.ACMEHosts) > 0:
		manager := &autocert.Manager{Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(c.acmeDir()), HostPolicy: autocert.HostWhitelist(c.ACMEHosts...), Client: issuer}
		config.GetCertificate, config.NextProtos = manager.GetCertificate, []string{acme.ALPNProto}
	default:
		return nil, nil
	}
	return config, nil
}

// encrypted reports whether SDKs reach the agent by HTTPS.
func (c *Config) encrypted() bool { return c.TLSCertificate != "" || len(c.ACMEHosts) > 0 }

func (c *Config) validateTLS() error {
	switch {
	case (c.TLSCertificate == "") != (c.TLSKey == ""):
		return errors.New("tls_certificate and tls_key: set both or none")
	case c.TLSCertificate != "" && len(c.ACMEHosts) > 0:
		return errors.New("acme_hosts: certificates come either from files or by ACME; set tls_certificate or acme_hosts")
	}
	return nil
}

// certificateFiles serve a certificate that may be replaced while the agent
// runs. While the files cannot be used, such as when only one of them has been
// replaced yet, the former certificate stays.
type certificateFiles struct {
	certificate, key string
	log              *slog.Logger
	now              func() time.Time

	mu      sync.Mutex
	looked  time.Time
	stamps  [2]stamp
	current *tls.Certificate
}

// stamp tells one version of a file from the next.
type stamp struct {
	modified time.Time
	size     int64
}

func (f *certificateFiles) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	if f.current != nil && now.Sub(f.looked) < reloadInterval {
		return f.current, nil
	}
	f.looked = now
	if err := f.loadLocked(); err != nil {
		if f.current == nil {
			return nil, err
		}
		f.log.Error("the new certificate cannot be used; the former one stays", "error", err)
	}
	return f.current, nil
}

func (f *certificateFiles) loadLocked() error {
	var stamps [2]stamp
	for i, path := range [...]string{f.certificate, f.key} {
		info, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("load certificate: %w", err)
		}
		stamps[i] = stamp{info.ModTime(), info.Size()}
	}
	if f.current != nil && stamps == f.stamps {
		return nil
	}
	certificate, err := tls.LoadX509KeyPair(f.certificate, f.key)
	if err != nil {
		return fmt.Errorf("load certificate %s: %w", f.certificate, err)
	}
	if f.current != nil {
		f.log.Info("certificate reloaded", "file", f.certificate, "until", certificate.Leaf.NotAfter)
	}
	f.current, f.stamps = &certificate, stamps
	return nil
}
