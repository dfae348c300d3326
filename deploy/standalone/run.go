package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/unmogrowp/unmogrowp/deploy/children"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

const (
	clickhouseDatabase = "unmogrowp"
	postgresDatabase   = "unmogrowp"
)

// system is the running whole.
type system struct {
	plan
	log *slog.Logger
	env *environment

	clickHouse *children.ClickHouse // nil when a DSN was given
	postgres   *children.Postgres   // nil when a DSN was given
	aggregator *children.Program
	agent      *children.Program
}

// runSystem is the supervisor: it brings everything up in order, keeps it
// alive, and takes it down in reverse when ctx ends.
func runSystem(ctx context.Context, std daemon.Streams, p plan, infra bool) (err error) {
	if err := os.MkdirAll(p.logDir(), 0o711); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	release, err := p.lock()
	if err != nil {
		return err
	}
	defer release()
	s := &system{plan: p, log: slog.New(slog.NewTextHandler(std.Err, nil))}
	if s.env, err = readEnvironment(p.envFile()); err != nil {
		return err
	}
	defer func() {
		// What no supervisor took over yet is stopped here.
		err = errors.Join(err, s.stopAll())
	}()
	if err := s.storage(ctx, std.Getenv); err != nil {
		return err
	}
	if !infra {
		if err := s.programs(ctx); err != nil {
			return err
		}
	}
	if err := s.env.write(p.envFile()); err != nil {
		return err
	}
	if err := p.writeState(state{Phase: "running", Ready: true, Infra: infra}); err != nil {
		return err
	}
	s.log.Info("ready", "console", p.url(consolePort), "agent", p.url(agentPort))
	return s.supervise(ctx)
}

// phase tells the waiting start command which phase has begun.
func (s *system) phase(text string) error {
	s.log.Info(text)
	return s.writeState(state{Phase: text})
}

// storage starts ClickHouse and Postgres, unless the environment names others
// by the aggregator's own variables. Those of dev.env mean nothing here: whoever
// sourced it means the system that it describes.
func (s *system) storage(ctx context.Context, getenv func(string) (string, bool)) error {
	clickhouseDSN, _ := getenv("UNMOGROWP_CLICKHOUSE_DSN")
	postgresDSN, _ := getenv("UNMOGROWP_POSTGRES_DSN")
	var software children.Software
	if clickhouseDSN == "" || postgresDSN == "" {
		if err := s.phase("Installing ClickHouse and Postgres (the first time takes a minute or two)"); err != nil {
			return err
		}
		var err error
		if software, err = children.Install(ctx); err != nil {
			return fmt.Errorf("install ClickHouse and Postgres: %w", err)
		}
	}
	if err := s.phase("Starting ClickHouse and Postgres"); err != nil {
		return err
	}
	var group errgroup.Group
	group.Go(func() error {
		if clickhouseDSN != "" {
			return nil
		}
		s.clickHouse = &children.ClickHouse{Software: software, Dir: s.path("clickhouse"),
			NativePort: clickhouseTCP + s.offset, HTTPPort: clickhouseHTTP + s.offset}
		if err := s.clickHouse.Start(ctx); err != nil {
			return err
		}
		clickhouseDSN = s.clickHouse.DSN(clickhouseDatabase)
		return s.clickHouse.Exec(ctx, "CREATE DATABASE IF NOT EXISTS "+clickhouseDatabase+" ENGINE = Atomic")
	})
	group.Go(func() error {
		if postgresDSN != "" {
			return nil
		}
		s.postgres = &children.Postgres{Software: software, Dir: s.path("postgres"), Port: postgresPort + s.offset}
		if err := s.postgres.Start(ctx); err != nil {
			return err
		}
		postgresDSN = s.postgres.DSN(postgresDatabase)
		return s.postgres.CreateDatabase(ctx, postgresDatabase)
	})
	if err := group.Wait(); err != nil {
		return err
	}
	s.env.set("CLICKHOUSE_DSN", clickhouseDSN)
	s.env.set("POSTGRES_DSN", postgresDSN)
	return nil
}

// programs starts the aggregator and the agent, and makes everything that a first start
// needs.
func (s *system) programs(ctx context.Context) error {
	if err := s.portsFree(); err != nil {
		return err
	}
	key, err := s.masterKey()
	if err != nil {
		return err
	}
	s.env.set("AGENT_URL", s.url(agentPort))
	s.env.set("CONSOLE_URL", s.url(consolePort))
	if err := s.phase("Starting the aggregator"); err != nil {
		return err
	}
	s.aggregator = s.aggregatorProgram(key)
	if err := s.firstOwner(ctx); err != nil {
		return err
	}
	if err := s.aggregator.Start(ctx); err != nil {
		return err
	}
	if err := s.phase("Preparing the demo app and the agent"); err != nil {
		return err
	}
	s.agent = s.agentProgram()
	if err := s.bootstrap(ctx); err != nil {
		return err
	}
	if err := s.phase("Starting the agent"); err != nil {
		return err
	}
	if err := s.agent.Start(ctx); err != nil {
		return err
	}
	return s.awaitKey(ctx)
}

// portsFree says which port is taken, and by whom it is wanted, before a
// program fails on it.
func (s *system) portsFree() error {
	var errs []error
	for port, what := range map[int]string{agentPort: "the agent", agentAdmin: "the agent's admin page", consolePort: "the console",
		aggregatorPort: "the aggregator's admin page", gossipPort: "gossip"} {
		l, err := net.Listen("tcp", s.local(port))
		if err != nil {
			errs = append(errs, fmt.Errorf("port %d, for %s, is taken: end what uses it, or run with PORT_OFFSET=1000", port+s.offset, what))
			continue
		}
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

// masterKey is the key that seals secrets in Postgres: made once, kept beside
// the data, never in the environment file.
func (s *system) masterKey() (string, error) {
	path := s.path("master.key")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	var key [32]byte
	if _, err := rand.Read(key[:]); err != nil {
		return "", fmt.Errorf("make master key: %w", err)
	}
	return path, replaceFile(path, []byte(hex.EncodeToString(key[:])+"\n"))
}

func (s *system) aggregatorEnv(keyFile string) []string {
	guard, set := os.LookupEnv("UNMOGROWP_DISK_GUARD")
	if !set {
		guard = "98" // disks of workstations are fuller than those of servers
	}
	return []string{
		"UNMOGROWP_DISK_GUARD=" + guard,
		"UNMOGROWP_CLICKHOUSE_DSN=" + s.env.get("CLICKHOUSE_DSN"),
		"UNMOGROWP_POSTGRES_DSN=" + s.env.get("POSTGRES_DSN"),
		"UNMOGROWP_MASTER_KEY_FILE=" + keyFile,
		"UNMOGROWP_NODE=standalone",
		"UNMOGROWP_LISTEN=" + s.local(consolePort),
		"UNMOGROWP_ADMIN_LISTEN=" + s.local(aggregatorPort),
		"UNMOGROWP_AGENTS_LISTEN=" + s.local(uplinkPort),
		"UNMOGROWP_AGENTS_ADVERTISE=" + s.local(uplinkPort),
		"UNMOGROWP_GOSSIP_LISTEN=" + s.local(gossipPort),
		"UNMOGROWP_AUDIT_HEADS=" + s.path("audit-heads"),
	}
}

func (s *system) aggregatorProgram(keyFile string) *children.Program {
	return &children.Program{
		Command: children.Command{Name: "aggregator", Path: s.program("aggregator"), Args: []string{"run"}, Env: s.aggregatorEnv(keyFile),
			Log: filepath.Join(s.logDir(), "aggregator.log"), StopTimeout: 15 * time.Second},
		Ready: ready(s.local(aggregatorPort)),
	}
}

func (s *system) agentProgram() *children.Program {
	return &children.Program{
		Command: children.Command{Name: "agent", Path: s.program("agent"), Args: []string{"run"}, Env: s.agentEnv(),
			Log: filepath.Join(s.logDir(), "agent.log"), StopTimeout: 15 * time.Second},
		Ready: ready(s.local(agentAdmin)),
	}
}

func (s *system) agentEnv() []string {
	return []string{
		"UNMOGROWP_DATA_DIR=" + s.path("agent"),
		"UNMOGROWP_LISTEN=" + s.local(agentPort),
		"UNMOGROWP_ADMIN_LISTEN=" + s.local(agentAdmin),
		"UNMOGROWP_AGGREGATORS=" + s.local(uplinkPort),
		"UNMOGROWP_REGION=local",
	}
}

// ready asks an admin listener whether its program is fit for traffic.
func ready(admin string) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+"/readyz", nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("/readyz answers %s", resp.Status)
		}
		return nil
	}
}

// supervise keeps every child alive until ctx ends.
func (s *system) supervise(ctx context.Context) error {
	group := daemon.Group{Log: s.log, StopTimeout: 20 * time.Second}
	for _, c := range s.all() {
		group.Add(c.name, &children.Supervisor{Name: c.name, Child: c.child, Log: s.log})
	}
	return group.Run(ctx)
}

type namedChild struct {
	name  string
	child children.Child
}

// all lists the children, upstream last.
func (s *system) all() []namedChild {
	var list []namedChild
	if s.postgres != nil {
		list = append(list, namedChild{"postgres", s.postgres})
	}
	if s.clickHouse != nil {
		list = append(list, namedChild{"clickhouse", s.clickHouse})
	}
	if s.aggregator != nil {
		list = append(list, namedChild{"aggregator", s.aggregator})
	}
	if s.agent != nil {
		list = append(list, namedChild{"agent", s.agent})
	}
	return list
}

func (s *system) stopAll() error {
	var errs []error
	list := s.all()
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].child.Process() == nil {
			continue
		}
		errs = append(errs, list[i].child.Stop())
	}
	return errors.Join(errs...)
}
