package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/unmogrowp/unmogrowp/aggregator/accounts"
	"github.com/unmogrowp/unmogrowp/aggregator/api"
	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/authority"
	"github.com/unmogrowp/unmogrowp/aggregator/cluster"
	"github.com/unmogrowp/unmogrowp/aggregator/deliveries"
	"github.com/unmogrowp/unmogrowp/aggregator/intake"
	"github.com/unmogrowp/unmogrowp/aggregator/recompute"
	"github.com/unmogrowp/unmogrowp/aggregator/reconcile"
	"github.com/unmogrowp/unmogrowp/aggregator/rollup"
	"github.com/unmogrowp/unmogrowp/aggregator/runs"
	"github.com/unmogrowp/unmogrowp/aggregator/vitals"
	"github.com/unmogrowp/unmogrowp/aggregator/warehouse"
	"github.com/unmogrowp/unmogrowp/console"
	"github.com/unmogrowp/unmogrowp/protocol"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
	"github.com/unmogrowp/unmogrowp/protocol/guard"
)

// Options are the parts of a node. Without the sockets, New opens them where
// the settings say.
type Options struct {
	Config Config
	Log    *slog.Logger

	Console net.Listener   // the console and its API
	Admin   net.Listener   // health and metrics
	Metrics net.Listener   // health and metrics without profiles, nil if there is none
	Agents  net.PacketConn // agents' QUIC

	NotifySocket string // systemd's, empty if none

	Now func() time.Time // by which agents' certificates are issued and end; nil: time.Now
}

// Node is a wired aggregator that has not started yet.
type Node struct {
	o        Options
	registry *prometheus.Registry
	admin    *daemon.Admin

	accounts   *accounts.Accounts
	warehouse  *warehouse.Warehouse
	authority  *authority.Authority
	cluster    *cluster.Cluster
	directory  *directory
	attributor *recompute.Attributor
	reconciler *reconcile.Reconciler
	conflicts  *finder
	tombstones *tombstones
	rollups    *rollup.Keeper
	intake     *intake.Intake
	runs       *runs.Runner
	courier    *deliveries.Courier
	outgoing   *guard.Outgoing
	vitals     *vitals.Monitor
	auth       *api.Authenticator
	handler    http.Handler
	view       atomic.Pointer[clusterView] // set once the cluster can be seen
	reason     atomic.Pointer[error]       // why the databases could not be opened, while the node waits for them
}

// New opens the databases and wires the parts, downstream first. On an error
// it closes the parts that it opened.
func New(ctx context.Context, o Options) (*Node, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	n := &Node{o: o, registry: daemon.NewRegistry("unmogrowp_aggregator_build_info")}
	if err := n.open(ctx); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// open makes the parts, each with those before it.
func (n *Node) open(ctx context.Context) error {
	if err := n.sockets(); err != nil {
		return err
	}
	n.admin = daemon.NewAdmin(n.o.Admin, n.registry, n.o.NotifySocket)
	n.admin.Metrics = n.o.Metrics
	n.admin.Handle("GET "+clusterPath, http.HandlerFunc(n.serveCluster))
	n.admin.Check("start", n.reached)
	n.admin.Start(ctx) // a node that waits for its databases is alive
	for _, step := range []func(context.Context) error{n.awaitDatabases, n.membership, n.pipeline, n.front} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// sockets opens the ones that were not handed in.
func (n *Node) sockets() error {
	c := &n.o.Config
	var err error
	if n.o.Admin == nil {
		if n.o.Admin, err = net.Listen("tcp", c.AdminListen); err != nil {
			return fmt.Errorf("listen for the admin page: %w", err)
		}
	}
	if n.o.Metrics == nil && c.MetricsListen != "" {
		if n.o.Metrics, err = net.Listen("tcp", c.MetricsListen); err != nil {
			return fmt.Errorf("listen for scrapers: %w", err)
		}
	}
	if n.o.Console == nil {
		if n.o.Console, err = net.Listen("tcp", c.Listen); err != nil {
			return fmt.Errorf("listen for the console: %w", err)
		}
	}
	if n.o.Agents == nil {
		if n.o.Agents, err = net.ListenPacket("udp", c.AgentsListen); err != nil {
			return fmt.Errorf("listen for agents: %w", err)
		}
	}
	return nil
}

// databases opens Postgres and ClickHouse and makes their schemas current. After an error it can be
// called again, once closeDatabases was.
func (n *Node) databases(ctx context.Context) error {
	var err error
	measured := prometheus.NewRegistry() // is forgotten with an attempt that fails
	if n.accounts, err = openAccounts(ctx, &n.o.Config); err != nil {
		return err
	}
	if n.warehouse, err = warehouse.Open(ctx, warehouse.Options{DSN: string(n.o.Config.ClickHouseDSN), Logger: n.o.Log, Registerer: measured}); err != nil {
		return err
	}
	if n.o.Config.Migrate {
		if err := migrate(ctx, n.accounts, n.warehouse); err != nil {
			return err
		}
	}
	if err := errors.Join(n.accounts.Check(ctx), n.warehouse.Check(ctx)); err != nil {
		return err
	}
	n.admin.Check("postgres", n.accounts.Ping, purposeConsole)
	n.admin.Check("clickhouse", n.warehouse.Ping, purposeConsole, purposeIntake)
	n.reason.Store(nil)
	n.vitals, err = vitals.New(vitals.Options{Accounts: n.accounts, Warehouse: n.warehouse, Registerer: n.registry, Logger: n.o.Log})
	return errors.Join(err, n.registry.Register(measured))
}

// closeDatabases closes what databases opened.
func (n *Node) closeDatabases() error {
	var err error
	if n.warehouse != nil {
		err = n.warehouse.Close()
		n.warehouse = nil
	}
	if n.accounts != nil {
		n.accounts.Close()
		n.accounts = nil
	}
	return err
}

func openAccounts(ctx context.Context, c *Config) (*accounts.Accounts, error) {
	keys, err := c.masterKeys()
	if err != nil {
		return nil, err
	}
	a, err := accounts.Open(ctx, accounts.Options{DSN: string(c.PostgresDSN), MasterKey: keys[0], OtherKeys: keys[1:]})
	if err != nil {
		return nil, err
	}
	if err := a.CheckLevel(ctx); err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

func migrate(ctx context.Context, a *accounts.Accounts, w *warehouse.Warehouse) error {
	if err := a.Migrate(ctx); err != nil {
		return err
	}
	return w.Migrate(ctx)
}

// membership joins the other aggregators, and opens the directory and the certificate authority.
func (n *Node) membership(ctx context.Context) error {
	c := &n.o.Config
	key, err := n.accounts.Secret(ctx, "gossip", randomKey)
	if err != nil {
		return fmt.Errorf("load gossip key: %w", err)
	}
	self, err := n.self()
	if err != nil {
		return err
	}
	host, port, err := splitAddress(c.GossipListen)
	if err != nil {
		return fmt.Errorf("gossip_listen: %w", err)
	}
	n.cluster, err = cluster.Join(cluster.Options{Self: self, BindAddr: host, BindPort: port, Join: c.GossipPeers, Key: key,
		Label: "unmogrowp", Logger: n.o.Log, Registerer: n.registry})
	if err != nil {
		return err
	}
	if n.directory, err = openDirectory(ctx, n.accounts, n.cluster, n.o.Log); err != nil {
		return err
	}
	n.authority, err = authority.Open(ctx, authorityStore{n.accounts.Pool, n.accounts.Agents}, n.o.Now)
	return err
}

// self describes this node to agents and peers. The id is new at each start, so
// that the gossip never takes a restarted node for its dead self.
func (n *Node) self() (protocol.Member, error) {
	c := &n.o.Config
	name := c.Node
	if name == "" {
		var err error
		if name, err = os.Hostname(); err != nil {
			return protocol.Member{}, fmt.Errorf("name this node: %w: set node", err)
		}
	}
	address := c.AgentsAdvertise
	if address == "" {
		address = n.o.Agents.LocalAddr().String()
	}
	boot, err := randomKey()
	if err != nil {
		return protocol.Member{}, err
	}
	return protocol.Member{ID: fmt.Sprintf("%s-%x", name, boot[:4]), Address: address, Region: c.Region, Zone: c.Zone}, nil
}

// pipeline is the way of an event: intake, warehouse, attribution.
func (n *Node) pipeline(ctx context.Context) error {
	c := &n.o.Config
	self := n.cluster.Self().ID
	fingerprints, err := n.accounts.Secret(ctx, "fingerprints", randomKey)
	if err != nil {
		return fmt.Errorf("load fingerprint secret: %w", err)
	}
	if err := n.attribution(self, fingerprints); err != nil {
		return err
	}
	n.conflicts = newFinder(finder{warehouse: n.warehouse, leases: n.accounts, repair: n.attributor.Recompute, owner: self, log: n.o.Log}, n.registry)
	n.rollups = rollup.New(rollup.Options{Store: n.warehouse, Leases: n.accounts, Owner: self, Margin: warehouse.RollupMargin,
		Registerer: n.registry, Logger: n.o.Log})
	if err := n.noticeRestore(ctx); err != nil {
		return err
	}
	n.tombstones = newTombstones(tombstones{erasures: n.accounts.Runs, warehouse: n.warehouse, log: n.o.Log}, n.registry)
	if err := n.tombstones.apply(ctx); err != nil {
		return fmt.Errorf("set tombstones: %w", err)
	}
	if n.runs, err = n.runner(); err != nil {
		return err
	}
	if err := n.postbacks(ctx); err != nil {
		return err
	}
	reset, err := n.accounts.Secret(ctx, "stateless-reset", randomKey)
	if err != nil {
		return fmt.Errorf("load reset key: %w", err)
	}
	n.intake, err = intake.New(intake.Options{
		Node: self, Software: daemon.BuildInfo().Version, Conn: n.o.Agents, TLS: n.authority.ServerTLS(), ResetKey: [32]byte(reset),
		Sink:     &sink{warehouse: n.warehouse, attributor: n.attributor, directory: n.directory, secret: fingerprints},
		Registry: registry{n.accounts.Agents, n.accounts.Pool, n.directory}, State: n.directory, Issuer: issuer{n.authority, n.accounts.Agents},
		Logger: n.o.Log, Registerer: n.registry, Now: time.Now,
		Held:       (&diskGuard{fullest: n.vitals.Fullest, limit: float64(c.DiskGuard) / 100, log: n.o.Log}).held,
		InsertRows: c.InsertRows, InsertDelay: c.InsertDelay, MemoryBytes: int64(c.IntakeMemory),
	})
	return err
}

// attribution makes the parts that keep attributions equal to the stored facts.
func (n *Node) attribution(self string, fingerprints []byte) error {
	restater := &reconcile.Restater{Store: n.warehouse, Versions: n.directory.history, Secret: fingerprints,
		Recompute: func(ctx context.Context, facts *attribution.Facts) (int, error) {
			return n.attributor.Recompute(ctx, facts)
		}}
	var err error
	n.attributor, err = recompute.New(recompute.Options{Store: n.warehouse, Feed: n.warehouse, Watermarks: n.accounts, Settings: n.directory.At,
		Versions: n.directory, Restate: restater.Restate, Owner: self, SweepEvery: n.o.Config.SweepEvery, Registerer: n.registry, Logger: n.o.Log})
	if err != nil {
		return err
	}
	n.reconciler, err = reconcile.New(reconcile.Options{Store: n.warehouse, Repairer: n.attributor, Settings: n.directory.At, Leases: n.accounts,
		Apps: n.directory.Apps, Owner: self, Report: n.attributor.Differ, Restate: restater.Restate, Registerer: n.registry, Logger: n.o.Log})
	return err
}

// postbacks is what tells others.
func (n *Node) postbacks(ctx context.Context) error {
	key, err := n.accounts.Secret(ctx, "deliveries", randomKey)
	if err != nil {
		return fmt.Errorf("load key of deliveries: %w", err)
	}
	n.outgoing = guard.NewOutgoing(guard.Options{Machine: n.o.Config.PostbacksHere, AnyPort: n.o.Config.PostbacksHere})
	n.courier, err = deliveries.New(deliveries.Options{
		Store: deliveries.NewLedger(n.accounts.Pool), Source: n.warehouse, Client: n.outgoing, Key: key,
		Owner: n.cluster.Self().ID, Now: time.Now, Registerer: n.registry, Log: n.o.Log,
	})
	return err
}

// front is what people see: the API and the console.
func (n *Node) front(ctx context.Context) error {
	var err error
	if n.auth, err = api.NewAuthenticator(ctx, n.accounts, n.accounts.Logins, time.Now, n.o.Log); err != nil {
		return err
	}
	proxies, err := n.o.Config.proxies()
	if err != nil {
		return err
	}
	view := clusterView{n.cluster, n.attributor, n.accounts, n.cluster.Self().ID, time.Now}
	n.view.Store(&view)
	n.handler, err = api.New(api.Options{
		Accounts: n.accounts, Authenticator: n.auth, Reports: n.warehouse, Costs: n.warehouse,
		Studies: studies{n.warehouse, n.accounts}, Evidence: evidence{n.warehouse, n.directory.At}, Enroller: n.authority,
		Cluster: view, Postbacks: deliveries.NewLedger(n.accounts.Pool), Tester: n.courier, Outgoing: n.outgoing, Heads: copiedHeads(n.warehouse),
		Console: console.Handler(), Now: time.Now, Registerer: n.registry, Logger: n.o.Log, TrustedProxies: proxies,
	})
	if err == nil {
		n.handler = withAssistants(n.handler)
	}
	return err
}

// ConsoleAddr is where the console and its API are served.
func (n *Node) ConsoleAddr() net.Addr { return n.o.Console.Addr() }

// AdminAddr is where health and metrics are served.
func (n *Node) AdminAddr() net.Addr { return n.o.Admin.Addr() }

// AgentsAddr is where agents connect.
func (n *Node) AgentsAddr() net.Addr { return n.o.Agents.LocalAddr() }

// GossipAddr is where other aggregators join this one.
func (n *Node) GossipAddr() string { return n.cluster.Address() }

// Run serves until ctx ends, then stops in order: agents are sent elsewhere and
// blocks that have arrived are stored, the API ends its requests, the databases close.
func (n *Node) Run(ctx context.Context) error {
	group := daemon.Group{Admin: n.admin, Log: n.o.Log, StopTimeout: 30 * time.Second, DrainDelay: n.o.Config.ShutdownGrace}
	group.Add("vitals", n.vitals)
	group.Add("hangups", daemon.PartFunc(n.ignoreHangups))
	group.Add("directory", n.directory)
	group.Add("attribution", n.attributor)
	group.Add("reconcile", n.reconciler)
	group.Add("conflicts", n.conflicts)
	group.Add("tombstones", n.tombstones)
	group.Add("rollups", n.rollups)
	group.Add("runs", n.runs)
	group.Add("postbacks", n.courier)
	group.Add("api", daemon.PartFunc(n.serve))
	group.Add("sessions", n.auth)
	group.Add("audit", &auditSigner{accounts: n.accounts, warehouse: n.warehouse, owner: n.cluster.Self().ID, file: n.o.Config.AuditHeads, log: n.o.Log})
	group.Add("cluster", n.cluster)
	group.Add("intake", n.intake)
	group.Add("draining", daemon.PartFunc(n.announceDrain))
	return errors.Join(group.Run(ctx), n.Close())
}

// announceDrain tells the cluster, before anything stops, that this node takes
// no more agents.
func (n *Node) announceDrain(ctx context.Context) error {
	<-ctx.Done()
	if err := n.cluster.Drain(); err != nil {
		n.o.Log.Warn("draining not announced", "error", err)
	}
	return nil
}

func (n *Node) serve(ctx context.Context) error {
	server := &http.Server{
		Handler: n.handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: 60 * time.Second,
		IdleTimeout: 60 * time.Second, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(n.o.Log.Handler(), slog.LevelWarn),
	}
	return daemon.Serve(ctx, server, guard.Framed(n.o.Console, server.ReadHeaderTimeout), 10*time.Second)
}

// Close closes what New opened. Run calls it.
func (n *Node) Close() error {
	var errs []error
	if n.cluster != nil {
		errs = append(errs, n.cluster.Close())
	}
	errs = append(errs, n.closeDatabases())
	if n.admin != nil {
		errs = append(errs, n.admin.Close())
	}
	for _, closer := range []interface{ Close() error }{n.o.Console, n.o.Admin, n.o.Agents} {
		if closer == nil {
			continue
		}
		if err := closer.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func randomKey() ([]byte, error) {
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return nil, fmt.Errorf("make random key: %w", err)
	}
	return key, nil
}

func splitAddress(address string) (host string, port int, err error) {
	resolved, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return "", 0, fmt.Errorf("resolve %q: %w", address, err)
	}
	host = resolved.IP.String()
	if resolved.IP == nil {
		host = "0.0.0.0"
	}
	return host, resolved.Port, nil
}
