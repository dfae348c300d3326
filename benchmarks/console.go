package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/unmogrowp/unmogrowp/deploy/children"
)

const (
	console = "console" // the aggregator's console API, beside bare

	ownerEmail    = "owner@bench.example"
	ownerPassword = "bench: four random words"
)

// statementLog has ClickHouse keep what each statement cost, which costs it next to nothing.
const statementLog = `<query_log><database>system</database><table>query_log</table><flush_interval_milliseconds>7500</flush_interval_milliseconds></query_log>`

// startConsole starts an aggregator with a ClickHouse and a Postgres of its own, and logs in. The
// request that it leaves in the server asks for an app's overview.
func startConsole(ctx context.Context, dir string) (*server, error) {
	s := &server{core: &core{}}
	env, err := s.startDatabases(ctx, dir)
	if err != nil {
		return s, err
	}
	if err := s.build(ctx, dir, env); err != nil {
		return s, err
	}
	if err := s.core.command(ctx, ownerPassword, "user", "create", "--email", ownerEmail, "--name", "Owner", "--role", "owner"); err != nil {
		return s, err
	}
	var listen [4]string
	for i := range listen {
		address, err := freeAddress()
		if err != nil {
			return s, err
		}
		if i == 0 {
			s.address = address
		}
		listen[i] = address.String()
	}
	s.admin, s.core.agents = listen[1], listen[2]
	s.program = &children.Program{
		Command: children.Command{Name: console, Path: s.core.program, Args: []string{"run"}, Log: filepath.Join(dir, "aggregator.log"), StopTimeout: 15 * time.Second,
			Env: append(env, "UNMOGROWP_LISTEN="+listen[0], "UNMOGROWP_ADMIN_LISTEN="+listen[1],
				"UNMOGROWP_AGENTS_LISTEN="+listen[2], "UNMOGROWP_GOSSIP_LISTEN="+listen[3], "UNMOGROWP_LOG_LEVEL=warn")},
		Ready: func(ctx context.Context) error {
			_, err := s.ask(ctx, "/readyz")
			return err
		},
	}
	if err := s.program.Start(ctx); err != nil {
		return s, err
	}
	return s, s.prepareRead(ctx)
}

// reopenConsole starts the databases that startConsole made in a directory, and no aggregator.
func reopenConsole(ctx context.Context, dir string) (*server, error) {
	s := &server{core: &core{}}
	env, err := s.startDatabases(ctx, dir)
	if err != nil {
		return s, err
	}
	return s, s.build(ctx, dir, env)
}

// build makes the aggregator and has it bring the databases' schemas up to date.
func (s *server) build(ctx context.Context, dir string, env []string) error {
	program, err := build(ctx, dir, "aggregator")
	if err != nil {
		return err
	}
	s.core.program, s.core.env = program, env
	return s.core.command(ctx, "", "migrate")
}

// command runs one of the aggregator's commands.
func (c *core) command(ctx context.Context, stdin string, args ...string) error {
	cmd := exec.CommandContext(ctx, c.program, args...)
	cmd.Env, cmd.Stdin = append(os.Environ(), c.env...), strings.NewReader(stdin+"\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("aggregator %s: %w: %s", args[0], err, out)
	}
	return nil
}

// startDatabases starts ClickHouse and Postgres and returns an aggregator's settings for them.
func (s *server) startDatabases(ctx context.Context, dir string) ([]string, error) {
	software, err := children.Install(ctx)
	if err != nil {
		return nil, err
	}
	clickHouse := &children.ClickHouse{Software: software, Dir: filepath.Join(dir, "clickhouse"), ExtraConfig: statementLog}
	postgres := &children.Postgres{Software: software, Dir: filepath.Join(dir, "postgres")}
	s.core.clickHouse = clickHouse
	s.close = func() error { return errors.Join(clickHouse.Kill(), postgres.Kill()) }
	if err := errors.Join(clickHouse.Start(ctx), postgres.Start(ctx)); err != nil {
		return nil, err
	}
	err = errors.Join(clickHouse.Exec(ctx, "CREATE DATABASE IF NOT EXISTS unmogrowp ENGINE = Atomic"), postgres.CreateDatabase(ctx, "unmogrowp"))
	return []string{
		"UNMOGROWP_CLICKHOUSE_DSN=" + clickHouse.DSN("unmogrowp"), "UNMOGROWP_POSTGRES_DSN=" + postgres.DSN("unmogrowp"),
		"UNMOGROWP_MASTER_KEY=" + hex.EncodeToString(bytes.Repeat([]byte{1}, 32)),
	}, err
}

// prepareRead logs in, makes an app and leaves the request for its overview.
func (s *server) prepareRead(ctx context.Context) error {
	var session struct {
		Token string `json:"access_token"`
	}
	if err := s.call(ctx, "", "auth/login", map[string]string{"email": ownerEmail, "password": ownerPassword}, &session); err != nil {
		return err
	}
	var app struct {
		ID string `json:"id"`
	}
	if err := s.call(ctx, session.Token, "apps", map[string]string{"name": "Shop", "currency": "EUR"}, &app); err != nil {
		return err
	}
	s.core.token, s.core.app = session.Token, app.ID
	s.request = fmt.Appendf(nil, "GET /api/v1/apps/%s/reports/overview HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n", app.ID, s.address, session.Token)
	return nil
}

// call posts to the console API.
func (s *server) call(ctx context.Context, token, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.address.String()+"/api/v1/"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil && resp.StatusCode >= http.StatusMultipleChoices {
		err = fmt.Errorf("POST %s answers %s: %.300s", path, resp.Status, answer)
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(answer, out)
}
