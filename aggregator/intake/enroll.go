package intake

import (
	"context"
	"errors"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// enroll serves an enrolment connection: one stream, one request, one answer.
func (in *Intake) enroll(ctx context.Context, conn *quic.Conn) {
	within, cancel := context.WithTimeout(ctx, protocol.FrameTimeout)
	defer cancel()
	log := in.o.Logger.With("remote", conn.RemoteAddr().String())
	stream, err := conn.AcceptStream(within)
	if err != nil {
		_ = conn.CloseWithError(closeProtocol, "no enrolment request")
		return
	}
	_ = stream.SetDeadline(time.Now().Add(protocol.FrameTimeout))
	message, err := protocol.ReadMessage(stream)
	request, ok := message.(*protocol.Enroll)
	if err != nil || !ok {
		log.Warn("enrolment refused", "error", err)
		_ = conn.CloseWithError(closeProtocol, "enrolment request expected")
		return
	}
	answer, err := in.admitNew(within, request)
	if err != nil {
		log.Warn("enrolment refused", "error", err)
		text := "enrolment refused: the token is unknown, used or expired, or the request is not valid; ask an operator for a new token"
		if errors.Is(err, errCrowded) {
			text = "enrolment refused: too many try at once; try again in a minute"
		}
		answer = &protocol.Enrolled{Error: text}
	} else {
		answer.Members = in.o.State.Members()
		log.Info("agent enrolled", "agent", answer.Agent, "name", answer.Name, "region", answer.Region)
	}
	if err := protocol.WriteMessage(stream, answer); err != nil {
		log.Warn("enrolment answer not delivered", "error", err)
	}
	_ = stream.Close()
	// The agent closes once it has read the answer.
	select {
	case <-conn.Context().Done():
	case <-within.Done():
		_ = conn.CloseWithError(closeDone, "")
	}
}

// admitNew lets an agent join, unless so many try that it can only be guessing.
func (in *Intake) admitNew(ctx context.Context, request *protocol.Enroll) (*protocol.Enrolled, error) {
	if !in.doorman.enrolments.AllowN(in.o.Now(), 1) {
		return nil, errCrowded
	}
	return in.o.Issuer.Enroll(ctx, request.Secret, request.CSR)
}

var errCrowded = errors.New("too many enrolments at once")

// renewExpired serves an agent that was cut off for longer than its certificate
// lived. TLS has proven the key; see authority.ServerTLS.
func (in *Intake) renewExpired(ctx context.Context, conn *quic.Conn) {
	within, cancel := context.WithTimeout(ctx, protocol.FrameTimeout)
	defer cancel()
	cert := conn.ConnectionState().TLS.PeerCertificates[0]
	agent, err := protocol.AgentID(cert)
	log := in.o.Logger.With("remote", conn.RemoteAddr().String(), "agent", agent)
	if err != nil {
		_ = conn.CloseWithError(closeIdentity, "certificate does not name an agent")
		return
	}
	if in.o.Registry.Revoked(agent) {
		log.Warn("renewal refused", "reason", "revoked")
		_ = conn.CloseWithError(closeRevoked, "this agent is revoked")
		in.record(ctx, agent, conn.RemoteAddr(), "renewal of an expired certificate: this agent is revoked")
		return
	}
	stream, err := conn.AcceptStream(within)
	if err != nil {
		_ = conn.CloseWithError(closeProtocol, "no renewal request")
		return
	}
	_ = stream.SetDeadline(time.Now().Add(protocol.FrameTimeout))
	message, err := protocol.ReadMessage(stream)
	request, ok := message.(*protocol.Renew)
	if err != nil || !ok {
		_ = conn.CloseWithError(closeProtocol, "renewal request expected")
		return
	}
	answer, err := in.o.Issuer.RenewExpired(within, agent, cert.SerialNumber.Text(16), request.CSR)
	if err != nil {
		log.Warn("expired certificate not renewed", "error", err)
		answer = &protocol.Enrolled{Error: "this certificate is not renewed: a later one was used, or the core is not complete at the moment; " +
			"ask an operator for a token that names the agent"}
	} else {
		answer.Members = in.o.State.Members()
		log.Warn("expired certificate renewed", "expired", cert.NotAfter)
	}
	if err := protocol.WriteMessage(stream, answer); err != nil {
		log.Warn("renewal not delivered", "error", err)
	}
	_ = stream.Close()
	select {
	case <-conn.Context().Done():
	case <-within.Done():
		_ = conn.CloseWithError(closeDone, "")
	}
}
