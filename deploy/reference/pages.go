package main

import (
	"fmt"
	"io/fs"
	"strings"

	agent "github.com/unmogrowp/unmogrowp/agent/node"
	aggregator "github.com/unmogrowp/unmogrowp/aggregator/node"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// Where the pages lie.
const (
	settingsPage = "docs/operations/settings.md"
	metricsPage  = "docs/operations/metrics.md"
)

// Pages makes the reference pages of the repository below root, by name.
func Pages(root fs.FS) (map[string]string, error) {
	metrics, err := Metrics(root)
	if err != nil {
		return nil, err
	}
	return map[string]string{settingsPage: settings(), metricsPage: describe(metrics)}, nil
}

func settings() string {
	var b strings.Builder
	b.WriteString(`# Settings

Written from the code by ` + "`make reference`" + `; do not edit.

Each setting is a key of the YAML file that ` + "`--config`" + ` names, an environment variable and a flag. A flag
wins over the variable, the variable over the file, the file over the default. A secret is never a flag:
its flag and its variable ` + "`…_FILE`" + ` name a file that holds it. ` + "`agent validate` and `aggregator validate`" + `
check all of them and exit with code 78 if something is wrong.
`)
	agentConfig, aggregatorConfig := agent.DefaultConfig(), aggregator.DefaultConfig()
	for _, program := range []struct {
		name   string
		config any
	}{{"agent", &agentConfig}, {"aggregator", &aggregatorConfig}} {
		fmt.Fprintf(&b, "\n## %s\n\n| Key | Variable | Flag | Type | Default | Meaning |\n|---|---|---|---|---|---|\n", program.name)
		for _, s := range daemon.Describe(program.config) {
			env := "`" + s.Env + "`"
			if s.Secret {
				env += ", `" + s.Env + "_FILE`"
			}
			value := ""
			if s.Default != "" {
				value = "`" + s.Default + "`"
			}
			fmt.Fprintf(&b, "| `%s` | %s | `--%s` | %s | %s | %s |\n", s.Name, env, s.Flag, s.Type, value, cell(s.Help))
		}
	}
	return b.String()
}

func describe(metrics []Metric) string {
	var b strings.Builder
	b.WriteString(`# Metrics

Written from the code by ` + "`make reference`" + `; do not edit.

Both programs answer ` + "`GET /metrics`" + ` on ` + "`admin_listen`" + ` and, without the profiles that are there too, on
` + "`metrics_listen`" + `. Besides these, each has the metrics of the Go runtime (` + "`go_…`" + `) and of the process
(` + "`process_…`" + `). A histogram has three series: ` + "`…_bucket`, `…_sum` and `…_count`" + `. Counters with a fixed set of labels
exist from the start, at 0.
`)
	part := ""
	for _, m := range metrics {
		if m.Package != part {
			part = m.Package
			fmt.Fprintf(&b, "\n## %s\n\n| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n", part)
		}
		labels := ""
		if len(m.Labels) > 0 {
			labels = "`" + strings.Join(m.Labels, "`, `") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.Name, m.Type, labels, cell(m.Help))
	}
	return b.String()
}

// cell keeps a text within its cell of a table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;").Replace(text)
}
