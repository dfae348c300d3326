package uplink

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// Dial opens a QUIC connection to host:port.
type Dial func(ctx context.Context, address string, tls *tls.Config, config *quic.Config) (*quic.Conn, error)

// Dialer dials from one UDP socket.
type Dialer struct {
	transport *quic.Transport
	conn      net.PacketConn
}

// NewDialer makes a dialer of a UDP socket, which it will close.
func NewDialer(conn net.PacketConn) *Dialer {
	return &Dialer{transport: &quic.Transport{Conn: conn}, conn: conn}
}

// Dial opens a connection. A name with several addresses gives a random one:
// another attempt gets another chance.
func (d *Dialer) Dial(ctx context.Context, address string, tls *tls.Config, config *quic.Config) (*quic.Conn, error) {
	addr, err := resolve(ctx, address)
	if err != nil {
		return nil, err
	}
	return d.transport.Dial(ctx, addr, tls, config)
}

// Close closes the socket and every connection on it.
func (d *Dialer) Close() error {
	err := d.transport.Close()
	_ = d.conn.Close() // the transport leaves sockets it did not make open
	return err
}

func resolve(ctx context.Context, address string) (*net.UDPAddr, error) {
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("address %q: want host:port: %w", address, err)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("address %q: port is not a number", address)
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", host, err)
	}
	ip := ips[rand.IntN(len(ips))]
	return &net.UDPAddr{IP: ip.AsSlice(), Port: int(port), Zone: ip.Zone()}, nil
}

// A dead aggregator is noticed within deadAfter although nothing says so; what
// it had not acknowledged then goes to another one.
const (
	deadAfter = 8 * time.Second
	keepAlive = 2500 * time.Millisecond
)

// quicConfig bounds the memory that an aggregator can make the agent hold: it
// sends answers and settings, and opens no streams.
func quicConfig() *quic.Config {
	return &quic.Config{
		HandshakeIdleTimeout:           5 * time.Second,
		MaxIdleTimeout:                 min(deadAfter, protocol.IdleTimeout),
		KeepAlivePeriod:                keepAlive,
		InitialStreamReceiveWindow:     64 << 10,
		MaxStreamReceiveWindow:         1 << 20,
		InitialConnectionReceiveWindow: 256 << 10,
		MaxConnectionReceiveWindow:     4 << 20,
		MaxIncomingStreams:             -1,
		MaxIncomingUniStreams:          -1,
	}
}
