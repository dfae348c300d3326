package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"
)

const (
	adminEmail = "owner@localhost.localdomain"
	adminName  = "Owner"
)

// firstOwner makes the schema and the owner's account, with a random password,
// by the aggregator's own command line. Later starts find both.
func (s *system) firstOwner(ctx context.Context) error {
	if err := s.aggregatorCommand(ctx, "", "migrate"); err != nil {
		return err
	}
	if s.env.get("ADMIN_PASSWORD") != "" {
		return nil
	}
	var random [15]byte
	if _, err := rand.Read(random[:]); err != nil {
		return fmt.Errorf("make password: %w", err)
	}
	password := base64.RawURLEncoding.EncodeToString(random[:])
	err := s.aggregatorCommand(ctx, password, "user", "create", "--email", adminEmail, "--name", adminName, "--role", "owner")
	if err != nil {
		// The account may be there from data whose dev.env was deleted.
		err = errors.Join(err, s.aggregatorCommand(ctx, password, "user", "reset", "--email", adminEmail))
		if strings.Contains(err.Error(), "user reset") {
			return err
		}
	}
	s.env.set("ADMIN_EMAIL", adminEmail)
	s.env.set("ADMIN_PASSWORD", password)
	return s.env.write(s.envFile())
}

// aggregatorCommand runs one of the aggregator's commands to its end.
func (s *system) aggregatorCommand(ctx context.Context, stdin string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.program("aggregator"), args...)
	cmd.Env = append(os.Environ(), s.aggregatorEnv(s.path("master.key"))...)
	cmd.Stdin = strings.NewReader(stdin + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("aggregator %s: %w: %s", strings.Join(args[:min(2, len(args))], " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// bootstrap makes the demo app with its keys and enrols the agent, over the
// same API that the console uses. An app and an agent that are there already stay.
func (s *system) bootstrap(ctx context.Context) error {
	api, err := logIn(ctx, s.env)
	if err != nil {
		return err
	}
	if s.env.get("APP_ID") == "" {
		if err := s.demoApp(ctx, api); err != nil {
			return err
		}
	}
	if s.enrolled() {
		return nil
	}
	var token struct {
		Token string `json:"token"`
	}
	request := map[string]any{"name": "local", "region": "local", "zone": ""}
	if err := api.call(ctx, http.MethodPost, "agents/enrollment-tokens", request, &token); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.program("agent"), "enroll")
	cmd.Env = append(append(os.Environ(), s.agentEnv()...), "UNMOGROWP_ENROLL_TOKEN="+token.Token)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("enrol agent: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// demoApp makes the app that the demo traffic belongs to.
func (s *system) demoApp(ctx context.Context, api *client) error {
	var app struct {
		ID string `json:"id"`
	}
	if err := api.call(ctx, http.MethodPost, "apps", map[string]any{"name": "Demo shop", "currency": "EUR", "timezone": "Europe/Berlin"}, &app); err != nil {
		return err
	}
	s.env.set("APP_ID", app.ID)
	for name, kind := range map[string]string{"WRITE_KEY": "client", "SERVER_KEY": "server"} {
		var key struct {
			Key string `json:"key"`
		}
		if err := api.call(ctx, http.MethodPost, "apps/"+app.ID+"/keys", map[string]any{"kind": kind, "name": "demo " + kind}, &key); err != nil {
			return err
		}
		if key.Key == "" {
			return fmt.Errorf("the API answered without the new %s key", kind)
		}
		s.env.set(name, key.Key)
	}
	return s.env.write(s.envFile())
}

// enrolled says whether the agent has a certificate.
func (s *system) enrolled() bool {
	_, err := os.Stat(s.path("agent", "identity"))
	return err == nil
}

// awaitKey waits until the agent knows the demo app's key.
func (s *system) awaitKey(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	address := "http://" + s.local(agentPort) + "/v1/projects/" + s.env.get("WRITE_KEY") + "/settings"
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			err = errors.New(resp.Status)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the agent does not know the demo app's key: %w", err)
		}
	}
}
