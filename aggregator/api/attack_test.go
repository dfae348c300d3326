package api

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/unmogrowp/unmogrowp/aggregator/people"
)

// TestAttacks sends what must be refused to one running system, which must be none the worse for it.
func TestAttacks(t *testing.T) {
	s := newSystem(t)
	s.owner()
	attacks := []struct {
		name string
		run  func(*testing.T, *system)
	}{
		{"forged tokens", forgedTokens}, {"huge token", hugeToken}, {"other sites", otherSites}, {"odd paths", oddPaths},
		{"headers", headersEverywhere}, {"bodies", boundedBodies}, {"mass assignment", massAssignment},
	}
	for _, attack := range attacks {
		t.Run(attack.name, func(t *testing.T) {
			here := *s
			here.t = t
			attack.run(t, &here)
		})
	}
}

// forge signs whatever claims and header a test wants.
func forge(t *testing.T, method jwt.SigningMethod, key any, header map[string]any, said jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(method, said)
	for name, value := range header {
		token.Header[name] = value
	}
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// currentKey is the key that the server signs with, and its name.
func (s *system) currentKey() (string, ed25519.PrivateKey) {
	for id, key := range s.auth.keys {
		if key.period == s.auth.period() {
			return id, key.private
		}
	}
	s.t.Fatal("no signing key")
	return "", nil
}

func forgedTokens(t *testing.T, s *system) {
	c := s.login("owner@example.com")
	session := s.session(c.token)
	kid, key := s.currentKey()
	public := key.Public().(ed25519.PublicKey)
	var asked atomic.Int64
	listener := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(listener.Close)
	_, foreign, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	said := func(changes jwt.MapClaims) jwt.MapClaims {
		m := jwt.MapClaims{"iss": issuer, "aud": audience, "sub": session.User.ID, "sid": session.ID, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix()}
		for name, value := range changes {
			if m[name] = value; value == nil {
				delete(m, name)
			}
		}
		return m
	}
	head := func(changes map[string]any) map[string]any {
		m := map[string]any{"kid": kid, "typ": tokenType}
		for name, value := range changes {
			m[name] = value
		}
		return m
	}
	signed := func(header map[string]any, claims jwt.MapClaims) string {
		return forge(t, jwt.SigningMethodEdDSA, key, head(header), said(claims))
	}
	good := signed(nil, nil)
	parts := strings.Split(good, ".")
	none := forge(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, head(nil), said(nil))
	tokens := map[string]string{
		"alg none":               none,
		"alg None":               strings.Replace(none, parts[0], base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"None","kid":"`+kid+`","typ":"at+jwt"}`)), 1),
		"hs256 with public key":  forge(t, jwt.SigningMethodHS256, []byte(public), head(nil), said(nil)),
		"rs256":                  forge(t, jwt.SigningMethodRS256, rsaKey, head(nil), said(nil)),
		"es256":                  forge(t, jwt.SigningMethodES256, ecKey, head(nil), said(nil)),
		"foreign key, our kid":   forge(t, jwt.SigningMethodEdDSA, foreign, head(nil), said(nil)),
		"unknown kid":            signed(map[string]any{"kid": "unknown"}, nil),
		"path kid":               signed(map[string]any{"kid": "../../dev/null"}, nil),
		"sql kid":                signed(map[string]any{"kid": "' OR 1=1 --"}, nil),
		"number kid":             signed(map[string]any{"kid": 7}, nil),
		"10 kB kid":              signed(map[string]any{"kid": strings.Repeat("k", 10_000)}, nil),
		"jku, foreign key":       forge(t, jwt.SigningMethodEdDSA, foreign, head(map[string]any{"jku": listener.URL, "x5u": listener.URL, "kid": "x"}), said(nil)),
		"no exp":                 signed(nil, jwt.MapClaims{"exp": nil}),
		"expired":                signed(nil, jwt.MapClaims{"exp": now.Add(-31 * time.Second).Unix()}),
		"not yet":                signed(nil, jwt.MapClaims{"nbf": now.Add(time.Minute).Unix()}),
		"issued in an hour":      signed(nil, jwt.MapClaims{"iat": now.Add(time.Hour).Unix()}),
		"other issuer":           signed(nil, jwt.MapClaims{"iss": "evil"}),
		"other audience":         signed(nil, jwt.MapClaims{"aud": "other"}),
		"no audience":            signed(nil, jwt.MapClaims{"aud": nil}),
		"typ JWT":                signed(map[string]any{"typ": "JWT"}, nil),
		"unknown session":        signed(nil, jwt.MapClaims{"sid": "nope"}),
		"session of another":     signed(nil, jwt.MapClaims{"sub": "somebody"}),
		"no signature":           parts[0] + "." + parts[1] + ".",
		"two parts":              parts[0] + "." + parts[1],
		"changed payload":        parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"x"}`)) + "." + parts[2],
		"padded base64":          good + "=",
		"non-canonical base64":   good[:len(good)-1] + nextInAlphabet(good[len(good)-1]),
		"dots":                   strings.Repeat(".", 3000),
		"empty":                  " ",
		"two tokens":             good + "," + good,
		"refresh token as token": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	}
	for name, token := range tokens {
		c.token = token
		if got := c.get("me"); got.status != 401 {
			t.Errorf("%s: status %d: %s", name, got.status, got.body)
		} else if code := got.problem().Code; code != "unauthenticated" {
			t.Errorf("%s: code %s", name, code)
		}
	}
	if asked.Load() != 0 {
		t.Error("a URL of a token's header was fetched")
	}
	c.token = good
	c.get("me").want(200) // so that the forgeries failed because they were forged
	if _, err := s.auth.session(t.Context(), "bearer "+good); err == nil {
		t.Error("another scheme is accepted")
	}
}

// nextInAlphabet changes only bits of the last character that base64 does not use.
func nextInAlphabet(c byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, c)|1])
}

func hugeToken(t *testing.T, s *system) {
	token := "Bearer " + strings.Repeat(".", 1<<20)
	began := time.Now()
	allocated := testing.AllocsPerRun(10, func() {
		if _, err := s.auth.session(t.Context(), token); err == nil {
			t.Error("accepted")
		}
	})
	if took := time.Since(began); allocated > 10 || took > 50*time.Millisecond {
		t.Errorf("%.0f allocations, %v", allocated, took)
	}
}

func TestKeysRotate(t *testing.T) {
	s := newSystem(t)
	c := s.owner()
	old := c.token
	// To just before the end of the period: the next key is known already.
	left := time.Unix((s.auth.period()+1)*int64(keyLife.Seconds()), 0).Sub(s.clock.now())
	session := s.session(old)
	session.Expires = session.Expires.Add(2 * keyLife) // the session's end is not tested here
	s.clock.advance(left - time.Minute)
	before, _, err := s.auth.issue(session)
	if err != nil {
		t.Fatal(err)
	}
	s.clock.advance(2 * time.Minute)
	after, _, err := s.auth.issue(session)
	if err != nil {
		t.Fatal(err)
	}
	if header(before) == header(after) {
		t.Error("the key did not change")
	}
	parse := func(token string) error {
		_, err := s.auth.parser.ParseWithClaims(token, &claims{}, s.auth.verificationKey)
		return err
	}
	if err := parse(before); err != nil {
		t.Errorf("token of the key before, within its grace: %v", err)
	}
	if err := parse(after); err != nil {
		t.Errorf("token of the new key: %v", err)
	}
	s.clock.advance(keyGrace)
	forged := forge(t, jwt.SigningMethodEdDSA, s.auth.keys[header(before)].private, map[string]any{"kid": header(before), "typ": tokenType},
		jwt.MapClaims{"iss": issuer, "aud": audience, "exp": s.clock.now().Add(time.Minute).Unix()})
	if err := parse(forged); err == nil || !strings.Contains(err.Error(), "retired") {
		t.Errorf("token of a retired key: %v", err)
	}
	if err := s.auth.loadKeys(t.Context()); err != nil || len(s.auth.keys) != 3 {
		t.Errorf("%d keys after a refresh, %v", len(s.auth.keys), err)
	}
}

// header is the kid of a token.
func header(token string) string {
	parsed, _, err := jwt.NewParser().ParseUnverified(token, &claims{})
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(parsed.Header["kid"])
}

func otherSites(t *testing.T, s *system) {
	c := s.login("owner@example.com")
	for name, header := range map[string]map[string]string{
		"cross-site":  {"Sec-Fetch-Site": "cross-site"},
		"same-site":   {"Sec-Fetch-Site": "same-site"},
		"evil origin": {"Origin": "https://evil.example"},
		"null origin": {"Origin": "null"},
	} {
		for _, path := range []string{"auth/refresh", "auth/login", "auth/logout", "apps"} {
			if got := c.send("POST", path, "{}", header).want(403); got.problem().Code != "cross_origin" {
				t.Errorf("%s %s: %s", name, path, got.body)
			}
		}
	}
	c.send("POST", "auth/refresh", nil, map[string]string{"Sec-Fetch-Site": "same-origin"}).want(200)
	for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx", "", "x"} {
		c.send("POST", "apps", `{"name":"x"}`, map[string]string{"Content-Type": kind}).want(415).problem()
	}
	c.send("POST", "apps", `{"name":"x"}`, map[string]string{"Content-Type": "application/json; charset=utf-8"}).want(201)
	got := c.send("GET", "apps", nil, map[string]string{"Origin": "https://evil.example"})
	if got.header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("another origin may read the API")
	}
	c.send("OPTIONS", "apps", nil, map[string]string{"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}).want(405)
}

func oddPaths(t *testing.T, s *system) {
	c := s.login("owner@example.com")
	app := s.app("Shop")
	for _, path := range []string{
		"/api", "/api/", "/api/v1", "/api/v1/", "/api/v2/apps", "/api/v1//apps", "/api/v1/apps/", "/api/v1/./apps", "/api/v1/x/../apps", "/api/v1/%2e%2e/v1/apps",
		"/api/v1/Apps", "/api/v1/apps%2f", "/api/v1/apps/" + app + "/%2e%2e", "/api/v1/apps/" + app + "/reports/nothing", "/api/v1/apps;x",
	} {
		if got := c.get(path); got.status != 404 {
			t.Errorf("%s: status %d", path, got.status)
		} else {
			got.problem()
		}
	}
	for _, method := range []string{"PUT", "PATCH", "DELETE", "TRACE", "HEAD", "PROPFIND"} {
		got := c.send(method, "apps", nil, nil).want(405)
		if got.header.Get("Allow") != "GET, POST" {
			t.Errorf("%s: Allow is %q", method, got.header.Get("Allow"))
		}
	}
	viewer := s.user("v@example.com")
	_ = viewer
	low := s.login("v@example.com")
	for _, name := range []string{"X-HTTP-Method-Override", "X-Method-Override", "X-Original-URL", "X-Rewrite-URL"} {
		low.send("GET", "users", nil, map[string]string{name: "/api/v1/me"}).want(403)
	}
}

func headersEverywhere(t *testing.T, s *system) {
	c := s.login("owner@example.com")
	for _, path := range []string{"me", "nothing", "apps", "openapi.json", "/", "/assets/x.js"} {
		got := c.get(path)
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin", "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
		} {
			if got.header.Get(name) != want {
				t.Errorf("%s: %s is %q", path, name, got.header.Get(name))
			}
		}
		if strings.HasPrefix(path, "/") {
			continue
		}
		if got.header.Get("Cache-Control") != "no-store" || !strings.HasPrefix(got.header.Get("Content-Security-Policy"), "default-src 'none'; frame-ancestors 'none'") {
			t.Errorf("%s: headers %v", path, got.header)
		}
	}
	refreshed := c.post("auth/refresh", nil).want(200)
	cookie := refreshed.header.Get("Set-Cookie")
	for _, part := range []string{"__Host-", "Path=/", "HttpOnly", "Secure", "SameSite=Strict", "Expires="} {
		if !strings.Contains(cookie, part) {
			t.Errorf("cookie %s lacks %s", cookie, part)
		}
	}
	if strings.Contains(cookie, "Domain") {
		t.Errorf("cookie %s has a domain", cookie)
	}
}

func boundedBodies(t *testing.T, s *system) {
	c := s.login("owner@example.com")
	c.post("auth/login", map[string]any{"email": "owner@example.com", "password": strings.Repeat("x", 1<<20)}).want(413).problem()
	c.post("auth/login", map[string]any{"email": "owner@example.com", "password": strings.Repeat("x", 1<<19)}).want(400).problem()
	for _, body := range []string{"", "{", "[]", `"x"`, `{"name":1}`, `{"name":"x"} {}`, `{"name":"x","is_admin":true}`, `{"name":"x","id":"app_mine"}`, `{"name":"x","created_at":"2020-01-01T00:00:00Z"}`, strings.Repeat("[", 100_000), "\xff"} {
		got := c.send("POST", "apps", body, nil)
		if got.status != 400 {
			t.Errorf("%.40s: status %d: %s", body, got.status, got.body)
		}
	}
	for _, query := range []string{"limit=1e9", "limit=-1", "limit=0", "limit=", "order=;drop", "limit=1&limit=2", "cursor=" + strings.Repeat("x", 600), "%zz", "cursor=abc"} {
		if got := c.get("audit?" + query); got.status != 400 && query != "limit=" {
			t.Errorf("audit?%s: status %d", query, got.status)
		}
	}
}

func massAssignment(t *testing.T, s *system) {
	c := s.login("owner@example.com")
	for _, field := range []string{"role", "roles", "id", "org_id", "is_admin", "disabled", "created_at", "email", "session_epoch"} {
		c.send("PATCH", "me", map[string]any{"name": "New", field: "x"}, nil).want(400)
	}
	var user people.User
	c.get("users/" + c.user.ID).want(200).decode(&user)
	if user.Name != "owner@example.com" || user.Email != "owner@example.com" {
		t.Errorf("user = %+v", user)
	}
	c.send("PATCH", "users/"+c.user.ID, map[string]any{"roles": []any{}}, nil).want(400)
	c.send("PATCH", "users/"+c.user.ID, map[string]any{"disabled": true}, nil).want(409)
	c.send("PUT", "users/"+c.user.ID+"/roles", map[string]any{"roles": []any{}}, nil).want(409)
	c.send("DELETE", "users/"+c.user.ID, nil, nil).want(409)
}
