package ingest

import (
	"context"
	"crypto/tls"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
)

// A connection for which there is no room is told so, and the room of one that
// ended is given to the next.
func TestConnectionsOverQUICAreBounded(t *testing.T) {
	certificate, pool := selfSigned(t)
	listener, err := quic.ListenAddrEarly("127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h3"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	b := &bounded3{EarlyListener: listener, slots: make(chan struct{}, 1)}
	accepted := make(chan *quic.Conn, 4)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := b.Accept(ctx)
			if err != nil {
				return
			}
			accepted <- conn
		}
	})
	defer wg.Wait()
	defer func() { _ = listener.Close() }()
	dial := func() (*quic.Conn, error) {
		return quic.DialAddr(ctx, listener.Addr().String(), &tls.Config{RootCAs: pool, NextProtos: []string{"h3"}}, nil)
	}
	first, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	<-accepted
	second, err := dial()
	if err == nil {
		_, err = second.AcceptStream(ctx)
	}
	// While the handshake is not over the reason is not told. RFC 9000, section 10.2.3.
	var early *quic.TransportError
	var refused *quic.ApplicationError
	if !(errors.As(err, &early) && early.ErrorCode == quic.ApplicationErrorErrorCode) && !(errors.As(err, &refused) && refused.ErrorCode == excessiveLoad) {
		t.Fatalf("a connection too many: %v", err)
	}
	_ = first.CloseWithError(0, "")
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for len(b.slots) > 0 && ctx.Err() == nil {
		<-tick.C
	}
	third, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-accepted:
	case <-ctx.Done():
		t.Error("there is no room after the first connection ended")
	}
	_ = third.CloseWithError(0, "")
}
