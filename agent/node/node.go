// Package node wires an agent: it opens the buffer, connects the uplink to it,
// opens the door for SDKs, and stops them in reverse. It is the only package
// that knows all the parts.
package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/crypto/acme"

	"github.com/unmogrowp/unmogrowp/agent/buffer"
	"github.com/unmogrowp/unmogrowp/agent/geo"
	"github.com/unmogrowp/unmogrowp/agent/ingest"
	"github.com/unmogrowp/unmogrowp/agent/links"
	"github.com/unmogrowp/unmogrowp/agent/uplink"
	"github.com/unmogrowp/unmogrowp/protocol"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// stopTimeout bounds the stop of each part: longer than requests under way
// may take.
const stopTimeout = 15 * time.Second

// purposeIntake is what every check of an agent is about: whether SDKs may send.
const purposeIntake = "intake"

// Options are the parts of an agent. The node closes the listeners and the
// connection.
type Options struct {
	Config       Config
	Listener     net.Listener   // SDK traffic
	HTTP3        net.PacketConn // the same over QUIC if it is encrypted; nil: none
	Admin        net.Listener   // health, metrics, profiles
	Metrics      net.Listener   // health and metrics alone; nil: none
	Uplink       net.PacketConn // UDP socket towards the aggregators
	Logger       *slog.Logger   // nil: no log
	NotifySocket string         // systemd's NOTIFY_SOCKET; empty if nobody is to be told
	ACME         *acme.Client   // asks for the certificates of Config.ACMEHosts; nil: one of Let's Encrypt

	Now func() time.Time // by which certificates end; nil: time.Now

	// Hangups ask to Load the settings again and to put them into force; nil never does.
	Hangups <-chan os.Signal
	Load    func() (Config, error)
	Level   *slog.LevelVar // of the Logger; nil if it cannot change
}

// Node is one agent. Any number of them live side by side in one process.
type Node struct {
	opts    Options
	log     *slog.Logger
	running atomic.Pointer[parts]
	inForce Config // owned by Reload
	reloads reloads
}

// parts are an agent's parts while it runs.
type parts struct {
	queue  *buffer.Queue
	uplink *uplink.Uplink
	door   *ingest.Handler
	table  *links.Table
	geo    *geo.Locator
	id     *uplink.Identity

	revoked atomic.Bool // for ever: only another enrolment helps
}

// New checks the options. It opens nothing.
func New(opts Options) (*Node, error) {
	if err := opts.Config.Validate(); err != nil {
		return nil, fmt.Errorf("make agent: %w", err)
	}
	if opts.Listener == nil || opts.Admin == nil || opts.Uplink == nil {
		return nil, errors.New("make agent: listener, admin listener and uplink socket are required")
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return &Node{opts: opts, log: opts.Logger, inForce: opts.Config}, nil
}

// Addr is where SDKs reach the agent.
func (n *Node) Addr() net.Addr { return n.opts.Listener.Addr() }

// AdminAddr is where the operator reaches it.
func (n *Node) AdminAddr() net.Addr { return n.opts.Admin.Addr() }

// Run works until ctx ends. It returns nil after a clean stop.
func (n *Node) Run(ctx context.Context) error {
	dialer := uplink.NewDialer(n.opts.Uplink)
	defer func() { _ = dialer.Close() }()
	defer n.closeDoor()
	registry := daemon.NewRegistry("unmogrowp_agent_build_info")
	n.reloads = newReloads(registry, time.Now())
	admin := daemon.NewAdmin(n.opts.Admin, registry, n.opts.NotifySocket)
	admin.Metrics = n.opts.Metrics
	admin.Handle("GET /status", http.HandlerFunc(n.serveStatus))
	admin.Start(ctx) // an agent that enrols, or opens a large buffer, is alive
	encryption, err := n.opts.Config.doorTLS(n.log, n.opts.ACME)
	if err != nil {
		return errors.Join(err, admin.Close())
	}
	p, err := n.open(ctx, registry, dialer)
	if err != nil {
		return errors.Join(err, admin.Close())
	}
	n.running.Store(p)
	defer n.running.Store(nil)
	admin.Check("buffer", func(context.Context) error { return p.queue.Healthy() }, purposeIntake)
	admin.Check("enrolment", p.admitted, purposeIntake)
	group := daemon.Group{Admin: admin, Log: n.log, StopTimeout: stopTimeout, DrainDelay: n.opts.Config.ShutdownGrace}
	group.Add("buffer", p.queue)
	group.Add("geoip", p.geo)
	group.Add("uplink", p.uplink)
	group.Add("ingest", &ingest.Part{Handler: p.door, Listener: n.opts.Listener, TLS: encryption, Packets: n.opts.HTTP3,
		Connections: n.opts.Config.MaxConnections, Log: n.log})
	if n.opts.Hangups != nil {
		group.Add("reload", daemon.PartFunc(n.reload))
	}
	n.log.Info("agent starts", "agent", p.id.Agent(), "listen", n.Addr().String(), "admin", n.AdminAddr().String(),
		"epoch", fmt.Sprintf("%016x", p.queue.Epoch()), "queued_blocks", p.queue.Stats().QueuedBlocks)
	return group.Run(ctx)
}

func (n *Node) closeDoor() {
	_ = n.opts.Listener.Close()
	if n.opts.HTTP3 != nil {
		_ = n.opts.HTTP3.Close()
	}
}

// open makes the parts, downstream first.
func (n *Node) open(ctx context.Context, registry *prometheus.Registry, dialer *uplink.Dialer) (p *parts, err error) {
	c := &n.opts.Config
	p = &parts{}
	if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("open data directory: %w", err)
	}
	if p.id, err = n.identity(ctx, dialer); err != nil {
		return nil, err
	}
	if p.table, err = links.Open(c.settingsPath()); err != nil {
		return nil, err
	}
	if damage := p.table.Damage(); damage != nil {
		n.log.Error("settings on disk are damaged; the aggregator will send them again", "error", damage)
	}
	if p.geo, err = geo.Open(c.GeoIP, n.log); err != nil {
		return nil, err
	}
	if p.queue, err = buffer.Open(n.bufferOptions(registry)); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.queue.Close())
		}
	}()
	if p.door, err = n.openDoor(p, registry); err != nil {
		return nil, err
	}
	p.uplink, err = uplink.New(uplink.Options{Queue: p.queue, Standing: p.queue, Settings: p.table, Identity: p.id, Dial: dialer.Dial,
		Aggregators: c.Aggregators, Region: c.Region, Zone: c.Zone, Software: daemon.BuildInfo().Version,
		Health: p.health, Revoked: p.shut, Now: n.opts.Now, Registerer: registry, Logger: n.log})
	return p, err
}

// shut ends ingestion: nobody takes the events of a revoked agent any more, so
// a 200 would be a promise that cannot be kept. Its stored events stay on its
// disk.
func (p *parts) shut() {
	p.revoked.Store(true)
	p.door.Close()
}

func (p *parts) admitted(context.Context) error {
	if p.revoked.Load() {
		return errors.New("this agent is revoked: remove its identity and enrol it anew")
	}
	return nil
}

func (n *Node) openDoor(p *parts, registry *prometheus.Registry) (*ingest.Handler, error) {
	c := &n.opts.Config
	rules, err := p.rules(c)
	if err != nil {
		return nil, err
	}
	return ingest.New(ingest.Options{Buffer: p.queue, Directory: p.table, Registerer: registry, Logger: n.log, Region: c.Region, Zone: c.Zone, Rules: rules})
}

func (n *Node) bufferOptions(registry prometheus.Registerer) buffer.Options {
	c := &n.opts.Config
	ballast := int64(c.Ballast)
	if ballast == 0 {
		ballast = -1
	}
	return buffer.Options{Dir: c.bufferDir(), QuotaBytes: int64(c.Quota), MinFree: int64(c.MinFree), BallastBytes: ballast,
		Retention: c.Retention, Registerer: registry, Logger: n.log}
}

// identity loads who the agent is. An agent that is nobody yet enrols with its
// token, and goes on trying while no aggregator answers.
func (n *Node) identity(ctx context.Context, dialer *uplink.Dialer) (*uplink.Identity, error) {
	c := &n.opts.Config
	id, err := uplink.LoadIdentity(c.identityDir())
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return id, err
	}
	if c.EnrollToken == "" {
		return nil, &daemon.ConfigError{Problems: []string{
			"the agent is not enrolled: get a token from an aggregator, then run `agent enroll`, or start with UNMOGROWP_ENROLL_TOKEN"}}
	}
	return enroll(ctx, c, dialer, n.log)
}

// enroll tries the aggregators in turn until one of them has answered.
func enroll(ctx context.Context, c *Config, dialer *uplink.Dialer, log *slog.Logger) (*uplink.Identity, error) {
	if len(c.Aggregators) == 0 {
		return nil, &daemon.ConfigError{Problems: []string{"aggregators is missing: name the host:port of at least one"}}
	}
	var err error
	for attempt := range enrollAttempts {
		address := c.Aggregators[attempt%len(c.Aggregators)]
		var id *uplink.Identity
		id, err = uplink.Enroll(ctx, uplink.EnrollOptions{Address: address, Token: string(c.EnrollToken), Dir: c.identityDir(), Dial: dialer.Dial})
		if err == nil {
			log.Info("agent enrolled", "agent", id.Agent(), "expires", id.Expires())
			return id, nil
		}
		if errors.Is(err, uplink.ErrEnrollRefused) {
			return nil, err
		}
		log.Warn("enrolment failed, trying again", "address", address, "error", err)
		if daemon.Sleep(ctx, enrollPause) != nil {
			return nil, err
		}
	}
	return nil, err
}

// An agent and its aggregators are often started together.
const (
	enrollAttempts = 30
	enrollPause    = time.Second
)

// health is the heartbeat.
func (p *parts) health() protocol.Heartbeat {
	s := p.queue.Stats()
	accepted, rejected := p.door.Counts()
	state := "running"
	if s.Full || p.queue.Healthy() != nil {
		state = "full"
	}
	return protocol.Heartbeat{QueuedEvents: s.QueuedEvents, QueuedBlocks: s.QueuedBlocks, OldestEvent: s.OldestEvent,
		DiskUsed: s.DiskUsed, DiskQuota: s.DiskQuota, Accepted: accepted, Rejected: rejected, Lost: s.Lost, State: state}
}

// Status is how an agent stands, for the operator.
type Status struct {
	Agent              string        `json:"agent"`
	Name               string        `json:"name"`
	Region             string        `json:"region"`
	Version            string        `json:"version"`
	CertificateExpires time.Time     `json:"certificate_expires"`
	Settings           uint64        `json:"settings_generation"`
	Accepted           int64         `json:"accepted_events"`
	Rejected           int64         `json:"rejected_events"`
	Buffer             buffer.Stats  `json:"buffer"`
	Uplink             uplink.Status `json:"uplink"`
}

// Status tells how the agent stands; ok is false while it does not run.
func (n *Node) Status() (s Status, ok bool) {
	p := n.running.Load()
	if p == nil {
		return s, false
	}
	s = Status{Agent: p.id.Agent(), Region: n.opts.Config.Region, Version: daemon.BuildInfo().Version, CertificateExpires: p.id.Expires(),
		Buffer: p.queue.Stats(), Uplink: p.uplink.Status()}
	s.Name, _ = p.id.Name()
	_, s.Settings = p.table.Version()
	s.Accepted, s.Rejected = p.door.Counts()
	return s, true
}

func (n *Node) serveStatus(w http.ResponseWriter, _ *http.Request) {
	s, ok := n.Status()
	if !ok {
		http.Error(w, "the agent is not running", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(s) // the client has gone: nobody to tell
}
