package node

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// answers sends requests of one event until one is refused, and says how many were not.
func (r *running) answers(t *testing.T, most int) int {
	t.Helper()
	for i := range most {
		resp, err := http.Post("http://"+r.Addr().String()+"/v1/track?writeKey="+writeKey, "application/json", strings.NewReader(`{"writeKey":"`+writeKey+`","userId":"u","event":"x"}`))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusTooManyRequests {
			return i
		}
	}
	return most
}

func TestReloadIsAllOrNothing(t *testing.T) {
	c := enrolled(t)
	level := &slog.LevelVar{}
	r := start(t, c, func(o *Options) { o.Level = level })
	if n := r.answers(t, 50); n != 50 {
		t.Fatalf("%d requests are taken without a limit", n)
	}
	broken := filepath.Join(t.TempDir(), "broken.mmdb")
	if err := os.WriteFile(broken, []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Config){
		"listen cannot change":   func(c *Config) { c.Listen = "127.0.0.1:1" },
		"data_dir, quota cannot": func(c *Config) { c.DataDir, c.Quota = t.TempDir(), 1<<30 },
		"trusted_proxies":        func(c *Config) { c.TrustedProxies = []string{"not an address"} },
		"broken.mmdb":            func(c *Config) { c.GeoIP = broken },
		"log level":              func(c *Config) { c.LogLevel = "loud" },
	} {
		wrong := c
		wrong.AddressRate = 1 // would be seen at once
		change(&wrong)
		if err := r.Reload(wrong); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := r.answers(t, 50); n != 50 {
		t.Errorf("after refused reloads %d requests are taken", n)
	}
	c.AddressRate, c.LogLevel = 5, "debug"
	if err := r.Reload(c); err != nil {
		t.Fatal(err)
	}
	if n := r.answers(t, 50); n >= 50 || level.Level() != slog.LevelDebug {
		t.Errorf("%d requests are taken, and the log is at %s", n, level.Level())
	}
	c.AddressRate = 0
	if err := r.Reload(c); err != nil {
		t.Fatal(err)
	}
	if n := r.answers(t, 50); n != 50 {
		t.Errorf("without a limit again %d requests are taken", n)
	}
}

func TestAHangupReloads(t *testing.T) {
	c := enrolled(t)
	hangups, loaded := make(chan os.Signal), make(chan struct{})
	loads := 0
	r := start(t, c, func(o *Options) {
		o.Hangups = hangups
		o.Load = func() (Config, error) {
			defer func() { loaded <- struct{}{} }()
			if loads++; loads == 1 {
				return Config{}, errors.New("a typing error in line 3")
			}
			c.AddressRate = 5
			return c, nil
		}
	})
	hangups <- syscall.SIGHUP
	<-loaded
	if n := r.answers(t, 50); n != 50 {
		t.Errorf("after a failed reload %d requests are taken", n)
	}
	await(t, r, "unmogrowp_agent_settings_reload_succeeded 0")
	hangups <- syscall.SIGHUP
	<-loaded
	hangups <- syscall.SIGHUP // is taken once the reload before it is over
	if n := r.answers(t, 50); n >= 50 {
		t.Errorf("after a reload %d requests are taken", n)
	}
	await(t, r, "unmogrowp_agent_settings_reload_succeeded 1")
	<-loaded
}

// await asks for the metrics until they have a line.
func await(t *testing.T, r *running, line string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range 2000 {
		resp, err := http.Get("http://" + r.AdminAddr().String() + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if strings.Contains(string(text), line+"\n") {
			return
		}
		<-tick.C
	}
	t.Errorf("no metric says %s", line)
}
