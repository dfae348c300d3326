package ingest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// memory is a buffer that keeps appended events, decoded as an aggregator would.
type memory struct {
	mu      sync.Mutex
	events  []protocol.Event
	appends int
	fail    error
	wait    func(ctx context.Context, seq uint64) error
}

func (m *memory) Append(_ context.Context, encoded []byte, count int) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return 0, m.fail
	}
	events, err := protocol.DecodeEvents(append(protocol.AppendEvents(nil, count), encoded...))
	if err != nil {
		return 0, fmt.Errorf("an aggregator could not read this: %w", err)
	}
	m.events = append(m.events, events...)
	m.appends++
	return uint64(m.appends), nil
}

func (m *memory) WaitStored(ctx context.Context, seq uint64) error {
	if m.wait != nil {
		return m.wait(ctx, seq)
	}
	return nil
}

// taken returns the events since the last call.
func (m *memory) taken() []protocol.Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	events := m.events
	m.events, m.appends = nil, 0
	return events
}

// book is a directory of one app with a client and a server key, and one more
// app that allows a single origin.
type book struct {
	keys  map[[32]byte]protocol.Key
	apps  map[string]protocol.App
	links map[string]protocol.Link
	stale bool
	edges []protocol.Edge
}

const (
	clientKey     = "WRITE_KEY_123"
	serverKey     = "SERVER_KEY_456"
	restrictedKey = "ORIGIN_KEY_789"
	blockedKey    = "BLOCKED_KEY_000"
)

func newBook() *book {
	b := &book{keys: map[[32]byte]protocol.Key{}, apps: map[string]protocol.App{}, links: map[string]protocol.Link{}}
	for key, k := range map[string]protocol.Key{
		clientKey:     {App: "app1", Kind: protocol.KeyClient},
		serverKey:     {App: "app1", Kind: protocol.KeyServer},
		restrictedKey: {App: "app2", Kind: protocol.KeyClient},
		blockedKey:    {App: "app3", Kind: protocol.KeyClient},
	} {
		b.keys[sha256.Sum256([]byte(key))] = k
	}
	b.apps["app1"] = protocol.App{ID: "app1", Name: "One"}
	b.apps["app2"] = protocol.App{ID: "app2", Origins: []string{"https://shop.example.com"}}
	b.apps["app3"] = protocol.App{ID: "app3", Blocked: true}
	return b
}

func (b *book) Key(hash [sha256.Size]byte) (protocol.Key, bool) { k, ok := b.keys[hash]; return k, ok }
func (b *book) App(id string) (protocol.App, bool)              { a, ok := b.apps[id]; return a, ok }
func (b *book) Link(slug string) (protocol.Link, bool)          { l, ok := b.links[slug]; return l, ok }
func (b *book) Host(name string) (protocol.App, bool) {
	for _, a := range b.apps {
		if slices.Contains(a.LinkHosts, name) {
			return a, true
		}
	}
	return protocol.App{}, false
}
func (b *book) Edges() []protocol.Edge { return b.edges }
func (b *book) Fresh() bool            { return !b.stale }

// noon is the agent's clock in these tests.
func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

type door struct {
	*Handler
	buffer *memory
	book   *book
}

func newDoor(t testing.TB, change ...func(*Options)) *door {
	t.Helper()
	d := &door{buffer: &memory{}, book: newBook()}
	minted := 0
	o := Options{Buffer: d.buffer, Directory: d.book, Registerer: prometheus.NewRegistry(), Now: noon,
		NewID: func() string { minted++; return fmt.Sprintf("minted-%d", minted) }}
	for _, f := range change {
		f(&o)
	}
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	d.Handler = h
	return d
}

// answer is a ResponseWriter that keeps the answer to a request.
type answer struct {
	Code   int
	Body   *bytes.Buffer
	header http.Header
}

func newAnswer() *answer {
	return &answer{Code: http.StatusOK, Body: new(bytes.Buffer), header: http.Header{}}
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.Code = status }
func (a *answer) Write(p []byte) (int, error) { return a.Body.Write(p) }

// request is one as a server of net/http would hand it on.
func request(method, target string, body io.Reader, headers ...string) *http.Request {
	r, err := http.NewRequest(method, "/", body)
	if err != nil {
		panic(err)
	}
	if r.URL, err = url.ParseRequestURI(target); err != nil {
		panic(err)
	}
	if _, sized := body.(*strings.Reader); !sized && r.ContentLength == 0 && body != http.NoBody {
		r.ContentLength = -1
	}
	r.RemoteAddr, r.RequestURI, r.Host = "198.51.100.7:4711", target, "example.com"
	if r.Body == nil {
		r.Body = http.NoBody
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Remote" {
			r.RemoteAddr = value
			continue
		}
		r.Header.Add(name, value)
	}
	return r
}

// send serves one request; headers are "Name: value".
func (d *door) send(method, target, body string, headers ...string) *answer {
	w := newAnswer()
	d.ServeHTTP(w, request(method, target, strings.NewReader(body), headers...))
	return w
}

func basic(key string) string {
	r := &http.Request{Header: http.Header{}}
	r.SetBasicAuth(key, "")
	return "Authorization: " + r.Header.Get("Authorization")
}

// counted is the value of a counter.
func counted(t *testing.T, c prometheus.Counter) float64 {
	t.Helper()
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetCounter().GetValue()
}
