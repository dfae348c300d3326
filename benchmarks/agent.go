package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/unmogrowp/unmogrowp/agent/links"
	"github.com/unmogrowp/unmogrowp/deploy/children"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// writeKey is the key of the app that the agents here serve.
const writeKey = "benchmark-write-key"

// greedyKey is another key of it.
const greedyKey = "benchmark-greedy-key"

// maxProfile bounds a profile that is read.
const maxProfile = 64 << 20

// build builds a real program, the agent or the aggregator, as the Makefile does.
func build(ctx context.Context, dir, name string) (string, error) {
	path := filepath.Join(dir, name)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", path, "github.com/unmogrowp/unmogrowp/"+name)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the %s: %w: %s", name, err, out)
	}
	return path, nil
}

// startAgent starts an agent that has an identity and an app, and finds no aggregator: the events that it
// accepts stay on its disk.
func startAgent(ctx context.Context, program, dir string) (*server, error) {
	ca, err := newAuthority(time.Now())
	if err != nil {
		return nil, fmt.Errorf("prepare agent: %w", err)
	}
	if err := prepareAgent(dir, ca); err != nil {
		return nil, fmt.Errorf("prepare agent: %w", err)
	}
	return launchAgent(ctx, program, dir, "127.0.0.1:9")
}

// prepareAgent gives an agent an identity and an app.
func prepareAgent(dir string, ca *authority) error {
	if err := os.MkdirAll(filepath.Join(dir, "identity"), 0o700); err != nil {
		return err
	}
	if err := ca.writeIdentity(filepath.Join(dir, "identity", "identity.json")); err != nil {
		return err
	}
	return writeSettings(filepath.Join(dir, "settings"))
}

// launchAgent starts the program for a directory that is prepared, with further settings as
// environment variables.
func launchAgent(ctx context.Context, program, dir, aggregator string, settings ...string) (*server, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	admin, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s := &server{address: address, admin: admin.String()}
	s.program = &children.Program{
		Command: children.Command{Name: "agent", Path: program, Args: []string{"run"}, Log: dir + ".log", StopTimeout: 15 * time.Second,
			Env: append([]string{"UNMOGROWP_DATA_DIR=" + dir, "UNMOGROWP_LISTEN=" + address.String(), "UNMOGROWP_ADMIN_LISTEN=" + s.admin,
				"UNMOGROWP_UPLINK_BIND=127.0.0.1:0", "UNMOGROWP_AGGREGATORS=" + aggregator, "UNMOGROWP_BALLAST=0", "UNMOGROWP_LOG_LEVEL=warn"}, settings...)},
		Ready: func(ctx context.Context) error {
			_, err := s.ask(ctx, "/readyz")
			return err
		},
	}
	return s, s.program.Start(ctx)
}

// ask gets something from the agent's admin listener.
func (s *server) ask(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.admin+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxProfile))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %s: %.200s", path, resp.Status, body)
	}
	return body, err
}

// writeSettings leaves the settings that an aggregator would have sent: one app, its keys and a link.
func writeSettings(path string) error {
	table, err := links.Open(path)
	if err != nil {
		return err
	}
	settings := protocol.Settings{Generation: 1, Apps: []protocol.App{{ID: "bench", Name: "Benchmark"}},
		Links: []protocol.Link{{ID: "bench", Slug: "bench", App: "bench", MediaSource: "google", Fallback: "https://shop.example/"}}}
	for _, key := range []string{writeKey, greedyKey} {
		hash := sha256.Sum256([]byte(key))
		settings.Keys = append(settings.Keys, protocol.Key{Hash: hash[:], App: "bench", Kind: protocol.KeyClient})
	}
	return table.Replace(settings)
}
