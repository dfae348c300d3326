// Package intake accepts agents: it terminates their QUIC sessions, coalesces
// the blocks of many agents into large inserts, and acknowledges a block only
// when the sink has stored it durably. It keeps nothing itself: whatever is in
// doubt is answered with "retry", and the agent sends it again.
package intake

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/quic-go/quic-go"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// Row is one event and the agent whose certificate brought it.
type Row struct {
	Event protocol.Event
	Agent string
}

// Rejected names a row that the sink quarantined.
type Rejected struct {
	Index  int
	Reason string
}

// Sink stores events. Store returns nil only when every row but the rejected
// ones is durable, and the rejected ones are in quarantine; any error means
// that nothing may be acknowledged. It may keep rows.
type Sink interface {
	Store(ctx context.Context, rows []Row) ([]Rejected, error)
	// Quarantine keeps a block that cannot be decoded.
	Quarantine(ctx context.Context, agent string, block []byte, reason string) error
}

// Registry knows the agents.
type Registry interface {
	// RegisterBuffer records where an agent's buffer stands and returns where it was
	// known to be. ErrClone refuses a buffer that is a copy; ErrBehind says that a heartbeat was
	// overtaken, or comes from a copy.
	RegisterBuffer(ctx context.Context, agent string, b Buffer) (Known, error)
	// CertificateUsed notes the certificate, by its serial number, that a session has shown.
	CertificateUsed(ctx context.Context, agent, serial string) error
	RecordHeartbeat(ctx context.Context, agent, node, software string, h protocol.Heartbeat) error
	// RecordRefusal tells the operator of an agent that was turned away.
	RecordRefusal(ctx context.Context, r Refusal) error
	// Revoked reports whether the agent may no longer connect. It does not block.
	Revoked(agent string) bool
	// RecordReplayed keeps an agent's answer to a replay.
	RecordReplayed(ctx context.Context, agent string, r protocol.Replayed) error
}

// Buffer is an agent's report of its buffer.
type Buffer struct {
	Epoch   uint64
	First   uint64 // lowest sequence that is not acknowledged
	At      protocol.Position
	History []protocol.Position // where it has been, the newest last
	Hello   bool                // the first word of a session, not a heartbeat in it
}

// Known is where the core saw a buffer last.
type Known struct {
	First uint64
	At    protocol.Position
}

var (
	// ErrClone is wrapped by Registry.RegisterBuffer for a buffer that is a copy.
	ErrClone = errors.New("this buffer is a copy")
	// ErrBehind is wrapped by it for a heartbeat that is older than the known position.
	ErrBehind = errors.New("the buffer was further already")
)

// State is what agents are told of the cluster. Its methods do not block.
type State interface {
	Settings() *protocol.Settings
	Members() []protocol.Member
	// Replay is the replay that an agent is to be asked for; nil if there is none, or if it
	// has answered.
	Replay(agent string) *protocol.Replay
	// Changed returns a channel that is closed at the next change of either.
	Changed() <-chan struct{}
}

// Issuer enrols agents and renews their certificates.
type Issuer interface {
	Enroll(ctx context.Context, secret string, csr []byte) (*protocol.Enrolled, error)
	Renew(ctx context.Context, agent string, csr []byte) (*protocol.Enrolled, error)
	// RenewExpired is for a certificate that has ended, whose key the agent has proven.
	RenewExpired(ctx context.Context, agent, serial string, csr []byte) (*protocol.Enrolled, error)
}

// Options configure an Intake. All fields but the limits are required.
type Options struct {
	Node     string
	Software string
	Conn     net.PacketConn
	TLS      *tls.Config
	ResetKey [32]byte // lets agents notice at once that a node restarted

	Sink       Sink
	Registry   Registry
	State      State
	Issuer     Issuer
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Now        func() time.Time

	// Held says why blocks are to wait at their agents for now; "" takes them. It does not
	// block. Nil never holds.
	Held func() string

	InsertRows  int           // rows that make an insert due, 10,000 if zero
	InsertDelay time.Duration // longest wait for more rows, 250 ms if zero
	MemoryBytes int64         // what unanswered blocks may take, 256 MiB if zero
	Sessions    int           // agents connected at once, 4,096 if zero
}

// Intake is the part of an aggregator that agents talk to.
type Intake struct {
	o          Options
	compressor *protocol.Compressor
	coalescer  *coalescer
	metrics    metrics
	doorman    *doorman

	mu       sync.Mutex
	sessions map[*session]struct{}
	draining bool
}

// New returns an intake that serves o.Conn once Run is called.
func New(o Options) (*Intake, error) {
	o.setDefaults()
	compressor, err := protocol.NewCompressor()
	if err != nil {
		return nil, err
	}
	in := &Intake{o: o, compressor: compressor, doorman: newDoorman(), sessions: map[*session]struct{}{}}
	in.metrics = newMetrics(o.Registerer, in.count)
	in.coalescer = newCoalescer(o, in.metrics)
	return in, nil
}

func (o *Options) setDefaults() {
	if o.InsertRows == 0 {
		o.InsertRows = 10_000
	}
	if o.InsertDelay == 0 {
		o.InsertDelay = 250 * time.Millisecond
	}
	if o.MemoryBytes == 0 {
		o.MemoryBytes = 256 << 20
	}
	if o.Sessions == 0 {
		o.Sessions = 4096
	}
}

// Run accepts sessions until ctx ends, then drains: blocks that have arrived
// are stored and answered, later ones are told to go elsewhere.
func (in *Intake) Run(ctx context.Context) error {
	key := quic.StatelessResetKey(in.o.ResetKey)
	tokens := quic.TokenGeneratorKey(in.o.ResetKey)
	transport := &quic.Transport{Conn: in.o.Conn, StatelessResetKey: &key, TokenGeneratorKey: &tokens,
		VerifySourceAddress: func(net.Addr) bool { return in.count() > in.o.Sessions/2 || in.doorman.crowded(time.Now()) }}
	listener, err := transport.Listen(in.o.TLS, quicConfig())
	if err != nil {
		return fmt.Errorf("listen for agents: %w", err)
	}
	var wg sync.WaitGroup
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	wg.Go(func() { in.coalescer.run(work) })
	wg.Go(func() { in.watch(ctx) })
	var conns sync.WaitGroup
	for {
		conn, err := listener.Accept(ctx)
		if err != nil {
			if ctx.Err() == nil {
				in.o.Logger.Error("accepting agents ended", "error", err)
			}
			break
		}
		conns.Go(func() { in.serve(work, conn) })
	}
	in.drain()
	conns.Wait()
	stop()
	wg.Wait()
	if err := errors.Join(listener.Close(), transport.Close()); err != nil {
		return fmt.Errorf("close agent listener: %w", err)
	}
	return nil
}

func quicConfig() *quic.Config {
	return &quic.Config{
		HandshakeIdleTimeout:           5 * time.Second,
		MaxIdleTimeout:                 protocol.IdleTimeout,
		KeepAlivePeriod:                protocol.IdleTimeout / 3,
		InitialStreamReceiveWindow:     512 << 10,
		MaxStreamReceiveWindow:         1 << 20,
		InitialConnectionReceiveWindow: 1 << 20,
		MaxConnectionReceiveWindow:     4 << 20,
		MaxIncomingStreams:             protocol.MaxInFlight + 1,
		MaxIncomingUniStreams:          -1,
	}
}

// serve runs one connection to its end. A mistake in it never reaches others.
func (in *Intake) serve(ctx context.Context, conn *quic.Conn) {
	switch conn.ConnectionState().TLS.NegotiatedProtocol {
	case protocol.EnrollALPN:
		in.enroll(ctx, conn)
	case protocol.RenewALPN:
		in.renewExpired(ctx, conn)
	case protocol.ALPN:
		in.session(ctx, conn)
	default:
		_ = conn.CloseWithError(closeProtocol, "no protocol negotiated")
	}
}

func (in *Intake) session(ctx context.Context, conn *quic.Conn) {
	agent, err := protocol.AgentID(conn.ConnectionState().TLS.PeerCertificates[0])
	if err != nil {
		in.o.Logger.Warn("agent refused", "remote", conn.RemoteAddr().String(), "error", err)
		_ = conn.CloseWithError(closeIdentity, "certificate does not name an agent")
		in.record(ctx, "", conn.RemoteAddr(), "the certificate does not name an agent")
		return
	}
	s := &session{in: in, conn: conn, agent: agent, log: in.o.Logger.With("agent", agent, "remote", conn.RemoteAddr().String()),
		outbox: make(chan protocol.Message, 4), poked: make(chan struct{}, 1)}
	if code, reason := in.admit(s); code != 0 {
		s.log.Warn("agent refused", "reason", reason)
		_ = conn.CloseWithError(code, reason)
		if code == closeRevoked {
			in.record(ctx, agent, conn.RemoteAddr(), reason)
		}
		return
	}
	defer in.release(s)
	s.run(ctx)
}

// admit counts a session in, or says why not.
func (in *Intake) admit(s *session) (quic.ApplicationErrorCode, string) {
	if in.o.Registry.Revoked(s.agent) {
		return closeRevoked, "this agent is revoked"
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.draining {
		return closeDraining, "this node is draining"
	}
	if len(in.sessions) >= in.o.Sessions {
		return closeBusy, "this node serves as many agents as it may"
	}
	in.sessions[s] = struct{}{}
	return 0, ""
}

func (in *Intake) release(s *session) {
	in.mu.Lock()
	defer in.mu.Unlock()
	delete(in.sessions, s)
}

func (in *Intake) count() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.sessions)
}

func (in *Intake) isDraining() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.draining
}

// drain tells every session to go elsewhere.
func (in *Intake) drain() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.draining = true
	for s := range in.sessions {
		s.goodbye(&protocol.Goodbye{Code: "draining", Reason: "this node is stopping"})
	}
}

// held says why nothing is taken at the moment.
func (in *Intake) held() string {
	if in.o.Held == nil {
		return ""
	}
	return in.o.Held()
}

// watch ends the sessions of revoked agents and passes changes of settings and
// members on to all.
func (in *Intake) watch(ctx context.Context) {
	tick := time.NewTicker(protocol.HeartbeatEvery)
	defer tick.Stop()
	for {
		changed := in.o.State.Changed()
		in.refresh()
		select {
		case <-changed:
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (in *Intake) refresh() {
	in.mu.Lock()
	defer in.mu.Unlock()
	for s := range in.sessions {
		if in.o.Registry.Revoked(s.agent) {
			s.goodbye(&protocol.Goodbye{Code: "revoked", Reason: "this agent is revoked"})
			continue
		}
		s.poke()
	}
}
