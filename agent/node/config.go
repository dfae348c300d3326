package node

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/unmogrowp/unmogrowp/agent/uplink"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// Config are an agent's settings.
type Config struct {
	DataDir string `config:"data_dir" help:"directory of the buffer, the identity and the settings received"`
	Region  string `config:"region" help:"region of this agent; aggregators of the same region are preferred"`
	Zone    string `config:"zone" help:"zone within the region"`

	Listen        string   `config:"listen" help:"address for SDK traffic"`
	AdminListen   string   `config:"admin_listen" help:"address of health, metrics and profiles; keep it private"`
	MetricsListen string   `config:"metrics_listen" help:"address of metrics and probes without profiles, for scrapers; empty: admin_listen alone"`
	UplinkBind    string   `config:"uplink_bind" help:"local UDP address from which aggregators are reached"`
	Aggregators   []string `config:"aggregators" help:"host:port of aggregators; further ones are learned from them"`

	TLSCertificate string   `config:"tls_certificate" help:"file of the certificate chain for SDK traffic; read again when it changes; empty serves without TLS"`
	TLSKey         string   `config:"tls_key" help:"file of its private key"`
	ACMEHosts      []string `config:"acme_hosts" help:"names for which certificates are got by ACME from Let's Encrypt, in place of files; port 443 of them must lead here"`

	EnrollToken daemon.Secret `config:"enroll_token" help:"single-use token; used when the agent has no identity yet"`

	Quota     daemon.Size   `config:"quota" help:"bytes that may wait on disk for an aggregator; beyond it SDKs are told to come back later"`
	MinFree   daemon.Size   `config:"min_free" help:"bytes of the disk that must stay free, else SDKs are told to come back later"`
	Ballast   daemon.Size   `config:"ballast" help:"bytes reserved on disk and given up at a start on a full disk; 0 for none"`
	Retention time.Duration `config:"retention" help:"how long events are kept after they were acknowledged, in a fifth of quota at most"`

	TrustedProxies []string    `config:"trusted_proxies" help:"addresses or prefixes of proxies whose X-Forwarded-For is believed"`
	AppleApps      []string    `config:"apple_apps" help:"number in the App Store=app id, for the postbacks of Apple's devices, which carry no key"`
	GeoIP          string      `config:"geoip" help:"file of a database of countries (.mmdb), read again when it changes; empty for none"`
	MaxConnections int         `config:"max_connections" help:"connections of SDKs at once; further ones wait"`
	KeyRate        int         `config:"key_rate" help:"events a second that one key may send; beyond it is told to wait; 0 for no limit"`
	AddressRate    int         `config:"address_rate" help:"requests a second that one client address may send; 0 for no limit"`
	MemoryLimit    daemon.Size `config:"memory_limit" help:"bytes of memory that the Go runtime tries to stay below (GOMEMLIMIT wins)"`

	LogLevel      string        `config:"log_level" help:"debug, info, warn or error"`
	LogFormat     string        `config:"log_format" help:"json, text, or auto"`
	ShutdownGrace time.Duration `config:"shutdown_grace" help:"how long readiness is withdrawn before anything stops"`
}

// DefaultConfig are the settings of an agent that was told nothing else.
func DefaultConfig() Config {
	return Config{
		DataDir:        "/var/lib/unmogrowp/agent",
		Region:         "default",
		Listen:         ":8080",
		AdminListen:    "127.0.0.1:8081",
		UplinkBind:     ":0",
		Quota:          8 << 30,
		MinFree:        1 << 30,
		Ballast:        64 << 20,
		Retention:      24 * time.Hour,
		MaxConnections: 10_000,
		MemoryLimit:    160 << 20,
		LogLevel:       "info",
		LogFormat:      "auto",
	}
}

// Validate reports everything that is wrong with the settings at once.
func (c *Config) Validate() error {
	var errs []error
	addresses := map[string]string{"listen": c.Listen, "admin_listen": c.AdminListen, "uplink_bind": c.UplinkBind}
	if c.MetricsListen != "" {
		addresses["metrics_listen"] = c.MetricsListen
	}
	for name, address := range addresses {
		if _, _, err := net.SplitHostPort(address); err != nil {
			errs = append(errs, fmt.Errorf("%s: %q is not host:port", name, address))
		}
	}
	for _, address := range c.Aggregators {
		if host, _, err := net.SplitHostPort(address); err != nil || host == "" {
			errs = append(errs, fmt.Errorf("aggregators: %q is not host:port", address))
		}
	}
	if c.DataDir == "" {
		errs = append(errs, errors.New("data_dir is missing: name a directory on a local disk"))
	}
	if c.EnrollToken != "" {
		if _, err := uplink.ParseToken(string(c.EnrollToken)); err != nil {
			errs = append(errs, fmt.Errorf("enroll_token: %w", err))
		}
	}
	if _, err := c.proxies(); err != nil {
		errs = append(errs, err)
	}
	if err := c.validateTLS(); err != nil {
		errs = append(errs, err)
	}
	if _, err := c.appleApps(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(append(errs, c.validateSizes())...)
}

func (c *Config) validateSizes() error {
	var errs []error
	for _, s := range []struct {
		name       string
		value, min daemon.Size
	}{
		{"quota", c.Quota, 16 << 20}, {"min_free", c.MinFree, 128 << 20}, {"memory_limit", c.MemoryLimit, 64 << 20},
	} {
		if s.value < s.min {
			errs = append(errs, fmt.Errorf("%s: %s is less than %s", s.name, s.value, s.min))
		}
	}
	if c.Retention < time.Minute {
		errs = append(errs, fmt.Errorf("retention: %s is less than 1m", c.Retention))
	}
	if c.MaxConnections < 1 {
		errs = append(errs, fmt.Errorf("max_connections: %d is less than 1", c.MaxConnections))
	}
	for _, r := range []struct {
		name  string
		value int
	}{{"key_rate", c.KeyRate}, {"address_rate", c.AddressRate}} {
		if r.value < 0 {
			errs = append(errs, fmt.Errorf("%s: %d is negative; 0 is no limit", r.name, r.value))
		}
	}
	if c.ShutdownGrace < 0 {
		errs = append(errs, fmt.Errorf("shutdown_grace: %s is negative", c.ShutdownGrace))
	}
	return errors.Join(errs...)
}

// proxies reads the trusted proxies; an address alone is that address only.
func (c *Config) proxies() ([]netip.Prefix, error) {
	var list []netip.Prefix
	var errs []error
	for _, text := range c.TrustedProxies {
		if prefix, err := netip.ParsePrefix(text); err == nil {
			list = append(list, prefix.Masked())
			continue
		}
		addr, err := netip.ParseAddr(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("trusted_proxies: %q is neither an address nor a prefix like 10.0.0.0/8", text))
			continue
		}
		list = append(list, netip.PrefixFrom(addr, addr.BitLen()))
	}
	return list, errors.Join(errs...)
}

// appleApps reads which app has which number in the App Store.
func (c *Config) appleApps() (map[string]string, error) {
	apps := make(map[string]string, len(c.AppleApps))
	var errs []error
	for _, text := range c.AppleApps {
		number, app, ok := strings.Cut(text, "=")
		if _, err := strconv.ParseUint(number, 10, 64); !ok || err != nil || app == "" {
			errs = append(errs, fmt.Errorf("apple_apps: %q is not number=app, such as 525463029=app_1", text))
			continue
		}
		apps[number] = app
	}
	return apps, errors.Join(errs...)
}

// What lies where in the data directory.
func (c *Config) identityDir() string  { return filepath.Join(c.DataDir, "identity") }
func (c *Config) bufferDir() string    { return filepath.Join(c.DataDir, "buffer") }
func (c *Config) acmeDir() string      { return filepath.Join(c.DataDir, "acme") }
func (c *Config) settingsPath() string { return filepath.Join(c.DataDir, "settings") }
