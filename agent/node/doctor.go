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

	"github.com/unmogrowp/unmogrowp/agent/uplink"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// doctorCommand checks what an agent needs from its machine.
func doctorCommand(c *Config) *cobra.Command {
	return daemon.Command("doctor", "check what the agent needs from this machine", c, func(ctx context.Context, std daemon.Streams, _ []string) error {
		bad := 0
		for _, check := range []struct {
			name string
			run  func(context.Context, *Config) (string, error)
		}{
			{"data directory", checkDisk}, {"identity", checkIdentity}, {"aggregators", checkAggregators},
			{"UDP buffers", checkUDP}, {"open files", checkFiles}, {"running agent", checkRunning},
		} {
			found, err := check.run(ctx, c)
			verdict := "ok  "
			if err != nil {
				verdict, found = "FAIL", err.Error()
				bad++
			}
			if _, err := fmt.Fprintf(std.Out, "%s  %-15s %s\n", verdict, check.name, found); err != nil {
				return err
			}
		}
		if bad > 0 {
			return fmt.Errorf("%d checks failed", bad)
		}
		return nil
	})
}

func checkDisk(_ context.Context, c *Config) (string, error) {
	if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
		return "", err
	}
	f, err := os.CreateTemp(c.DataDir, "doctor-*")
	if err != nil {
		return "", err
	}
	began := time.Now()
	_, err = f.Write(make([]byte, 4096))
	err = errors.Join(err, f.Sync(), f.Close(), os.Remove(f.Name()))
	took := time.Since(began)
	if err != nil {
		return "", err
	}
	var st unix.Statfs_t
	if err := unix.Statfs(c.DataDir, &st); err != nil {
		return "", err
	}
	free := int64(st.Bavail) * int64(st.Bsize) //nolint:gosec // bytes of a disk
	if free < int64(c.MinFree) {
		return "", fmt.Errorf("%s has %d bytes free, min_free is %s: free space or lower min_free", c.DataDir, free, c.MinFree)
	}
	return fmt.Sprintf("%s: fsync takes %s, %d MiB free", c.DataDir, took.Round(time.Microsecond), free>>20), nil
}

func checkIdentity(_ context.Context, c *Config) (string, error) {
	id, err := uplink.LoadIdentity(c.identityDir())
	if err != nil {
		return "", err
	}
	if time.Now().After(id.Expires()) {
		return "", fmt.Errorf("certificate of %s expired at %s: enroll again with a new token", id.Agent(), id.Expires().UTC().Format(time.RFC3339))
	}
	return fmt.Sprintf("%s until %s", id.Agent(), id.Expires().UTC().Format(time.RFC3339)), nil
}

func checkAggregators(ctx context.Context, c *Config) (string, error) {
	if len(c.Aggregators) == 0 {
		return "", errors.New("none is configured: set aggregators to host:port")
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for _, address := range c.Aggregators {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return "", err
		}
		if _, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host); err != nil {
			return "", fmt.Errorf("%s: %w", address, err)
		}
	}
	return fmt.Sprintf("%d configured, all names resolve", len(c.Aggregators)), nil
}

// wantedUDPBuffer is what QUIC asks the kernel for.
const wantedUDPBuffer = 7 << 20

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
	if err := raw.Control(func(fd uintptr) {
		got, optErr = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
	}); err != nil || optErr != nil {
		return "", errors.Join(err, optErr)
	}
	if got/2 < wantedUDPBuffer { // the kernel reports twice what it grants
		return fmt.Sprintf("%d KiB; for full speed set net.core.rmem_max and wmem_max to 7500000", got/2>>10), nil
	}
	return fmt.Sprintf("%d KiB", got/2>>10), nil
}

func checkFiles(_ context.Context, c *Config) (string, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return "", err
	}
	want := uint64(c.MaxConnections) + 512 //nolint:gosec // positive, checked by Validate
	if limit.Cur < want {
		return "", fmt.Errorf("the limit is %d, %d connections want %d: raise it (ulimit -n) or lower max_connections", limit.Cur, c.MaxConnections, want)
	}
	return fmt.Sprint(limit.Cur), nil
}

func checkRunning(ctx context.Context, c *Config) (string, error) {
	s, _, err := askAgent(ctx, c)
	if err != nil {
		return "not running", nil // no fault: the doctor is also called before the first start
	}
	if !s.Uplink.Connected {
		return "", fmt.Errorf("runs, but is not connected: %s", s.Uplink.LastError)
	}
	return fmt.Sprintf("connected to %s, %d events queued", s.Uplink.Node, s.Buffer.QueuedEvents), nil
}
