// Package node wires an aggregator: it opens ClickHouse and Postgres, connects
// intake, attribution, cluster and API, and stops them in reverse. It is the
// only package that knows all the parts.
package node

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// Config are an aggregator's settings.
type Config struct {
	Node   string `config:"node" help:"stable name of this node; empty is the host's name"`
	Region string `config:"region" help:"region of this node, which agents of the same region prefer"`
	Zone   string `config:"zone" help:"zone within the region"`

	ClickHouseDSN daemon.Secret `config:"clickhouse_dsn" help:"clickhouse://user:password@host:9000/database"`
	PostgresDSN   daemon.Secret `config:"postgres_dsn" help:"postgres://user:password@host:5432/database"`
	MasterKey     daemon.Secret `config:"master_key" help:"64 hexadecimal digits that seal the secrets in Postgres; the same on every node; two keys while it is changed"`

	Listen          string   `config:"listen" help:"address of the console and its API"`
	AdminListen     string   `config:"admin_listen" help:"address of health, metrics and profiles; keep it private"`
	MetricsListen   string   `config:"metrics_listen" help:"address of metrics and probes without profiles, for scrapers; empty: admin_listen alone"`
	AgentsListen    string   `config:"agents_listen" help:"UDP address for agents"`
	AgentsAdvertise string   `config:"agents_advertise" help:"host:port at which agents reach this node; empty is agents_listen"`
	GossipListen    string   `config:"gossip_listen" help:"private address on which aggregators gossip"`
	TrustedProxies  []string `config:"trusted_proxies" help:"addresses or prefixes of proxies before the console whose X-Forwarded-For is believed"`
	GossipPeers     []string `config:"gossip_peers" help:"gossip addresses of all the other aggregators"`

	InsertRows    int           `config:"insert_rows" help:"rows that make an insert into ClickHouse due"`
	InsertDelay   time.Duration `config:"insert_delay" help:"longest wait for more rows before an insert"`
	IntakeMemory  daemon.Size   `config:"intake_memory" help:"bytes of blocks in memory, beyond which agents wait"`
	DiskGuard     int           `config:"disk_guard" help:"percent of a disk of ClickHouse from which on events wait at the agents; 100 never"`
	SweepEvery    time.Duration `config:"sweep_every" help:"how often stored facts are compared with their attributions"`
	AuditHeads    string        `config:"audit_heads" help:"file to which signed heads of the audit log are appended; keep it where the database's owner cannot write"`
	Migrate       bool          `config:"migrate" help:"bring the schemas up to date at start"`
	PostbacksHere bool          `config:"postbacks_here" help:"for development: postbacks go to this machine only, by http too, and to nobody else"`
	LogLevel      string        `config:"log_level" help:"debug, info, warn or error"`
	LogFormat     string        `config:"log_format" help:"json, text, or auto"`
	ShutdownGrace time.Duration `config:"shutdown_grace" help:"how long readiness is withdrawn before anything stops"`
}

// DefaultConfig are the settings of a node that was told nothing else.
func DefaultConfig() Config {
	return Config{
		Region:       "default",
		Listen:       ":3001",
		AdminListen:  "127.0.0.1:3002",
		AgentsListen: ":7443",
		GossipListen: "127.0.0.1:7946",
		InsertRows:   10_000,
		InsertDelay:  250 * time.Millisecond,
		IntakeMemory: 256 << 20,
		DiskGuard:    85,
		SweepEvery:   5 * time.Second,
		Migrate:      true,
		LogLevel:     "info",
		LogFormat:    "auto",
	}
}

// Validate reports everything that is wrong with the settings at once.
func (c *Config) Validate() error {
	var errs []error
	addresses := map[string]string{"listen": c.Listen, "admin_listen": c.AdminListen, "agents_listen": c.AgentsListen, "gossip_listen": c.GossipListen}
	if c.MetricsListen != "" {
		addresses["metrics_listen"] = c.MetricsListen
	}
	for name, address := range addresses {
		if _, _, err := net.SplitHostPort(address); err != nil {
			errs = append(errs, fmt.Errorf("%s: %q is not host:port", name, address))
		}
	}
	if c.ClickHouseDSN == "" {
		errs = append(errs, errors.New("clickhouse_dsn is missing: clickhouse://user:password@host:9000/database"))
	}
	errs = append(errs, oneHost(string(c.ClickHouseDSN)))
	errs = append(errs, c.validateAccounts())
	if _, err := c.proxies(); err != nil {
		errs = append(errs, err)
	}
	if c.InsertRows < 1 || c.InsertRows > 1_000_000 {
		errs = append(errs, fmt.Errorf("insert_rows: %d is not between 1 and 1000000", c.InsertRows))
	}
	if c.InsertDelay < time.Millisecond || c.InsertDelay > 10*time.Second {
		errs = append(errs, fmt.Errorf("insert_delay: %s is not between 1ms and 10s", c.InsertDelay))
	}
	if c.IntakeMemory < 64<<20 { // one block can take 22 MiB
		errs = append(errs, fmt.Errorf("intake_memory: %s is less than 64MiB", c.IntakeMemory))
	}
	if c.SweepEvery < 100*time.Millisecond {
		errs = append(errs, fmt.Errorf("sweep_every: %s is less than 100ms", c.SweepEvery))
	}
	if c.DiskGuard < 50 || c.DiskGuard > 100 {
		errs = append(errs, fmt.Errorf("disk_guard: %d percent is not between 50 and 100", c.DiskGuard))
	}
	return errors.Join(errs...)
}

// validateAccounts checks what reaching Postgres takes.
func (c *Config) validateAccounts() error {
	var errs []error
	if c.PostgresDSN == "" {
		errs = append(errs, errors.New("postgres_dsn is missing: postgres://user:password@host:5432/database"))
	}
	if _, err := c.masterKeys(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// proxies reads the trusted proxies; an address alone is that address only.
func (c *Config) proxies() ([]netip.Prefix, error) {
	var list []netip.Prefix
	var errs []error
	for _, text := range c.TrustedProxies {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			var addr netip.Addr
			if addr, err = netip.ParseAddr(text); err == nil {
				prefix = netip.PrefixFrom(addr, addr.BitLen())
			}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("trusted_proxies: %q is neither an address nor a prefix like 10.0.0.0/8", text))
			continue
		}
		list = append(list, prefix.Masked())
	}
	return list, errors.Join(errs...)
}

// masterKeys are the key that seals, and others that stored secrets may be sealed under.
func (c *Config) masterKeys() (keys [][]byte, err error) {
	separated := func(r rune) bool { return r == ',' || unicode.IsSpace(r) }
	for text := range strings.FieldsFuncSeq(string(c.MasterKey), separated) {
		key, err := hex.DecodeString(text)
		if err != nil || len(key) != 32 {
			keys = nil
			break
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errors.New("master_key must be 64 hexadecimal digits: make one with openssl rand -hex 32 and keep it as safe as the database; while it is changed, give the new and the old one with a space between")
	}
	return keys, nil
}

// oneHost refuses a ClickHouse DSN that names several servers: acknowledged rows would be spread over
// servers that know nothing of each other.
func oneHost(dsn string) error {
	_, rest, _ := strings.Cut(dsn, "://")
	hosts, _, _ := strings.Cut(rest, "/")
	if i := strings.LastIndexByte(hosts, '@'); i >= 0 {
		hosts = hosts[i+1:]
	}
	hosts, _, _ = strings.Cut(hosts, "?")
	_, query, _ := strings.Cut(dsn, "?")
	values, err := url.ParseQuery(query)
	if strings.Contains(hosts, ",") || err == nil && len(values["alt_hosts"]) > 0 {
		return errors.New("clickhouse_dsn: it names several hosts, and rows that one has acknowledged the others would not know: " +
			"name one host, or a proxy in front of replicas of one cluster")
	}
	return nil
}
