package node

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/unmogrowp/unmogrowp/aggregator/api"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// clusterPath is where the admin listener tells of the cluster.
const clusterPath = "/cluster"

const (
	maxClusterAnswer = 1 << 20 // bytes
	clusterTimeout   = 10 * time.Second
)

// serveCluster gives, on the admin listener, the console API's view of the cluster.
func (n *Node) serveCluster(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), clusterTimeout)
	defer cancel()
	view := n.view.Load()
	if view == nil {
		http.Error(w, "this node is starting: see /readyz", http.StatusServiceUnavailable)
		return
	}
	state, err := view.State(ctx)
	if err != nil {
		http.Error(w, "the databases do not answer: see /readyz", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(state) // the only error is a client that went away
}

func clusterCommand() *cobra.Command {
	cluster := &cobra.Command{Use: "cluster", Short: "See the cluster as a node sees it", RunE: needsSubcommand}
	config := &struct {
		AdminListen string `config:"admin_listen" help:"admin address of the node that is asked"`
	}{AdminListen: DefaultConfig().AdminListen}
	var asJSON bool
	status := daemon.Command("status", "list the aggregators, how far behind they are, and wrong attributions; fails if there are any", config, func(ctx context.Context, std daemon.Streams, _ []string) error {
		state, raw, err := askCluster(ctx, config.AdminListen)
		if err != nil {
			return err
		}
		if asJSON {
			_, err = std.Out.Write(raw)
		} else {
			err = printCluster(std.Out, state)
		}
		if err == nil && state.Mismatched > 0 {
			err = fmt.Errorf("%d attributions do not match their inputs", state.Mismatched)
		}
		return err
	})
	status.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cluster.AddCommand(status)
	return cluster
}

func askCluster(ctx context.Context, admin string) (state api.ClusterState, raw []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, clusterTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+clusterPath, nil)
	if err != nil {
		return state, nil, fmt.Errorf("ask the node: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return state, nil, fmt.Errorf("ask the node at %s: %w (is it running?)", admin, err)
	}
	defer resp.Body.Close()
	raw, err = io.ReadAll(io.LimitReader(resp.Body, maxClusterAnswer))
	if err != nil {
		return state, nil, fmt.Errorf("ask the node at %s: %w", admin, err)
	}
	if resp.StatusCode != http.StatusOK {
		return state, nil, fmt.Errorf("ask the node at %s: %s: %s", admin, resp.Status, raw)
	}
	if err := json.Unmarshal(raw, &state); err != nil {
		return state, nil, fmt.Errorf("ask the node at %s: %w", admin, err)
	}
	return state, raw, nil
}

func printCluster(w io.Writer, state api.ClusterState) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tADDRESS\tREGION\tSTATE\tBEHIND")
	for _, m := range state.Members {
		self := ""
		if m.Self {
			self = " (asked)"
		}
		fmt.Fprintf(table, "%s%s\t%s\t%s\t%s\t%s\n", m.ID, self, m.Address, m.Region, m.State, time.Duration(m.Lag)*time.Millisecond)
	}
	fmt.Fprintf(table, "%d attributions do not match their inputs\n", state.Mismatched)
	return table.Flush()
}
