package uplink

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// testCA signs both sides.
type testCA struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	der  []byte
}

func newCA(t testing.TB) *testCA {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &testCA{key: key, cert: cert, der: der}
}

// issue signs a certificate for an agent, or for an aggregator if agent is "".
func (ca *testCA) issue(t testing.TB, agent string, public any, life time.Duration) []byte {
	t.Helper()
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<60))
	template := &x509.Certificate{SerialNumber: serial, NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(life),
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true}
	if agent == "" {
		template.DNSNames = []string{protocol.ServerName}
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	} else {
		id, err := url.Parse(protocol.AgentURI(agent))
		if err != nil {
			t.Fatal(err)
		}
		template.URIs = []*url.URL{id}
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, public, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func (ca *testCA) identity(t testing.TB, agent string) *Identity {
	t.Helper()
	key, _, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	id := &Identity{dir: t.TempDir(), key: key, name: agent}
	if err := id.adopt(ca.issue(t, agent, key.Public(), time.Hour), ca.der); err != nil {
		t.Fatal(err)
	}
	return id
}

// fakeAggregator is a small aggregator: it answers as `answer` says and keeps
// the blocks that it has acknowledged.
type fakeAggregator struct {
	t        testing.TB
	ca       *testCA
	address  string
	listener *quic.Listener
	stop     context.CancelFunc
	wg       sync.WaitGroup

	// answer decides about each block; nil stores everything.
	answer func(b protocol.Block) *protocol.Ack
	// greeting is sent after the welcome.
	greeting []protocol.Message
	enroll   func(m *protocol.Enroll) *protocol.Enrolled

	mu       sync.Mutex
	members  []protocol.Member // told in the welcome; nil: this one only
	hellos   []protocol.Hello
	beats    int
	received map[uint64]int // blocks by sequence
	stored   map[uint64]bool
	controls []*quic.Stream
}

func newServer(t testing.TB, ca *testCA) *fakeAggregator {
	return &fakeAggregator{t: t, ca: ca, received: map[uint64]int{}, stored: map[uint64]bool{}}
}

// knows sets the members of the cluster that the welcome tells.
func (f *fakeAggregator) knows(members []protocol.Member) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.members = members
}

// times says how often a block came.
func (f *fakeAggregator) times(seq uint64) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.received[seq]
}

// start listens on address, or on a free port if it is "".
func (f *fakeAggregator) start(address string) {
	f.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(f.ca.cert)
	session := &tls.Config{MinVersion: tls.VersionTLS13, ClientCAs: roots, ClientAuth: tls.RequireAndVerifyClientCert,
		NextProtos: []string{protocol.ALPN}, Certificates: []tls.Certificate{{Certificate: [][]byte{f.ca.issue(f.t, "", key.Public(), time.Hour), f.ca.der}, PrivateKey: key}}}
	enroll := session.Clone()
	enroll.ClientAuth, enroll.NextProtos = tls.NoClientCert, []string{protocol.EnrollALPN}
	base := session.Clone()
	base.NextProtos = []string{protocol.ALPN, protocol.EnrollALPN}
	base.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		if h.SupportedProtos[0] == protocol.EnrollALPN {
			return enroll, nil
		}
		return session, nil
	}
	if address == "" {
		address = "127.0.0.1:0"
	}
	conn, err := net.ListenPacket("udp", address)
	if err != nil {
		f.t.Fatal(err)
	}
	transport := &quic.Transport{Conn: conn}
	f.listener, err = transport.Listen(base, &quic.Config{MaxIncomingStreams: protocol.MaxInFlight + 1, MaxIdleTimeout: 5 * time.Second})
	if err != nil {
		f.t.Fatal(err)
	}
	f.address = conn.LocalAddr().String()
	ctx, cancel := context.WithCancel(context.Background())
	f.stop = func() {
		cancel()
		_ = f.listener.Close()
		_ = transport.Close()
		_ = conn.Close()
		f.wg.Wait()
	}
	f.wg.Go(func() {
		for {
			c, err := f.listener.Accept(ctx)
			if err != nil {
				return
			}
			f.wg.Go(func() { f.serve(ctx, c) })
		}
	})
	f.t.Cleanup(f.stop)
}

func (f *fakeAggregator) serve(ctx context.Context, conn *quic.Conn) {
	control, err := conn.AcceptStream(ctx)
	if err != nil {
		return
	}
	first, err := protocol.ReadMessage(control)
	if err != nil {
		return
	}
	if m, ok := first.(*protocol.Enroll); ok {
		_ = protocol.WriteMessage(control, f.enroll(m))
		_ = control.Close()
		<-conn.Context().Done()
		return
	}
	f.mu.Lock()
	f.hellos = append(f.hellos, *first.(*protocol.Hello))
	f.controls = append(f.controls, control)
	greeting, members := f.greeting, f.members
	f.mu.Unlock()
	if members == nil {
		members = []protocol.Member{{ID: "x", Address: f.address}}
	}
	welcome := &protocol.Welcome{Version: protocol.Version, Node: f.address, Window: 8, Members: members}
	_ = protocol.WriteMessage(control, welcome)
	for _, m := range greeting {
		_ = protocol.WriteMessage(control, m)
	}
	f.wg.Go(func() { f.control(control) })
	for {
		stream, err := conn.AcceptStream(ctx)
		if err != nil {
			_ = conn.CloseWithError(0, "")
			return
		}
		f.wg.Go(func() { f.block(stream) })
	}
}

func (f *fakeAggregator) control(control *quic.Stream) {
	for {
		m, err := protocol.ReadMessage(control)
		if err != nil {
			return
		}
		switch m := m.(type) {
		case *protocol.Heartbeat:
			f.mu.Lock()
			f.beats++
			f.mu.Unlock()
		case *protocol.Renew:
			req, err := x509.ParseCertificateRequest(m.CSR)
			if err != nil || len(req.DNSNames)+len(req.URIs) > 0 || req.Subject.String() != "" {
				f.t.Errorf("signing request: %v %+v", err, req)
				return
			}
			_ = protocol.WriteMessage(control, &protocol.Enrolled{Certificate: f.ca.issue(f.t, "agent-1", req.PublicKey, 2*time.Hour), Authority: f.ca.der})
		}
	}
}

func (f *fakeAggregator) block(stream *quic.Stream) {
	defer stream.Close()
	b, err := protocol.ReadBlock(stream)
	if err != nil {
		return
	}
	ack := &protocol.Ack{Status: protocol.StatusStored}
	if f.answer != nil {
		ack = f.answer(b)
	}
	f.mu.Lock()
	f.received[b.Seq]++
	f.mu.Unlock()
	if ack == nil { // died before answering
		return
	}
	if ack.Epoch == 0 {
		ack.Epoch, ack.Seq = b.Epoch, b.Seq
	}
	if ack.Status == protocol.StatusStored || ack.Status == protocol.StatusQuarantined {
		f.mu.Lock()
		f.stored[b.Seq] = true
		f.mu.Unlock()
	}
	_ = protocol.WriteMessage(stream, ack)
}

func (f *fakeAggregator) tell(m protocol.Message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.controls {
		_ = protocol.WriteMessage(c, m)
	}
}

func (f *fakeAggregator) count() (hellos, beats, stored int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.hellos), f.beats, len(f.stored)
}

// memoryQueue is a queue of n blocks in memory, which checks that only blocks
// handed out are forgotten, and once.
type memoryQueue struct {
	resumed protocol.Position
	refused []string

	mu        sync.Mutex
	blocks    map[uint64][]byte
	tail      uint64
	forgotten map[uint64]int
	replays   []int64
	buried    map[uint64]string
	changed   chan struct{}
}

func newQueue(n int) *memoryQueue {
	q := &memoryQueue{blocks: map[uint64][]byte{}, forgotten: map[uint64]int{}, buried: map[uint64]string{}, changed: make(chan struct{})}
	for range n {
		q.add()
	}
	return q
}

const testEpoch = 77

func (q *memoryQueue) add() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.tail++
	raw := protocol.AppendEvent(protocol.AppendEvents(nil, 1), &protocol.Event{App: "a", ID: "e", Kind: protocol.KindTrack})
	q.blocks[q.tail] = protocol.AppendBlock(nil, &protocol.Block{Epoch: testEpoch, Seq: q.tail, Count: 1, RawLen: len(raw), Payload: raw})
	q.wakeLocked()
}

func (q *memoryQueue) wakeLocked() {
	close(q.changed)
	q.changed = make(chan struct{})
}

func (q *memoryQueue) Epoch() uint64 { return testEpoch }

func (q *memoryQueue) Position() (first, next, chain uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	first = q.tail + 1
	for seq := range q.blocks {
		first = min(first, seq)
	}
	return first, q.tail + 1, 5
}

func (q *memoryQueue) Next(ctx context.Context, after uint64) ([]byte, uint64, error) {
	for {
		q.mu.Lock()
		for seq := after + 1; seq <= q.tail; seq++ {
			if b, ok := q.blocks[seq]; ok {
				q.mu.Unlock()
				return b, seq, nil
			}
		}
		changed := q.changed
		q.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		}
	}
}

func (q *memoryQueue) Forget(seq uint64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.blocks[seq] == nil && q.forgotten[seq] == 0 {
		return errors.New("forgotten but never sent")
	}
	delete(q.blocks, seq)
	q.forgotten[seq]++
	q.wakeLocked()
	return nil
}

func (q *memoryQueue) Bury(block []byte, reason string, events []int) error {
	b, err := protocol.ParseBlock(block)
	if err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.forgotten[b.Seq] > 0 {
		return errors.New("buried after it was forgotten")
	}
	q.buried[b.Seq] = fmt.Sprint(reason, events)
	return nil
}

func (q *memoryQueue) Replay(since int64, id string) (protocol.Replayed, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.replays = append(q.replays, since)
	raw := protocol.AppendEvent(protocol.AppendEvents(nil, 1), &protocol.Event{App: "a", ID: "e", Kind: protocol.KindTrack})
	q.blocks[1] = protocol.AppendBlock(nil, &protocol.Block{Epoch: testEpoch, Seq: 1, Count: 1, RawLen: len(raw), Payload: raw})
	q.wakeLocked()
	return protocol.Replayed{ID: id, Blocks: 1}, nil
}

func (q *memoryQueue) Tell() (uint64, []protocol.Position, error) {
	first, next, chain := q.Position()
	return first, []protocol.Position{{Next: next, Chain: chain}}, nil
}

func (q *memoryQueue) Resume(_ uint64, known protocol.Position) uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.resumed = known
	return 1
}

func (q *memoryQueue) Refuse(reason string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.refused = append(q.refused, reason)
}

func (q *memoryQueue) Replaying() (string, int64) { return "", 0 }

// waitEmpty waits until everything was forgotten, exactly once.
func (q *memoryQueue) waitEmpty(t testing.TB) {
	t.Helper()
	waitFor(t, "the queue to be empty", func() bool { q.mu.Lock(); defer q.mu.Unlock(); return len(q.blocks) == 0 })
	q.mu.Lock()
	defer q.mu.Unlock()
	for seq := uint64(1); seq <= q.tail; seq++ {
		if q.forgotten[seq] != 1 {
			t.Errorf("block %d was forgotten %d times", seq, q.forgotten[seq])
		}
	}
}

type memorySettings struct {
	mu         sync.Mutex
	generation uint64
	fresh      bool
}

func (s *memorySettings) Replace(v protocol.Settings) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation = v.Generation
	return nil
}
func (s *memorySettings) Version() (uint64, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return 0, s.generation
}
func (s *memorySettings) SetFresh(fresh bool) { s.mu.Lock(); defer s.mu.Unlock(); s.fresh = fresh }
func (s *memorySettings) isFresh() bool       { s.mu.Lock(); defer s.mu.Unlock(); return s.fresh }

func waitFor(t testing.TB, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited 10 s for %s", what)
		}
	}
}

func dialer(t testing.TB) *Dialer {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := NewDialer(conn)
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func token(ca *testCA, secret [32]byte) string {
	pin := sha256.Sum256(ca.der)
	return base64.RawURLEncoding.EncodeToString(append(secret[:], pin[:]...))
}

func requestPublicKey(csr []byte) (any, error) {
	req, err := x509.ParseCertificateRequest(csr)
	if err != nil {
		return nil, err
	}
	return req.PublicKey, req.CheckSignature()
}
