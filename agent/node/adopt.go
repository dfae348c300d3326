package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/unmogrowp/unmogrowp/agent/buffer"
	"github.com/unmogrowp/unmogrowp/agent/uplink"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// adoptCommand makes a buffer that the core does not take this agent's own.
func adoptCommand(c *Config) *cobra.Command {
	cmd := daemon.Command("adopt", "make a buffer that aggregators refuse this agent's own", c, func(ctx context.Context, std daemon.Streams, _ []string) error {
		return adopt(ctx, std, c)
	})
	cmd.Long = "For a stopped agent whose buffer aggregators refuse: its directory was copied from another agent's, or it was enrolled anew under " +
		"another id. What waits in the buffer is moved into a new one, and the old one is kept beside it. With an enrolment token the agent gets an " +
		"identity of its own first, which a copy needs: it has that of the agent that it was copied from."
	return cmd
}

func adopt(ctx context.Context, std daemon.Streams, c *Config) error {
	log := slog.New(slog.NewTextHandler(std.Err, nil))
	if !buffer.Exists(c.bufferDir()) {
		return fmt.Errorf("there is no buffer in %s; set data_dir", c.bufferDir())
	}
	if c.EnrollToken != "" {
		if err := anotherIdentity(ctx, c, log); err != nil {
			return err
		}
	}
	id, err := uplink.LoadIdentity(c.identityDir())
	if err != nil {
		return fmt.Errorf("%w; give adopt an enrolment token", err)
	}
	a, err := buffer.Adopt(ctx, buffer.Options{Dir: c.bufferDir(), QuotaBytes: int64(c.Quota), MinFree: int64(c.MinFree), Retention: c.Retention, Logger: log})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(std.Out, "%d blocks with %d events are now agent %s's and are sent when it starts; "+
		"the former buffer is kept in %s, remove it once they have arrived\n", a.Blocks, a.Events, id.Agent(), a.Kept)
	return err
}

// anotherIdentity enrols the agent and keeps its former identity aside.
func anotherIdentity(ctx context.Context, c *Config, log *slog.Logger) error {
	conn, err := net.ListenPacket("udp", c.UplinkBind)
	if err != nil {
		return fmt.Errorf("open uplink socket: %w", err)
	}
	dialer := uplink.NewDialer(conn)
	defer func() { _ = dialer.Close() }()
	former := fmt.Sprintf("%s.former-%d", c.identityDir(), time.Now().Unix())
	if err := os.Rename(c.identityDir(), former); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("keep the former identity aside: %w", err)
	}
	if _, err := enroll(ctx, c, dialer, log); err != nil {
		return errors.Join(err, os.Rename(former, c.identityDir()))
	}
	return nil
}
