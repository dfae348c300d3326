package ingest

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"

	"github.com/unmogrowp/unmogrowp/protocol/daemon"
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

// NewServer returns an HTTP server for HTTP/1.1 and, without TLS, HTTP/2 with
// prior knowledge.
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
	Listener    net.Listener  // closed by Run
	Connections int           // at once, further ones wait; default 4096
	Grace       time.Duration // for requests under way when the process stops; default 10 s
	Log         *slog.Logger  // nil discards
}

// Run serves until ctx ends. Then new requests are told to go elsewhere, those
// under way are finished, and waits for aggregators end.
func (p *Part) Run(ctx context.Context) error {
	connections, grace := p.Connections, p.Grace
	if connections <= 0 {
		connections = defaultConnections
	}
	if grace <= 0 {
		grace = defaultGrace
	}
	defer context.AfterFunc(ctx, p.Handler.Close)()
	return daemon.Serve(ctx, NewServer(p.Handler, p.Log), netutil.LimitListener(p.Listener, connections), grace)
}
