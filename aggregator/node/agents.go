package node

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/unmogrowp/unmogrowp/aggregator/accounts"
	"github.com/unmogrowp/unmogrowp/aggregator/agents"
	"github.com/unmogrowp/unmogrowp/aggregator/authority"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

func agentCommand() *cobra.Command {
	agent := &cobra.Command{Use: "agent", Short: "Admit, list and revoke agents", RunE: needsSubcommand}
	var name, region, zone, id, again string
	token := onAccounts("token", "print a single-use enrolment token, good for 15 minutes", func(ctx context.Context, std daemon.Streams, a *accounts.Accounts) error {
		authority, err := authority.Open(ctx, authorityStore{a.Pool, a.Agents}, time.Now)
		if err != nil {
			return err
		}
		token := ""
		if again != "" {
			token, _, err = authority.TokenFor(ctx, again)
		} else {
			token, _, err = authority.Token(ctx, name, region, zone)
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(std.Out, token)
		return err
	})
	token.Flags().StringVar(&name, "name", "", "name of the agent")
	token.Flags().StringVar(&region, "region", "default", "its region")
	token.Flags().StringVar(&zone, "zone", "", "its zone")
	token.Flags().StringVar(&again, "agent", "", "id of an agent that is there and has lost its certificate: it keeps its id and its buffer")
	var asJSON bool
	list := onAccounts("list", "list the agents and their health", func(ctx context.Context, std daemon.Streams, a *accounts.Accounts) error {
		agents, err := a.Agents.List(ctx)
		if err != nil {
			return err
		}
		if asJSON {
			return json.NewEncoder(std.Out).Encode(agents)
		}
		return printAgents(std.Out, agents)
	})
	list.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	revoke := onAccounts("revoke", "end an agent's sessions and refuse it from now on", func(ctx context.Context, _ daemon.Streams, a *accounts.Accounts) error {
		return a.Agents.RevokeAgent(ctx, id)
	})
	revoke.Flags().StringVar(&id, "id", "", "id of the agent")
	agent.AddCommand(token, list, revoke)
	return agent
}

func printAgents(w io.Writer, agents []agents.Agent) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tNAME\tREGION\tSTATE\tQUEUED\tVERSION")
	for _, a := range agents {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\n", a.ID, a.Name, a.Region, a.State, a.QueuedEvents, a.Version)
	}
	return table.Flush()
}

// replayCommand has agents send their kept events again, after ClickHouse was restored
// from a backup.
func replayCommand() *cobra.Command {
	var since, id string
	var wait, asJSON bool
	const short = "ask all agents to send again what was acknowledged since a time, and show how far they are"
	cmd := onAccounts("replay", short, func(ctx context.Context, std daemon.Streams, a *accounts.Accounts) error {
		from, err := time.Parse(time.RFC3339, since)
		if err != nil {
			return daemon.Usagef("--since %q is not a time as in 2026-01-31T08:00:00Z; take that of the backup, a little earlier does no harm", since)
		}
		r, err := a.Agents.BeginReplay(ctx, from)
		if err != nil {
			return err
		}
		fmt.Fprintf(std.Err, "replay %s has begun; `aggregator replay status` shows how far it is\n", r.ID)
		return followReplay(ctx, std, a, r, wait, asJSON)
	})
	cmd.Flags().StringVar(&since, "since", "", "time of the backup, RFC 3339")
	cmd.Flags().BoolVar(&wait, "wait", false, "return when every agent has sent what it had")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	var statusWait, statusJSON bool
	const about = "show how far agents are, and exactly what none of them still had"
	status := onAccounts("status", about, func(ctx context.Context, std daemon.Streams, a *accounts.Accounts) error {
		r, err := a.Agents.Replay(ctx, id)
		if err != nil {
			return err
		}
		return followReplay(ctx, std, a, r, statusWait, statusJSON)
	})
	status.Flags().StringVar(&id, "id", "", "of the replay; without it the newest")
	status.Flags().BoolVar(&statusWait, "wait", false, "return when every agent has sent what it had")
	status.Flags().BoolVar(&statusJSON, "json", false, "print JSON")
	cmd.AddCommand(status)
	return cmd
}

// followEvery is how often a replay is looked at: agents tell every few seconds.
const followEvery = 2 * time.Second

func followReplay(ctx context.Context, std daemon.Streams, a *accounts.Accounts, r agents.Replay, wait, asJSON bool) (err error) {
	for wait && !r.Done() {
		if err := daemon.Sleep(ctx, followEvery); err != nil {
			return err
		}
		if r, err = a.Agents.Replay(ctx, r.ID); err != nil {
			return err
		}
	}
	if asJSON {
		return json.NewEncoder(std.Out).Encode(r)
	}
	return printReplay(std.Out, r)
}

func printReplay(w io.Writer, r agents.Replay) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "AGENT\tNAME\tSTATE\tBLOCKS\tEVENTS\tLEFT\tMISSING BLOCKS\tMISSING EVENTS\tACKNOWLEDGED BETWEEN")
	for _, g := range r.Agents {
		state, between := "waits for it to connect", ""
		switch {
		case g.Error != "":
			state = g.Error
		case g.Answered && g.BlocksLeft > 0:
			state = "sends"
		case g.Answered:
			state = "done"
		}
		if g.MissingFrom != nil && g.MissingUntil != nil {
			between = g.MissingFrom.UTC().Format(time.RFC3339) + " and " + g.MissingUntil.UTC().Format(time.RFC3339)
		}
		if g.Unknown {
			between += " (its records do not reach back so far: more may be missing)"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%s\n", g.Agent, g.Name, state, g.Blocks, g.Events,
			g.BlocksLeft, g.MissingBlocks, g.MissingEvents, between)
	}
	return table.Flush()
}
