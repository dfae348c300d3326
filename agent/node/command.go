package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/unmogrowp/unmogrowp/agent/uplink"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// Commands adds the agent's commands to root.
func Commands(root *cobra.Command) {
	root.Short = "takes events from SDKs, keeps them safe and ships them to aggregators"
	config := DefaultConfig()
	root.AddCommand(
		daemon.Command("run", "serve SDKs until told to stop", &config, func(ctx context.Context, std daemon.Streams, _ []string) error {
			return run(ctx, std, config)
		}),
		daemon.Command("enroll", "exchange a single-use token for an identity", &config, func(ctx context.Context, std daemon.Streams, _ []string) error {
			return enrollCommand(ctx, std, &config)
		}),
		adoptCommand(&config),
		statusCommand(&config),
		daemon.ReadyCommand(config.AdminListen),
		tryCommand(),
		bufferCommand(&config),
		daemon.ValidateCommand(&config),
		doctorCommand(&config),
	)
}

// run is the command: it opens the sockets and runs one node on them.
func run(ctx context.Context, std daemon.Streams, c Config) error {
	min, err := daemon.ParseLevel(c.LogLevel)
	if err != nil {
		return &daemon.ConfigError{Problems: []string{err.Error()}}
	}
	level := &slog.LevelVar{}
	level.Set(min)
	log, err := daemon.NewLoggerAt(std.Err, level, c.LogFormat)
	if err != nil {
		return &daemon.ConfigError{Problems: []string{err.Error()}}
	}
	tuneMemory(std, int64(c.MemoryLimit))
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("listen for SDKs: %w", err)
	}
	admin, err := net.Listen("tcp", c.AdminListen)
	if err != nil {
		return errors.Join(fmt.Errorf("listen for the operator: %w", err), listener.Close())
	}
	metrics, err := listenMetrics(c.MetricsListen)
	if err != nil {
		return errors.Join(err, listener.Close(), admin.Close())
	}
	conn, err := net.ListenPacket("udp", c.UplinkBind)
	if err != nil {
		return errors.Join(fmt.Errorf("open uplink socket: %w", err), listener.Close(), admin.Close())
	}
	var packets net.PacketConn
	if c.encrypted() {
		if packets, err = net.ListenPacket("udp", listener.Addr().String()); err != nil {
			return errors.Join(fmt.Errorf("listen for HTTP/3: %w", err), listener.Close(), admin.Close(), conn.Close())
		}
	}
	socket, _ := std.Getenv("NOTIFY_SOCKET")
	hangups, stop := daemon.Hangups()
	defer stop()
	load := func() (Config, error) {
		fresh := DefaultConfig()
		return fresh, std.Load(&fresh)
	}
	n, err := New(Options{Config: c, Listener: listener, HTTP3: packets, Admin: admin, Metrics: metrics, Uplink: conn, Logger: log, NotifySocket: socket,
		Hangups: hangups, Load: load, Level: level})
	if err != nil {
		return errors.Join(err, listener.Close(), admin.Close(), conn.Close())
	}
	return n.Run(ctx)
}

// listenMetrics opens the listener of scrapers; nil if there is none.
func listenMetrics(address string) (net.Listener, error) {
	if address == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for scrapers: %w", err)
	}
	return l, nil
}

// tuneMemory trades memory for fewer collections, up to the limit. Values that
// the operator sets in the environment win.
func tuneMemory(std daemon.Streams, limit int64) {
	if v, _ := std.Getenv("GOMEMLIMIT"); v == "" {
		debug.SetMemoryLimit(limit)
	}
	if v, _ := std.Getenv("GOGC"); v == "" {
		debug.SetGCPercent(gcPercent)
	}
}

const gcPercent = 400

func enrollCommand(ctx context.Context, std daemon.Streams, c *Config) error {
	if c.EnrollToken == "" {
		return daemon.Usagef("no token: set UNMOGROWP_ENROLL_TOKEN, or --enroll-token-file to a file that holds it")
	}
	if id, err := uplink.LoadIdentity(c.identityDir()); err == nil {
		return fmt.Errorf("already enrolled as %s; remove %s to enroll anew", id.Agent(), c.identityDir())
	}
	conn, err := net.ListenPacket("udp", c.UplinkBind)
	if err != nil {
		return fmt.Errorf("open uplink socket: %w", err)
	}
	dialer := uplink.NewDialer(conn)
	defer func() { _ = dialer.Close() }()
	id, err := enroll(ctx, c, dialer, slog.New(slog.NewTextHandler(std.Err, nil)))
	if err != nil {
		return err
	}
	name, region := id.Name()
	_, err = fmt.Fprintf(std.Out, "enrolled as %s (%s, %s); the certificate is renewed automatically, now until %s\n",
		id.Agent(), name, region, id.Expires().UTC().Format(time.RFC3339))
	return err
}

// maxStatus bounds the bytes read from the admin listener.
const maxStatus = 1 << 20

// askAgent asks the running agent for its status.
func askAgent(ctx context.Context, c *Config) (s Status, raw []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.AdminListen+"/status", nil)
	if err != nil {
		return s, nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return s, nil, fmt.Errorf("ask the agent at %s: %w (is it running?)", c.AdminListen, err)
	}
	defer resp.Body.Close()
	raw, err = io.ReadAll(io.LimitReader(resp.Body, maxStatus))
	if err != nil {
		return s, nil, fmt.Errorf("ask the agent at %s: %w", c.AdminListen, err)
	}
	if resp.StatusCode != http.StatusOK {
		return s, nil, fmt.Errorf("ask the agent at %s: %s", c.AdminListen, resp.Status)
	}
	return s, raw, json.Unmarshal(raw, &s)
}

func statusCommand(c *Config) *cobra.Command {
	var asJSON bool
	cmd := daemon.Command("status", "say how the running agent stands", c, func(ctx context.Context, std daemon.Streams, _ []string) error {
		s, raw, err := askAgent(ctx, c)
		if err != nil {
			return err
		}
		if asJSON {
			_, err = std.Out.Write(raw)
			return err
		}
		link := "not connected: " + s.Uplink.LastError
		if s.Uplink.Connected {
			link = "connected to " + s.Uplink.Node + " at " + s.Uplink.Address
		}
		_, err = fmt.Fprintf(std.Out, "agent        %s (%s, %s)\nuplink       %s\nqueued       %d events in %d blocks, %d bytes of %d\nkept         %d bytes, for a replay of the last %s\nlost         %d blocks\ncertificate  until %s\n",
			s.Agent, s.Name, s.Region, link, s.Buffer.QueuedEvents, s.Buffer.QueuedBlocks, s.Buffer.QueuedBytes, s.Buffer.DiskQuota,
			s.Buffer.KeptBytes, tail(s.Buffer.KeptSince), s.Buffer.Lost, s.CertificateExpires.UTC().Format(time.RFC3339))
		return err
	})
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
