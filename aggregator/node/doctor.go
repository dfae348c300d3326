package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/unmogrowp/unmogrowp/aggregator/warehouse"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// Bounds of what the doctor finds good enough.
const (
	doctorTimeout   = 10 * time.Second
	maxClockSkew    = 2 * time.Second
	wantedUDPBuffer = 7 << 20 // what QUIC asks the kernel for
	wantedFiles     = 4096
)

// doctorCommand checks what an aggregator needs: its settings, databases and machine.
func doctorCommand() *cobra.Command {
	config := DefaultConfig()
	return daemon.Command("doctor", "check what the aggregator needs from its databases and this machine", &config, func(ctx context.Context, std daemon.Streams, _ []string) error {
		bad := 0
		for _, check := range []struct {
			name string
			run  func(context.Context, *Config) (string, error)
		}{
			{"Postgres", checkPostgres}, {"ClickHouse", checkClickHouse}, {"audit heads", checkHeads}, {"gossip peers", checkPeers},
			{"UDP buffers", checkUDP}, {"open files", checkFiles}, {"running node", checkRunning},
		} {
			within, cancel := context.WithTimeout(ctx, doctorTimeout)
			found, err := check.run(within, &config)
			cancel()
			verdict := "ok  "
			if err != nil {
				verdict, found = "FAIL", err.Error()
				bad++
			}
			if _, err := fmt.Fprintf(std.Out, "%s  %-13s %s\n", verdict, check.name, found); err != nil {
				return err
			}
		}
		if bad > 0 {
			return fmt.Errorf("%d checks failed", bad)
		}
		return nil
	})
}

// checkPostgres includes the role, the schema and the master key.
func checkPostgres(ctx context.Context, c *Config) (string, error) {
	a, err := openAccounts(ctx, c)
	if err != nil {
		return "", err
	}
	defer a.Close()
	if err := a.Check(ctx); err != nil {
		return "", err
	}
	return "schema, application role and master key are right", nil
}

func checkClickHouse(ctx context.Context, c *Config) (string, error) {
	w, err := warehouse.Open(ctx, warehouse.Options{DSN: string(c.ClickHouseDSN)})
	if err != nil {
		return "", err
	}
	now, err := w.Now(ctx)
	if err = errors.Join(err, w.Check(ctx)); err != nil {
		return "", errors.Join(err, w.Close())
	}
	if skew := time.Since(now).Abs(); skew > maxClockSkew {
		return "", errors.Join(fmt.Errorf("its clock and this machine's are %s apart: run NTP on both", skew.Round(time.Millisecond)), w.Close())
	}
	found := "tables are durable; people's questions run as a reader of their own"
	if !w.Walled() {
		found = "tables are durable; there is no reader of its own, so that people's questions run as the ordinary user with filters and limits"
	}
	return found, w.Close()
}

func checkHeads(_ context.Context, c *Config) (string, error) {
	if c.AuditHeads == "" {
		return "no file: signed heads of the audit log are copied to ClickHouse and the log only", nil
	}
	file, err := os.OpenFile(c.AuditHeads, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return "", fmt.Errorf("audit_heads: %w", err)
	}
	return c.AuditHeads, file.Close()
}

func checkPeers(ctx context.Context, c *Config) (string, error) {
	for _, peer := range c.GossipPeers {
		host, _, err := net.SplitHostPort(peer)
		if err != nil {
			return "", fmt.Errorf("gossip_peers: %w", err)
		}
		if _, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host); err != nil {
			return "", fmt.Errorf("gossip_peers: %s: %w", peer, err)
		}
	}
	return fmt.Sprintf("%d configured, all names resolve", len(c.GossipPeers)), nil
}

func checkUDP(context.Context, *Config) (string, error) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetReadBuffer(wantedUDPBuffer); err != nil {
		return "", err
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return "", err
	}
	got := 0
	var optErr error
	if err := raw.Control(func(fd uintptr) { got, optErr = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF) }); err != nil || optErr != nil {
		return "", errors.Join(err, optErr)
	}
	if got/2 < wantedUDPBuffer { // the kernel reports twice what it grants
		return fmt.Sprintf("%d KiB; for full speed set net.core.rmem_max and wmem_max to 7500000", got/2>>10), nil
	}
	return fmt.Sprintf("%d KiB", got/2>>10), nil
}

func checkFiles(context.Context, *Config) (string, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return "", err
	}
	if limit.Cur < wantedFiles {
		return "", fmt.Errorf("the limit is %d, %d are wanted: raise it (ulimit -n)", limit.Cur, wantedFiles)
	}
	return fmt.Sprint(limit.Cur), nil
}

func checkRunning(ctx context.Context, c *Config) (string, error) {
	state, _, err := askCluster(ctx, c.AdminListen)
	if err != nil {
		return "not running", nil // no fault: the doctor is also called before the first start
	}
	return fmt.Sprintf("sees %d aggregators, %d wrong attributions", len(state.Members), state.Mismatched), nil
}
