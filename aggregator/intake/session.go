package intake

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// Codes with which the aggregator closes a connection.
const (
	closeProtocol quic.ApplicationErrorCode = 1
	closeIdentity quic.ApplicationErrorCode = 2
	closeRevoked  quic.ApplicationErrorCode = 3
	closeDraining quic.ApplicationErrorCode = 4
	closeBusy     quic.ApplicationErrorCode = 5
	closeVersion  quic.ApplicationErrorCode = 6
	closeClone    quic.ApplicationErrorCode = 7
	closeDone     quic.ApplicationErrorCode = 0
)

// drainGrace is how long a session may still hand in its blocks in flight
// after it was told to go elsewhere; revokeGrace is only for reading why.
const (
	drainGrace  = 3 * time.Second
	revokeGrace = 200 * time.Millisecond
)

// session is one agent's connection.
//
//	control stream   Hello → Welcome, then Heartbeat/Renew up, Settings/Members/Goodbye down
//	block streams    Block up, Ack down, one stream each
type session struct {
	in    *Intake
	conn  *quic.Conn
	agent string
	log   *slog.Logger

	software string
	epoch    uint64
	overtook int                   // heartbeats in a row that were behind; owned by readControl
	waiting  atomic.Int32          // blocks handed to the coalescer and not answered
	outbox   chan protocol.Message // to the control stream's writer
	poked    chan struct{}

	once sync.Once // the first goodbye counts
}

// run serves the session until either side ends it. It returns when all its
// goroutines have.
func (s *session) run(ctx context.Context) {
	hello, control, err := s.handshake(ctx)
	if err != nil {
		s.log.Warn("agent session refused", "error", err)
		return
	}
	s.software = hello.Software
	s.log.Info("agent connected", "software", hello.Software, "region", hello.Region, "first_seq", hello.FirstSeq, "next_seq", hello.NextSeq)
	var wg sync.WaitGroup
	wg.Go(func() { s.write(control, protocol.Settings{Timeline: hello.Timeline, Generation: hello.Generation}) })
	wg.Go(func() { s.readControl(ctx, control) })
	for {
		stream, err := s.conn.AcceptStream(s.conn.Context())
		if err != nil {
			break
		}
		wg.Go(func() { s.block(ctx, stream) })
	}
	wg.Wait()
	s.log.Info("agent disconnected", "cause", context.Cause(s.conn.Context()))
}

// handshake reads Hello and answers it. On an error the connection is closed.
func (s *session) handshake(ctx context.Context) (*protocol.Hello, *quic.Stream, error) {
	within, cancel := context.WithTimeout(ctx, protocol.FrameTimeout)
	defer cancel()
	control, err := s.conn.AcceptStream(within)
	if err != nil {
		return nil, nil, s.refuse(closeProtocol, "no control stream", err)
	}
	_ = control.SetDeadline(time.Now().Add(protocol.FrameTimeout))
	message, err := protocol.ReadMessage(control)
	if errors.Is(err, protocol.ErrVersion) {
		return nil, nil, s.refuse(closeVersion, err.Error(), err)
	}
	hello, ok := message.(*protocol.Hello)
	if err != nil || !ok {
		return nil, nil, s.refuse(closeProtocol, "the first message must be hello", err)
	}
	s.epoch = hello.Epoch
	known, err := s.in.o.Registry.RegisterBuffer(within, s.agent, Buffer{Epoch: hello.Epoch, First: hello.FirstSeq,
		At: protocol.Position{Next: hello.NextSeq, Chain: hello.Chain}, History: hello.History[:min(len(hello.History), protocol.MaxHistory)], Hello: true})
	if err != nil {
		if errors.Is(err, ErrClone) {
			return nil, nil, s.refuse(closeClone, err.Error(), err)
		}
		// Postgres may be down: where the buffer stands is a diagnosis, not a condition.
		s.log.Warn("buffer not registered", "error", err)
	}
	serial := s.conn.ConnectionState().TLS.PeerCertificates[0].SerialNumber.Text(16)
	if err := s.in.o.Registry.CertificateUsed(within, s.agent, serial); err != nil {
		s.log.Warn("use of the certificate not noted", "error", err)
	}
	welcome := &protocol.Welcome{Version: protocol.Version, Node: s.in.o.Node, Software: s.in.o.Software, Agent: s.agent,
		Time: s.in.o.Now().UnixMilli(), Window: protocol.MaxInFlight, Members: s.in.o.State.Members()}
	if known.At.Next > hello.NextSeq && len(hello.History) > 0 {
		s.log.Error("the end of the agent's buffer is lost", "epoch", fmt.Sprintf("%016x", hello.Epoch), "next", hello.NextSeq,
			"known_next", known.At.Next, "acknowledged_below", known.First)
		welcome.Known, welcome.KnownFirst = &known.At, known.First
	}
	if err := protocol.WriteMessage(control, welcome); err != nil {
		return nil, nil, s.refuse(closeProtocol, "welcome not delivered", err)
	}
	_ = control.SetDeadline(time.Time{})
	return hello, control, nil
}

func (s *session) refuse(code quic.ApplicationErrorCode, reason string, cause error) error {
	_ = s.conn.CloseWithError(code, reason)
	if cause == nil {
		return errors.New(reason)
	}
	return fmt.Errorf("%s: %w", reason, cause)
}

// write owns the sending half of the control stream. held is the agent's
// version of the settings.
func (s *session) write(control *quic.Stream, held protocol.Settings) {
	var members []protocol.Member
	asked := ""
	for {
		state := s.in.o.State
		if settings := state.Settings(); settings != nil && (settings.Generation != held.Generation || settings.Timeline != held.Timeline) {
			if !s.send(control, settings) {
				return
			}
			held.Timeline, held.Generation = settings.Timeline, settings.Generation
		}
		if now := state.Members(); !slices.Equal(now, members) {
			if !s.send(control, &protocol.Members{Members: now}) {
				return
			}
			members = now
		}
		if replay := state.Replay(s.agent); replay != nil && replay.ID != asked {
			if !s.send(control, replay) {
				return
			}
			asked = replay.ID
		}
		select {
		case <-s.poked:
		case m := <-s.outbox:
			if !s.send(control, m) {
				return
			}
			if bye, ok := m.(*protocol.Goodbye); ok {
				s.leave(bye)
				return
			}
		case <-s.conn.Context().Done():
			return
		}
	}
}

func (s *session) send(control *quic.Stream, m protocol.Message) bool {
	_ = control.SetWriteDeadline(time.Now().Add(protocol.FrameTimeout))
	if err := protocol.WriteMessage(control, m); err != nil {
		s.log.Warn("control message not sent", "error", err)
		_ = s.conn.CloseWithError(closeProtocol, "control stream broken")
		return false
	}
	return true
}

// leave lets the agent read the goodbye and, when the node is draining, hand in
// its blocks in flight.
func (s *session) leave(bye *protocol.Goodbye) {
	code, grace := closeDraining, drainGrace
	switch bye.Code {
	case "revoked":
		code, grace = closeRevoked, revokeGrace
	case "clone":
		code, grace = closeClone, revokeGrace
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.conn.Context().Done():
	}
	_ = s.conn.CloseWithError(code, bye.Reason)
}

// goodbye ends the session with a reason. It does not block.
func (s *session) goodbye(m *protocol.Goodbye) {
	s.once.Do(func() {
		select {
		case s.outbox <- m:
		default:
			_ = s.conn.CloseWithError(closeDraining, m.Reason)
		}
	})
}

// poke lets the writer look whether settings or members changed.
func (s *session) poke() {
	select {
	case s.poked <- struct{}{}:
	default:
	}
}

// readControl owns the receiving half of the control stream.
func (s *session) readControl(ctx context.Context, control *quic.Stream) {
	for {
		_ = control.SetReadDeadline(time.Now().Add(protocol.IdleTimeout))
		message, err := protocol.ReadMessage(control)
		if err != nil {
			if s.conn.Context().Err() == nil {
				s.log.Warn("control stream ended", "error", err)
				_ = s.conn.CloseWithError(closeProtocol, "control stream ended")
			}
			return
		}
		switch m := message.(type) {
		case *protocol.Heartbeat:
			s.heartbeat(ctx, m)
		case *protocol.Replayed:
			s.replayed(ctx, m)
		case *protocol.Renew:
			s.renew(ctx, m)
		}
	}
}

// overtaken is how many heartbeats in a row may be older than the known position: another
// node may have recorded a later one first. A copy goes on being behind.
const overtaken = 3

func (s *session) heartbeat(ctx context.Context, m *protocol.Heartbeat) {
	within, cancel := context.WithTimeout(ctx, protocol.HeartbeatEvery)
	defer cancel()
	if err := s.in.o.Registry.RecordHeartbeat(within, s.agent, s.in.o.Node, s.software, *m); err != nil {
		s.log.Warn("heartbeat not recorded", "error", err)
	}
	if len(m.History) == 0 || len(m.History) > protocol.MaxHistory {
		return
	}
	_, err := s.in.o.Registry.RegisterBuffer(within, s.agent, Buffer{Epoch: s.epoch, First: m.FirstSeq, At: m.History[len(m.History)-1], History: m.History})
	switch {
	case errors.Is(err, ErrBehind):
		s.overtook++
	case errors.Is(err, ErrClone):
		s.overtook = overtaken
	default:
		s.overtook = 0
	}
	if s.overtook >= overtaken {
		s.log.Error("agent's buffer is a copy", "error", err)
		s.goodbye(&protocol.Goodbye{Code: "clone", Reason: err.Error()})
	} else if err != nil {
		s.log.Warn("buffer not registered", "error", err)
	}
}

func (s *session) replayed(ctx context.Context, m *protocol.Replayed) {
	within, cancel := context.WithTimeout(ctx, protocol.FrameTimeout)
	defer cancel()
	s.log.Info("agent replays", "replay", m.ID, "blocks", m.Blocks, "missing_blocks", m.MissingBlocks)
	if err := s.in.o.Registry.RecordReplayed(within, s.agent, *m); err != nil {
		s.log.Warn("replay not recorded; the agent is asked again", "error", err)
	}
}

func (s *session) renew(ctx context.Context, m *protocol.Renew) {
	within, cancel := context.WithTimeout(ctx, protocol.FrameTimeout)
	defer cancel()
	answer, err := s.in.o.Issuer.Renew(within, s.agent, m.CSR)
	if err != nil {
		s.log.Warn("certificate not renewed", "error", err)
		answer = &protocol.Enrolled{Error: "certificate not renewed: try again later"}
	}
	select {
	case s.outbox <- answer:
	case <-s.conn.Context().Done():
	}
}
