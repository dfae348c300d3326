package system

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/console"
	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
)

// builtEnv says that the console was just built, so that a build which changes
// nothing is not tried for ever.
const builtEnv = "UNMOGROWP_TEST_CONSOLE_BUILT"

// TestConsoleInABrowser walks through the console of a whole system in Chromium,
// which checks every figure on the screen against the API's answer, and looks
// for faults of access, policy and layout. SCREENSHOTS names a directory for
// pictures.
func TestConsoleInABrowser(t *testing.T) {
	dir := consolePackages(t)
	if _, err := fs.Stat(console.Files(), "index.html"); errors.Is(err, fs.ErrNotExist) {
		againWithConsole(t, dir)
		return
	}
	c := New(t, childtest.ClickHouse(t), childtest.Postgres(t), 2, 1)
	k := c.LogIn(c.Aggregators[0], OwnerEmail, OwnerPassword)
	viewer := map[string]any{"email": "viewer@example.com", "name": "Viewer", "password": "one that only reads the reports",
		"roles": []any{map[string]any{"role": "viewer", "apps": []string{c.App}}}}
	k.Call("POST", "users", viewer, nil)
	c.awaitCredit(k, c.sendMonth(600))
	env := map[string]string{"CONSOLE_URL": c.Aggregators[1].URL, "APP_ID": c.App, "ADMIN_EMAIL": OwnerEmail, "ADMIN_PASSWORD": OwnerPassword,
		"VIEWER_EMAIL": viewer["email"].(string), "VIEWER_PASSWORD": viewer["password"].(string)}
	if shots := os.Getenv("SCREENSHOTS"); shots != "" {
		absolute, err := filepath.Abs(shots)
		if err != nil {
			t.Fatal(err)
		}
		env["SCREENSHOTS"] = absolute
	}
	node(t, filepath.Join(dir, "test", "browser.mjs"), env)
}

// againWithConsole builds the console and runs the test in a program that has
// it: a console is embedded when a program is compiled.
func againWithConsole(t *testing.T, dir string) {
	t.Helper()
	if os.Getenv(builtEnv) != "" {
		t.Fatal("the console was built, and yet it is not embedded")
	}
	npm(t, dir, "run", "build")
	cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-v", "-run", "^"+t.Name()+"$", ".")
	cmd.Env = append(os.Environ(), builtEnv+"=1")
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
}

// sendMonth sends so many messages of forty people, none older than the 30 days
// that the console shows, and returns how many.
func (c *Cluster) sendMonth(total int) int {
	c.T.Helper()
	now := time.Now()
	load := NewLoad(7, 40, now)
	var events []map[string]any
	for i := range total {
		load.start = now.Add(-23 * 24 * time.Hour * time.Duration(total-1-i) / time.Duration(total))
		m := load.Next()
		if m.Touch {
			c.mustPost(c.Agents[0], c.ServerKey, "/v1/s2s/touch", m.Body)
			continue
		}
		events = append(events, m.Body)
	}
	c.mustPost(c.Agents[0], c.ServerKey, "/v1/batch", batch(events...))
	return total
}

// awaitCredit waits until so many messages are counted and every conversion
// among them is credited.
func (c *Cluster) awaitCredit(k *Console, messages int) {
	c.T.Helper()
	o := c.awaitEvents(k, messages)
	c.Await("credit for every conversion", func() error {
		var report struct {
			Total struct {
				Conversions string `json:"conversions"`
			} `json:"total"`
		}
		if err := k.Try(http.MethodGet, "apps/"+c.App+"/reports/attribution?model=linear", nil, &report); err != nil {
			return err
		}
		if credited := millionths(c.T, report.Total.Conversions); credited != int64(o.Conversions)*1_000_000 {
			return fmt.Errorf("%s of %d conversions are credited", report.Total.Conversions, o.Conversions)
		}
		return nil
	})
}
