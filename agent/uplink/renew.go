package uplink

import (
	"context"
	"crypto/ecdsa"
	"sync"
	"time"

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

// keepCertificate asks for a new certificate when two thirds of the present
// one's life are over. The session goes on under the old one.
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
// has a third of its life left.
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
