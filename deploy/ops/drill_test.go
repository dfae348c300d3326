package ops

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/deploy/children"
	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
	"github.com/unmogrowp/unmogrowp/deploy/system"
)

// drill is a fault, the alerts that must fire for it and no others, and what mends it.
type drill struct {
	alerts []string
	fault  func()
	mend   func()
}

// site is an installation whose parts can fail: ClickHouse and the agent are processes of its own.
type site struct {
	t          *testing.T
	c          *system.Cluster
	clickhouse *children.ClickHouse
	binary     string
	env        []string
	listen     string
	agent      *process
	prometheus string
}

// TestDrill causes faults in real processes, one after the other. For each, a real Prometheus with our
// rules must fire exactly the alerts that it is about, and they must end once it is mended as the page
// says. Waiting times are shortened, see shortened; expressions and thresholds stay.
func TestDrill(t *testing.T) {
	if os.Getenv("UNMOGROWP_DRILL") == "" {
		t.Skip("make drill does this")
	}
	s := newSite(t)
	for _, d := range s.drills() {
		name := strings.Join(d.alerts, " and ")
		began := time.Now()
		d.fault()
		if err := until(90*time.Second, func() error { return s.fires(d.alerts) }); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		fired := time.Since(began)
		d.mend()
		if err := until(90*time.Second, func() error { return s.fires(nil) }); err != nil {
			t.Fatalf("%s: mended, and %v", name, err)
		}
		t.Logf("%s: fired after %s, ended after %s", name, fired.Round(time.Second), time.Since(began).Round(time.Second))
	}
}

func newSite(t *testing.T) *site {
	t.Helper()
	prometheus := Tool(t, "prometheus")
	software, err := children.Install(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, clickhouse: &children.ClickHouse{Software: software, Dir: filepath.Join(t.TempDir(), "clickhouse")}}
	if err := s.clickhouse.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.clickhouse.Kill() })
	s.query("CREATE DATABASE unmogrowp ENGINE = Atomic")
	s.c = system.New(t, s.clickhouse.DSN("unmogrowp"), childtest.Postgres(t), 1, 0)
	dir := t.TempDir()
	s.binary, s.listen = Build(t, "agent", dir), freeAddress(t)
	metrics := freeAddress(t)
	s.env = []string{"UNMOGROWP_DATA_DIR=" + filepath.Join(dir, "state"), "UNMOGROWP_LISTEN=" + s.listen, "UNMOGROWP_ADMIN_LISTEN=127.0.0.1:0",
		"UNMOGROWP_METRICS_LISTEN=" + metrics, "UNMOGROWP_UPLINK_BIND=127.0.0.1:0", "UNMOGROWP_AGGREGATORS=" + s.c.Aggregators[0].Agents,
		"UNMOGROWP_BALLAST=0", "UNMOGROWP_LOG_FORMAT=json", "UNMOGROWP_ENROLL_TOKEN=" + s.c.EnrollmentToken("drilled"), "UNMOGROWP_CONFIG=" + filepath.Join(dir, "agent.yaml")}
	s.settings("")
	s.startAgent()
	storedEvent(t, s.c, s.listen)
	s.watch(prometheus, metrics)
	return s
}

// drills are the faults in their order. Each leaves the site as it found it.
func (s *site) drills() []drill {
	return []drill{
		{[]string{"AgentDown", "AgentSilent"}, func() { _ = s.agent.cmd.Process.Kill() }, func() { s.startAgent() }},
		{[]string{"AgentReloadFailed"},
			func() { s.settings("quota: 1B"); s.agent.signal(syscall.SIGHUP) },
			func() { s.settings(""); s.agent.signal(syscall.SIGHUP) }},
		{[]string{"AgentRejectsEvents"}, func() { s.send(100, "") }, func() { s.send(50, "Order Completed") }},
		{[]string{"AgentBufferFull"},
			func() { s.restartAgent("UNMOGROWP_MIN_FREE=1000TiB") },
			func() { s.restartAgent() }},
		{[]string{"ClickHousePartsDetached"},
			func() { s.query("ALTER TABLE unmogrowp.events DETACH PARTITION ID '" + s.partition() + "'") },
			func() { s.query("ALTER TABLE unmogrowp.events ATTACH PARTITION ID '" + s.detached() + "'") }},
	}
}

// watch starts a Prometheus with our rules, in which waiting is short.
func (s *site) watch(binary, metrics string) {
	s.t.Helper()
	dir := s.t.TempDir()
	for _, name := range []string{"alerts.yaml", "records.yaml"} {
		text, err := os.ReadFile(filepath.Join(prometheusDir, name))
		if err != nil {
			s.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(shortened(string(text))), 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	config := fmt.Sprintf(`global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [alerts.yaml, records.yaml]
scrape_configs:
  - {job_name: unmogrowp-agent, static_configs: [{targets: [%q]}]}
  - {job_name: unmogrowp-aggregator, static_configs: [{targets: [%q]}]}
`, metrics, strings.TrimPrefix(s.c.Aggregators[0].Admin, "http://"))
	file := filepath.Join(dir, "prometheus.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.prometheus = freeAddress(s.t)
	start(s.t, nil, binary, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+s.prometheus)
	if err := until(time.Minute, func() error { return s.fires(nil) }); err != nil {
		s.t.Fatal(err)
	}
}

// shortened turns minutes of waiting into seconds: how long an alert must hold, and over how much of
// the past a rate is taken. Alerts that foresee days are not drilled.
func shortened(rules string) string {
	rules = regexp.MustCompile(`for: \d+[mh]`).ReplaceAllString(rules, "for: 1s")
	return regexp.MustCompile(`\[\d+[mhd]\]`).ReplaceAllString(rules, "[15s]")
}

// fires compares what fires with what has to. Objectives burn with the faults that are about refused
// requests and are left out, as is the disk of the machine that this runs on.
func (s *site) fires(want []string) error {
	resp, err := http.Get("http://" + s.prometheus + "/api/v1/alerts")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var answer struct {
		Data struct {
			Alerts []struct {
				State  string
				Labels map[string]string
			}
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return err
	}
	var got []string
	for _, a := range answer.Data.Alerts {
		name := a.Labels["alertname"]
		if a.State == "firing" && !strings.Contains(name, "Burns") && name != "AgentDiskLow" && name != "ClickHouseDiskFull" && !slices.Contains(got, name) {
			got = append(got, name)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		return fmt.Errorf("%v fire, want %v", got, want)
	}
	return nil
}

func (s *site) startAgent(env ...string) {
	s.agent = start(s.t, append(slices.Clone(s.env), env...), s.binary, "run")
}

func (s *site) restartAgent(env ...string) {
	s.agent.signal(syscall.SIGTERM)
	if err := s.agent.wait(); err != nil {
		s.t.Error(err)
	}
	s.startAgent(env...)
}

// settings writes the agent's file of settings.
func (s *site) settings(line string) {
	for _, e := range s.env {
		if file, ok := strings.CutPrefix(e, "UNMOGROWP_CONFIG="); ok {
			if err := os.WriteFile(file, []byte("region: test\n"+line+"\n"), 0o600); err != nil {
				s.t.Fatal(err)
			}
		}
	}
}

// send sends events one by one, whatever the answers are.
func (s *site) send(n int, event string) {
	for range n {
		req, err := http.NewRequest(http.MethodPost, "http://"+s.listen+"/v1/track", strings.NewReader(fmt.Sprintf(`{"userId":"u","event":%q}`, event)))
		if err != nil {
			s.t.Fatal(err)
		}
		req.SetBasicAuth(s.c.ServerKey, "")
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
		}
	}
}

func (s *site) query(statement string) {
	s.t.Helper()
	if err := s.clickhouse.Exec(s.t.Context(), statement); err != nil {
		s.t.Fatal(err)
	}
}

// ask returns what ClickHouse answers in one line.
func (s *site) ask(question string) string {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.clickhouse.HTTPURL(), strings.NewReader(question))
	if err != nil {
		s.t.Fatal(err)
	}
	dsn, err := url.Parse(s.clickhouse.DSN("unmogrowp"))
	if err != nil {
		s.t.Fatal(err)
	}
	password, _ := dsn.User.Password()
	req.Header.Set("X-ClickHouse-User", dsn.User.Username())
	req.Header.Set("X-ClickHouse-Key", password)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	var line string
	if _, err := fmt.Fscan(resp.Body, &line); err != nil {
		s.t.Fatalf("%s: %v", question, err)
	}
	return line
}

func (s *site) partition() string {
	return s.ask("SELECT partition_id FROM system.parts WHERE active AND database = 'unmogrowp' AND table = 'events' LIMIT 1")
}

func (s *site) detached() string {
	return s.ask("SELECT partition_id FROM system.detached_parts WHERE database = 'unmogrowp' LIMIT 1")
}

// freeAddress is one on which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
