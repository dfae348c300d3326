package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/unmogrowp/unmogrowp/deploy/children"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// commands gives the root command its verbs. The Makefile's targets call them.
func commands(root *cobra.Command) {
	root.Short = "Run the whole system on this machine"
	root.AddCommand(
		verb("start", "start everything in the background and return when it is ready", func(ctx context.Context, std daemon.Streams, p plan) error {
			return start(ctx, std, p, false)
		}),
		verb("infra", "start only ClickHouse and Postgres", func(ctx context.Context, std daemon.Streams, p plan) error {
			return start(ctx, std, p, true)
		}),
		supervisorCommand(),
		verb("stop", "stop the system; its data stays", stop),
		statusCommand(),
		verb("logs", "show the end of every part's log", logs),
		verb("clean", "stop the system and delete its data", clean),
		verb("test-api", "call every console API route of the running system", testAPI),
		verb("install", "install ClickHouse and Postgres into the cache", install),
		demoCommand(),
	)
}

// verb makes a command that works on the plan of this directory and
// environment.
func verb(use, short string, run func(context.Context, daemon.Streams, plan) error) *cobra.Command {
	return daemon.Command(use, short, nil, func(ctx context.Context, std daemon.Streams, _ []string) error {
		p, err := newPlan(std.Getenv)
		if err != nil {
			return err
		}
		return run(ctx, std, p)
	})
}

func supervisorCommand() *cobra.Command {
	var infra bool
	cmd := daemon.Command("run", "run everything in the foreground", nil, func(ctx context.Context, std daemon.Streams, _ []string) error {
		p, err := newPlan(std.Getenv)
		if err != nil {
			return err
		}
		return runSystem(ctx, std, p, infra)
	})
	cmd.Flags().BoolVar(&infra, "infra", false, "only ClickHouse and Postgres")
	return cmd
}

func statusCommand() *cobra.Command {
	var asJSON bool
	cmd := verb("status", "show health and lag of every part; fails if one is down", func(ctx context.Context, std daemon.Streams, p plan) error {
		return status(ctx, std, p, asJSON)
	})
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func install(ctx context.Context, std daemon.Streams, _ plan) error {
	if _, err := children.Install(ctx); err != nil {
		return fmt.Errorf("install ClickHouse and Postgres: %w", err)
	}
	_, err := fmt.Fprintln(std.Out, "ClickHouse and Postgres are installed.")
	return err
}
