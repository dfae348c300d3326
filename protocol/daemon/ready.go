package daemon

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// ReadyCommand makes the command "ready": it asks the process of this machine whether it is fit
// for traffic, and fails if not. Images without a shell or curl use it as their health check.
// admin is the default of the setting admin_listen.
func ReadyCommand(admin string) *cobra.Command {
	config := &struct {
		AdminListen string `config:"admin_listen" help:"admin address of the process that is asked"`
	}{AdminListen: admin}
	var purpose string
	cmd := Command("ready", "ask the running process whether it is fit for traffic; fails if not", config,
		func(ctx context.Context, std Streams, _ []string) error {
			return askReady(ctx, std.Out, config.AdminListen, purpose)
		})
	cmd.Flags().StringVar(&purpose, "for", "", "what it has to be fit for, as intake or console; empty: everything")
	return cmd
}

func askReady(ctx context.Context, out io.Writer, admin, purpose string) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout+time.Second)
	defer cancel()
	host, port, err := net.SplitHostPort(admin)
	if err != nil {
		return fmt.Errorf("ask for readiness: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) { // it listens everywhere
		host = "127.0.0.1"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/readyz?for="+purpose, nil)
	if err != nil {
		return fmt.Errorf("ask for readiness: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask for readiness: %w (is it running?)", err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(out, io.LimitReader(resp.Body, 64<<10)); err != nil {
		return fmt.Errorf("ask for readiness: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("it is not ready: %s", resp.Status)
	}
	return nil
}
