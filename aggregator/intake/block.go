package intake

import (
	"context"
	"errors"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// retryAfter is how long an agent waits before it sends a block again that could
// not be stored.
const retryAfter = time.Second

// heldAfter is its pause while blocks are held: for a matter that takes an
// operator, or hours.
const heldAfter = 10 * time.Second

// block reads one block, has it stored, and acknowledges it.
func (s *session) block(ctx context.Context, stream *quic.Stream) {
	defer stream.CancelRead(quic.StreamErrorCode(closeDone)) // gives the flow-control credit back if unread
	_ = stream.SetReadDeadline(time.Now().Add(protocol.FrameTimeout))
	reserved, held := 0, ""
	b, admitted, err := protocol.ReadBlockWithin(stream, func(bytes int) bool {
		if held = s.in.held(); held != "" {
			return false
		}
		if !s.in.coalescer.reserve(ctx, s.conn.Context(), bytes) {
			return false
		}
		reserved = bytes
		return true
	})
	defer func() { s.in.coalescer.release(reserved) }()
	if err != nil {
		s.in.metrics.blocks.WithLabelValues("malformed").Inc()
		stream.CancelWrite(quic.StreamErrorCode(closeProtocol))
		if errors.Is(err, protocol.ErrMalformed) || errors.Is(err, protocol.ErrVersion) {
			s.log.Warn("block refused", "error", err)
			_ = s.conn.CloseWithError(closeProtocol, err.Error())
		}
		return
	}
	ack := retry("this node's memory budget is used up")
	switch {
	case admitted:
		ack = s.store(ctx, &b)
	case held != "":
		ack = &protocol.Ack{Status: protocol.StatusRetry, RetryAfter: heldAfter.Milliseconds(), Reason: clip(held)}
	}
	ack.Epoch, ack.Seq = b.Epoch, b.Seq
	s.in.metrics.answer(ack.Status, b.Count)
	_ = stream.SetWriteDeadline(time.Now().Add(protocol.FrameTimeout))
	if err := protocol.WriteMessage(stream, ack); err != nil {
		// The agent did not hear it and sends again: harmless.
		s.log.Debug("ack not delivered", "seq", b.Seq, "error", err)
		return
	}
	_ = stream.Close()
}

func (s *session) store(ctx context.Context, b *protocol.Block) *protocol.Ack {
	if s.in.isDraining() {
		return &protocol.Ack{Status: protocol.StatusDraining, Reason: "this node is stopping"}
	}
	events, err := s.in.compressor.Events(b)
	if err != nil {
		return s.quarantine(ctx, b, err)
	}
	rows := make([]Row, len(events))
	for i := range events {
		rows[i] = Row{Event: events[i], Agent: s.agent}
	}
	full := s.waiting.Add(1) >= protocol.MaxInFlight
	defer s.waiting.Add(-1)
	rejected, err := s.in.coalescer.store(ctx, rows, full)
	if err != nil {
		s.log.Debug("block not stored, the agent will send it again", "seq", b.Seq, "events", b.Count, "error", err)
		return retry("not stored")
	}
	return answer(rejected)
}

// answer makes the ack of a block that was stored but for some events.
func answer(rejected []Rejected) *protocol.Ack {
	if len(rejected) == 0 {
		return &protocol.Ack{Status: protocol.StatusStored}
	}
	named := rejected[:min(len(rejected), protocol.MaxRejects)]
	ack := &protocol.Ack{Status: protocol.StatusQuarantined, Rejected: make([]protocol.Reject, len(named))}
	for i, r := range named {
		ack.Rejected[i] = protocol.Reject{Index: r.Index, Reason: clip(r.Reason)}
	}
	return ack
}

// quarantine keeps a block whose checksum holds but whose contents this
// version cannot read, so that it does not stop the ones behind it.
func (s *session) quarantine(ctx context.Context, b *protocol.Block, cause error) *protocol.Ack {
	s.log.Error("block cannot be decoded", "seq", b.Seq, "error", cause)
	if err := s.in.o.Sink.Quarantine(ctx, s.agent, protocol.AppendBlock(nil, b), cause.Error()); err != nil {
		s.log.Warn("block not quarantined, the agent will send it again", "seq", b.Seq, "error", err)
		return retry("not stored")
	}
	return &protocol.Ack{Status: protocol.StatusQuarantined, Reason: clip(cause.Error())}
}

func retry(reason string) *protocol.Ack {
	return &protocol.Ack{Status: protocol.StatusRetry, RetryAfter: retryAfter.Milliseconds(), Reason: reason}
}

// clip bounds a reason so that an ack with MaxRejects of them fits its frame.
func clip(s string) string {
	const most = 48
	if len(s) > most {
		return s[:most]
	}
	return s
}
