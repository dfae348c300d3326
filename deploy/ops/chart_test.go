package ops

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const chart = Root + "/deploy/k8s/chart"

var updateGoldens = flag.Bool("update", false, "write the goldens anew")

// TestTheChartHoldsTheSameRulesAndDashboards: a chart can read only files of its own.
func TestTheChartHoldsTheSameRulesAndDashboards(t *testing.T) {
	files, err := filepath.Glob(chart + "/files/*")
	if err != nil || len(files) != 9 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		dir := prometheusDir
		if strings.HasSuffix(file, ".json") {
			dir = grafanaDir
		}
		copied, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		original, err := os.ReadFile(filepath.Join(dir, filepath.Base(file)))
		if err != nil || string(original) != string(copied) {
			t.Errorf("%s is another file in %s (%v): copy it", filepath.Base(file), dir, err)
		}
	}
}

// examples are the values that the goldens are rendered from.
func examples(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(Root + "/deploy/k8s/examples/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	return files
}

// TestTheChartRendersWhatAClusterTakes lints it, renders every example, compares with the goldens, and
// decodes every object strictly into the types of the Kubernetes API.
func TestTheChartRendersWhatAClusterTakes(t *testing.T) {
	helm := Tool(t, "helm")
	full(t)
	MustRun(t, "", helm, "lint", "--strict", chart)
	for _, file := range examples(t) {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		if out, err := Run(t.Context(), "", nil, helm, "lint", "--strict", chart, "--values", file); err != nil {
			t.Error(name, err, out)
		}
		text := MustRun(t, "", helm, "template", "up", chart, "--namespace", "attribution", "--kube-version", "1.30.0", "--values", file)
		golden := "testdata/chart-" + name + ".golden"
		if *updateGoldens {
			if err := os.WriteFile(golden, []byte(cut(text)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil || cut(text) != string(want) {
			t.Errorf("%s renders something else than %s (%v); if that is meant: go test ./deploy/ops -run Chart -update", name, golden, err)
		}
		if out, err := strict(t.Context(), text); err != nil {
			t.Errorf("%s: %v %s", name, err, out)
		}
	}
	if out, err := strict(t.Context(), "apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {prots: []}\n"); err == nil || !strings.Contains(out, "prots") {
		t.Errorf("a misspelt key passes: %v %s", err, out)
	}
}

// cut leaves rules and dashboards out of a golden: they are files of their own.
func cut(text string) string {
	var kept []string
	for part := range strings.SplitSeq(text, "\n---") {
		if !strings.Contains(part, "kind: PrometheusRule") && !strings.Contains(part, "grafana_dashboard") {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, "\n---")
}

// strict decodes manifests by the module of its own.
func strict(ctx context.Context, text string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "run", ".")
	cmd.Dir, cmd.Stdin, cmd.Env = Root+"/deploy/k8s/strict", strings.NewReader(text), append(os.Environ(), "GOFLAGS=")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestWrongValuesAreRefused: values that a cluster would take and run wrongly are refused before, with a reason.
func TestWrongValuesAreRefused(t *testing.T) {
	helm := Tool(t, "helm")
	full(t)
	for values, reason := range map[string]string{
		"agent: {replica: 3}":                                        "replica",
		"agent: {replicas: 0}":                                       "replicas",
		"agent: {disk: {size: 20GB}}":                                "size",
		"agent: {quota: 8Gi}":                                        "quota",
		"agent: {aggregators: [core.example.com]}":                   "aggregators",
		"agent: {settings: {data_dir: /tmp}}":                        "data_dir",
		"agent: {service: {type: Loadbalancer}}":                     "type",
		"aggregator: {secret: \"\"}":                                 "secret",
		"aggregator: {settings: {postgres_dsn: \"postgres://x\"}}":   "postgres_dsn",
		"aggregator: {replicas: 3, advertise: [\"a.example:7443\"]}": "1 addresses for 3 replicas",
		"aggregator: {replicas: two}":                                "replicas",
		"images: {agent: {repository: x, pullPolicy: Sometimes}}":    "pullPolicy",
		"networkPolicy: {enabled: maybe}":                            "enabled",
		"monitoring: {enable: true}":                                 "enable",
	} {
		file := filepath.Join(t.TempDir(), "values.yaml")
		if err := os.WriteFile(file, []byte(values), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := Run(t.Context(), "", nil, helm, "template", "up", chart, "--kube-version", "1.30.0", "--values", file)
		if err == nil || !strings.Contains(out, reason) {
			t.Errorf("%s: %v, without %q", values, err, reason)
		}
	}
}
