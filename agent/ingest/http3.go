package ingest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

const (
	quicHandshakeTimeout = 5 * time.Second
	quicConnections      = 1024 // at once; a client that finds no room uses TCP
	quicWindow           = 768 << 10
	excessiveLoad        = 0x107 // H3_EXCESSIVE_LOAD, RFC 9114, section 8.1
)

// quicServer serves the same handler by HTTP/3.
type quicServer struct {
	handler         http.Handler
	conn            net.PacketConn // closed by run
	tls             *tls.Config
	patience, grace time.Duration // for a request to arrive, and for those under way at the end
	log             *slog.Logger

	serving sync.RWMutex // held for reading by every request
}

// run serves until ctx ends. Then clients are told to go elsewhere, requests
// under way are finished, and connections are closed.
func (s *quicServer) run(ctx context.Context) error {
	transport := &quic.Transport{Conn: s.conn}
	slots := make(chan struct{}, quicConnections)
	transport.VerifySourceAddress = func(net.Addr) bool { return len(slots) > quicConnections/2 }
	defer func() { _, _ = transport.Close(), s.conn.Close() }() // nothing is left to lose
	config := &quic.Config{
		HandshakeIdleTimeout: quicHandshakeTimeout, MaxIdleTimeout: idleTimeout,
		MaxIncomingStreams: maxStreams, MaxStreamReceiveWindow: quicWindow,
		InitialConnectionReceiveWindow: quicWindow, AllowConnectionWindowIncrease: func(*quic.Conn, uint64) bool { return false },
	}
	listener, err := transport.ListenEarly(http3.ConfigureTLSConfig(s.tls), config)
	if err != nil {
		return fmt.Errorf("serve HTTP/3 on %s: %w", s.conn.LocalAddr(), err)
	}
	server := &http3.Server{Handler: http.HandlerFunc(s.serve), MaxHeaderBytes: maxHeaderBytes, IdleTimeout: idleTimeout, Logger: s.log}
	var wg sync.WaitGroup
	served := make(chan error, 1)
	wg.Go(func() { served <- server.ServeListener(&bounded3{EarlyListener: listener, slots: slots}) })
	defer wg.Wait()
	defer func() { _ = listener.Close() }()
	select {
	case err := <-served:
		return errors.Join(fmt.Errorf("serve HTTP/3 on %s: %w", s.conn.LocalAddr(), err), server.Close())
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.grace)
	defer cancel()
	wg.Go(func() {
		s.serving.Lock() // until no request is under way
		defer s.serving.Unlock()
		cancel() // clients may keep idle connections for as long as they like
	})
	if err := server.Shutdown(stop); err != nil && stop.Err() == nil {
		return fmt.Errorf("stop HTTP/3 on %s: %w", s.conn.LocalAddr(), err)
	}
	return nil
}

// serve gives a request the time that it has over TCP.
func (s *quicServer) serve(w http.ResponseWriter, r *http.Request) {
	s.serving.RLock()
	defer s.serving.RUnlock()
	control, now := http.NewResponseController(w), time.Now()
	if err := errors.Join(control.SetReadDeadline(now.Add(s.patience)), control.SetWriteDeadline(now.Add(writeTimeout))); err != nil {
		s.log.Debug("set deadlines of a request", "error", err)
	}
	s.handler.ServeHTTP(w, r)
}

// bounded3 refuses connections that there is no room for.
type bounded3 struct {
	*quic.EarlyListener
	slots chan struct{}
}

func (b *bounded3) Accept(ctx context.Context) (*quic.Conn, error) {
	for {
		conn, err := b.EarlyListener.Accept(ctx)
		if err != nil {
			return nil, err
		}
		select {
		case b.slots <- struct{}{}:
			context.AfterFunc(conn.Context(), func() { <-b.slots })
			return conn, nil
		default:
			_ = conn.CloseWithError(excessiveLoad, "no room for another connection") // it may be gone already
		}
	}
}

// announce tells clients by Alt-Svc that HTTP/3 is served on the given port.
func announce(handler http.Handler, port int) http.Handler {
	value := []string{fmt.Sprintf(`h3=":%d"; ma=86400`, port)}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Alt-Svc"] = value
		handler.ServeHTTP(w, r)
	})
}
