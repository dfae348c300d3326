// Package ops tries out what operators are given: packages, units, images, charts, alerts,
// dashboards, proxies and the book that tells of them. Most of it is files for other programs to
// read, so its tests call those programs. Run it with
//
//	make ops
//
// which installs them where that is possible. A test whose program is missing is skipped under
// `go test` and fails under make ops, which sets UNMOGROWP_OPS.
package ops

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Root is the repository, seen from this package.
const Root = "../.."

// Full says whether everything has to be tried, by make ops.
func Full() bool { return os.Getenv("UNMOGROWP_OPS") != "" }

// Tool finds a program, in UNMOGROWP_TOOLS, in PATH or where administrators' programs lie.
func Tool(t testing.TB, name string) string {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("UNMOGROWP_TOOLS")), append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin")...) {
		candidate := filepath.Join(dir, name)
		if info, err := os.Stat(candidate); err == nil && !info.IsDir() && info.Mode()&0o111 != 0 {
			return candidate
		}
	}
	if Full() {
		t.Fatalf("%s is missing: install it, or run make ops as root on Debian", name)
	}
	t.Skipf("%s is missing; make ops installs it", name)
	return ""
}

// Run runs a program in a directory and returns its output.
func Run(ctx context.Context, dir string, env []string, name string, args ...string) (string, error) {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // the tests' own words
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, append(os.Environ(), env...), &out, &out
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out.String())
	}
	return out.String(), nil
}

// MustRun is Run that fails the test.
func MustRun(t testing.TB, dir, name string, args ...string) string {
	t.Helper()
	out, err := Run(t.Context(), dir, nil, name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Build builds one of the two programs as releases do, static.
func Build(t testing.TB, program, into string) string {
	t.Helper()
	binary := filepath.Join(into, "unmogrowp-"+program)
	if out, err := Run(t.Context(), Root, []string{"CGO_ENABLED=0"}, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "./"+program); err != nil {
		t.Fatal(err, out)
	}
	return binary
}
