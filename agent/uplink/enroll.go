package uplink

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// tokenParts: a 32-byte secret, then the SHA-256 of the authority's
// certificate.
const (
	tokenSecret = 32
	tokenSize   = tokenSecret + sha256.Size
)

// enrollTimeout bounds one attempt to enroll.
const enrollTimeout = 20 * time.Second

// EnrollOptions say where and how to enroll.
type EnrollOptions struct {
	Address string // host:port of an aggregator
	Token   string // single-use, from the aggregator
	Dir     string // where the identity goes; made if missing
	Dial    Dial
}

// Token is carried by an operator from an aggregator to a new agent. The pin
// lets the agent recognise the aggregator before it has anything to trust.
type Token struct {
	Secret [tokenSecret]byte
	Pin    [sha256.Size]byte // SHA-256 of the authority's certificate, DER
}

// ErrEnrollRefused: the token is used up, expired or for another installation.
// Trying again does not help.
var ErrEnrollRefused = errors.New("enrolment refused")

// ParseToken reads a token: base64url of the secret and the pin.
func ParseToken(text string) (t Token, err error) {
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(text), "="))
	if err != nil || len(raw) != tokenSize {
		return t, errors.New("enrolment token is not one; copy the whole line that the aggregator printed")
	}
	copy(t.Secret[:], raw)
	copy(t.Pin[:], raw[tokenSecret:])
	return t, nil
}

// Enroll exchanges a token for an identity, and keeps it in o.Dir. The token
// is used up when the aggregator has answered, even if the answer gets lost.
func Enroll(ctx context.Context, o EnrollOptions) (id *Identity, err error) {
	token, err := ParseToken(o.Token)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil { // before the token is used up
		return nil, fmt.Errorf("enroll: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(o.Dir) // if empty: a directory without an identity misleads
		}
	}()
	key, csr, err := newKey()
	if err != nil {
		return nil, fmt.Errorf("enroll: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, enrollTimeout)
	defer cancel()
	answer, err := askForCertificate(ctx, o, token, csr)
	if err != nil {
		return nil, fmt.Errorf("enroll with %s: %w", o.Address, err)
	}
	if sha256.Sum256(answer.Authority) != token.Pin {
		return nil, fmt.Errorf("enroll with %s: it answered with another authority than the token names", o.Address)
	}
	id = &Identity{dir: o.Dir, name: answer.Name, region: answer.Region, key: key}
	if err := id.adopt(answer.Certificate, answer.Authority); err != nil {
		return nil, fmt.Errorf("enroll with %s: %w", o.Address, err)
	}
	if len(answer.Members) > 0 {
		if err := saveMembers(o.Dir, answer.Members); err != nil {
			return nil, fmt.Errorf("enroll: save members: %w", err)
		}
	}
	return id, id.saveLocked()
}

func askForCertificate(ctx context.Context, o EnrollOptions, token Token, csr []byte) (*protocol.Enrolled, error) {
	conn, err := o.Dial(ctx, o.Address, pinnedTLS(token.Pin), quicConfig())
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.CloseWithError(0, "done") }()
	answer, err := ask(ctx, conn, &protocol.Enroll{Version: protocol.Version, Secret: base64.RawURLEncoding.EncodeToString(token.Secret[:]), CSR: csr})
	if err != nil {
		return nil, err
	}
	if answer.Error != "" {
		return nil, fmt.Errorf("%w: %s", ErrEnrollRefused, answer.Error)
	}
	return answer, nil
}

// ask sends the one message of a connection and reads the answer.
func ask(ctx context.Context, conn *quic.Conn, request protocol.Message) (*protocol.Enrolled, error) {
	stream, err := conn.OpenStreamSync(ctx)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		_ = stream.SetDeadline(deadline)
	}
	if err := protocol.WriteMessage(stream, request); err != nil {
		return nil, err
	}
	if err := stream.Close(); err != nil {
		return nil, err
	}
	message, err := protocol.ReadMessage(stream)
	if err != nil {
		return nil, err
	}
	answer, ok := message.(*protocol.Enrolled)
	if !ok {
		return nil, fmt.Errorf("%w: %T where the certificate was wanted", protocol.ErrMalformed, message)
	}
	return answer, nil
}

// pinnedTLS trusts exactly one authority, known by its digest only: the
// server's chain must carry it.
func pinnedTLS(pin [sha256.Size]byte) *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		ServerName:             protocol.ServerName,
		NextProtos:             []string{protocol.EnrollALPN},
		SessionTicketsDisabled: true,
		InsecureSkipVerify:     true, //nolint:gosec // VerifyConnection below is stricter than the default
		VerifyConnection:       func(state tls.ConnectionState) error { return verifyPinned(state, pin) },
	}
}

func verifyPinned(state tls.ConnectionState, pin [sha256.Size]byte) error {
	chain := state.PeerCertificates
	if len(chain) == 0 {
		return errors.New("server sent no certificate")
	}
	roots := x509.NewCertPool()
	found := false
	for _, c := range chain {
		if c.IsCA && sha256.Sum256(c.Raw) == pin {
			roots.AddCert(c)
			found = true
		}
	}
	if !found {
		return fmt.Errorf("%w: server is not under the authority that the token names; is this the right aggregator?", ErrEnrollRefused)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, DNSName: protocol.ServerName,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	return err
}
