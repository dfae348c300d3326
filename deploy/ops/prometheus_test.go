package ops

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const (
	prometheusDir = Root + "/deploy/prometheus"
	grafanaDir    = Root + "/deploy/grafana"
	runbookDir    = Root + "/docs/operations/runbooks"
)

// rules is a file of rules.
type rules struct {
	Groups []struct {
		Name  string
		Rules []rule
	}
}

type rule struct {
	Record, Alert, Expr, For string
	Labels, Annotations      map[string]string
}

// readRules reads the alerts and the recording rules.
func readRules(t *testing.T) (alerts, records []rule) {
	t.Helper()
	for _, name := range []string{"alerts.yaml", "records.yaml"} {
		text, err := os.ReadFile(filepath.Join(prometheusDir, name))
		if err != nil {
			t.Fatal(err)
		}
		var file rules
		if err := yaml.Unmarshal(text, &file); err != nil {
			t.Fatal(err)
		}
		for _, g := range file.Groups {
			for _, r := range g.Rules {
				if r.Alert != "" {
					alerts = append(alerts, r)
				} else {
					records = append(records, r)
				}
			}
		}
	}
	return alerts, records
}

func TestEveryAlertHasASeverityAPageAndATest(t *testing.T) {
	alerts, _ := readRules(t)
	if len(alerts) < 30 {
		t.Errorf("%d alerts", len(alerts))
	}
	tests, err := os.ReadFile(filepath.Join(prometheusDir, "alerts_test.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	pages := make(map[string]bool)
	for _, a := range alerts {
		if s := a.Labels["severity"]; s != "critical" && s != "warning" {
			t.Errorf("%s has the severity %q", a.Alert, s)
		}
		page := a.Alert + ".md"
		pages[page] = true
		if a.Annotations["summary"] == "" || !strings.HasSuffix(a.Annotations["runbook_url"], "/docs/operations/runbooks/"+page) {
			t.Errorf("%s: annotations %v", a.Alert, a.Annotations)
		}
		if !strings.Contains(string(tests), "alertname: "+a.Alert+"\n        exp_alerts:\n          - exp_labels") {
			t.Errorf("%s has no test in which it fires", a.Alert)
		}
		checkPage(t, a)
	}
	entries, err := os.ReadDir(runbookDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "README.md" && !pages[e.Name()] {
			t.Errorf("runbooks/%s is about no alert", e.Name())
		}
	}
}

// checkPage holds a runbook to its form.
func checkPage(t *testing.T, a rule) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(runbookDir, a.Alert+".md"))
	if err != nil {
		t.Error(err)
		return
	}
	if n := strings.Count(string(text), "\n"); n > 40 {
		t.Errorf("the page of %s has %d lines, limit 40", a.Alert, n)
	}
	for _, part := range []string{"# " + a.Alert, a.Annotations["summary"], "**Means.** ", "**Impact.** ", "**Confirm.** ", "**Fix.** ", "**Prevent.** ", "**Reproduce.** "} {
		if !strings.Contains(string(text), part) {
			t.Errorf("the page of %s has no %q", a.Alert, part)
		}
	}
	index, err := os.ReadFile(filepath.Join(runbookDir, "README.md"))
	if err != nil || !strings.Contains(string(index), "| ["+a.Alert+"]("+a.Alert+".md) | "+a.Labels["severity"]+" |") {
		t.Errorf("runbooks/README.md does not list %s as %s", a.Alert, a.Labels["severity"])
	}
}

// documented are the metrics of the reference page, with their types.
func documented(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(Root + "/docs/operations/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	known := make(map[string]string)
	for _, line := range regexp.MustCompile("(?m)^\\| `(unmogrowp_[a-z0-9_]+)` \\| ([a-z]+) \\|").FindAllStringSubmatch(string(text), -1) {
		known[line[1]] = line[2]
	}
	return known
}

// named are the metrics of ours that an expression names, histograms by their base name.
func named(expr string) []string {
	var names []string
	for _, name := range regexp.MustCompile(`unmogrowp_[a-z0-9_]+`).FindAllString(expr, -1) {
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			name = strings.TrimSuffix(name, suffix)
		}
		names = append(names, name)
	}
	return names
}

// dashboard is the part of Grafana's format that we write.
type dashboard struct {
	UID, Title string
	Panels     []struct {
		Title   string
		GridPos struct{ X, Y, W, H int }
		Targets []struct{ Expr string }
	}
}

// dashboards reads all of them.
func dashboards(t *testing.T) []dashboard {
	t.Helper()
	files, err := filepath.Glob(grafanaDir + "/*.json")
	if err != nil || len(files) < 7 {
		t.Fatal(files, err)
	}
	var all []dashboard
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var d dashboard
		if err := json.Unmarshal(text, &d); err != nil || d.UID == "" || len(d.Panels) == 0 {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, d)
	}
	return all
}

// TestDashboardsAndAlertsNameEveryMetricAndNoOther goes both ways: metrics that are asked for exist, and
// metrics that exist can be seen.
func TestDashboardsAndAlertsNameEveryMetricAndNoOther(t *testing.T) {
	known, shown := documented(t), make(map[string]bool)
	alerts, records := readRules(t)
	ask := func(where, expr string) {
		for _, name := range named(expr) {
			if known[name] == "" {
				t.Errorf("%s asks for %s, which is not in docs/operations/metrics.md", where, name)
			}
			shown[name] = true
		}
	}
	recorded := make(map[string]bool)
	for _, r := range records {
		ask(r.Record, r.Expr)
		recorded[r.Record] = true
	}
	for _, a := range alerts {
		ask(a.Alert, a.Expr)
	}
	for _, d := range dashboards(t) {
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				ask(d.Title+": "+p.Title, target.Expr)
				for _, name := range regexp.MustCompile(`\b[a-z]+:[a-z_]+:[a-z0-9_]+`).FindAllString(target.Expr, -1) {
					if !recorded[name] {
						t.Errorf("%s: %s asks for %s, which nothing records", d.Title, p.Title, name)
					}
				}
			}
		}
	}
	var unseen []string
	for name := range known {
		if !shown[name] {
			unseen = append(unseen, name)
		}
	}
	slices.Sort(unseen)
	if len(unseen) > 0 && Full() {
		t.Errorf("no dashboard and no alert shows %s: give each a panel in deploy/grafana", strings.Join(unseen, ", "))
	}
}

// TestPrometheusTakesTheRulesAndTheDashboards has promtool check and try the rules, and parse every
// expression of every dashboard.
func TestPrometheusTakesTheRulesAndTheDashboards(t *testing.T) {
	promtool := Tool(t, "promtool")
	MustRun(t, prometheusDir, promtool, "check", "config", "--syntax-only", "prometheus.yaml")
	MustRun(t, prometheusDir, promtool, "check", "rules", "alerts.yaml", "records.yaml")
	MustRun(t, prometheusDir, promtool, "test", "rules", "alerts_test.yaml")
	dir := t.TempDir()
	var out strings.Builder
	out.WriteString("groups:\n  - name: dashboards\n    rules:\n")
	n := 0
	for _, d := range dashboards(t) {
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				fmt.Fprintf(&out, "      - {record: \"panel:%d\", expr: %q}\n", n, strings.ReplaceAll(target.Expr, "$__rate_interval", "5m"))
				n++
			}
		}
	}
	file := filepath.Join(dir, "panels.yaml")
	if err := os.WriteFile(file, []byte(out.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	MustRun(t, "", promtool, "check", "rules", "--lint=none", file)
	t.Logf("%d expressions of dashboards", n)
}
