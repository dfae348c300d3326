package children_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/deploy/children"
)

// A test that needs another process runs this binary again in a role.
const roleEnv = "CHILDREN_TEST_ROLE"

func TestMain(m *testing.M) {
	role := os.Getenv(roleEnv)
	if role == "" {
		os.Exit(m.Run())
	}
	roles := map[string]func() error{
		"parent":        parentRole,
		"ordinary user": ordinaryUserRole,
		"scratch owner": scratchRole,
	}
	if err := roles[role](); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// eventually waits for a condition of another process.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("still not so: %s", what)
		}
	}
}

// installed skips nothing: where the packages exist, they must install.
func installed(t *testing.T) children.Software {
	t.Helper()
	software, err := children.Install(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if software.Library == "" || software.Postgres == "" {
		t.Skip("no packages for this platform")
	}
	return software
}

// publicDir is a directory that every user can reach, with a space in its path.
func publicDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "children test ")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func shell(t *testing.T, script string) children.Command {
	t.Helper()
	return children.Command{
		Name: "script", Path: "/bin/sh", Args: []string{"-c", script},
		Log: filepath.Join(t.TempDir(), "log"),
	}
}

// ready probes for a file that the child makes.
func ready(path string) func(context.Context) error {
	return func(context.Context) error {
		if _, err := os.Stat(path); err != nil {
			return errors.New("not ready")
		}
		return nil
	}
}
