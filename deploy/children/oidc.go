package children

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
)

// providerFiles are a real OpenID Connect provider for tests: what npm installs, and the program.
//
//go:embed oidc/package.json oidc/package-lock.json oidc/.npmrc oidc/provider.mjs
var providerFiles embed.FS

// LoginProvider is a certified OpenID Connect provider with people for tests; see oidc/provider.mjs for
// who they are. It keeps everything in memory.
type LoginProvider struct {
	// Dir is where its log goes.
	Dir string
	// Issuer is its address, once it runs.
	Issuer string

	process *Process
}

// Start installs the provider, if need be, and starts it.
func (p *LoginProvider) Start(ctx context.Context) error {
	installed, err := installProvider(ctx)
	if err != nil {
		return fmt.Errorf("install login provider: %w", err)
	}
	port, err := FreePort(0)
	if err != nil {
		return fmt.Errorf("start login provider: %w", err)
	}
	if err := os.MkdirAll(p.Dir, 0o755); err != nil {
		return fmt.Errorf("start login provider: %w", err)
	}
	p.process, err = Start(Command{
		Name: "login provider", Path: "node", Args: []string{filepath.Join(installed, "provider.mjs"), fmt.Sprint(port)},
		Env: []string{"NODE_ENV=production"}, Dir: installed, Log: filepath.Join(p.Dir, "login-provider.log"),
	})
	if err != nil {
		return err
	}
	p.Issuer = "http://" + loopback(port)
	if err := p.process.Await(ctx, p.probe); err != nil {
		return errors.Join(err, p.process.Stop())
	}
	return nil
}

func (p *LoginProvider) probe(ctx context.Context) error {
	return p.call(ctx, http.MethodGet, "/.well-known/openid-configuration", nil, &struct{}{})
}

// Register makes a client that may be sent back to the address, and returns its id and its secret.
func (p *LoginProvider) Register(ctx context.Context, redirectURI string) (id, secret string, err error) {
	body, err := json.Marshal(map[string]any{"redirect_uris": []string{redirectURI}, "application_type": "web"})
	if err != nil {
		return "", "", err
	}
	var client struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	err = p.call(ctx, http.MethodPost, "/reg", bytes.NewReader(body), &client)
	return client.ID, client.Secret, err
}

func (p *LoginProvider) call(ctx context.Context, method, path string, body io.Reader, answer any) error {
	request, err := http.NewRequestWithContext(ctx, method, p.Issuer+path, body)
	if err != nil {
		return fmt.Errorf("call login provider: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("call login provider: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("call login provider: %w", err)
	}
	if response.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("call login provider: %s %s: %s: %.300s", method, path, response.Status, text)
	}
	return json.Unmarshal(text, answer)
}

// installProvider puts the provider into the cache, as Install does with the servers, and returns where.
func installProvider(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, installTimeout)
	defer cancel()
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	cache = filepath.Join(cache, "children")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	names := []string{"package.json", "package-lock.json", ".npmrc", "provider.mjs"}
	dir := filepath.Join(cache, "oidc-"+digestOf(providerFiles, "oidc/", names))
	if exists(filepath.Join(dir, "complete")) {
		return dir, nil
	}
	lock, err := lockFile(ctx, filepath.Join(cache, "lock"))
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if exists(filepath.Join(dir, "complete")) {
		return dir, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	for _, name := range names {
		content, err := providerFiles.ReadFile("oidc/" + name)
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return "", err
		}
	}
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci, which needs Node.js 20 and the npm registry: %w\n%s", err, out)
	}
	return dir, os.WriteFile(filepath.Join(dir, "complete"), nil, 0o644)
}
