package ingest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
	"go.uber.org/goleak"
)

// selfSigned is a certificate for 127.0.0.1 and a pool that trusts it.
func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "agent"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func TestOnePortServesHTTP1And2And3(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	packets, err := net.ListenPacket("udp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	certificate, pool := selfSigned(t)
	d := newDoor(t, func(o *Options) { o.Now = nil })
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	part := &Part{Handler: d.Handler, Listener: l, Packets: packets, TLS: &tls.Config{Certificates: []tls.Certificate{certificate}}, Grace: 3 * time.Second}
	wg.Go(func() {
		if err := part.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	url, alternative := "https://"+l.Addr().String(), fmt.Sprintf(`h3=":%d"`, l.Addr().(*net.TCPAddr).Port)
	for version := 1; version <= 3; version++ {
		var transport interface {
			http.RoundTripper
			CloseIdleConnections()
		}
		config := &tls.Config{RootCAs: pool}
		if version == 3 {
			h3 := &http3.Transport{TLSClientConfig: config}
			defer h3.Close()
			transport = h3
		} else {
			transport = &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: version == 2}
		}
		client := &http.Client{Transport: transport, Timeout: 5 * time.Second}
		answer := ask(t, client, url+"/v1/batch", bytes.NewReader(sampleBatch(100)))
		if answer.ProtoMajor != version || answer.StatusCode != 200 || version < 3 && !strings.HasPrefix(answer.Header.Get("Alt-Svc"), alternative) {
			t.Errorf("HTTP/%d: %s %s, Alt-Svc %q", version, answer.Proto, answer.Status, answer.Header.Get("Alt-Svc"))
		}
		if n := len(d.buffer.taken()); n != 100 {
			t.Errorf("HTTP/%d: %d events", version, n)
		}
		if answer := ask(t, client, url+"/v1/track", strings.NewReader(strings.Repeat(" ", 2<<20))); answer.StatusCode != 413 {
			t.Errorf("HTTP/%d: a large body gets %s", version, answer.Status)
		}
		if version < 3 { // the connection of HTTP/3 stays, to see that it does not keep the server from stopping
			transport.CloseIdleConnections()
		}
	}
	began := time.Now()
	cancel()
	wg.Wait()
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("stopped after %s", took)
	}
}

func ask(t *testing.T, client *http.Client, url string, body io.Reader) *http.Response {
	t.Helper()
	request, err := http.NewRequest("POST", url, body)
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth(clientKey, "")
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
	return answer
}

// A body that does not come is given up, over HTTP/3 as over TCP.
func TestSlowBodyOverHTTP3IsCutOff(t *testing.T) {
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	certificate, pool := selfSigned(t)
	d := newDoor(t, func(o *Options) { o.Now = nil })
	server := &quicServer{handler: d.Handler, conn: packets, tls: &tls.Config{Certificates: []tls.Certificate{certificate}},
		patience: 100 * time.Millisecond, grace: time.Second, log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := server.run(ctx); err != nil {
			t.Error(err)
		}
	})
	defer wg.Wait()
	defer cancel()
	transport := &http3.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	defer transport.Close()
	body, never := io.Pipe()
	defer never.Close()
	answer := ask(t, &http.Client{Transport: transport, Timeout: 5 * time.Second}, "https://"+packets.LocalAddr().String()+"/v1/track", body)
	if answer.StatusCode != 408 { // which SDKs take for a reason to try again
		t.Errorf("%s", answer.Status)
	}
}
