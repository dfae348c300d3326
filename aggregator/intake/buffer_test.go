package intake

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/unmogrowp/unmogrowp/protocol"
)

func TestExpiredCertificateIsRenewedByItsKey(t *testing.T) {
	for _, c := range []struct {
		name string
		away time.Duration
		want bool
	}{
		{"a week", 7 * 24 * time.Hour, true},
		{"not expired yet", time.Hour, true},
		{"89 days", 89 * 24 * time.Hour, true},
		{"four months", 120 * 24 * time.Hour, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := start(t)
			identity := r.identity("one")
			r.clock.forward(c.away)
			if c.away > 48*time.Hour {
				conn, err := r.dial(r.tls(protocol.ALPN, identity))
				if err == nil { // TLS 1.3: the client has finished before the server looks
					<-conn.Context().Done()
					err = context.Cause(conn.Context())
				}
				var alert *quic.TransportError
				if !errors.As(err, &alert) || alert.ErrorCode != 0x100+45 {
					t.Fatalf("a session with a certificate that has ended: %v", err)
				}
			}
			message, err := r.renew(t, identity)
			if !c.want {
				if err == nil {
					t.Fatalf("renewed: %+v", message)
				}
				return
			}
			answer, ok := message.(*protocol.Enrolled)
			if err != nil || !ok || answer.Error != "" {
				t.Fatalf("%+v: %v", message, err)
			}
			cert, err := x509.ParseCertificate(answer.Certificate)
			if err != nil || !cert.NotAfter.After(r.clock.Now()) {
				t.Fatalf("until %s: %v", cert.NotAfter, err)
			}
			if id, err := protocol.AgentID(cert); id != "agent-one" || err != nil {
				t.Errorf("renewed for %q: %v", id, err)
			}
		})
	}
}

// renew asks for a new certificate. A refusal may reach the client at any step: in TLS 1.3 it has
// finished before the server looks.
func (r *rig) renew(t *testing.T, identity tls.Certificate) (any, error) {
	t.Helper()
	conn, err := r.dial(r.tls(protocol.RenewALPN, identity))
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.CloseWithError(0, "") }()
	stream, err := conn.OpenStream()
	if err != nil {
		return nil, err
	}
	_, csr := request(t)
	if err := protocol.WriteMessage(stream, &protocol.Renew{CSR: csr}); err != nil {
		return nil, err
	}
	return protocol.ReadMessage(stream)
}

// A revoked agent, and somebody without a certificate of this authority, renew nothing.
func TestRenewalOfStrangersIsRefused(t *testing.T) {
	r := start(t)
	identity := r.identity("one")
	r.registry.revoke("agent-one")
	conn, err := r.dial(r.tls(protocol.RenewALPN, identity))
	if err != nil {
		t.Fatal(err)
	}
	<-conn.Context().Done()
	var closed *quic.ApplicationError
	if !errors.As(context.Cause(conn.Context()), &closed) || closed.ErrorCode != closeRevoked {
		t.Errorf("ended by %v", context.Cause(conn.Context()))
	}
	stranger := start(t).identity("two")
	conn, err = r.dial(r.tls(protocol.RenewALPN, stranger))
	if err == nil {
		<-conn.Context().Done()
		err = context.Cause(conn.Context())
	}
	var alert *quic.TransportError
	if !errors.As(err, &alert) || !alert.ErrorCode.IsCryptoError() {
		t.Errorf("a certificate of another authority: %v", err)
	}
}

func TestBufferThatStaysBehindIsACopy(t *testing.T) {
	r := start(t)
	r.registry.behind = true
	conn, control := r.connect(r.identity("one"), 5)
	beat := &protocol.Heartbeat{FirstSeq: 1, History: []protocol.Position{{Next: 4, Chain: 4}}}
	for range overtaken {
		if err := protocol.WriteMessage(control, beat); err != nil {
			t.Fatal(err)
		}
	}
	if bye := await[*protocol.Goodbye](t, control); bye.Code != "clone" {
		t.Errorf("goodbye %+v", bye)
	}
	<-conn.Context().Done()
	var closed *quic.ApplicationError
	if !errors.As(context.Cause(conn.Context()), &closed) || closed.ErrorCode != closeClone {
		t.Errorf("ended by %v", context.Cause(conn.Context()))
	}
}

func TestALostEndIsToldInTheWelcome(t *testing.T) {
	r := start(t)
	r.registry.known = Known{First: 6, At: protocol.Position{Next: 9, Chain: 3}}
	for _, c := range []struct {
		next    uint64
		history []protocol.Position
		told    bool
	}{
		{5, []protocol.Position{{Next: 5}}, true},
		{9, []protocol.Position{{Next: 9}}, false},
		{5, nil, false}, // an earlier version, which could do nothing with it
	} {
		conn, err := r.dial(r.tls(protocol.ALPN, r.identity("one")))
		if err != nil {
			t.Fatal(err)
		}
		control, err := conn.OpenStream()
		if err != nil {
			t.Fatal(err)
		}
		w := exchange[*protocol.Welcome](t, control, &protocol.Hello{Version: 1, Epoch: 8, NextSeq: c.next, History: c.history})
		if (w.Known != nil) != c.told || c.told && (w.Known.Next != 9 || w.KnownFirst != 6) {
			t.Errorf("next %d: welcome %+v", c.next, w)
		}
		_ = conn.CloseWithError(0, "")
	}
}

func TestReplayIsAskedForAndItsAnswerKept(t *testing.T) {
	r := start(t)
	r.state.replay = &protocol.Replay{ID: "r1", Since: 5}
	_, control := r.connect(r.identity("one"), 5)
	if m := await[*protocol.Replay](t, control); m.ID != "r1" || m.Since != 5 {
		t.Errorf("asked for %+v", m)
	}
	if err := protocol.WriteMessage(control, &protocol.Replayed{ID: "r1", Blocks: 7}); err != nil {
		t.Fatal(err)
	}
	if m := <-r.registry.replays; m.Blocks != 7 {
		t.Errorf("kept %+v", m)
	}
}

// While blocks are held, agents keep them; afterwards they are stored.
func TestHeldBlocksWaitAtTheirAgents(t *testing.T) {
	r := start(t)
	r.held.Store("the disk is full")
	conn, _ := r.connect(r.identity("one"), 5)
	if ack := send(t, conn, blockOf(t, 1, events("x"), 1)); ack.Status != protocol.StatusRetry || ack.Reason != "the disk is full" || ack.RetryAfter != 10_000 {
		t.Errorf("ack %+v", ack)
	}
	if rows, _ := r.sink.stored(); rows != 0 {
		t.Errorf("%d rows are stored", rows)
	}
	r.held.Store("")
	if ack := send(t, conn, blockOf(t, 1, events("x"), 1)); ack.Status != protocol.StatusStored {
		t.Errorf("ack %+v", ack)
	}
}
