package node

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/unmogrowp/unmogrowp/agent/ingest"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// live are the settings that can change while the agent runs. Whoever changes another is told so, and
// nothing changes at all.
func live() []string {
	return []string{"trusted_proxies", "apple_apps", "geoip", "key_rate", "address_rate", "memory_limit", "log_level", "enroll_token"}
}

// reload reads the settings again whenever it is asked to. Faults in them are logged, and the settings
// in force stay.
func (n *Node) reload(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-n.opts.Hangups:
			c, err := n.opts.Load()
			if err == nil {
				err = n.Reload(c)
			}
			n.reloads.record(time.Now(), err)
			if err != nil {
				n.log.Error("settings not reloaded, those in force stay", "error", err)
			}
		}
	}
}

// Reload puts new settings into force, all of them or none. It must not be called at the same time as
// itself.
func (n *Node) Reload(c Config) error {
	p := n.running.Load()
	if p == nil {
		return errors.New("reload settings: the agent is not running")
	}
	if err := c.Validate(); err != nil {
		return fmt.Errorf("reload settings: %w", err)
	}
	changed := differences(&n.inForce, &c)
	if fixed := slices.DeleteFunc(slices.Clone(changed), func(name string) bool { return slices.Contains(live(), name) }); len(fixed) > 0 {
		return fmt.Errorf("reload settings: %s cannot change while the agent runs: restart it, or set it back", strings.Join(fixed, ", "))
	}
	rules, err := p.rules(&c)
	if err != nil {
		return fmt.Errorf("reload settings: %w", err)
	}
	level, err := daemon.ParseLevel(c.LogLevel)
	if err != nil {
		return fmt.Errorf("reload settings: %w", err)
	}
	if c.GeoIP != n.inForce.GeoIP {
		if err := p.geo.Use(c.GeoIP); err != nil {
			return fmt.Errorf("reload settings: %w", err)
		}
	}
	// From here on nothing fails.
	p.door.SetRules(rules)
	if slices.Contains(changed, "memory_limit") {
		debug.SetMemoryLimit(int64(c.MemoryLimit))
	}
	if n.opts.Level != nil {
		n.opts.Level.Set(level)
	}
	n.inForce = c
	n.log.Info("settings reloaded", "changed", strings.Join(changed, ", "))
	return nil
}

// reloads tell of the settings' reloads. The start counts as the first.
type reloads struct{ succeeded, at prometheus.Gauge }

func newReloads(r prometheus.Registerer, now time.Time) reloads {
	f := promauto.With(r)
	made := reloads{
		succeeded: f.NewGauge(prometheus.GaugeOpts{Name: "unmogrowp_agent_settings_reload_succeeded",
			Help: "1 if the settings were put into force when they were last read, else 0: those before are in force."}),
		at: f.NewGauge(prometheus.GaugeOpts{Name: "unmogrowp_agent_settings_reload_timestamp_seconds",
			Help: "When settings were last put into force, Unix time."}),
	}
	made.record(now, nil)
	return made
}

func (r reloads) record(now time.Time, err error) {
	if err != nil {
		r.succeeded.Set(0)
		return
	}
	r.succeeded.Set(1)
	r.at.Set(float64(now.UnixMilli()) / 1000)
}

// rules are the settings that concern the door.
func (p *parts) rules(c *Config) (ingest.Rules, error) {
	proxies, err := c.proxies()
	if err != nil {
		return ingest.Rules{}, err
	}
	apple, err := c.appleApps()
	if err != nil {
		return ingest.Rules{}, err
	}
	return ingest.Rules{TrustedProxies: proxies, AppleApps: apple, Locator: p.geo, EventsPerSecond: c.KeyRate, RequestsPerSecond: c.AddressRate}, nil
}

// differences are the names of the settings that differ.
func differences(a, b *Config) []string {
	var names []string
	x, y := reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem()
	for i := range x.NumField() {
		if !reflect.DeepEqual(x.Field(i).Interface(), y.Field(i).Interface()) {
			names = append(names, x.Type().Field(i).Tag.Get(daemon.ConfigTag))
		}
	}
	return names
}
