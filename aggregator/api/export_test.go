package api

import (
	"encoding/csv"
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/people"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
	"github.com/unmogrowp/unmogrowp/aggregator/report"
)

// Whoever takes a table away leaves an entry that describes it, or does not get it.
func TestExportsAreBoundedAndAudited(t *testing.T) {
	s := newSystem(t)
	c := s.owner()
	var app struct{ ID string }
	c.post("apps", map[string]any{"name": "Shop"}).want(201).decode(&app)
	at := "apps/" + app.ID
	got := c.get(at + "/conversions?format=csv&from=2026-01-01&to=2026-02-01").want(200)
	rows, err := csv.NewReader(strings.NewReader(string(got.body))).ReadAll()
	if err != nil || len(rows) != report.MaxExport+1 || rows[0][0] != "id" || rows[1][0] != "'=1+1" || rows[1001][0] != "'=1+1" || rows[1][3] != "-1.000000" {
		t.Fatalf("%d rows, %v: %v", len(rows), rows[:2], err)
	}
	if got.header.Get(truncatedHeader) != "true" || got.header.Get("Content-Type") != csvType || got.header.Get("Content-Disposition") != `attachment; filename="conversions.csv"` {
		t.Errorf("header = %v", got.header)
	}
	last := s.lastAudit()
	if last.Action != "report.export" || last.App != app.ID || last.Actor != c.user.ID {
		t.Errorf("audit = %+v", last)
	}
	for _, part := range []string{`"rows":` + strconv.Itoa(report.MaxExport), `"truncated":true`, `"from":"2026-01-01"`, `"format":"csv"`} {
		if !strings.Contains(strings.ReplaceAll(string(last.Detail), ": ", ":"), part) {
			t.Errorf("the entry lacks %s: %s", part, last.Detail)
		}
	}
	for accept, want := range map[string]string{"text/csv": csvType, "text/csv;q=0.9, application/json;q=0.1": csvType, "application/json, text/csv": "application/json", "*/*": "application/json", "": "application/json", "text/html": "application/json"} {
		got := c.send("GET", at+"/reports/sources", nil, map[string]string{"Accept": accept}).want(200)
		if kind := got.header.Get("Content-Type"); kind != want || got.header.Get("Vary") != "Accept" {
			t.Errorf("Accept %q: %s", accept, kind)
		}
	}
	c.get(at + "/reports/sources?format=xlsx").want(400)
	s.user("foreign@example.com", access.Assignment{Role: access.Owner, Apps: []string{s.app("Other")}})
	s.login("foreign@example.com").get(at + "/conversions?format=csv").want(404)
}

// Refusals that are too many for the audit log are counted in the next entry.
func TestRefusalsFold(t *testing.T) {
	s := newSystem(t)
	bad := map[string]string{"Authorization": "Bearer x"}
	for range refusalsBurst + 50 {
		s.client().send("GET", "users", nil, bad).want(401)
	}
	recorded, folded := s.recordedRefusals()
	if recorded+folded > refusalsBurst+50 || recorded < refusalsBurst {
		t.Fatalf("%d are recorded and %d counted", recorded, folded)
	}
	s.clock.advance(forgetAfter)
	s.client().send("GET", "users", nil, bad).want(401)
	if recorded, folded = s.recordedRefusals(); recorded+folded != refusalsBurst+51 || folded == 0 {
		t.Errorf("%d are recorded and %d counted, want %d in all", recorded, folded, refusalsBurst+51)
	}
}

// recordedRefusals counts the entries of refusals, and the other refusals that they count.
func (s *system) recordedRefusals() (recorded, folded int) {
	s.t.Helper()
	entries, err := s.accounts.Audit(s.t.Context(), postgres.AuditPage{Limit: 10_000, Action: "access.denied"})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range entries {
		var detail struct {
			Missing int `json:"not_recorded_before"`
		}
		if err := json.Unmarshal(e.Detail, &detail); err != nil {
			s.t.Fatal(err)
		}
		folded += detail.Missing
	}
	return len(entries), folded
}

// Whoever puts a secret into an address must not find it in the audit log.
func TestSecretsInAddressesAreNotKept(t *testing.T) {
	s := newSystem(t)
	secret := people.TokenPrefix + strings.Repeat("x", 43)
	for _, path := range []string{"users/" + secret, "users/" + strings.Repeat("A", 43), "users/wk_secretofanapp", "users/" + strings.Repeat("eyJ.", 2000)} {
		s.client().send("GET", path, nil, map[string]string{"Authorization": "Bearer x"}).want(401)
		detail := string(s.lastAudit().Detail)
		if strings.Contains(detail, path) || strings.Contains(detail, "secretofanapp") || !strings.Contains(detail, "/api/v1/users/") {
			t.Errorf("%.60s: %s", path, detail)
		}
	}
}
