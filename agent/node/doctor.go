package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/unmogrowp/unmogrowp/agent/uplink"
	"github.com/unmogrowp/unmogrowp/protocol"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
	"github.com/unmogrowp/unmogrowp/protocol/doctor"
)

// doctorCommand checks that the machine meets the needs of an agent.
func doctorCommand(c *Config) *cobra.Command {
	return daemon.Command("doctor", "check what the agent needs from this machine", c, func(ctx context.Context, std daemon.Streams, _ []string) error {
		return doctor.Run(ctx, std.Out, c,
			doctor.Check[*Config]{Name: "data directory", Run: checkDisk},
			doctor.Check[*Config]{Name: "identity", Run: checkIdentity},
			doctor.Check[*Config]{Name: "aggregators", Run: checkAggregators},
			doctor.Check[*Config]{Name: "UDP buffers", Run: func(context.Context, *Config) (string, error) { return doctor.UDP() }},
			doctor.Check[*Config]{Name: "open files", Run: checkFiles},
			doctor.Check[*Config]{Name: "running agent", Run: checkRunning})
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
		until := id.Expires().Add(protocol.RenewWithin).UTC().Format(time.RFC3339)
		return "", fmt.Errorf("certificate of %s expired at %s: it renews by itself when an aggregator is reached before %s; "+
			"after that get a token with aggregator agent token --agent %s", id.Agent(), id.Expires().UTC().Format(time.RFC3339), until, id.Agent())
	}
	return fmt.Sprintf("%s until %s", id.Agent(), id.Expires().UTC().Format(time.RFC3339)), nil
}

func checkAggregators(ctx context.Context, c *Config) (string, error) {
	if len(c.Aggregators) == 0 {
		return "", errors.New("none is configured: set aggregators to host:port")
	}
	return doctor.Names(ctx, c.Aggregators)
}

// otherFiles are open beside connections: the buffer's, logs, the uplink.
const otherFiles = 512

func checkFiles(_ context.Context, c *Config) (string, error) {
	found, err := doctor.Files(uint64(c.MaxConnections) + otherFiles) //nolint:gosec // positive, checked by Validate
	if err != nil {
		return "", fmt.Errorf("%w or lower max_connections, which is %d", err, c.MaxConnections)
	}
	return found, nil
}

func checkRunning(ctx context.Context, c *Config) (string, error) {
	s, _, err := askAgent(ctx, c)
	if err != nil {
		return "not running", nil // no fault: the doctor is also called before the first start
	}
	if !s.Uplink.Connected {
		return "", fmt.Errorf("runs, but is not connected: %s", s.Uplink.LastError)
	}
	return fmt.Sprintf("connected to %s, %d events queued, a replay could reach back %s", s.Uplink.Node, s.Buffer.QueuedEvents, tail(s.Buffer.KeptSince)), nil
}

// tail says how long the blocks that are kept for a replay reach back.
func tail(since int64) string {
	if since == 0 {
		return "to nothing"
	}
	return time.Since(time.UnixMilli(since)).Round(time.Minute).String()
}
