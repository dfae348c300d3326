package uplink

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/unmogrowp/unmogrowp/protocol"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

const (
	// ackTimeout is longer than the aggregator's slowest insert.
	ackTimeout = time.Minute
	// The bounds of how long a block rests when the aggregator says "retry".
	retryMin = 10 * time.Millisecond
	retryMax = 30 * time.Second
)

// cursor is how far the sender has read, and the blocks on their way.
type cursor struct {
	mu       sync.Mutex
	after    uint64
	inFlight map[uint64]bool
	rewound  chan struct{} // closed and replaced by rewind
}

func (c *cursor) init() {
	c.inFlight = map[uint64]bool{}
	c.rewound = make(chan struct{})
}

// rewind makes the sender read on after the sequence `after`.
func (c *cursor) rewind(after uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.after = after
	close(c.rewound)
	c.rewound = make(chan struct{})
}

func (c *cursor) position() (after uint64, rewound <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.after, c.rewound
}

// begin notes that seq is being sent; false if it already is.
func (c *cursor) begin(after, seq uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.after == after { // not rewound meanwhile
		c.after = seq
	}
	if c.inFlight[seq] {
		return false
	}
	c.inFlight[seq] = true
	return true
}

func (c *cursor) end(seq uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.inFlight, seq)
}

// ship keeps up to a window of blocks in flight. It returns when the session
// ends, or is to be left and everything in flight has been answered.
func (s *session) ship(ctx context.Context) error {
	reading, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	slots := make(chan struct{}, s.window)
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-s.leaving:
			stop(errDraining)
		case <-reading.Done():
		}
	})
	defer wg.Wait()
	for {
		select {
		case slots <- struct{}{}:
		case <-reading.Done():
			return s.landed(&wg, context.Cause(reading))
		}
		block, seq, err := s.nextBlock(reading)
		if err != nil {
			return s.landed(&wg, err)
		}
		wg.Go(func() {
			defer func() { <-slots }()
			defer s.cursor.end(seq)
			err := s.deliver(ctx, block, seq)
			switch {
			case errors.Is(err, errDraining):
				s.leave()
			case err != nil:
				s.end(err)
			}
		})
	}
}

// landed ends the sending. If the session is being left, the blocks in flight
// are answered first; if it is broken, the answers are not waited for.
func (s *session) landed(wg *sync.WaitGroup, err error) error {
	if !errors.Is(err, errDraining) {
		s.end(err)
	}
	wg.Wait()
	return ignoreCancel(err)
}

// nextBlock waits for a block that is not on its way yet.
func (s *session) nextBlock(ctx context.Context) (block []byte, seq uint64, err error) {
	for {
		after, rewound := s.cursor.position()
		reading, cancel := context.WithCancel(ctx)
		var wg sync.WaitGroup
		wg.Go(func() {
			select {
			case <-rewound:
				cancel()
			case <-reading.Done():
			}
		})
		block, seq, err = s.up.opts.Queue.Next(reading, after)
		cancel()
		wg.Wait()
		switch {
		case ctx.Err() != nil:
			return nil, 0, context.Cause(ctx)
		case errors.Is(err, context.Canceled): // rewound: read again from there
		case err != nil:
			return nil, 0, fmt.Errorf("next block: %w", err)
		case s.cursor.begin(after, seq):
			return block, seq, nil
		}
	}
}

// deliver sends one block until it is stored. An error ends the session.
func (s *session) deliver(ctx context.Context, block []byte, seq uint64) error {
	for {
		ack, err := s.exchange(ctx, block)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("send block %d: %w", seq, err)
		}
		if epoch := s.up.opts.Queue.Epoch(); ack.Epoch != epoch || ack.Seq != seq {
			s.up.metrics.foreign.Inc()
			s.up.log.Warn("uplink ignores an acknowledgement of something else", "sent_epoch", epoch, "sent_seq", seq, "epoch", ack.Epoch, "seq", ack.Seq)
			ack = &protocol.Ack{Status: protocol.StatusRetry, RetryAfter: time.Second.Milliseconds()}
		}
		switch ack.Status {
		case protocol.StatusStored, protocol.StatusQuarantined:
			return s.forget(ack, block)
		case protocol.StatusDraining:
			return errDraining
		}
		s.up.metrics.retries.Inc()
		pause := min(max(time.Duration(ack.RetryAfter)*time.Millisecond, retryMin), retryMax)
		s.up.log.Debug("uplink block to be sent again", "seq", seq, "after", pause, "reason", ack.Reason)
		if daemon.Sleep(ctx, pause) != nil {
			return nil
		}
	}
}

func (s *session) forget(ack *protocol.Ack, block []byte) error {
	if ack.Status == protocol.StatusQuarantined {
		s.bury(ack, block)
	}
	if err := s.up.opts.Queue.Forget(ack.Seq); err != nil {
		return fmt.Errorf("forget block %d: %w", ack.Seq, err)
	}
	s.stored.Add(1)
	s.lastStored.Store(time.Now().UnixMilli())
	s.up.metrics.shipped.Inc()
	s.up.metrics.shippedBytes.Add(float64(len(block)))
	return nil
}

// bury keeps aside the events that the aggregator has put into quarantine. It
// has them too, so that an event that cannot be kept here holds nothing up.
func (s *session) bury(ack *protocol.Ack, block []byte) {
	s.up.metrics.quarantined.Add(float64(max(len(ack.Rejected), 1)))
	reason := ack.Reason
	var events []int
	for i, r := range ack.Rejected {
		if i == 0 && r.Reason != "" {
			reason = r.Reason
		}
		events = append(events, r.Index)
	}
	s.up.log.Warn("aggregator quarantined events", "seq", ack.Seq, "events", len(ack.Rejected), "first_reason", reason)
	if err := s.up.opts.Queue.Bury(block, reason, events); err != nil {
		s.up.log.Error("quarantined events are not kept aside", "seq", ack.Seq, "error", err)
	}
}

// exchange sends a block on a stream of its own and reads the answer.
func (s *session) exchange(ctx context.Context, block []byte) (*protocol.Ack, error) {
	stream, err := s.conn.OpenStreamSync(ctx)
	if err != nil {
		return nil, err
	}
	defer stream.CancelRead(0) // after the answer: nothing else is wanted
	_ = stream.SetWriteDeadline(time.Now().Add(protocol.FrameTimeout))
	if _, err := stream.Write(block); err != nil {
		stream.CancelWrite(0)
		return nil, err
	}
	if err := stream.Close(); err != nil {
		return nil, err
	}
	_ = stream.SetReadDeadline(time.Now().Add(s.up.opts.ackTimeout))
	message, err := protocol.ReadMessage(stream)
	if err != nil {
		return nil, err
	}
	ack, ok := message.(*protocol.Ack)
	if !ok {
		return nil, fmt.Errorf("%w: %T where the acknowledgement was wanted", protocol.ErrMalformed, message)
	}
	return ack, nil
}

// ignoreCancel: that a session was told to end is no reason of its own.
func ignoreCancel(err error) error {
	if err == context.Canceled { //nolint:errorlint // exactly the bare cause
		return nil
	}
	return err
}
