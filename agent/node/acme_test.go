package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"
	"golang.org/x/crypto/acme"
)

const acmeHost = "agent.example.com"

// authority is Let's Encrypt's own small ACME server. It believes that every
// name leads to this machine, where HTTPS is on the given port, and knocks there
// before it signs.
func authority(t *testing.T, port int) (client *acme.Client, roots *x509.CertPool, stop func()) {
	t.Helper()
	for name, value := range map[string]string{"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "20"} {
		t.Setenv(name, value)
	}
	silent := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	issuer := ca.New(silent, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {Description: "for a test"}})
	front := wfe.New(silent, store, va.New(silent, 1, port, true, names(t), store), issuer, []string{"ca.example.com"}, true, false, 0, 0)
	server := httptest.NewTLSServer(front.Handler())
	t.Cleanup(server.Close)
	roots = x509.NewCertPool()
	roots.AddCert(issuer.GetRootCert(0).Cert)
	return &acme.Client{DirectoryURL: server.URL + wfe.DirectoryPath, HTTPClient: server.Client()}, roots, server.Close
}

// names starts a DNS server to which every name is 127.0.0.1.
func names(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{Listener: l, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, asked *dns.Msg) {
		answer := new(dns.Msg).SetReply(asked)
		if q := asked.Question[0]; q.Qtype == dns.TypeA {
			answer.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.IPv4(127, 0, 0, 1)}}
		}
		if err := w.WriteMsg(answer); err != nil {
			t.Error(err)
		}
	})}
	done := make(chan error, 1)
	started := make(chan struct{})
	server.NotifyStartedFunc = func() { close(started) }
	var serving sync.WaitGroup
	serving.Go(func() { done <- server.ActivateAndServe() })
	<-started
	t.Cleanup(func() {
		if err := server.Shutdown(); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// knock asks an agent for something by HTTPS under its public name and returns
// the certificate that it showed.
func knock(t *testing.T, r *running, roots *x509.CertPool, name string) (*x509.Certificate, error) {
	t.Helper()
	transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, r.Addr().String())
		}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Timeout: 30 * time.Second, Transport: transport}
	answer, err := client.Get("https://" + name + "/v1/projects/" + writeKey + "/settings")
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != http.StatusOK || answer.ProtoMajor != 2 {
		t.Errorf("%s %s, %v", answer.Proto, answer.Status, err)
	}
	return answer.TLS.PeerCertificates[0], nil
}

// TestGetsItsCertificateByACME lets a real ACME server sign for an agent, which
// proves on its own port that the name is its own, and keeps the certificate.
func TestGetsItsCertificateByACME(t *testing.T) {
	c := enrolled(t)
	c.ACMEHosts = []string{acmeHost}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	issuer, roots, stop := authority(t, l.Addr().(*net.TCPAddr).Port)
	r := start(t, c, func(o *Options) {
		_ = o.Listener.Close()
		o.Listener, o.ACME = l, issuer
	})
	// Who comes first is cut off before a slow authority has signed, and comes again.
	got, err := knock(t, r, roots, acmeHost)
	for began := time.Now(); err != nil && time.Since(began) < time.Minute; {
		got, err = knock(t, r, roots, acmeHost)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := got.VerifyHostname(acmeHost); err != nil {
		t.Error(err)
	}
	if _, err := knock(t, r, roots, "other.example.com"); err == nil {
		t.Error("a certificate for a name that is not configured")
	}
	r.stop()
	stop() // the next time there is nobody to ask
	if kept, err := os.ReadDir(c.acmeDir()); err != nil || len(kept) == 0 {
		t.Errorf("%d files kept, %v", len(kept), err)
	}
	r = start(t, c, func(o *Options) { o.ACME = issuer })
	again, err := knock(t, r, roots, acmeHost)
	if err != nil {
		t.Fatal(err)
	}
	if again.SerialNumber.Cmp(got.SerialNumber) != 0 {
		t.Error("another certificate after a restart")
	}
}
