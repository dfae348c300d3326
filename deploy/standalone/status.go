package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/jackc/pgx/v5"

	"github.com/unmogrowp/unmogrowp/deploy/children"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// health is a part's line in the status.
type health struct {
	Part   string `json:"part"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// status shows every part, and fails if one is down.
func status(ctx context.Context, std daemon.Streams, p plan, asJSON bool) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	env, err := readEnvironment(p.envFile())
	if err != nil {
		return err
	}
	s, running := p.readState()
	parts := []health{supervisorHealth(s, running), check("postgres", func() (string, error) { return pingPostgres(ctx, env) }),
		check("clickhouse", func() (string, error) { return pingClickHouse(ctx, env) })}
	if !s.Infra {
		parts = append(parts,
			check("aggregator", func() (string, error) { return "ready", ready(p.local(aggregatorPort))(ctx) }),
			check("agent", func() (string, error) { return "ready", ready(p.local(agentAdmin))(ctx) }),
			check("lag", func() (string, error) { return lag(ctx, env) }))
	}
	if asJSON {
		err = json.NewEncoder(std.Out).Encode(parts)
	} else {
		err = printHealth(std.Out, parts)
	}
	for _, h := range parts {
		if !h.OK {
			return errors.Join(err, fmt.Errorf("%s is down: see make logs", h.Part))
		}
	}
	return err
}

func supervisorHealth(s state, running bool) health {
	switch {
	case !running:
		return health{Part: "supervisor", Detail: "not running: make start"}
	case !s.Ready:
		return health{Part: "supervisor", Detail: s.Phase}
	}
	return health{Part: "supervisor", OK: true, Detail: fmt.Sprintf("process %d", s.PID)}
}

func check(part string, probe func() (string, error)) health {
	detail, err := probe()
	if err != nil {
		return health{Part: part, Detail: err.Error()}
	}
	return health{Part: part, OK: true, Detail: detail}
}

func printHealth(w io.Writer, parts []health) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, h := range parts {
		word := "down"
		if h.OK {
			word = "ok"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", h.Part, word, strings.ReplaceAll(h.Detail, "\n", " "))
	}
	return table.Flush()
}

func pingPostgres(ctx context.Context, env *environment) (string, error) {
	dsn := env.get("POSTGRES_DSN")
	if dsn == "" {
		return "", errors.New("never started")
	}
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return "", fmt.Errorf("connect: %w", err)
	}
	defer conn.Close(ctx)
	var version string
	if err := conn.QueryRow(ctx, "SHOW server_version").Scan(&version); err != nil {
		return "", fmt.Errorf("ask for the version: %w", err)
	}
	return version, nil
}

func pingClickHouse(ctx context.Context, env *environment) (string, error) {
	dsn := env.get("CLICKHOUSE_DSN")
	if dsn == "" {
		return "", errors.New("never started")
	}
	options, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		return "", errors.New("the DSN cannot be read")
	}
	options.DialTimeout = 5 * time.Second
	conn, err := clickhouse.Open(options)
	if err != nil {
		return "", fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()
	var version string
	if err := conn.QueryRow(ctx, "SELECT version()").Scan(&version); err != nil {
		return "", fmt.Errorf("ask for the version: %w", err)
	}
	return version, nil
}

// lag says what agents have not yet handed over and whether attribution agrees
// with its inputs.
func lag(ctx context.Context, env *environment) (string, error) {
	api, err := logIn(ctx, env)
	if err != nil {
		return "", err
	}
	var agents struct {
		Data []struct {
			Name         string `json:"name"`
			State        string `json:"state"`
			QueuedEvents int64  `json:"queued_events"`
		} `json:"data"`
	}
	if err := api.call(ctx, http.MethodGet, "agents", nil, &agents); err != nil {
		return "", err
	}
	var cluster struct {
		Mismatched int `json:"mismatched_attributions"`
	}
	if err := api.call(ctx, http.MethodGet, "cluster", nil, &cluster); err != nil {
		return "", err
	}
	var b strings.Builder
	for _, a := range agents.Data {
		fmt.Fprintf(&b, "agent %s %s, %d events queued; ", a.Name, a.State, a.QueuedEvents)
	}
	fmt.Fprintf(&b, "%d attributions to mend", cluster.Mismatched)
	return b.String(), nil
}

// logs shows the end of every part's log.
func logs(_ context.Context, std daemon.Streams, p plan) error {
	var files []string
	for _, pattern := range []string{p.path("log", "*.log"), p.path("*", "*.log")} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return fmt.Errorf("find logs: %w", err)
		}
		files = append(files, found...)
	}
	seen := map[string]bool{}
	for _, f := range files {
		if seen[f] {
			continue
		}
		seen[f] = true
		if _, err := fmt.Fprintf(std.Out, "== %s\n%s\n", f, children.Tail(f, 6<<10)); err != nil {
			return err
		}
	}
	if len(seen) == 0 {
		_, err := fmt.Fprintln(std.Out, "No logs yet: make start.")
		return err
	}
	return nil
}

// clean stops the system and deletes its data.
func clean(ctx context.Context, std daemon.Streams, p plan) error {
	if _, running := p.readState(); running {
		if err := stop(ctx, std, p); err != nil {
			return err
		}
	}
	if err := removePostgres(p); err != nil {
		return err
	}
	if err := os.RemoveAll(p.data); err != nil {
		return fmt.Errorf("delete data: %w", err)
	}
	_, err := fmt.Fprintln(std.Out, "Deleted", p.data)
	return err
}

// removePostgres deletes what Postgres keeps outside of the data directory.
func removePostgres(p plan) error {
	if _, err := os.Stat(p.path("postgres")); err != nil {
		return nil // never started
	}
	server := children.Postgres{Dir: p.path("postgres")}
	return server.Remove()
}
