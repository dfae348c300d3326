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

// drainGrace is how long a session may still hand in what it has in flight
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
	wg.Go(func() { s.write(control, hello.Generation) })
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
	if err := s.in.o.Registry.RegisterEpoch(within, s.agent, hello.Epoch, hello.NextSeq, hello.Chain); err != nil {
		if errors.Is(err, ErrClone) {
			return nil, nil, s.refuse(closeClone, err.Error(), err)
		}
		// Postgres may be down: the epoch is a diagnosis, not a condition.
		s.log.Warn("buffer epoch not registered", "error", err)
	}
	welcome := &protocol.Welcome{Version: protocol.Version, Node: s.in.o.Node, Software: s.in.o.Software, Agent: s.agent,
		Time: s.in.o.Now().UnixMilli(), Window: protocol.MaxInFlight, Members: s.in.o.State.Members()}
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

// write owns the sending half of the control stream.
func (s *session) write(control *quic.Stream, generation uint64) {
	var members []protocol.Member
	for {
		state := s.in.o.State
		if settings := state.Settings(); settings != nil && settings.Generation != generation {
			if !s.send(control, settings) {
				return
			}
			generation = settings.Generation
		}
		if now := state.Members(); !slices.Equal(now, members) {
			if !s.send(control, &protocol.Members{Members: now}) {
				return
			}
			members = now
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
// what it has in flight.
func (s *session) leave(bye *protocol.Goodbye) {
	code, grace := closeDraining, drainGrace
	if bye.Code == "revoked" {
		code, grace = closeRevoked, revokeGrace
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
			within, cancel := context.WithTimeout(ctx, protocol.HeartbeatEvery)
			if err := s.in.o.Registry.RecordHeartbeat(within, s.agent, s.in.o.Node, s.software, *m); err != nil {
				s.log.Warn("heartbeat not recorded", "error", err)
			}
			cancel()
		case *protocol.Renew:
			s.renew(ctx, m)
		}
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
