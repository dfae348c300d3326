package ops

import (
	"bufio"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
	"github.com/unmogrowp/unmogrowp/deploy/system"
)

// onDemand are the metrics that a well system need not have: their series come with the things that they count.
func onDemand() []string {
	return []string{
		"unmogrowp_clickhouse_detached_parts", // none is detached
		"unmogrowp_api_refusals_total",        // nobody was refused
		"unmogrowp_api_provider_logins_total", // there is no provider
	}
}

// TestALiveSystemHasTheMetricsOfTheReference compares the metrics of a running agent and aggregator with
// docs/operations/metrics.md, both ways: names and types.
func TestALiveSystemHasTheMetricsOfTheReference(t *testing.T) {
	full(t)
	c := system.New(t, childtest.ClickHouse(t), childtest.Postgres(t), 1, 1)
	storedEvent(t, c, strings.TrimPrefix(c.Agents[0].URL, "http://"))
	known := documented(t)
	var live map[string]string
	err := until(system.Patience, func() error { // heartbeats and readings come a few times a minute
		live = scrape(t, c.Agents[0].Admin)
		for name, kind := range scrape(t, c.Aggregators[0].Admin) {
			live[name] = kind
		}
		var missing []string
		for name := range known {
			if live[name] == "" && !slices.Contains(onDemand(), name) {
				missing = append(missing, name)
			}
		}
		if len(missing) > 0 {
			slices.Sort(missing)
			return fmt.Errorf("not shown: %s", strings.Join(missing, ", "))
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	for name, kind := range live {
		if known[name] != kind {
			t.Errorf("%s is a live %s, and in the reference %q", name, kind, known[name])
		}
	}
}

// scrape returns our metrics of a process with their types.
func scrape(t *testing.T, admin string) map[string]string {
	t.Helper()
	resp, err := http.Get(admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	found := make(map[string]string)
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if words := strings.Fields(lines.Text()); len(words) == 4 && words[1] == "TYPE" && strings.HasPrefix(words[2], "unmogrowp_") {
			found[words[2]] = words[3]
		}
	}
	return found
}
