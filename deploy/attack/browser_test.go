package attack

import (
	"strings"
)

func browserAttacks() []attack {
	return []attack{
		{id: 36, run: attack36CrossSite, denied: "access.denied"}, {id: 37, run: attack37FormCSRF}, {id: 39, run: attack39Headers}, {id: 40, run: attack40CORS},
		{id: 41, run: attack41CookieFlags}, {id: 42, run: attack42Framing, note: "by the headers; `deploy/system` has the browser"},
	}
}

// mutations are requests that change something, as a page of another site would send them.
func (s *suite) mutations() [][2]string {
	return [][2]string{{"POST", "auth/login"}, {"POST", "auth/refresh"}, {"POST", "auth/logout"}, {"POST", "apps"}, {"PATCH", "me"}, {"POST", "users"}, {"DELETE", "apps/" + absentID},
		{"PUT", "users/" + absentID + "/roles"}, {"POST", "agents/enrollment-tokens"}, {"POST", "agents/" + absentID + "/revoke"}, {"POST", "apps/" + s.App + "/keys"}, {"POST", "apps/" + s.App + "/links"}}
}

func attack36CrossSite(s *suite) {
	for _, header := range [][2]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}, {"Origin", "http://127.0.0.1.evil.example"}, {"Origin", "file://"}, {"Origin", "chrome-extension://x"}} {
		for i, m := range s.mutations() {
			got := s.with(header[0], header[1]).call(s.Aggregators[i%2].URL, m[0], m[1], s.owner, "{}").want(403)
			if code := got.problem().Code; code != "cross_origin" {
				s.Errorf("%s with %s: code %s", got.what, header, code)
			}
		}
	}
	s.with("Sec-Fetch-Site", "same-origin").call(s.Aggregators[0].URL, "POST", "apps", s.owner, "{}").want(400)
	s.audited("access.denied", func() *answer {
		return (&request{suite: s, quiet: true}).with("Origin", "https://evil.example").call(s.Aggregators[0].URL, "POST", "apps", s.owner, "{}").want(403)
	})
}

func attack37FormCSRF(s *suite) {
	for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx", "x", "text/json", "application/csp-report", "text/plain; application/json", "application/json, text/plain", ""} {
		for i, m := range s.mutations() {
			if m[0] == "DELETE" {
				continue // takes no body
			}
			s.with("Content-Type", kind).call(s.Aggregators[i%2].URL, m[0], m[1], s.owner, `{"name":"Forged"}`).want(415)
		}
	}
}

// pages are answers of every kind.
func (s *suite) pages() []string {
	return []string{"me", "nothing", "apps", "openapi.json", "apps/" + s.App + "/reports/overview", "users/" + absentID, "auth/login", "audit?limit=0", "/", "/apps/x/overview", "/assets/none.js", "/favicon.ico", "/api", "/api/v2/x"}
}

func attack39Headers(s *suite) {
	for i, path := range s.pages() {
		for _, token := range []string{s.owner, "", "x"} {
			for _, method := range []string{"GET", "POST"} {
				got := s.as("").call(s.Aggregators[i%2].URL, method, path, token, nil)
				for name, want := range map[string]string{
					"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
					"Cross-Origin-Resource-Policy": "same-origin", "Strict-Transport-Security": "max-age=31536000; includeSubDomains", "Server": "", "X-Powered-By": "",
				} {
					if got.header.Get(name) != want {
						s.Errorf("%s: %s is %q", got.what, name, got.header.Get(name))
					}
				}
				s.policy(got, strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "/api"))
			}
		}
	}
}

// policy checks the content security policy and, outside of the console, that no answer is stored.
func (s *suite) policy(got *answer, console bool) {
	s.Helper()
	policy := got.header.Get("Content-Security-Policy")
	if !console && (!strings.HasPrefix(policy, "default-src 'none'; frame-ancestors 'none'") || got.header.Get("Cache-Control") != "no-store") {
		s.Errorf("%s: policy %q, cache %q", got.what, policy, got.header.Get("Cache-Control"))
	}
	if !console || !strings.HasPrefix(got.header.Get("Content-Type"), "text/html") {
		return
	}
	for _, part := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'", "require-trusted-types-for 'script'"} {
		if !strings.Contains(policy, part) {
			s.Errorf("%s: policy %q lacks %s", got.what, policy, part)
		}
	}
	if strings.Contains(policy, "unsafe") {
		s.Errorf("%s: policy %q", got.what, policy)
	}
}

func attack40CORS(s *suite) {
	for i, path := range s.pages() {
		for _, origin := range []string{"https://evil.example", "null", "http://localhost:3001", s.Aggregators[0].URL + ".evil.example", "*"} {
			got := s.with("Origin", origin).call(s.Aggregators[i%2].URL, "GET", path, s.owner, nil)
			asked := s.with("Origin", origin, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization").call(s.Aggregators[i%2].URL, "OPTIONS", path, "", nil)
			for _, a := range []*answer{got, asked} {
				for name := range a.header {
					if strings.HasPrefix(name, "Access-Control-") {
						s.Errorf("%s from %s: %s: %s", a.what, origin, name, a.header.Get(name))
					}
				}
			}
		}
	}
}

func attack41CookieFlags(s *suite) {
	s.person("cookie@example.com")
	got := s.try("", "cookie@example.com", password).want(200)
	cookies := []string{got.header.Get("Set-Cookie")}
	s.plant(refreshOf(got))
	again := s.refresh(refreshOf(got)).want(200)
	s.plant(refreshOf(again))
	out := s.with("Cookie", refreshCookie+"="+refreshOf(again)).call(s.Aggregators[0].URL, "POST", "auth/logout", "", nil).want(204)
	for _, cookie := range append(cookies, again.header.Get("Set-Cookie"), out.header.Get("Set-Cookie")) {
		for _, part := range []string{refreshCookie + "=", "; Path=/", "; HttpOnly", "; Secure", "; SameSite=Strict"} {
			if !strings.Contains(cookie, part) {
				s.Errorf("cookie %.40s… lacks %s", cookie, part)
			}
		}
		if strings.Contains(cookie, "Domain") {
			s.Errorf("cookie %.40s… has a domain", cookie)
		}
	}
	for _, path := range s.pages() {
		if got := s.console("GET", path, s.owner, nil); got.header.Get("Set-Cookie") != "" {
			s.Errorf("%s sets a cookie", got.what)
		}
	}
}

func attack42Framing(s *suite) {
	for i, path := range s.pages() {
		got := s.with("Sec-Fetch-Dest", "iframe", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate").call(s.Aggregators[i%2].URL, "GET", path, "", nil)
		if got.header.Get("X-Frame-Options") != "DENY" {
			s.Errorf("%s may be framed", got.what)
		}
		if strings.HasPrefix(got.header.Get("Content-Type"), "text/html") && !strings.Contains(got.header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			s.Errorf("%s may be framed", got.what)
		}
	}
}
