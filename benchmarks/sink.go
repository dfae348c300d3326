package main

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// sink takes the blocks of one agent as an aggregator does, checks their sums and says that they
// are stored, which they are not.
type sink struct {
	events, bytes, blocks atomic.Int64
	first, last           atomic.Int64 // Unix nanoseconds of the first block and of the last

	wg sync.WaitGroup
}

// serve takes sessions until ctx ends.
func (s *sink) serve(ctx context.Context, conn net.PacketConn, ca *authority) error {
	config, err := ca.serverTLS()
	if err != nil {
		return fmt.Errorf("make sink: %w", err)
	}
	transport := &quic.Transport{Conn: conn}
	defer transport.Close()
	listener, err := transport.Listen(config, &quic.Config{MaxIncomingStreams: protocol.MaxInFlight + 1, MaxIdleTimeout: protocol.IdleTimeout,
		InitialStreamReceiveWindow: 1 << 20, MaxStreamReceiveWindow: 1 << 20, InitialConnectionReceiveWindow: 4 << 20, MaxConnectionReceiveWindow: 16 << 20})
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	defer s.wg.Wait()
	defer listener.Close()
	for {
		c, err := listener.Accept(ctx)
		if err != nil {
			return ctx.Err()
		}
		s.wg.Go(func() { s.session(ctx, c) })
	}
}

// session greets an agent and takes its blocks. It ends with the connection.
func (s *sink) session(ctx context.Context, conn *quic.Conn) {
	defer conn.CloseWithError(0, "")
	control, err := conn.AcceptStream(ctx)
	if err != nil {
		return
	}
	if _, err := protocol.ReadMessage(control); err != nil {
		return
	}
	welcome := &protocol.Welcome{Version: protocol.Version, Node: "sink", Agent: "bench", Time: time.Now().UnixMilli(), Window: protocol.MaxInFlight,
		Members: []protocol.Member{{ID: "sink", Address: conn.LocalAddr().String()}}}
	if err := protocol.WriteMessage(control, welcome); err != nil {
		return
	}
	s.wg.Go(func() { // heartbeats
		for {
			if _, err := protocol.ReadMessage(control); err != nil {
				return
			}
		}
	})
	for {
		stream, err := conn.AcceptStream(ctx)
		if err != nil {
			return
		}
		s.wg.Go(func() { s.block(stream) })
	}
}

func (s *sink) block(stream *quic.Stream) {
	defer stream.Close()
	defer stream.CancelRead(0) // nothing else is wanted: the stream may go
	b, err := protocol.ReadBlock(stream)
	if err != nil {
		return
	}
	if err := protocol.WriteMessage(stream, &protocol.Ack{Epoch: b.Epoch, Seq: b.Seq, Status: protocol.StatusStored}); err != nil {
		return
	}
	now := time.Now().UnixNano()
	s.first.CompareAndSwap(0, now)
	s.last.Store(now)
	s.blocks.Add(1)
	s.bytes.Add(int64(len(b.Payload) + protocol.BlockHeaderSize))
	s.events.Add(int64(b.Count))
}
