// Package uplink carries blocks from the agent's buffer to an aggregator, over
// QUIC with mutual TLS.
//
//	choose ─► dial ─► hello / welcome ─► session ─► (ended) ─► back off ─► choose …
//	                                      ├ sender: a window of blocks, a stream each
//	                                      ├ receiver: settings, members, goodbye, replay, certificate
//	                                      └ heartbeats
//
// What must hold: a block is forgotten only after an acknowledgement that names
// its epoch and sequence and says that it is stored. That a stream was written,
// finished or acknowledged by QUIC means nothing. Everything else (an error, a
// closed connection, a status that is not understood) means: send again, here
// or elsewhere, for ever.
package uplink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/unmogrowp/unmogrowp/protocol"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// Queue is where blocks come from. Its methods may be called concurrently.
type Queue interface {
	Epoch() uint64
	// Position returns the lowest sequence not acknowledged, the sequence that
	// the next block will get, and the running hash of all blocks written.
	Position() (first, next, chain uint64)
	// Next blocks until there is a block after the sequence `after` that is not
	// acknowledged. The block becomes the caller's.
	Next(ctx context.Context, after uint64) (block []byte, seq uint64, err error)
	Forget(seq uint64) error
	// Bury keeps aside the events of a block that an aggregator put into
	// quarantine: those with these indexes, or all without any.
	Bury(block []byte, reason string, events []int) error
}

// Standing keeps the position of the queue in step with the core's record of it.
type Standing interface {
	// Tell returns the lowest sequence that is not acknowledged and where the queue
	// has been, the newest last.
	Tell() (first uint64, history []protocol.Position, err error)
	// Resume goes on from where the core saw the queue last, if that is further than it
	// knows itself. It returns how many sequences are skipped.
	Resume(knownFirst uint64, known protocol.Position) (skipped uint64)
	// Refuse makes the queue take nothing, for a reason; "" ends that.
	Refuse(reason string)
	// Replay makes blocks acknowledged at or after since (milliseconds)
	// unacknowledged again, once for each id.
	Replay(since int64, id string) (protocol.Replayed, error)
	// Replaying returns the last replay and how many of its blocks are left.
	Replaying() (id string, left int64)
}

// Settings is where the aggregator's settings go.
type Settings interface {
	Replace(s protocol.Settings) error
	Version() (timeline, generation uint64)
	// SetFresh says whether the settings are known to be current: while they
	// are not, an unknown key may be a new one.
	SetFresh(fresh bool)
}

// Options configure an uplink.
type Options struct {
	Queue       Queue
	Standing    Standing
	Settings    Settings
	Identity    *Identity                   // who this agent is; renewed in place
	Dial        Dial                        // how to reach an address
	Aggregators []string                    // host:port of the configured aggregators
	Region      string                      // near aggregators are preferred
	Zone        string                      //
	Software    string                      // version told to the aggregator
	Health      func() protocol.Heartbeat   // what to tell in a heartbeat
	Revoked     func()                      // called whenever the agent is told that it is revoked; nil: nobody cares
	Now         func() time.Time            // by which certificates end; nil: time.Now
	Registerer  prometheus.Registerer       // nil: no metrics
	Logger      *slog.Logger                // nil: no log
	backoff     func(int) time.Duration     // test: pause after n failures
	heartbeat   time.Duration               // test
	ackTimeout  time.Duration               // test
	renewAt     func(c *Identity) time.Time // test: when to renew
}

// Uplink is a part: Run keeps one session with some aggregator at any time.
type Uplink struct {
	opts    Options
	log     *slog.Logger
	metrics metrics
	members *memberStore

	refusedAsClone atomic.Bool // until the core takes the buffer

	mu     sync.Mutex
	status Status
}

// Status describes the uplink to an operator.
type Status struct {
	Connected bool              `json:"connected"`
	Address   string            `json:"address,omitempty"`
	Node      string            `json:"node,omitempty"`
	Since     time.Time         `json:"since,omitzero"` // of the present session
	LastError string            `json:"last_error,omitempty"`
	Members   []protocol.Member `json:"members,omitempty"`
}

// New checks the options and registers the metrics.
func New(opts Options) (*Uplink, error) {
	if opts.Queue == nil || opts.Standing == nil || opts.Settings == nil || opts.Identity == nil || opts.Dial == nil {
		return nil, errors.New("make uplink: queue, settings, identity and dial are required")
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Health == nil {
		opts.Health = func() protocol.Heartbeat { return protocol.Heartbeat{State: "running"} }
	}
	if opts.backoff == nil {
		opts.backoff = backoff
	}
	if opts.heartbeat == 0 {
		opts.heartbeat = protocol.HeartbeatEvery
	}
	if opts.ackTimeout == 0 {
		opts.ackTimeout = ackTimeout
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.renewAt == nil {
		opts.renewAt = (*Identity).RenewAt
	}
	u := &Uplink{opts: opts, log: opts.Logger}
	u.members = openMembers(opts.Identity.dir, u.log)
	if len(opts.Aggregators) == 0 && len(u.members.list()) == 0 {
		return nil, errors.New("make uplink: no aggregator is configured and none is known from earlier sessions; set aggregators")
	}
	if opts.Identity.Restored != nil {
		u.log.Error("agent's identity file is damaged", "error", opts.Identity.Restored)
	}
	u.metrics.init(u)
	if err := u.metrics.register(opts.Registerer); err != nil {
		return nil, fmt.Errorf("make uplink: %w", err)
	}
	return u, nil
}

// Run holds sessions until ctx ends.
func (u *Uplink) Run(ctx context.Context) error {
	defer u.metrics.unregister(u.opts.Registerer)
	choice := newChooser(u.opts)
	for ctx.Err() == nil {
		address, wait := choice.next(time.Now(), u.members.list())
		if wait > 0 {
			if daemon.Sleep(ctx, wait) != nil {
				break
			}
			continue
		}
		outcome := u.hold(ctx, address)
		if ctx.Err() != nil {
			break
		}
		if u.opts.Revoked != nil && errors.Is(outcome.err, errRevoked) {
			u.opts.Revoked()
		}
		u.noteRefusal(outcome.err)
		pause := choice.ended(address, time.Now(), outcome)
		u.metrics.ended.Inc()
		u.setStatus(func(s *Status) { s.Connected, s.Node, s.LastError = false, "", outcome.err.Error() })
		u.log.Log(ctx, outcome.level(), "uplink session ended", "address", address, "error", outcome.err,
			"acknowledged", outcome.stored, "back_off", pause)
	}
	return nil
}

// noteRefusal closes the queue while the core takes this buffer for a copy: nobody would take
// its new events. A session, or a refusal for another reason, says nothing of that.
func (u *Uplink) noteRefusal(err error) {
	if !errors.Is(err, errClone) {
		return
	}
	u.refusedAsClone.Store(true)
	u.opts.Standing.Refuse("this agent's buffer is a copy, or was put back to an earlier state, and the core does not take it; see `agent adopt`")
}

// outcome is how a session went.
type outcome struct {
	err     error // never nil
	stored  int   // blocks acknowledged
	lasted  time.Duration
	drained bool // the aggregator is stopping
	refused bool // the aggregator does not want this agent: do not press
}

func (o outcome) level() slog.Level {
	switch {
	case o.drained:
		return slog.LevelInfo
	case o.refused:
		return slog.LevelError
	}
	return slog.LevelWarn
}

// hold has one session with one aggregator.
func (u *Uplink) hold(ctx context.Context, address string) outcome {
	began := time.Now()
	s, err := u.connect(ctx, address)
	if err != nil {
		return outcome{err: fmt.Errorf("connect to %s: %w", address, err), refused: errors.Is(err, errRefused), drained: errors.Is(err, errDraining)}
	}
	u.setStatus(func(st *Status) {
		*st = Status{Connected: true, Address: address, Node: s.welcome.Node, Since: began}
	})
	if u.refusedAsClone.CompareAndSwap(true, false) {
		u.opts.Standing.Refuse("")
	}
	u.log.Info("uplink connected", "address", address, "node", s.welcome.Node, "software", s.welcome.Software, "agent", s.welcome.Agent, "window", s.window)
	err = s.run(ctx)
	u.opts.Settings.SetFresh(false)
	return outcome{err: err, stored: int(s.stored.Load()), lasted: time.Since(began),
		drained: errors.Is(err, errDraining), refused: errors.Is(err, errRefused)}
}

// Status tells how the uplink stands.
func (u *Uplink) Status() Status {
	u.mu.Lock()
	defer u.mu.Unlock()
	s := u.status
	s.Members = u.members.list()
	return s
}

func (u *Uplink) setStatus(change func(*Status)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	change(&u.status)
}
