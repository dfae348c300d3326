package uplink

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/unmogrowp/unmogrowp/protocol"
)

var (
	// errDraining: the aggregator is stopping; go elsewhere at once.
	errDraining = errors.New("aggregator is draining")
	// errRefused: the aggregator does not want this agent; coming back quickly
	// does not help.
	errRefused = errors.New("aggregator refuses this agent")
	// errRevoked is the refusal that is for ever.
	errRevoked = fmt.Errorf("%w: it was revoked", errRefused)
	// errClone is the refusal of a buffer that is a copy.
	errClone = fmt.Errorf("%w: its buffer is a copy, or was put back to an earlier state", errRefused)
	// errUseless: the aggregator lives but stores nothing.
	errUseless = errors.New("aggregator has stored nothing for a while")
)

// session is one connection to one aggregator.
type session struct {
	up      *Uplink
	conn    *quic.Conn
	control *quic.Stream
	welcome *protocol.Welcome
	window  int

	writing sync.Mutex // one message at a time on the control stream

	// Blocks that an aggregator has stored, and when it last did.
	stored     atomic.Int64
	lastStored atomic.Int64 // Unix milliseconds

	cursor    cursor
	end       context.CancelCauseFunc // ends the session; the first reason counts
	leaving   chan struct{}           // closed: send no more blocks
	leaveOnce sync.Once
	renewal   renewal // owned by the receiver and keepCertificate, see renew.go
}

// connect dials and exchanges hello and welcome.
func (u *Uplink) connect(ctx context.Context, address string) (*session, error) {
	dialing, cancel := context.WithTimeout(ctx, protocol.FrameTimeout)
	defer cancel()
	if !u.opts.Now().Before(u.opts.Identity.Expires()) {
		if err := u.renewExpired(dialing, address); err != nil {
			return nil, err
		}
	}
	conn, err := u.opts.Dial(dialing, address, u.opts.Identity.tlsConfig(u.opts.Now), quicConfig())
	if expired(err) { // by the core's clock
		if err = u.renewExpired(dialing, address); err == nil {
			conn, err = u.opts.Dial(dialing, address, u.opts.Identity.tlsConfig(u.opts.Now), quicConfig())
		}
	}
	if err != nil {
		return nil, err
	}
	s := &session{up: u, conn: conn, leaving: make(chan struct{})}
	s.cursor.init()
	s.lastStored.Store(time.Now().UnixMilli())
	if err := s.greet(dialing); err != nil {
		_ = conn.CloseWithError(1, "no session")
		return nil, explain(err)
	}
	return s, nil
}

func (s *session) greet(ctx context.Context) (err error) {
	if s.control, err = s.conn.OpenStreamSync(ctx); err != nil {
		return err
	}
	o := &s.up.opts
	first, history, err := o.Standing.Tell()
	if err != nil {
		return err
	}
	here := history[len(history)-1]
	hello := &protocol.Hello{Version: protocol.Version, Software: o.Software, Region: o.Region, Zone: o.Zone,
		Epoch: o.Queue.Epoch(), FirstSeq: first, NextSeq: here.Next, Chain: here.Chain, History: history}
	hello.Timeline, hello.Generation = o.Settings.Version()
	if err := s.send(hello); err != nil {
		return err
	}
	_ = s.control.SetReadDeadline(time.Now().Add(protocol.FrameTimeout))
	message, err := protocol.ReadMessage(s.control)
	if err != nil {
		return err
	}
	switch m := message.(type) {
	case *protocol.Goodbye:
		return farewell(m)
	case *protocol.Welcome:
		if m.Version != protocol.Version {
			return fmt.Errorf("%w: %w %d", errRefused, protocol.ErrVersion, m.Version)
		}
		s.welcome = m
		if m.Known != nil {
			if skipped := o.Standing.Resume(m.KnownFirst, *m.Known); skipped > 0 {
				s.up.log.Error("the end of the buffer is lost: the core knows of more blocks", "skipped", skipped, "next", m.Known.Next)
			}
		}
	default:
		return fmt.Errorf("%w: %T where the welcome was wanted", protocol.ErrMalformed, message)
	}
	s.window = min(max(s.welcome.Window, 1), protocol.MaxInFlight)
	s.up.members.replace(s.welcome.Members)
	return nil
}

// farewell makes an error of the aggregator's Goodbye.
func farewell(m *protocol.Goodbye) error {
	switch m.Code {
	case "draining":
		return errDraining
	case "revoked":
		return fmt.Errorf("%w: %s", errRevoked, m.Reason)
	case "clone":
		return fmt.Errorf("%w: %s", errClone, m.Reason)
	case "version":
		return fmt.Errorf("%w: %s: %s", errRefused, m.Code, m.Reason)
	}
	return fmt.Errorf("aggregator ended the session: %s: %s", m.Code, m.Reason)
}

// The codes with which an aggregator closes a connection, where they say more
// than that it ended.
const (
	closeIdentity = 2
	closeRevoked  = 3
	closeDraining = 4
	closeVersion  = 6
	closeClone    = 7
)

// explain adds the meaning of the code with which the aggregator closed the
// connection.
func explain(err error) error {
	var closed *quic.ApplicationError
	if !errors.As(err, &closed) || !closed.Remote {
		return err
	}
	switch closed.ErrorCode {
	case closeDraining:
		return fmt.Errorf("%w: %w", errDraining, err)
	case closeRevoked:
		return fmt.Errorf("%w: %w", errRevoked, err)
	case closeClone:
		return fmt.Errorf("%w: %w", errClone, err)
	case closeIdentity, closeVersion:
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	return err
}

// send writes one control message.
func (s *session) send(m protocol.Message) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	_ = s.control.SetWriteDeadline(time.Now().Add(protocol.FrameTimeout))
	return protocol.WriteMessage(s.control, m)
}

// run works until something fails or ctx ends, and returns why. When ctx ends
// or the aggregator drains, the blocks in flight get a moment to be answered.
func (s *session) run(ctx context.Context) error {
	work, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(nil)
	s.end = end
	var wg sync.WaitGroup
	part := func(f func(context.Context) error) {
		wg.Go(func() {
			if err := f(work); err != nil {
				end(err) // the first one counts
			}
		})
	}
	part(s.receive)
	part(s.beat)
	part(s.ship)
	part(s.keepCertificate)
	leaving, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	select {
	case <-ctx.Done():
		s.leave()
		leaving, cancel = context.WithTimeout(leaving, leaveGrace)
		defer cancel()
	case <-work.Done():
	case <-s.conn.Context().Done():
	}
	select {
	case <-work.Done():
	case <-s.conn.Context().Done():
		end(context.Cause(s.conn.Context()))
	case <-leaving.Done():
		end(ctx.Err())
	}
	_ = s.conn.CloseWithError(0, "session ends") // wakes whoever reads or writes
	wg.Wait()
	return explain(context.Cause(work))
}

// leaveGrace is how long an agent that stops waits for the answers to its
// blocks in flight.
const leaveGrace = 2 * time.Second

// leave stops the sender; the session ends when all that is in flight has been
// answered.
func (s *session) leave() { s.leaveOnce.Do(func() { close(s.leaving) }) }

// receive handles the messages that the aggregator sends on the control stream.
// It ends when the connection does.
func (s *session) receive(ctx context.Context) error {
	_ = s.control.SetReadDeadline(time.Time{}) // the connection's idle timeout watches over it
	for {
		message, err := protocol.ReadMessage(s.control)
		if err != nil {
			return fmt.Errorf("control stream: %w", err)
		}
		switch m := message.(type) {
		case *protocol.Settings:
			if err := s.up.opts.Settings.Replace(*m); err != nil {
				return fmt.Errorf("take settings of generation %d: %w", m.Generation, err)
			}
			s.up.opts.Settings.SetFresh(true)
			s.up.log.Debug("uplink settings received", "generation", m.Generation, "keys", len(m.Keys), "links", len(m.Links))
		case *protocol.Members:
			s.up.members.replace(m.Members)
			// Settings, if other ones were due, came before the members.
			_, generation := s.up.opts.Settings.Version()
			s.up.opts.Settings.SetFresh(generation > 0)
		case *protocol.Goodbye:
			err := farewell(m)
			if !errors.Is(err, errDraining) {
				return err
			}
			s.leave()
		case *protocol.Replay:
			if err := s.replay(m); err != nil {
				return err
			}
		case *protocol.Enrolled:
			s.renewed(m)
		}
		if ctx.Err() != nil {
			return nil
		}
	}
}

func (s *session) replay(m *protocol.Replay) error {
	r, err := s.up.opts.Standing.Replay(m.Since, m.ID)
	if err != nil {
		return err
	}
	s.up.log.Info("uplink replays", "since", time.UnixMilli(m.Since).UTC(), "blocks", r.Blocks, "events", r.Events,
		"missing_blocks", r.MissingBlocks, "missing_events", r.MissingEvents, "more_may_be_missing", r.Unknown)
	s.cursor.rewind(0)
	if m.ID == "" {
		return nil
	}
	return s.send(&r)
}

// beat tells the agent's health, at once and then regularly. It also ends a
// session in which nothing gets stored although there is something to store:
// another aggregator may do better.
func (s *session) beat(ctx context.Context) error {
	tick := time.NewTicker(s.up.opts.heartbeat)
	defer tick.Stop()
	for {
		hb := s.up.opts.Health()
		hb.Clock = time.Now().UnixMilli()
		hb.CertificateExpires = s.up.opts.Identity.Expires().UnixMilli()
		hb.Timeline, hb.Generation = s.up.opts.Settings.Version()
		hb.ReplayID, hb.ReplayLeft = s.up.opts.Standing.Replaying()
		first, history, err := s.up.opts.Standing.Tell()
		if err != nil {
			return err
		}
		hb.FirstSeq, hb.History = first, history
		if err := s.send(&hb); err != nil {
			return err
		}
		if first, next, _ := s.up.opts.Queue.Position(); first == next {
			s.lastStored.Store(time.Now().UnixMilli())
		} else if time.Since(time.UnixMilli(s.lastStored.Load())) > uselessAfter && len(s.up.members.list()) > 1 {
			return errUseless
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// uselessAfter is how long an aggregator may store nothing before another one
// is tried. It is longer than a slow insert.
const uselessAfter = time.Minute
