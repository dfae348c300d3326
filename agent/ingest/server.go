package ingest

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"

	"github.com/unmogrowp/unmogrowp/protocol/daemon"
	"github.com/unmogrowp/unmogrowp/protocol/guard"
)

// Timeouts and sizes that keep slow and greedy clients from holding the server.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 15 * time.Second
	writeTimeout      = syncTimeout + 5*time.Second
	idleTimeout       = 60 * time.Second
	maxHeaderBytes    = 16 << 10
	maxStreams        = 250 // of one HTTP/2 connection

	defaultConnections = 4096
	defaultGrace       = 10 * time.Second
)

// NewServer returns an HTTP server for HTTP/1.1 and HTTP/2; without TLS that is
// HTTP/2 with prior knowledge.
func NewServer(handler http.Handler, log *slog.Logger) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &http.Server{
		Handler: handler, Protocols: protocols,
		ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		HTTP2:    &http.HTTP2Config{MaxConcurrentStreams: maxStreams, MaxReceiveBufferPerConnection: 4 << 20, MaxReceiveBufferPerStream: 1 << 20},
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// Part serves a handler on a listener for as long as the process runs.
type Part struct {
	Handler     *Handler
	Listener    net.Listener   // closed by Run
	TLS         *tls.Config    // nil serves without; never changed
	Packets     net.PacketConn // for HTTP/3, closed by Run; needs TLS; nil serves none
	Connections int            // at once over TCP, further ones wait; default 4096
	Grace       time.Duration  // for requests under way when the process stops; default 10 s
	Log         *slog.Logger   // nil discards
}

// Run serves until ctx ends. Then new requests are told to go elsewhere, those
// under way are finished, and waits for aggregators end.
func (p *Part) Run(ctx context.Context) error {
	log, grace := p.Log, p.Grace
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if grace <= 0 {
		grace = defaultGrace
	}
	defer context.AfterFunc(ctx, p.Handler.Close)()
	if p.Packets == nil || p.TLS == nil {
		return daemon.Serve(ctx, NewServer(p.Handler, log), p.listener(), grace)
	}
	handler := http.Handler(p.Handler)
	if address, ok := p.Packets.LocalAddr().(*net.UDPAddr); ok {
		handler = announce(handler, address.Port)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return daemon.Serve(ctx, NewServer(handler, log), p.listener(), grace) })
	group.Go(func() error {
		return (&quicServer{handler: p.Handler, conn: p.Packets, tls: p.TLS, patience: readTimeout, grace: grace, log: log}).run(ctx)
	})
	return group.Wait()
}

func (p *Part) listener() net.Listener {
	connections := p.Connections
	if connections <= 0 {
		connections = defaultConnections
	}
	if p.TLS == nil { // there may be a proxy in front that reads requests otherwise than we do
		return netutil.LimitListener(guard.Framed(p.Listener, readHeaderTimeout), connections)
	}
	l := netutil.LimitListener(p.Listener, connections)
	config := p.TLS.Clone()
	config.NextProtos = append([]string{"h2", "http/1.1"}, config.NextProtos...)
	return tls.NewListener(l, config)
}
