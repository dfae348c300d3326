package attack

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/jackc/pgx/v5"

	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

func restAttacks() []attack {
	return []attack{
		{id: 71, run: attack71GossipWithoutKey}, {id: 72, run: attack72GossipGarbage}, {id: 73, run: attack73ForgedFarewell},
		{id: 76, run: attack76OpenRedirects}, {id: 77, run: attack77TamperedAudit}, {id: 78, run: attack78AuditUnwritable}, {id: 79, run: attack79KillBeforeAudit},
		{id: 80, run: attack80Operations}, {id: 81, run: attack81ErrorPages}, {id: 82, run: attack82PlantedSecrets}, {id: 83, run: attack83PathTraversal},
	}
}

func attack76OpenRedirects(s *suite) {
	targets := []string{"//evil.example", `/\evil.example`, `\\evil.example`, "https:evil.example", "https:/evil.example", "https:///evil.example", "javascript:alert(1)", "JavaScript:alert(1)", "java\tscript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "blob:x", "about:blank",
		"https://good.example%0d%0aSet-Cookie:x", "https://good.example/\r\nSet-Cookie: x", "https://good.example@evil.example", "https://user:pass@evil.example/", "https://evil.example\\@good.example", " https://evil.example", "https://evil .example", "ftp://evil.example", "gopher://evil.example", "", "/", "evil.example", "?x", "#x",
		"https://", "http://:80/", "https://[::1", "https://\x00", "https://evil.example/\x7f"}
	accepted := 0
	for _, target := range targets {
		for _, body := range []map[string]any{{"media_source": "x", "fallback": target}, {"media_source": "x", "fallback": "https://good.example/", "redirects": map[string]string{"web": target}}, {"media_source": "x", "fallback": "https://good.example/", "deep_links": map[string]string{"web": target}},
			{"media_source": "x", "fallback": "https://good.example/", "stores": map[string]string{"ios": target}}} {
			if strings.Contains(target, "%0d") { // escaped for ever: a host that does not exist, and no header
				continue
			}
			got := s.console("POST", "apps/"+s.App+"/links", s.owner, body)
			if got.status == 201 {
				accepted++
			}
			got.want(400)
		}
	}
	s.redirectsStay()
}

// redirectsStay holds the targets of clicks against the stored link, whatever the clicks carry.
func (s *suite) redirectsStay() {
	s.Helper()
	var link struct{ Slug string }
	s.quiet().call(s.Aggregators[0].URL, "POST", "apps/"+s.App+"/links", s.owner, map[string]any{"media_source": "mail", "fallback": "https://good.example/landing?x=1"}).want(201).decode(&link)
	for _, agent := range s.Agents {
		s.Await("the link is known", func() error {
			if got := s.quiet().call(agent.URL, "GET", "/c/"+link.Slug, "", nil); got.status != 302 {
				return fmt.Errorf("status %d", got.status)
			}
			return nil
		})
		for _, name := range []string{"url", "redirect", "redirect_url", "destination", "to", "next", "r", "deep_link", "af_dp", "fallback", "click_id", "media_source"} {
			for _, value := range []string{"https%3A%2F%2Fevil.example", "%2F%2Fevil.example", "%0d%0aLocation:%20https://evil.example", "javascript:alert(1)"} {
				got := s.as("").call(agent.URL, "GET", "/c/"+link.Slug+"?"+name+"="+value, "", nil).want(302)
				if to := got.header.Get("Location"); !strings.HasPrefix(to, "https://good.example/landing?x=1&umcid=") || strings.Contains(to, "evil") {
					s.Errorf("%s leads to %q", got.what, to)
				}
			}
		}
		for _, path := range []string{"/c/" + link.Slug + "/%2f%2fevil.example", "/c/" + link.Slug + "%0d%0aX:y", "/c//evil.example", "/c/..%2f..%2fevil.example", "/c/" + strings.Repeat("x", 3000), "/c/%00", "/c/"} {
			got := s.as("").call(agent.URL, "GET", path, "", nil)
			if to := got.header.Get("Location"); to != "" && !strings.HasPrefix(to, "/c/") {
				s.Errorf("%s leads to %q", got.what, got.header.Get("Location"))
			}
		}
		for _, host := range []string{"evil.example", "evil.example:80"} {
			got := s.with("Host", host, "X-Forwarded-Host", host, "X-Forwarded-Proto", "javascript").call(agent.URL, "GET", "/c/"+link.Slug, "", nil).want(302)
			if to := got.header.Get("Location"); strings.Contains(to, "evil") {
				s.Errorf("host %s leads to %q", host, to)
			}
		}
	}
}

// verified is the result of the audit log's own check.
func (s *suite) verified() (v struct {
	Valid    bool  `json:"valid"`
	FirstBad int64 `json:"first_bad"`
	Entries  int64 `json:"entries"`
}) {
	s.Helper()
	s.console("GET", "audit/verify", s.owner, nil).want(200).decode(&v)
	return v
}

// refusedSQL wants that a statement is refused to the role as which the system itself is connected, for
// lack of permission, and to the owner of the tables by a trigger.
func (s *suite) refusedSQL(statement string) {
	s.Helper()
	application, err := postgres.ApplicationConfig(s.PostgresDSN)
	if err != nil {
		s.Fatal(err)
	}
	owner, err := pgx.ParseConfig(s.PostgresDSN)
	if err != nil {
		s.Fatal(err)
	}
	for _, c := range []struct {
		config *pgx.ConnConfig
		says   string
	}{{application, "permission denied"}, {owner, "append-only"}} {
		conn, err := pgx.ConnectConfig(s.Context(), c.config)
		if err != nil {
			s.Fatal(err)
		}
		defer conn.Close(context.WithoutCancel(s.Context()))
		s.count(1)
		if _, err := conn.Exec(s.Context(), statement); err == nil || !strings.Contains(err.Error(), c.says) {
			s.Errorf("%s as %s: %v, want %s", statement, c.config.User, err, c.says)
		}
	}
}

// usedRoles are those that the aggregators are connected as.
func (s *suite) usedRoles() (roles []string) {
	s.Helper()
	err := s.postgres().QueryRow(s.Context(), `SELECT array_agg(DISTINCT usename) FROM pg_stat_activity
		WHERE datname = current_database() AND application_name = 'unmogrowp-aggregator'`).Scan(&roles)
	if err != nil {
		s.Fatal(err)
	}
	return roles
}

func attack77TamperedAudit(s *suite) {
	application, err := postgres.ApplicationConfig(s.PostgresDSN)
	if err != nil {
		s.Fatal(err)
	}
	if roles := s.usedRoles(); len(roles) != 1 || roles[0] != application.User {
		s.Errorf("the system is connected as %v, want only %s", roles, application.User)
	}
	for _, statement := range []string{"UPDATE audit_log SET actor = 'x'", "UPDATE audit_log SET actor = 'x' WHERE seq = 3", "DELETE FROM audit_log", "DELETE FROM audit_log WHERE seq = 3", "TRUNCATE audit_log", "TRUNCATE audit_log CASCADE"} {
		s.refusedSQL(statement)
	}
	if v := s.verified(); !v.Valid || v.Entries < 10 {
		s.Fatalf("before: %+v", v)
	}
	// Somebody who owns the database switches the guard off. Each change is taken back after it.
	s.sql("ALTER TABLE audit_log DISABLE TRIGGER ALL")
	defer s.sql("ALTER TABLE audit_log ENABLE TRIGGER ALL")
	last := s.verified().Entries
	for _, c := range []struct {
		name, tamper, restore string
		first                 int64
	}{
		{"edited", "UPDATE audit_log SET actor = actor || 'x' WHERE seq = 5", "UPDATE audit_log SET actor = left(actor, -1) WHERE seq = 5", 5},
		{"outcome", "UPDATE audit_log SET outcome = 'denied', detail = detail || ' ' WHERE seq = 4", "", 4},
		{"removed", "CREATE TABLE kept AS SELECT * FROM audit_log WHERE seq = 7; DELETE FROM audit_log WHERE seq = 7", "INSERT INTO audit_log SELECT * FROM kept; DROP TABLE kept", 7},
		{"reordered", "UPDATE audit_log SET seq = -1 WHERE seq = 8; UPDATE audit_log SET seq = 8 WHERE seq = 9; UPDATE audit_log SET seq = 9 WHERE seq = -1", "UPDATE audit_log SET seq = -1 WHERE seq = 8; UPDATE audit_log SET seq = 8 WHERE seq = 9; UPDATE audit_log SET seq = 9 WHERE seq = -1", 8},
		{"cut tail", fmt.Sprintf("CREATE TABLE kept AS SELECT * FROM audit_log WHERE seq > %d; DELETE FROM audit_log WHERE seq > %d", last-3, last-3), "INSERT INTO audit_log SELECT * FROM kept; DROP TABLE kept", last - 2},
	} {
		if c.name == "outcome" { // the original entry is kept beside
			c.tamper = "CREATE TABLE kept AS SELECT * FROM audit_log WHERE seq = 4; " + c.tamper
			c.restore = "DELETE FROM audit_log WHERE seq = 4; INSERT INTO audit_log SELECT * FROM kept; DROP TABLE kept"
		}
		s.sql(c.tamper)
		if v := s.verified(); v.Valid || v.FirstBad != c.first {
			s.Errorf("%s: %+v, want the first bad entry %d", c.name, v, c.first)
		}
		s.sql(c.restore)
		if v := s.verified(); !v.Valid {
			s.Fatalf("%s and put back: %+v", c.name, v)
		}
	}
}

func attack78AuditUnwritable(s *suite) {
	s.sql("ALTER TABLE audit_log ADD CONSTRAINT unwritable CHECK (seq < 0) NOT VALID")
	defer s.sql("ALTER TABLE audit_log DROP CONSTRAINT unwritable")
	for _, m := range []struct {
		method, path string
		body         any
	}{
		{"POST", "apps", map[string]any{"name": "Unaudited"}}, {"PATCH", "apps/" + s.App, map[string]any{"name": "Unaudited"}}, {"POST", "apps/" + s.App + "/keys", map[string]any{"kind": "client"}},
		{"POST", "apps/" + s.App + "/links", map[string]any{"media_source": "x", "fallback": "https://example.com/"}}, {"POST", "users", map[string]any{"email": "unaudited@example.com", "name": "U", "password": password, "roles": []any{}}},
		{"PATCH", "me", map[string]any{"name": "Unaudited"}}, {"POST", "agents/enrollment-tokens", map[string]any{"name": "unaudited", "region": "x"}}, {"DELETE", "apps/" + s.App, nil},
	} {
		s.console(m.method, m.path, s.owner, m.body).want(503)
	}
	for _, path := range []string{"me", "apps", "apps/" + s.App, "apps/" + s.App + "/keys", "users", "audit", "apps/" + s.App + "/reports/overview"} {
		got := s.console("GET", path, s.owner, nil).want(200)
		if bytes.Contains(got.body, []byte("Unaudited")) || bytes.Contains(got.body, []byte("unaudited@example.com")) {
			s.Errorf("%s has a change that the audit log has not", path)
		}
	}
	s.as("").event(s.Agents[0], s.WriteKey, "/v1/track", `{"event":"Unaudited","userId":"u"}`).want(200)
}

// attack79KillBeforeAudit ends a change's connection while it waits to write its audit entry.
func attack79KillBeforeAudit(s *suite) {
	for i := range 3 {
		name := fmt.Sprintf("Killed %d", i)
		lock, other := s.postgres(), s.postgres()
		tx, err := lock.Begin(s.Context())
		if err != nil {
			s.Fatal(err)
		}
		if _, err := tx.Exec(s.Context(), "SELECT 1 FROM audit_head FOR UPDATE"); err != nil {
			s.Fatal(err)
		}
		answered := make(chan int, 1)
		var wg sync.WaitGroup
		wg.Go(func() { answered <- s.console("POST", "apps", s.owner, map[string]any{"name": name}).status })
		s.Await("the change waits for the log", func() error {
			var killed int
			err := other.QueryRow(s.Context(), `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid()
				AND wait_event_type = 'Lock' AND query LIKE '%audit_head%' AND datname = current_database()`).Scan(&killed)
			if err == nil && killed == 0 {
				err = fmt.Errorf("nobody waits")
			}
			return err
		})
		wg.Wait()
		if status := <-answered; status != 503 {
			s.Errorf("a change whose connection was cut answered %d", status)
		}
		if err := tx.Rollback(s.Context()); err != nil {
			s.Fatal(err)
		}
		if got := s.console("GET", "apps", s.owner, nil).want(200); bytes.Contains(got.body, []byte(name)) {
			s.Error("the change is there without its audit entry")
		}
	}
	if v := s.verified(); !v.Valid {
		s.Errorf("%+v", v)
	}
}

// postgres is a connection of the superuser, closed with the group.
func (s *suite) postgres() *pgx.Conn {
	s.Helper()
	conn, err := pgx.Connect(s.Context(), s.PostgresDSN)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func attack80Operations(s *suite) {
	for _, base := range []string{s.Agents[0].URL, s.Agents[1].URL, s.Aggregators[0].URL, s.Aggregators[1].URL} {
		for _, path := range []string{"/metrics", "/debug/pprof", "/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/goroutine?debug=2", "/debug/pprof/profile?seconds=1", "/debug/vars", "/healthz", "/readyz", "/version", "/api/v1/metrics", "/api/v1/debug/pprof/", "/admin", "/status", "/.env", "/.git/config", "/server-status", "/actuator/health", "/v1/metrics", "//debug/pprof/", "/%64ebug/pprof/"} {
			for _, header := range [][]string{nil, {"X-Forwarded-For", "127.0.0.1"}, {"Host", "localhost:8081"}} {
				got := s.with(header...).call(base, "GET", path, "", nil)
				for _, word := range []string{"# HELP", "go_goroutines", "Types of profiles", "cmdline", "memstats", "heap profile", "UNMOGROWP_", "[core]", `"version"`} {
					if bytes.Contains(got.body, []byte(word)) {
						s.Errorf("%s shows %q", got.what, word)
					}
				}
			}
		}
	}
}

func attack81ErrorPages(s *suite) {
	for _, base := range []string{s.Agents[0].URL, s.Aggregators[0].URL} {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "TRACE", "X"} {
			for _, path := range []string{"/", "/api/v1/apps", "/api/v1/users/x", "/api/v1/apps/" + s.App + "/reports/overview?from=x", "/v1/track", "/v1/batch", "/c/x", "/i/x", "/v1/projects/x/settings", "/nothing.php", "/%ff", "/" + strings.Repeat("a/", 2000)} {
				for _, body := range []any{nil, "{", "\x00\xff", `{"name":{"a":1}}`} {
					got := s.as("").call(base, method, path, s.owner, body) // judged as every answer is
					if got.header.Get("Server") != "" || got.header.Get("X-Powered-By") != "" {
						s.Errorf("%s says what serves it", got.what)
					}
				}
			}
		}
		for _, text := range []string{"GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00", "GET / HTTP/1.1\r\n\r\n", "GET http://evil.example/ HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\nHost: \x00\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00"} {
			s.raw(base, text)
		}
	}
}

// tables is every table of Postgres as text.
func (s *suite) tables() map[string]string {
	s.Helper()
	conn, err := pgx.Connect(s.Context(), s.PostgresDSN)
	if err != nil {
		s.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(s.Context()))
	rows, err := conn.Query(s.Context(), `SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1`)
	if err != nil {
		s.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		s.Fatal(err)
	}
	dump := map[string]string{}
	for _, name := range names {
		var text string
		if err := conn.QueryRow(s.Context(), `SELECT coalesce(string_agg(t::text, E'\n'), '') FROM `+pgx.Identifier{name}.Sanitize()+` t`).Scan(&text); err != nil {
			s.Fatal(err)
		}
		dump["table "+name] = text
	}
	if len(dump) < 10 {
		s.Errorf("only %d tables", len(dump))
	}
	return dump
}

func attack83PathTraversal(s *suite) {
	var paths []string
	for _, up := range []string{"../", "..%2f", "%2e%2e/", "%2e%2e%2f", "..%5c", "..\\", "....//", "%252e%252e%252f", "..%c0%af", "..;/", "%00../"} {
		for _, file := range []string{"etc/passwd", "go.mod", "console/index.html"} {
			paths = append(paths, "/"+strings.Repeat(up, 6)+file, "/assets/"+strings.Repeat(up, 6)+file, "/api/v1/"+strings.Repeat(up, 6)+file, "/c/"+strings.Repeat(up, 3)+file)
		}
	}
	paths = append(paths, "/assets/", "/assets", "/./assets/", "/assets/.", "/index.html/", "/console.go", "/embed.go", "/placeholder.html", "/etc/passwd.txt", "/C:/windows/win.ini", "/file:///etc/passwd.txt", "/~root/x.txt")
	for _, base := range []string{s.Agents[0].URL, s.Aggregators[0].URL} {
		for _, path := range paths {
			s.count(1)
			// As they are: a client would clean them.
			statuses, _ := s.raw(base, "GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			if len(statuses) != 1 || statuses[0] == 200 && !strings.HasPrefix(path, "/assets") && strings.Contains(path, "passwd") {
				s.Errorf("%s at %s: %v", path, base, statuses)
			}
		}
	}
}

// everyRow is every row of every table of the warehouse as text.
func (s *suite) everyRow(dsn string) string {
	s.Helper()
	options, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		s.Fatal(err)
	}
	conn, err := clickhouse.Open(options)
	if err != nil {
		s.Fatal(err)
	}
	defer conn.Close()
	var names []string
	if err := conn.QueryRow(s.Context(), "SELECT groupArray(name) FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'").Scan(&names); err != nil {
		s.Fatal(err)
	}
	var all strings.Builder
	for _, name := range names {
		var text string
		if err := conn.QueryRow(s.Context(), "SELECT arrayStringConcat(groupArray(toString(tuple(*))), '\n') FROM "+name).Scan(&text); err != nil {
			s.Fatal(err)
		}
		all.WriteString(text)
	}
	return all.String()
}
