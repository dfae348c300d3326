package attack

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// authority is the installation's own CA, which only who has the master key can read.
type authority struct {
	key  crypto.Signer
	cert *x509.Certificate
}

func (s *suite) authority() authority {
	s.Helper()
	sealed, err := s.Accounts.Secret(s.Context(), "agent-authority", func() ([]byte, error) { return nil, errors.New("there is no authority") })
	if err != nil {
		s.Fatal(err)
	}
	keyBlock, rest := pem.Decode(sealed)
	certBlock, _ := pem.Decode(rest)
	key, err := x509.ParsePKCS8PrivateKey(keyBlock.Bytes)
	if err != nil {
		s.Fatal(err)
	}
	cert, err := x509.ParseCertificate(certBlock.Bytes)
	if err != nil {
		s.Fatal(err)
	}
	return authority{key.(crypto.Signer), cert}
}

// issue signs a certificate of an agent with changes.
func (s *suite) issue(by authority, agent string, change func(*x509.Certificate)) *tls.Certificate {
	s.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.Fatal(err)
	}
	uri, err := url.Parse(protocol.AgentURI(agent))
	if err != nil {
		s.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: agent}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, URIs: []*url.URL{uri}, BasicConstraintsValid: true}
	if change != nil {
		change(template)
	}
	parent, signer := by.cert, by.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		s.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// dial opens a connection to an aggregator, with a certificate or none.
func (s *suite) dial(node int, cert *tls.Certificate, alpn string) (*quic.Conn, error) {
	s.Helper()
	s.count(1)
	config := &tls.Config{MinVersion: tls.VersionTLS13, ServerName: protocol.ServerName, InsecureSkipVerify: true, NextProtos: []string{alpn}}
	if cert != nil {
		config.Certificates = []tls.Certificate{*cert}
	}
	ctx, cancel := context.WithTimeout(s.Context(), 10*time.Second)
	defer cancel()
	return quic.DialAddr(ctx, s.Aggregators[node].Agents, config, &quic.Config{HandshakeIdleTimeout: 5 * time.Second, MaxIncomingStreams: -1})
}

// link is a session with an aggregator that has said welcome.
type link struct {
	*suite
	conn    *quic.Conn
	control *quic.Stream
	welcome *protocol.Welcome
}

func (s *suite) frame(kind byte, body any) []byte {
	s.Helper()
	data, err := msgpack.Marshal(body)
	if err != nil {
		s.Fatal(err)
	}
	frame := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	return append(append(frame, protocol.Version, kind), data...)
}

const frameHello = 3

// greet says hello on a connection and returns the session, or why there is none.
func (s *suite) greet(conn *quic.Conn, hello []byte) (*link, error) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 10*time.Second)
	defer cancel()
	control, err := conn.OpenStreamSync(ctx)
	if err != nil {
		return nil, err
	}
	if err := control.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return nil, err
	}
	if _, err := control.Write(hello); err != nil {
		return nil, err
	}
	message, err := protocol.ReadMessage(control)
	if err != nil {
		return nil, err
	}
	welcome, ok := message.(*protocol.Welcome)
	if !ok {
		return nil, fmt.Errorf("%T in place of a welcome", message)
	}
	return &link{suite: s, conn: conn, control: control, welcome: welcome}, nil
}

func (s *suite) hello(epoch uint64) []byte {
	s.Helper()
	hello, err := protocol.AppendMessage(nil, &protocol.Hello{Version: protocol.Version, Software: "attack", Region: "test", Epoch: epoch, FirstSeq: 1, NextSeq: 1})
	if err != nil {
		s.Fatal(err)
	}
	return hello
}

// enrol gets a certificate for a token; a refusal is an error.
func (s *suite) enrol(token string, csr []byte) (*protocol.Enrolled, error) {
	s.Helper()
	conn, err := s.dial(0, nil, protocol.EnrollALPN)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.CloseWithError(0, "done") }()
	ctx, cancel := context.WithTimeout(s.Context(), 10*time.Second)
	defer cancel()
	stream, err := conn.OpenStreamSync(ctx)
	if err != nil {
		return nil, err
	}
	if err := stream.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return nil, err
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) < 32 {
		raw = []byte(token)
	} else {
		raw = raw[:32]
	}
	if err := protocol.WriteMessage(stream, &protocol.Enroll{Version: protocol.Version, Secret: base64.RawURLEncoding.EncodeToString(raw), CSR: csr}); err != nil {
		return nil, err
	}
	message, err := protocol.ReadMessage(stream)
	if err != nil {
		return nil, err
	}
	answer, ok := message.(*protocol.Enrolled)
	if !ok {
		return nil, fmt.Errorf("%T in place of a certificate", message)
	}
	if answer.Error != "" {
		return nil, errors.New(answer.Error)
	}
	return answer, nil
}

func (s *suite) request(key crypto.Signer, change func(*x509.CertificateRequest)) []byte {
	s.Helper()
	template := &x509.CertificateRequest{}
	if change != nil {
		change(template)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		s.Fatal(err)
	}
	return csr
}

// agent enrols a new agent, with its own key and the certificate it was given.
func (s *suite) agent(name string) (id string, cert *tls.Certificate) {
	s.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.Fatal(err)
	}
	token := s.EnrollmentToken(name)
	s.plant(token)
	answer, err := s.enrol(token, s.request(key, nil))
	if err != nil {
		s.Fatal(err)
	}
	return answer.Agent, &tls.Certificate{Certificate: [][]byte{answer.Certificate}, PrivateKey: key}
}

// connect opens a session of an enrolled agent.
func (s *suite) connect(node int, cert *tls.Certificate, epoch uint64) *link {
	s.Helper()
	conn, err := s.dial(node, cert, protocol.ALPN)
	if err != nil {
		s.Fatal(err)
	}
	l, err := s.greet(conn, s.hello(epoch))
	if err != nil {
		s.Fatal(err)
	}
	return l
}

func (l *link) close() { _ = l.conn.CloseWithError(0, "done") }

// send puts bytes on a stream of their own and returns the ack, or how the
// connection or the stream ended.
func (l *link) send(data []byte) (*protocol.Ack, error) {
	l.Helper()
	l.count(1)
	ctx, cancel := context.WithTimeout(l.Context(), 20*time.Second)
	defer cancel()
	stream, err := l.conn.OpenStreamSync(ctx)
	if err != nil {
		return nil, err
	}
	if err := stream.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return nil, err
	}
	if _, err := stream.Write(data); err != nil {
		return nil, err
	}
	if err := stream.Close(); err != nil {
		return nil, err
	}
	message, err := protocol.ReadMessage(stream)
	if err != nil {
		return nil, err
	}
	ack, ok := message.(*protocol.Ack)
	if !ok {
		return nil, fmt.Errorf("%T in place of an ack", message)
	}
	return ack, nil
}

// events is the payload of a block, uncompressed.
func payload(events ...protocol.Event) []byte {
	raw := protocol.AppendEvents(nil, len(events))
	for i := range events {
		raw = protocol.AppendEvent(raw, &events[i])
	}
	return raw
}

func block(epoch, seq uint64, count int, raw []byte) []byte {
	return protocol.AppendBlock(nil, &protocol.Block{Epoch: epoch, Seq: seq, Count: count, RawLen: len(raw), Codec: protocol.CodecNone, Payload: raw})
}

func (s *suite) message(app, id string) protocol.Event {
	now := time.Now().UnixMilli()
	return protocol.Event{App: app, ID: id, Kind: protocol.KindTrack, Name: "Seen", Original: now, Time: now, Received: now, UserID: "u", Payload: []byte("{}")}
}
