package attack

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"

	agent "github.com/unmogrowp/unmogrowp/agent/node"
	"github.com/unmogrowp/unmogrowp/deploy/system"
	"github.com/unmogrowp/unmogrowp/protocol"
)

func ackAttacks() []attack {
	return []attack{{id: 68, run: attack68ForgedAck, full: true, note: "by an aggregator with a good certificate"}}
}

// attack68ForgedAck has an agent send to an aggregator that acknowledges
// anything except the blocks that it was sent. Nothing may be forgotten: whatever the agent
// accepted comes to the true aggregators when it finds them.
func attack68ForgedAck(s *suite) {
	app, client, _ := s.app("Acknowledged")
	false := s.falseAggregator()
	c := *s.Cluster
	var dir string
	c.Configure = func(config *agent.Config) { dir = config.DataDir }
	c.StartAgent("deceived", s.EnrollmentToken("deceived")).Stop(s.T) // has its identity now
	s.forgetMembers(dir)
	c.Aggregators = []*system.Part{{Agents: false.address}}
	at := c.StartAgent("deceived", "")
	const events = 40
	for i := range events {
		s.as("").event(at, client, "/v1/track", map[string]any{"event": "Seen", "userId": "u", "messageId": fmt.Sprintf("ack-%d", i)}).want(200)
	}
	s.Await("every forgery was tried", func() error {
		if n := false.forged.Load(); n < 3*int64(len(forgeries())) {
			return fmt.Errorf("%d acks were forged", n)
		}
		return nil
	})
	s.count(3 * len(forgeries()))
	at.Stop(s.T)
	false.stop()
	if got := s.events(app); got != 0 {
		s.Errorf("%d messages are stored before any aggregator had them", got)
	}
	c.Aggregators = s.Aggregators
	at = c.StartAgent("deceived", "")
	s.stored(app, events)
	at.Stop(s.T)
}

// forgetMembers removes the agent's list of true aggregators.
func (s *suite) forgetMembers(dir string) {
	s.Helper()
	removed := 0
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Name() == "members.json" {
			removed++
			return os.Remove(path)
		}
		return err
	})
	if err != nil || removed > 1 {
		s.Fatalf("forget members: %d files, %v", removed, err)
	}
}

// forgeries are answers to a block that do not say that it was stored.
func forgeries() []func(b protocol.Block) protocol.Message {
	ack := func(change func(*protocol.Ack)) func(protocol.Block) protocol.Message {
		return func(b protocol.Block) protocol.Message {
			a := &protocol.Ack{Epoch: b.Epoch, Seq: b.Seq, Status: protocol.StatusStored}
			change(a)
			return a
		}
	}
	return []func(protocol.Block) protocol.Message{
		ack(func(a *protocol.Ack) { a.Seq++ }),               // not sent yet
		ack(func(a *protocol.Ack) { a.Seq += 1000 }),         // never sent
		ack(func(a *protocol.Ack) { a.Seq = 1<<64 - 1 }),     // all there is
		ack(func(a *protocol.Ack) { a.Seq = 0 }),             // none
		ack(func(a *protocol.Ack) { a.Epoch++ }),             // of another buffer
		ack(func(a *protocol.Ack) { a.Epoch = 0 }),           // of none
		ack(func(a *protocol.Ack) { a.Status = 99 }),         // no status
		ack(func(a *protocol.Ack) { a.Status = 0 }),          // none
		ack(func(a *protocol.Ack) { a.Epoch, a.Seq = 0, 0 }), // nothing
		ack(func(a *protocol.Ack) { a.Seq, a.Epoch = a.Epoch, a.Seq }),
		func(protocol.Block) protocol.Message { return &protocol.Goodbye{Code: "stored", Reason: "all is well"} },
		func(protocol.Block) protocol.Message { return &protocol.Members{} },
		func(protocol.Block) protocol.Message { return nil }, // the stream just ends
	}
}

// falseAggregator has the authority's certificate and no honesty.
type falseAggregator struct {
	address string
	forged  atomic.Int64
	stop    func()
}

func (s *suite) falseAggregator() *falseAggregator {
	s.Helper()
	ours := s.authority()
	cert := s.issue(ours, "false", func(c *x509.Certificate) {
		c.ExtKeyUsage, c.DNSNames, c.URIs = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, []string{protocol.ServerName}, nil
	})
	listener, err := quic.ListenAddr("127.0.0.1:0", &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{*cert}, ClientAuth: tls.RequireAnyClientCert, NextProtos: []string{protocol.ALPN}},
		&quic.Config{MaxIncomingStreams: 100})
	if err != nil {
		s.Fatal(err)
	}
	settings, err := s.Accounts.Apps.Settings(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	f := &falseAggregator{address: listener.Addr().String()}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := listener.Accept(ctx)
			if err != nil {
				return
			}
			wg.Go(func() { f.serve(ctx, conn, &settings) })
		}
	})
	f.stop = sync.OnceFunc(func() {
		cancel()
		_ = listener.Close()
		wg.Wait()
	})
	s.Cleanup(f.stop)
	return f
}

// serve is one session of a deceived agent.
func (f *falseAggregator) serve(ctx context.Context, conn *quic.Conn, settings *protocol.Settings) {
	defer func() { _ = conn.CloseWithError(0, "") }()
	control, err := conn.AcceptStream(ctx)
	if err != nil {
		return
	}
	if _, err := protocol.ReadMessage(control); err != nil {
		return
	}
	for _, m := range []protocol.Message{&protocol.Welcome{Version: protocol.Version, Node: "false", Software: "attack", Time: time.Now().UnixMilli(), Window: 4}, settings} {
		if protocol.WriteMessage(control, m) != nil {
			return
		}
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		stream, err := conn.AcceptStream(ctx)
		if err != nil {
			return
		}
		wg.Go(func() { f.answer(stream) })
	}
}

// answer forges the ack of one block.
func (f *falseAggregator) answer(stream *quic.Stream) {
	defer stream.Close()
	b, err := protocol.ReadBlock(stream)
	if err != nil {
		return
	}
	all := forgeries()
	n := f.forged.Add(1)
	message := all[int(n)%len(all)](b)
	if message == nil {
		return
	}
	if err := protocol.WriteMessage(stream, message); err != nil && !errors.Is(err, context.Canceled) {
		return // the agent has ended the session, as it may
	}
}
