package tidy

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Entry says where a package stands.
type Entry struct {
	Floor  int      // imports go to lower floors only
	Pure   bool     // no I/O, no clock, no goroutine
	Beside []string // packages of the same floor that it may import nevertheless
	Tried  []string // packages that its test files may import besides, to be tried together for real
	Test   bool     // for tests only: test files of every floor may import it
	Why    string   // the purpose of the package
}

// Floors is the plan of the house: every package, its floor, and the few imports that stay on a
// floor. A package that is not here fails the test. agent and aggregator never import each other,
// whatever the floors say.
func Floors() map[string]Entry {
	all := make(map[string]Entry)
	for _, part := range []map[string]Entry{parts(), agentFloors(), wholes()} {
		maps.Copy(all, part)
	}
	return all
}

// parts are the packages that the two programs are made of.
func parts() map[string]Entry {
	return map[string]Entry{
		"protocol":         {Floor: 0, Why: "what agents and aggregators must agree on"},
		"protocol/daemon":  {Floor: 0, Why: "what every process owes its operator"},
		"protocol/doctor":  {Floor: 0, Why: "what a machine must have before a program starts"},
		"protocol/guard":   {Floor: 0, Why: "what keeps addresses and requests from outside from leading a program astray"},
		"console":          {Floor: 0, Why: "the web console as embedded files"},
		"agent/sdk/golang": {Floor: 0, Why: "what customers import: it knows nothing of the agent but its HTTP API"},

		"aggregator/attribution": {Floor: 1, Pure: true, Why: "credits as a function of stored rows: replays and oracles need it without a clock or a disk",
			Tried: []string{"aggregator/attribution/oracle"}},
		"aggregator/attribution/script": {Floor: 1, Pure: true, Test: true, Why: "the text scripts that every implementation is held against",
			Beside: []string{"aggregator/attribution"}},
		"aggregator/attribution/oracle": {Floor: 1, Pure: true, Test: true, Why: "the same results computed another way, to compare with",
			Beside: []string{"aggregator/attribution"}},
		"aggregator/report": {Floor: 1, Pure: true, Beside: []string{"aggregator/attribution"}, Why: "questions to SQL, tested as text; the models' names are attribution's"},
		"aggregator/mcp":    {Floor: 1, Why: "the API's questions as tools for assistants; knows the API only by HTTP"},
		"aggregator/deliveries": {Floor: 1, Why: "postbacks until they are taken: the outbox in Postgres and what sends",
			Beside: []string{"aggregator/attribution", "aggregator/postback", "aggregator/postgres"}, Tried: []string{"aggregator/accounts", "aggregator/apps"}},
		"aggregator/postback": {Floor: 1, Pure: true, Why: "what is told to a network or a webhook, and when again"},
		"aggregator/access":   {Floor: 1, Pure: true, Why: "who may do what, as a table that can be read in one place"},

		"aggregator/lease": {Floor: 0, Why: "a job that one node of all does at a time, and how far it has come"},
		"aggregator/pass":  {Floor: 0, Why: "the wall between apps in ClickHouse, as both sides of it must know it"},

		"aggregator/intake": {Floor: 1, Why: "agents' sessions and blocks; knows its sink only by an interface",
			Tried: []string{"aggregator/authority"}},
		"aggregator/rollup": {Floor: 1, Why: "keeps the sums that reports read; knows the warehouse only by an interface"},
		"aggregator/recompute": {Floor: 1, Beside: []string{"aggregator/attribution"}, Why: "finds what to compute and has it computed",
			Tried: []string{"aggregator/warehouse"}},
		"aggregator/reconcile": {Floor: 1, Beside: []string{"aggregator/attribution"}, Why: "holds what is stored against a second computation",
			Tried: []string{"aggregator/recompute", "aggregator/warehouse"}},
		"aggregator/runs": {Floor: 1, Beside: []string{"aggregator/apps", "aggregator/postgres", "aggregator/attribution", "aggregator/report"},
			Tried: []string{"aggregator/accounts"}, Why: "what takes longer than a request; knows the warehouse only by interfaces"},
		"aggregator/cluster":   {Floor: 1, Why: "membership, a hint"},
		"aggregator/warehouse": {Floor: 1, Beside: []string{"aggregator/attribution", "aggregator/report"}, Why: "ClickHouse: the rows of results and of answers are theirs"},
		"aggregator/vitals":    {Floor: 1, Beside: []string{"aggregator/accounts", "aggregator/agents", "aggregator/postgres", "aggregator/warehouse"}, Why: "how databases and agents stand, as metrics"},
		"aggregator/postgres": {Floor: 1, Beside: []string{"aggregator/access"}, Why: "the open database: migrations, scope of apps, secrets, leases, settings generation, audit log",
			Tried: []string{"aggregator/accounts", "aggregator/apps", "aggregator/people"}},
		"aggregator/people": {Floor: 1, Beside: []string{"aggregator/postgres", "aggregator/access", "aggregator/apps"}, Why: "people with their roles, and how they log in",
			Tried: []string{"aggregator/accounts"}},
		"aggregator/apps": {Floor: 1, Beside: []string{"aggregator/postgres", "aggregator/attribution"}, Why: "apps with their keys, links, settings and runs",
			Tried: []string{"aggregator/accounts"}},
		"aggregator/agents": {Floor: 1, Beside: []string{"aggregator/postgres"}, Why: "enrolled agents",
			Tried: []string{"aggregator/accounts", "aggregator/apps"}},
		"aggregator/accounts": {Floor: 1, Beside: []string{"aggregator/postgres", "aggregator/people", "aggregator/apps", "aggregator/agents"}, Why: "Postgres and the rooms over it, opened together",
			Tried: []string{"aggregator/access", "aggregator/attribution"}},
		"aggregator/authority": {Floor: 1, Why: "the certificates of agents and nodes"},
		"aggregator/oidc":      {Floor: 1, Why: "logins at OpenID Connect providers; knows nobody's account"},
		"aggregator/api": {Floor: 1, Why: "REST and the console; calls on what it shows",
			Beside: []string{"aggregator/access", "aggregator/deliveries", "aggregator/postback", "aggregator/report", "aggregator/attribution", "aggregator/accounts", "aggregator/postgres", "aggregator/people", "aggregator/apps", "aggregator/agents", "aggregator/authority", "aggregator/oidc"}},
	}
}

// wholes are the programs, and what runs and tests them.
func wholes() map[string]Entry {
	return map[string]Entry{
		"agent/node":      {Floor: 2, Why: "the one place that wires an agent"},
		"aggregator/node": {Floor: 2, Why: "the one place that wires an aggregator"},

		"agent":      {Floor: 3, Why: "the program"},
		"aggregator": {Floor: 3, Why: "the program"},

		"aggregator/accounts/accountstest": {Floor: 4, Beside: []string{"deploy/children/childtest"}, Test: true, Why: "an open database for tests, with people and apps"},

		"deploy/children":             {Floor: 4, Why: "real ClickHouse and Postgres as child processes"},
		"deploy/children/childtest":   {Floor: 4, Beside: []string{"deploy/children"}, Test: true, Why: "the same, for tests"},
		"deploy/children/chserver":    {Floor: 4, Why: "the process that becomes ClickHouse"},
		"deploy/children/withservers": {Floor: 4, Beside: []string{"deploy/children", "deploy/children/childtest"}, Why: "the same, around one command"},
		"deploy/system":               {Floor: 4, Beside: []string{"deploy/children"}, Why: "whole clusters, in one process or as processes that can be killed"},
		"deploy/attack":               {Floor: 4, Beside: []string{"deploy/system"}, Why: "every attack of the security requirements, against a live system"},
		"deploy/powercut":             {Floor: 4, Why: "a disk for tests that loses what was not flushed, or fails"},
		"deploy/release":              {Floor: 4, Why: "binaries, packages and their papers"},
		"deploy/ops":                  {Floor: 4, Beside: []string{"deploy/system", "deploy/children"}, Why: "what operators are given, tried out"},
		"deploy/k8s/strict":           {Floor: 4, Why: "manifests held against the types of Kubernetes, in a module of its own"},
		"deploy/reference":            {Floor: 4, Why: "the reference pages, written from the code"},
		"deploy/tidy":                 {Floor: 4, Why: "these rules"},

		"deploy/standalone/traffic": {Floor: 4, Why: "believable sample traffic, the same from the same seed"},

		"deploy/standalone": {Floor: 5, Why: "the single-machine command"},
		"benchmarks":        {Floor: 5, Why: "load and figures"},
	}
}

// agentFloors are the entries of the agent's parts.
func agentFloors() map[string]Entry {
	return map[string]Entry{
		"agent/document": {Floor: 1, Pure: true, Why: "a JSON text with limits, faults and places; knows no events"},
		"agent/event": {Floor: 1, Pure: true, Beside: []string{"agent/document"}, Why: "one message to one event, in steps that need no request",
			Tried: []string{"agent/event/script"}},
		"agent/event/script": {Floor: 1, Pure: true, Test: true, Why: "the text scripts that the pure packages and the door are held against"},
		"agent/vendor": {Floor: 1, Pure: true, Beside: []string{"agent/document", "agent/event"}, Why: "another vendor's request to messages",
			Tried: []string{"agent/event/script"}},
		"agent/robots": {Floor: 1, Why: "user agents of robots, from an embedded list"},
		"agent/ingest": {Floor: 1, Beside: []string{"agent/document", "agent/event", "agent/robots", "agent/vendor"}, Why: "HTTP to events; knows its buffer only by an interface"},
		"agent/buffer": {Floor: 1, Why: "the one durable queue"},
		"agent/uplink": {Floor: 1, Why: "blocks to aggregators; knows its queue only by an interface"},
		"agent/links":  {Floor: 1, Why: "tracking links"},
		"agent/geo":    {Floor: 1, Why: "addresses to countries, by the operator's database"},
	}
}

// checkFloors holds every import inside the module against the plan.
func (c *checker) checkFloors() {
	unknown := make(map[string]bool)
	for _, f := range c.repo.files {
		from, known := c.floors[f.pkg]
		if !known && !unknown[f.pkg] {
			unknown[f.pkg] = true
			c.report(f, f.syntax.Name.Pos(), "floor", fmt.Sprintf("package %s has no entry", f.pkg),
				"give it a floor and a reason in deploy/tidy/floors.go, or put the code where it belongs")
		}
		if !known {
			continue
		}
		for _, spec := range f.syntax.Imports {
			target, err := strconv.Unquote(spec.Path.Value)
			if err != nil || (target != module && !strings.HasPrefix(target, module+"/")) {
				continue
			}
			to := strings.TrimPrefix(target, module+"/")
			if why := c.forbidden(f, from, to); why != "" {
				c.report(f, spec.Pos(), "floor", fmt.Sprintf("%s imports %s, %s", f.pkg, to, why),
					"declare the interface that you need and let node wire it")
			}
		}
	}
}

// forbidden says why a file must not import a package of the module; empty if it may.
func (c *checker) forbidden(f *goFile, from Entry, to string) string {
	entry, known := c.floors[to]
	meets := (under(f.pkg, "agent") && under(to, "aggregator")) || (under(f.pkg, "aggregator") && under(to, "agent"))
	switch {
	case f.pkg == to: // an external test of its own package
		return ""
	case !known:
		return "which has no entry in deploy/tidy/floors.go"
	case meets:
		return "but agent and aggregator never import each other"
	case f.test && (entry.Test || slices.Contains(from.Tried, to)):
		return ""
	case entry.Floor < from.Floor || slices.Contains(from.Beside, to):
		return ""
	}
	return fmt.Sprintf("but imports go down and %d is not below %d", entry.Floor, from.Floor)
}

func under(pkg, dir string) bool { return pkg == dir || strings.HasPrefix(pkg, dir+"/") }
