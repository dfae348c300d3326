package intake

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// A token works once, also for a client that races itself.
func TestTokenWorksOnce(t *testing.T) {
	r := start(t)
	token, _, err := r.authority.Token(t.Context(), "one", "eu", "")
	if err != nil {
		t.Fatal(err)
	}
	_, csr := request(t)
	secret := secretOf(t, token)
	if a := r.enroll(secret, []byte("not a request")); a.Error == "" {
		t.Error("a broken request was served")
	}
	if a := r.enroll(secret, csr); a.Error != "" {
		t.Errorf("a broken request used the token up: %s", a.Error)
	}
	if a := r.enroll(secret, csr); a.Error == "" || a.Certificate != nil {
		t.Errorf("a used token was served: %+v", a)
	}
}

func TestRequestedNamesAreIgnored(t *testing.T) {
	r := start(t)
	token, _, err := r.authority.Token(t.Context(), "one", "eu", "")
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := url.Parse(protocol.AgentURI("agent-two"))
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{URIs: []*url.URL{other}, DNSNames: []string{protocol.ServerName}}, key)
	if err != nil {
		t.Fatal(err)
	}
	answer := r.enroll(secretOf(t, token), csr)
	cert, err := x509.ParseCertificate(answer.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	if id, err := protocol.AgentID(cert); id != "agent-one" || err != nil || len(cert.DNSNames) != 0 || cert.IsCA {
		t.Errorf("issued to %q (%v), names %v, CA %t", id, err, cert.DNSNames, cert.IsCA)
	}
}

// Whoever has no certificate of an agent, valid now, from this authority, for
// a client, gets no session.
func TestForeignCertificatesAreRefused(t *testing.T) {
	r := start(t)
	expired := selfSigned(t, time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour))
	fresh := selfSigned(t, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	server, err := r.authority.ServerTLS().GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, config := range map[string]*tls.Config{
		"none":                    r.tls(protocol.ALPN),
		"another authority":       r.tls(protocol.ALPN, fresh),
		"expired":                 r.tls(protocol.ALPN, expired),
		"the server's own":        r.tls(protocol.ALPN, *server),
		"both protocols at once":  both(r.tls(protocol.ALPN)),
		"enrolment for a session": r.tls("unmogrowp/2"),
	} {
		conn, err := r.dial(config)
		if err != nil {
			continue
		}
		// TLS 1.3: the client may learn of its refusal after its handshake.
		<-conn.Context().Done()
		if cause := context.Cause(conn.Context()); !isTLSAlert(cause) {
			t.Errorf("%s: ended by %v", name, cause)
		}
	}
}

func both(c *tls.Config) *tls.Config {
	c.NextProtos = []string{protocol.ALPN, protocol.EnrollALPN}
	return c
}

func isTLSAlert(err error) bool {
	var transport *quic.TransportError
	return errors.As(err, &transport) && transport.ErrorCode.IsCryptoError()
}

func selfSigned(t *testing.T, from, to time.Time) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id, err := url.Parse(protocol.AgentURI("agent-one"))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: from, NotAfter: to, URIs: []*url.URL{id},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestRevokedAgentIsDropped(t *testing.T) {
	r := start(t)
	cert := r.identity("one")
	conn, control := r.connect(cert, 5)
	r.registry.revoke("agent-one")
	r.state.set(&protocol.Settings{Generation: 4})
	if bye := await[*protocol.Goodbye](t, control); bye.Code != "revoked" {
		t.Errorf("goodbye %+v", bye)
	}
	<-conn.Context().Done()
	again, err := r.dial(r.tls(protocol.ALPN, cert))
	if err != nil {
		return
	}
	<-again.Context().Done()
	var closed *quic.ApplicationError
	if !errors.As(context.Cause(again.Context()), &closed) || closed.ErrorCode != closeRevoked {
		t.Errorf("reconnect ended by %v", context.Cause(again.Context()))
	}
	r.stop()
	if got := r.registry.refusals; len(got) != 1 || got[0].Agent != "agent-one" || got[0].Reason == "" || got[0].Remote == "" {
		t.Errorf("recorded %+v", got)
	}
}

// Refusals that are too many to record are counted in the next one.
func TestRefusalsFold(t *testing.T) {
	reg := &registry{}
	now := time.Unix(1_000_000, 0)
	in := &Intake{o: Options{Registry: reg, Now: func() time.Time { return now }}, doorman: newDoorman()}
	for range refusalsBurst + 7 {
		in.record(t.Context(), "a", &net.UDPAddr{}, "because")
	}
	now = now.Add(time.Second)
	in.record(t.Context(), "a", &net.UDPAddr{}, "because")
	last := reg.refusals[len(reg.refusals)-1]
	if len(reg.refusals) != refusalsBurst+1 || last.Folded != 7 {
		t.Errorf("%d were recorded, the last with %d folded", len(reg.refusals), last.Folded)
	}
}

// Connections that begin faster than strangers may have to show their address;
// in the next second they need not.
func TestManyGreetingsAreVerified(t *testing.T) {
	d, now := newDoorman(), time.Unix(1_000_000, 0)
	free := 0
	for range 10 * greetingsBurst {
		if !d.crowded(now) {
			free++
		}
	}
	if free != greetingsBurst || d.crowded(now.Add(time.Second)) {
		t.Errorf("%d connections began without a look at their address", free)
	}
}

func TestCloneIsRefused(t *testing.T) {
	r := start(t)
	r.connect(r.identity("one"), 5)
	conn, err := r.dial(r.tls(protocol.ALPN, r.identity("two")))
	if err != nil {
		t.Fatal(err)
	}
	control, err := conn.OpenStream()
	if err != nil {
		t.Fatal(err)
	}
	if err := protocol.WriteMessage(control, &protocol.Hello{Version: 1, Epoch: 5}); err != nil {
		t.Fatal(err)
	}
	<-conn.Context().Done()
	var closed *quic.ApplicationError
	if !errors.As(context.Cause(conn.Context()), &closed) || closed.ErrorCode != closeClone {
		t.Errorf("ended by %v", context.Cause(conn.Context()))
	}
}

func TestSettingsAndHeartbeatsPass(t *testing.T) {
	r := start(t)
	_, control := r.connect(r.identity("one"), 5)
	if s := await[*protocol.Settings](t, control); s.Generation != 3 {
		t.Errorf("first settings %+v", s)
	}
	r.state.set(&protocol.Settings{Generation: 4, Apps: []protocol.App{{ID: "a"}}})
	if s := await[*protocol.Settings](t, control); s.Generation != 4 || len(s.Apps) != 1 {
		t.Errorf("changed settings %+v", s)
	}
	if err := protocol.WriteMessage(control, &protocol.Heartbeat{QueuedEvents: 77}); err != nil {
		t.Fatal(err)
	}
	if h := <-r.registry.beats; h.QueuedEvents != 77 {
		t.Errorf("heartbeat %+v", h)
	}
	_, csr := request(t)
	renewed := exchange[*protocol.Enrolled](t, control, &protocol.Renew{CSR: csr})
	cert, err := x509.ParseCertificate(renewed.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	if id, err := protocol.AgentID(cert); id != "agent-one" || err != nil {
		t.Errorf("renewed for %q: %v", id, err)
	}
}

func TestDrainingNodeSaysGoodbye(t *testing.T) {
	r := start(t)
	conn, control := r.connect(r.identity("one"), 5)
	var stopping sync.WaitGroup
	t.Cleanup(stopping.Wait)
	stopping.Go(r.stop)
	if bye := await[*protocol.Goodbye](t, control); bye.Code != "draining" {
		t.Errorf("goodbye %+v", bye)
	}
	if ack := send(t, conn, blockOf(t, 1, events("x"), 1)); ack.Status != protocol.StatusDraining {
		t.Errorf("ack %+v", ack)
	}
	_ = conn.CloseWithError(0, "moved on")
}
