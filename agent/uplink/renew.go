package uplink

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/unmogrowp/unmogrowp/protocol"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// renewRetry is the pause after a renewal that was refused or not answered.
const renewRetry = 10 * time.Minute

// renewal is a request for a new certificate that is under way.
type renewal struct {
	mu      sync.Mutex
	pending *ecdsa.PrivateKey
	done    chan struct{}
}

// keepCertificate asks for a new certificate when a third of the present one's
// life is over. The session goes on under the old one.
func (s *session) keepCertificate(ctx context.Context) error {
	due := s.up.opts.renewAt(s.up.opts.Identity)
	for daemon.Sleep(ctx, time.Until(due)) == nil {
		key, csr, err := newKey()
		if err != nil {
			return err
		}
		answered := make(chan struct{})
		s.renewal.mu.Lock()
		s.renewal.pending, s.renewal.done = key, answered
		s.renewal.mu.Unlock()
		if err := s.send(&protocol.Renew{CSR: csr}); err != nil {
			return err
		}
		waiting, cancel := context.WithTimeout(ctx, protocol.FrameTimeout)
		select {
		case <-answered:
		case <-waiting.Done():
		}
		cancel()
		next := s.up.opts.renewAt(s.up.opts.Identity)
		if retry := time.Now().Add(renewRetry); next.Before(retry) {
			next = retry
		}
		due = next
	}
	return nil
}

// renewed takes the answer to Renew. A bad one is logged; the old certificate
// has two thirds of its life left.
func (s *session) renewed(m *protocol.Enrolled) {
	s.renewal.mu.Lock()
	key, done := s.renewal.pending, s.renewal.done
	s.renewal.pending = nil
	s.renewal.mu.Unlock()
	if key == nil {
		s.up.log.Warn("uplink ignores a certificate that was not asked for")
		return
	}
	defer close(done)
	if m.Error != "" {
		s.up.log.Error("certificate renewal refused", "reason", m.Error, "expires", s.up.opts.Identity.Expires())
		return
	}
	if err := s.up.opts.Identity.renew(key, m.Certificate, m.Authority); err != nil {
		s.up.log.Error("certificate renewal failed", "error", err, "expires", s.up.opts.Identity.Expires())
		return
	}
	s.up.members.replace(m.Members)
	s.up.metrics.renewals.Inc()
	s.up.log.Info("certificate renewed", "expires", s.up.opts.Identity.Expires())
}

// expired says whether the certificate has ended. The core may see that before the
// agent, whose clock is behind.
func expired(err error) bool {
	var alert *quic.TransportError
	return errors.As(err, &alert) && alert.Remote && alert.ErrorCode == 0x100+tlsExpired
}

// tlsExpired is the alert certificate_expired of TLS (RFC 8446, 6.2), which QUIC adds to
// 0x100 (RFC 9001, 4.8).
const tlsExpired = 45

// renewExpired gets a new certificate for an agent that was cut off for longer than
// its certificate lived: it proves that it still has the key.
func (u *Uplink) renewExpired(ctx context.Context, address string) error {
	key, csr, err := newKey()
	if err != nil {
		return err
	}
	conf := u.opts.Identity.tlsConfig(u.opts.Now)
	conf.NextProtos = []string{protocol.RenewALPN}
	conn, err := u.opts.Dial(ctx, address, conf, quicConfig())
	if err != nil {
		return fmt.Errorf("renew expired certificate: %w", err)
	}
	defer func() { _ = conn.CloseWithError(0, "done") }()
	answer, err := ask(ctx, conn, &protocol.Renew{CSR: csr})
	if err != nil {
		return fmt.Errorf("renew expired certificate: %w", explain(err))
	}
	if answer.Error != "" {
		return fmt.Errorf("renew expired certificate: %w: %s", errRefused, answer.Error)
	}
	if err := u.opts.Identity.renew(key, answer.Certificate, answer.Authority); err != nil {
		return err
	}
	u.members.replace(answer.Members)
	u.metrics.renewals.Inc()
	u.log.Warn("expired certificate renewed", "expires", u.opts.Identity.Expires())
	return nil
}
