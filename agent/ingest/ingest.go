// Package ingest is the agent's door for SDKs, browsers and servers: the Segment
// HTTP API, tracking links and server-to-server touches. It checks, stamps and
// normalises every message in named steps and answers 200 only once the buffer
// has it on disk.
//
// # What becomes of bad input
//
// A body that is not JSON, or that breaks a limit as a whole, is refused with
// 400 or 413 and nothing of it is kept. A fault of one event of a batch refuses
// that event: the answer is 200 and names it under "rejected". The same fault in
// a call that carries one event is a 400. Such faults are: nesting over 8 levels,
// over 200 keys in an object, strings over 8 KiB, events over 32 KiB, a key that
// occurs twice, NUL, half a surrogate pair, bytes that are not UTF-8, numbers
// beyond a 64-bit float, ids over 256 bytes, and an unknown type.
//
// A fault in one fact of an event costs that fact, and not the event: a time,
// an amount, a currency, an answer to consent that cannot be read, an id that
// stands for none. The answer names it under "warnings", the event carries it,
// and a metric counts it. A message id that is not 1 to 100 printable ASCII
// characters without spaces is replaced by its hash, which the answer tells.
package ingest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/unmogrowp/unmogrowp/agent/robots"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// Buffer makes events durable. Append takes count concatenated outputs of
// protocol.AppendEvent, returns once they are synced, and keeps nothing of
// encoded afterwards. An error with a RetryAfter method says that the buffer is
// full; any other says that it does not serve. WaitStored returns once an
// aggregator has acknowledged what Append gave this sequence number.
type Buffer interface {
	Append(ctx context.Context, encoded []byte, count int) (seq uint64, err error)
	WaitStored(ctx context.Context, seq uint64) error
}

// Directory knows apps, keys and links. It must answer without blocking.
type Directory interface {
	Key(hash [sha256.Size]byte) (protocol.Key, bool)
	App(id string) (protocol.App, bool)
	Link(slug string) (protocol.Link, bool)
	Host(name string) (protocol.App, bool) // whose link host that is
	Edges() []protocol.Edge
	Fresh() bool // whether a thing that it does not know does not exist
}

// Options configure a Handler. Buffer, Directory and Registerer are required.
type Options struct {
	Buffer       Buffer
	Directory    Directory
	Registerer   prometheus.Registerer
	Logger       *slog.Logger     // nil discards
	Now          func() time.Time // nil is time.Now
	NewID        func() string    // message ids to mint; nil makes UUIDs of version 7
	Limits       Limits
	Region, Zone string // of this agent
	Rules
}

// Rules are the settings that an operator may change while the agent runs. A
// request is served by those of its beginning.
type Rules struct {
	TrustedProxies []netip.Prefix    // whose X-Forwarded headers are believed
	AppleApps      map[string]string // number in the App Store to app: Apple's postbacks carry no key
	Locator        Locator           // nil: countries are known from servers and proxies only

	EventsPerSecond   int // of one key, over that it is told to wait; 0 is no limit
	RequestsPerSecond int // of one address, likewise; at most 10^9
}

// Handler serves the SDK side of an agent.
type Handler struct {
	Options
	mux       *http.ServeMux
	metrics   *metrics
	calls     sync.Pool    // of *call
	scratches sync.Pool    // of *scratch
	wires     sync.Pool    // of *wire
	decoders  sync.Pool    // of *zstd.Decoder
	using     atomic.Int64 // bytes of bodies in memory
	rules     atomic.Pointer[Rules]
	quotas    quotas
	addresses addresses
	crowds    crowds
	opened    opened
	robot     func(agent string) bool
	link      func(slug string) (protocol.Link, bool)

	complained atomic.Int64 // when the log said last that events cannot be stored, in nanoseconds

	jsonType, nosniff []string // header values that are never changed

	serving context.Context // ends with Close
	close   context.CancelFunc
}

// New returns a handler. It starts nothing.
func New(o Options) (*Handler, error) {
	if o.Buffer == nil || o.Directory == nil || o.Registerer == nil {
		return nil, errors.New("ingest needs a buffer, a directory and a registerer")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NewID == nil {
		o.NewID = newID
	}
	o.Limits = o.Limits.withDefaults()
	h := &Handler{Options: o, mux: http.NewServeMux(), quotas: quotas{whole: 2 * o.Limits.Events}, // one call can make two events
		jsonType: []string{"application/json"}, nosniff: []string{"nosniff"}}
	h.serving, h.close = context.WithCancel(context.Background())
	h.SetRules(o.Rules)
	h.calls.New = func() any { return &call{h: h} }
	h.scratches.New = func() any { return new(scratch) }
	h.wires.New = func() any { return new(wire) }
	h.decoders.New = h.newDecoder
	list, err := robots.Load()
	if err != nil {
		return nil, err
	}
	h.robot, h.link = list.Has, o.Directory.Link
	if h.metrics, err = newMetrics(o.Registerer); err != nil {
		return nil, fmt.Errorf("register ingest metrics: %w", err)
	}
	h.routes()
	return h, nil
}

// SetRules changes the rules for the requests that begin from now on.
func (h *Handler) SetRules(r Rules) {
	r.RequestsPerSecond = min(r.RequestsPerSecond, int(time.Second))
	h.rules.Store(&r)
	h.quotas.forget()
}

// newDecoder makes a zstd decoder that works in its caller's goroutine. It gives
// nil if the limits make no decoder.
func (h *Handler) newDecoder() any {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(uint64(h.Limits.BodyBytes)), zstd.WithDecoderMaxWindow(uint64(max(h.Limits.BodyBytes, zstd.MinWindowSize))))
	if err != nil {
		return nil
	}
	return d
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

// Close makes the handler answer 503 from now on and ends the waiting of
// requests with ?sync=true. Requests under way are finished.
func (h *Handler) Close() { h.close() }

// Counts returns how many events were accepted and refused since the start.
func (h *Handler) Counts() (accepted, rejected int64) {
	return h.metrics.acceptedCount.Load(), h.metrics.rejectedCount.Load()
}

func (h *Handler) routes() {
	for _, e := range endpoints(&h.Limits) {
		serve := h.handle(&e)
		for _, path := range e.paths {
			h.mux.Handle(path, serve)
		}
	}
}

// ServeHTTP serves one request. An SDK whose host was set with a trailing slash
// asks for //v1/batch: a redirect would cost it the body, so that is mended here.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "//") {
		copied, address := *r, *r.URL
		address.Path, address.RawPath = "/"+strings.TrimLeft(address.Path, "/"), ""
		copied.URL = &address
		r = &copied
	}
	h.mux.ServeHTTP(w, r)
}
