package system

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/deploy/children"
)

const (
	npmTimeout  = 5 * time.Minute // the first run installs
	nodeTimeout = Patience
)

// npmPackages are the SDKs of sdk/package.json, installed once into the cache,
// and the directory that they are in.
func npmPackages(t testing.TB) string {
	t.Helper()
	cache, err := children.CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.New()
	files := map[string][]byte{}
	for _, name := range []string{"package.json", "package-lock.json", ".npmrc"} {
		if files[name], err = os.ReadFile(filepath.Join("sdk", name)); err != nil {
			t.Fatal(err)
		}
		hash.Write(files[name])
	}
	dir := filepath.Join(cache, "sdk-"+hex.EncodeToString(hash.Sum(nil))[:12])
	if exists(t, filepath.Join(dir, "complete")) {
		return dir
	}
	// Beside its place first: two tests that install at once do not meet.
	if err := os.MkdirAll(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	partial, err := os.MkdirTemp(cache, "sdk-partial-")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(partial) }()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(partial, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	npm(t, partial, "ci", "--ignore-scripts")
	if err := os.WriteFile(filepath.Join(partial, "complete"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(partial, dir); err != nil && !exists(t, filepath.Join(dir, "complete")) {
		t.Fatal(err)
	}
	return dir
}

// consolePackages makes sure that the console's packages are installed: a
// browser's driver is one of them.
func consolePackages(t testing.TB) string {
	t.Helper()
	dir := filepath.Join("..", "..", "console")
	if !exists(t, filepath.Join(dir, "node_modules", ".package-lock.json")) {
		npm(t, dir, "ci")
	}
	return dir
}

func exists(t testing.TB, path string) bool {
	t.Helper()
	_, err := os.Stat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

func npm(t testing.TB, dir string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), npmTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", append(args, "--no-audit", "--no-fund", "--loglevel=error")...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm %s, which needs Node.js 20 and the npm registry: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// node runs a script of Node.js, which must end well.
func node(t testing.TB, script string, env map[string]string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*nodeTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", script)
	cmd.Env = os.Environ()
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, &out)
	}
	if out.Len() > 0 {
		t.Logf("%s: %s", script, &out)
	}
}

func jsonText(t testing.TB, v any) string {
	t.Helper()
	return string(jsonBytes(t, v))
}

func jsonBytes(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
