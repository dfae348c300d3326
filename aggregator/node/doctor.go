package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/unmogrowp/unmogrowp/aggregator/warehouse"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
	"github.com/unmogrowp/unmogrowp/protocol/doctor"
)

// Bounds of the doctor's checks.
const (
	maxClockSkew = 2 * time.Second
	wantedFiles  = 4096
)

// doctorCommand checks the needs of an aggregator: its settings, databases and machine.
func doctorCommand() *cobra.Command {
	config := DefaultConfig()
	return daemon.Command("doctor", "check what the aggregator needs from its databases and this machine", &config, func(ctx context.Context, std daemon.Streams, _ []string) error {
		return doctor.Run(ctx, std.Out, &config,
			doctor.Check[*Config]{Name: "Postgres", Run: checkPostgres},
			doctor.Check[*Config]{Name: "ClickHouse", Run: checkClickHouse},
			doctor.Check[*Config]{Name: "audit heads", Run: checkHeads},
			doctor.Check[*Config]{Name: "gossip peers", Run: func(ctx context.Context, c *Config) (string, error) { return doctor.Names(ctx, c.GossipPeers) }},
			doctor.Check[*Config]{Name: "UDP buffers", Run: func(context.Context, *Config) (string, error) { return doctor.UDP() }},
			doctor.Check[*Config]{Name: "open files", Run: func(context.Context, *Config) (string, error) { return doctor.Files(wantedFiles) }},
			doctor.Check[*Config]{Name: "running node", Run: checkRunning})
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

func checkRunning(ctx context.Context, c *Config) (string, error) {
	state, _, err := askCluster(ctx, c.AdminListen)
	if err != nil {
		return "not running", nil // no fault: the doctor is also called before the first start
	}
	return fmt.Sprintf("sees %d aggregators, %d wrong attributions", len(state.Members), state.Mismatched), nil
}
