package intake

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/quic-go/quic-go"
	"go.uber.org/goleak"

	"github.com/unmogrowp/unmogrowp/aggregator/authority"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// sink stores in memory, or refuses as told.
type sink struct {
	mu          sync.Mutex
	rows        []Row
	inserts     int
	quarantined []string
	fail        error
	reject      func(Row) string
	entered     chan struct{} // if set, each Store says that it began
}

func (s *sink) Store(_ context.Context, rows []Row) ([]Rejected, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entered != nil {
		s.entered <- struct{}{}
	}
	if s.fail != nil {
		return nil, s.fail
	}
	s.inserts++
	var rejected []Rejected
	for i, r := range rows {
		if s.reject != nil && s.reject(r) != "" {
			rejected = append(rejected, Rejected{Index: i, Reason: s.reject(r)})
			continue
		}
		s.rows = append(s.rows, r)
	}
	return rejected, nil
}

func (s *sink) Quarantine(_ context.Context, _ string, _ []byte, reason string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quarantined = append(s.quarantined, reason)
	return s.fail
}

func (s *sink) failWith(err error) { s.with(func() { s.fail = err }) }

// with runs f while no other goroutine uses the sink.
func (s *sink) with(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *sink) stored() (rows, inserts int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.rows), s.inserts
}

// registry is also the authority's store.
type registry struct {
	mu       sync.Mutex
	secrets  map[string][]byte
	tokens   map[string]authority.Enrollment
	revoked  map[string]bool
	epochs   map[uint64]string
	refusals []Refusal
	beats    chan protocol.Heartbeat
	replays  chan protocol.Replayed
	known    Known
	behind   bool // every heartbeat is
}

func (r *registry) Secret(_ context.Context, name string, mint func() ([]byte, error)) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.secrets[name] == nil {
		b, err := mint()
		if err != nil {
			return nil, err
		}
		r.secrets[name] = b
	}
	return r.secrets[name], nil
}

func (r *registry) CreateEnrollment(_ context.Context, e authority.Enrollment) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tokens[string(e.SecretHash)] = e
	return nil
}

func (r *registry) ConsumeEnrollment(_ context.Context, hash []byte) (authority.Agent, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, ok := r.tokens[string(hash)]
	if !ok {
		return authority.Agent{}, authority.ErrToken
	}
	delete(r.tokens, string(hash))
	return authority.Agent{ID: "agent-" + e.Name, Name: e.Name, Region: e.Region, Zone: e.Zone}, nil
}

func (r *registry) RecordCertificate(context.Context, string, string, time.Time) error { return nil }

func (r *registry) RegisterBuffer(_ context.Context, agent string, b Buffer) (Known, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if owner, ok := r.epochs[b.Epoch]; ok && owner != agent {
		return Known{}, ErrClone
	}
	r.epochs[b.Epoch] = agent
	if !b.Hello && r.behind {
		return Known{}, ErrBehind
	}
	return r.known, nil
}

func (r *registry) CertificateUsed(context.Context, string, string) error { return nil }

func (r *registry) RecordReplayed(_ context.Context, _ string, m protocol.Replayed) error {
	r.replays <- m
	return nil
}

func (r *registry) RecordHeartbeat(_ context.Context, _, _, _ string, h protocol.Heartbeat) error {
	r.beats <- h
	return nil
}

func (r *registry) RecordRefusal(_ context.Context, refusal Refusal) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refusals = append(r.refusals, refusal)
	return nil
}

func (r *registry) Revoked(agent string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.revoked[agent]
}

func (r *registry) revoke(agent string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.revoked[agent] = true
}

type state struct {
	mu       sync.Mutex
	replay   *protocol.Replay
	settings *protocol.Settings
	changed  chan struct{}
}

func (s *state) Settings() *protocol.Settings {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.settings
}

func (s *state) Members() []protocol.Member { return []protocol.Member{{ID: "n1", Address: "here"}} }

func (s *state) Replay(string) *protocol.Replay {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.replay
}

func (s *state) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

func (s *state) set(settings *protocol.Settings) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settings = settings
	close(s.changed)
	s.changed = make(chan struct{})
}

type issuer struct{ a *authority.Authority }

func (i issuer) Enroll(ctx context.Context, secret string, csr []byte) (*protocol.Enrolled, error) {
	agent, cert, err := i.a.Enroll(ctx, secret, csr)
	if err != nil {
		return nil, err
	}
	return &protocol.Enrolled{Agent: agent.ID, Name: agent.Name, Region: agent.Region, Certificate: cert, Authority: i.a.Certificate()}, nil
}

func (i issuer) Renew(ctx context.Context, agent string, csr []byte) (*protocol.Enrolled, error) {
	cert, err := i.a.Renew(ctx, agent, csr)
	if err != nil {
		return nil, err
	}
	return &protocol.Enrolled{Agent: agent, Certificate: cert, Authority: i.a.Certificate()}, nil
}

func (i issuer) RenewExpired(ctx context.Context, agent, _ string, csr []byte) (*protocol.Enrolled, error) {
	return i.Renew(ctx, agent, csr)
}

// clock is a time that a test moves.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

// rig is an intake on a loopback socket, with everything that it talks to.
type rig struct {
	t         *testing.T
	addr      net.Addr
	sink      *sink
	registry  *registry
	state     *state
	authority *authority.Authority
	clock     *clock
	held      atomic.Value // string: why blocks are held
	stop      func()
}

func start(t *testing.T) *rig {
	t.Helper()
	reg := &registry{secrets: map[string][]byte{}, tokens: map[string]authority.Enrollment{}, revoked: map[string]bool{},
		epochs: map[uint64]string{}, beats: make(chan protocol.Heartbeat, 10), replays: make(chan protocol.Replayed, 1)}
	clock := &clock{}
	a, err := authority.Open(t.Context(), reg, clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, addr: conn.LocalAddr(), sink: &sink{}, registry: reg, authority: a, clock: clock,
		state: &state{settings: &protocol.Settings{Generation: 3}, changed: make(chan struct{})}}
	in, err := New(Options{Node: "n1", Software: "test", Conn: conn, TLS: a.ServerTLS(), Sink: r.sink, Registry: reg, State: r.state,
		Issuer: issuer{a}, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(), Now: time.Now, Held: r.whyHeld, InsertDelay: 5 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := in.Run(ctx); err != nil {
			t.Errorf("intake: %v", err)
		}
	})
	r.stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		_ = conn.Close()
	})
	t.Cleanup(r.stop)
	return r
}

func (r *rig) whyHeld() string {
	why, _ := r.held.Load().(string)
	return why
}

// identity enrols an agent over the wire and returns its certificate.
func (r *rig) identity(name string) tls.Certificate {
	r.t.Helper()
	token, _, err := r.authority.Token(r.t.Context(), name, "eu", "a")
	if err != nil {
		r.t.Fatal(err)
	}
	key, csr := request(r.t)
	answer := r.enroll(secretOf(r.t, token), csr)
	if answer.Error != "" || answer.Agent != "agent-"+name {
		r.t.Fatalf("enrolment answered %+v", answer)
	}
	return tls.Certificate{Certificate: [][]byte{answer.Certificate}, PrivateKey: key}
}

func secretOf(t *testing.T, token string) string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) != 64 {
		t.Fatalf("token of %d bytes: %v", len(raw), err)
	}
	return base64.RawURLEncoding.EncodeToString(raw[:32])
}

func request(t *testing.T) (*ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	return key, csr
}

func (r *rig) tls(alpn string, certs ...tls.Certificate) *tls.Config {
	roots := x509.NewCertPool()
	ca, err := x509.ParseCertificate(r.authority.Certificate())
	if err != nil {
		r.t.Fatal(err)
	}
	roots.AddCert(ca)
	return &tls.Config{RootCAs: roots, ServerName: protocol.ServerName, NextProtos: []string{alpn}, Certificates: certs, Time: r.clock.Now}
}

func (r *rig) dial(c *tls.Config) (*quic.Conn, error) {
	ctx, cancel := context.WithTimeout(r.t.Context(), 5*time.Second)
	defer cancel()
	return quic.DialAddr(ctx, r.addr.String(), c, &quic.Config{MaxIdleTimeout: 5 * time.Second})
}

func (r *rig) enroll(secret string, csr []byte) *protocol.Enrolled {
	r.t.Helper()
	conn, err := r.dial(r.tls(protocol.EnrollALPN))
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = conn.CloseWithError(0, "") }()
	stream, err := conn.OpenStream()
	if err != nil {
		r.t.Fatal(err)
	}
	return exchange[*protocol.Enrolled](r.t, stream, &protocol.Enroll{Version: 1, Secret: secret, CSR: csr})
}

func exchange[T protocol.Message](t *testing.T, stream *quic.Stream, m protocol.Message) T {
	t.Helper()
	_ = stream.SetDeadline(time.Now().Add(10 * time.Second))
	if err := protocol.WriteMessage(stream, m); err != nil {
		t.Fatal(err)
	}
	return await[T](t, stream)
}

// await reads messages until one of the wanted type comes.
func await[T protocol.Message](t *testing.T, stream *quic.Stream) T {
	t.Helper()
	_ = stream.SetDeadline(time.Now().Add(10 * time.Second))
	for {
		m, err := protocol.ReadMessage(stream)
		if err != nil {
			t.Fatal(err)
		}
		if wanted, ok := m.(T); ok {
			return wanted
		}
	}
}

// connect opens a session and greets.
func (r *rig) connect(cert tls.Certificate, epoch uint64) (*quic.Conn, *quic.Stream) {
	r.t.Helper()
	conn, err := r.dial(r.tls(protocol.ALPN, cert))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.CloseWithError(0, "") })
	control, err := conn.OpenStream()
	if err != nil {
		r.t.Fatal(err)
	}
	welcome := exchange[*protocol.Welcome](r.t, control, &protocol.Hello{Version: 1, Epoch: epoch, FirstSeq: 1, NextSeq: 2})
	if welcome.Window != protocol.MaxInFlight || len(welcome.Members) != 1 {
		r.t.Errorf("welcome %+v", welcome)
	}
	return conn, control
}

func send(t *testing.T, conn *quic.Conn, data []byte) *protocol.Ack {
	t.Helper()
	stream, err := conn.OpenStreamSync(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Write(data); err != nil {
		t.Fatal(err)
	}
	_ = stream.Close()
	return await[*protocol.Ack](t, stream)
}

func blockOf(t *testing.T, seq uint64, raw []byte, count int) []byte {
	t.Helper()
	c, err := protocol.NewCompressor()
	if err != nil {
		t.Fatal(err)
	}
	return protocol.AppendBlock(nil, &protocol.Block{Epoch: 5, Seq: seq, Count: count, RawLen: len(raw), Codec: protocol.CodecZstd, Payload: c.Compress(nil, raw)})
}

func events(ids ...string) []byte {
	raw := protocol.AppendEvents(nil, len(ids))
	for _, id := range ids {
		raw = protocol.AppendEvent(raw, &protocol.Event{App: "a", ID: id, Kind: protocol.KindTrack, Payload: []byte("{}")})
	}
	return raw
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestBlockIsAckedOnceStored(t *testing.T) {
	r := start(t)
	conn, _ := r.connect(r.identity("one"), 5)
	ack := send(t, conn, blockOf(t, 1, events("x", "y"), 2))
	if ack.Status != protocol.StatusStored || ack.Epoch != 5 || ack.Seq != 1 {
		t.Errorf("ack %+v", ack)
	}
	r.sink.with(func() {
		if rows := r.sink.rows; len(rows) != 2 || rows[0].Agent != "agent-one" {
			t.Errorf("rows stored: %+v", rows)
		}
	})
}

func TestNothingIsAckedOnDoubt(t *testing.T) {
	r := start(t)
	conn, _ := r.connect(r.identity("one"), 5)
	r.sink.failWith(errors.New("connection lost during insert"))
	data := blockOf(t, 1, events("x"), 1)
	if ack := send(t, conn, data); ack.Status != protocol.StatusRetry || ack.RetryAfter == 0 {
		t.Errorf("ack %+v", ack)
	}
	r.sink.failWith(nil)
	if ack := send(t, conn, data); ack.Status != protocol.StatusStored {
		t.Errorf("second try: %+v", ack)
	}
}

func TestBadRowsAreNamedAndTheRestStored(t *testing.T) {
	r := start(t)
	r.sink.with(func() {
		r.sink.reject = func(row Row) string { return strings.TrimPrefix(row.Event.ID, "ok") }
	})
	conn, _ := r.connect(r.identity("one"), 5)
	ack := send(t, conn, blockOf(t, 1, events("ok", "bad", "ok"), 3))
	if ack.Status != protocol.StatusQuarantined || len(ack.Rejected) != 1 || ack.Rejected[0] != (protocol.Reject{Index: 1, Reason: "bad"}) {
		t.Errorf("ack %+v", ack)
	}
}

func TestBlockThatCannotBeDecodedIsQuarantined(t *testing.T) {
	r := start(t)
	conn, _ := r.connect(r.identity("one"), 5)
	for name, raw := range map[string][]byte{
		"msgpack bomb":     {0xdd, 0xff, 0xff, 0xff, 0xff},
		"not msgpack":      {0xc1},
		"wrong count":      events("a", "b"),
		"trailing garbage": append(events("a"), 0xc0),
	} {
		if ack := send(t, conn, blockOf(t, 1, raw, 1)); ack.Status != protocol.StatusQuarantined {
			t.Errorf("%s: ack %+v", name, ack)
		}
	}
	r.sink.with(func() {
		if len(r.sink.quarantined) != 4 {
			t.Errorf("quarantined: %q", r.sink.quarantined)
		}
	})
}

func TestBrokenFrameEndsTheSession(t *testing.T) {
	r := start(t)
	cert := r.identity("one")
	good := blockOf(t, 1, events("a"), 1)
	flipped := append([]byte(nil), good...)
	flipped[len(flipped)-1] ^= 1
	huge := append([]byte(nil), good...)
	huge[32] = 0xff
	for name, data := range map[string][]byte{"flipped bit": flipped, "payload of 4 GiB": huge, "no magic": make([]byte, 64)} {
		conn, _ := r.connect(cert, 5)
		stream, err := conn.OpenStreamSync(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Write(data); err != nil {
			t.Fatal(err)
		}
		_ = stream.Close()
		<-conn.Context().Done()
		var closed *quic.ApplicationError
		if !errors.As(context.Cause(conn.Context()), &closed) || closed.ErrorCode != closeProtocol {
			t.Errorf("%s: ended by %v", name, context.Cause(conn.Context()))
		}
	}
	if rows, _ := r.sink.stored(); rows != 0 {
		t.Errorf("%d rows stored", rows)
	}
}

func TestManyBlocksBecomeFewInserts(t *testing.T) {
	r := start(t)
	conn, _ := r.connect(r.identity("one"), 5)
	gate := make(chan struct{})
	r.sink.with(func() { r.sink.entered = gate })
	var wg sync.WaitGroup
	for i := range protocol.MaxInFlight {
		wg.Go(func() {
			if ack := send(t, conn, blockOf(t, uint64(i+1), events("e"), 1)); ack.Status != protocol.StatusStored {
				t.Errorf("ack %+v", ack)
			}
		})
	}
	// While the first inserts wait here, the rest of the window collects.
	done := make(chan struct{})
	var drain sync.WaitGroup
	drain.Go(func() {
		for {
			select {
			case <-gate:
			case <-done:
				return
			}
		}
	})
	wg.Wait()
	close(done)
	drain.Wait()
	if rows, inserts := r.sink.stored(); rows != protocol.MaxInFlight || inserts >= rows {
		t.Errorf("%d rows in %d inserts", rows, inserts)
	}
}

// A node whose memory is used up reads no payload and says so.
func TestBlockBeyondTheMemoryBudgetIsSentBack(t *testing.T) {
	b := protocol.Block{Count: 2, RawLen: 1000}
	c := newCoalescer(Options{MemoryBytes: int64(b.Cost(100))}, metrics{})
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if !c.reserve(t.Context(), t.Context(), b.Cost(100)) {
		t.Fatal("the budget does not hold one block")
	}
	if c.reserve(gone, t.Context(), 1) {
		t.Error("more than the budget was given out")
	}
	c.release(b.Cost(100))
	if !c.reserve(t.Context(), t.Context(), 1) {
		t.Error("what was given back is gone")
	}
}
