package oidc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/oauth2"

	"github.com/unmogrowp/unmogrowp/protocol/guard"
)

func wantReason(t *testing.T, what string, err error, reason string) {
	t.Helper()
	var fault *Error
	if !errors.As(err, &fault) || fault.Reason != reason {
		t.Errorf("%s: %v, want %s", what, err, reason)
	}
}

func TestALoginCarriesWhatTheStandardAsks(t *testing.T) {
	f, client, attempt := newFake(t), New(time.Now), NewAttempt()
	address, err := client.Begin(t.Context(), f.us(), attempt)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"client_id": "us", "response_type": "code", "scope": "openid email profile", "redirect_uri": "https://console.example.com/cb",
		"state": attempt.State(), "nonce": attempt.nonce(), "code_challenge": oauth2.S256ChallengeFromVerifier(attempt.verifier()), "code_challenge_method": "S256",
	}
	for name, value := range want {
		if got := u.Query().Get(name); got != value {
			t.Errorf("%s = %q, want %q", name, got, value)
		}
	}
	if strings.Contains(address, attempt.String()) || strings.Contains(address, attempt.verifier()) || strings.Contains(address, "secret") {
		t.Errorf("the address holds a secret: %s", address)
	}
	who, err := f.finish(client, unchanged)
	if want := (Identity{Subject: "s-1", Email: "ann@example.com", EmailVerified: true, Name: "Ann"}); err != nil || who != want {
		t.Errorf("finish: %+v, %v", who, err)
	}
	if !f.basic || len(f.form.Get("code_verifier")) != 43 || f.form.Get("client_secret") != "" {
		t.Errorf("token request: basic %v, %v", f.basic, f.form)
	}
	for range 3 {
		if _, err := f.finish(client, unchanged); err != nil {
			t.Fatal(err)
		}
	}
	if f.asked["/.well-known/openid-configuration"] != 1 || f.asked["/jwks"] != 1 {
		t.Errorf("asked again for what is known: %v", f.asked)
	}
}

func TestAttemptsAreOfOneBrowser(t *testing.T) {
	a, b := NewAttempt(), NewAttempt()
	seen := map[string]bool{}
	for _, text := range []string{a.String(), a.State(), a.nonce(), a.verifier(), string(a.Hash()), b.String(), b.State(), b.nonce(), b.verifier()} {
		if seen[text] || text == "" {
			t.Errorf("%q is there twice", text)
		}
		seen[text] = true
	}
	again, ok := ParseAttempt(a.String())
	if !ok || again.State() != a.State() {
		t.Error("an attempt does not survive its cookie")
	}
	for _, text := range []string{"", "x", a.String() + "A", a.String()[1:], a.String() + "=", strings.Repeat("A", 5000)} {
		if _, ok := ParseAttempt(text); ok {
			t.Errorf("%.20q is taken for an attempt", text)
		}
	}
}

func TestTokensThatProveNothingAreRefused(t *testing.T) {
	f, client := newFake(t), New(time.Now)
	for name, change := range map[string]func(jwt.MapClaims){
		"wrong nonce":       func(c jwt.MapClaims) { c["nonce"] = NewAttempt().nonce() },
		"no nonce":          func(c jwt.MapClaims) { delete(c, "nonce") },
		"wrong issuer":      func(c jwt.MapClaims) { c["iss"] = "https://accounts.google.com" },
		"no issuer":         func(c jwt.MapClaims) { delete(c, "iss") },
		"wrong audience":    func(c jwt.MapClaims) { c["aud"] = "somebody else" },
		"no audience":       func(c jwt.MapClaims) { delete(c, "aud") },
		"shared audience":   func(c jwt.MapClaims) { c["aud"] = []string{"us", "somebody else"} },
		"other party":       func(c jwt.MapClaims) { c["azp"] = "somebody else" },
		"expired":           func(c jwt.MapClaims) { c["exp"] = time.Now().Add(-time.Second).Unix() },
		"no expiry":         func(c jwt.MapClaims) { delete(c, "exp") },
		"not yet valid":     func(c jwt.MapClaims) { c["nbf"] = time.Now().Add(time.Hour).Unix() },
		"no subject":        func(c jwt.MapClaims) { delete(c, "sub") },
		"endless subject":   func(c jwt.MapClaims) { c["sub"] = strings.Repeat("x", 256) },
		"subject with NUL":  func(c jwt.MapClaims) { c["sub"] = "s\x001" },
		"subject no string": func(c jwt.MapClaims) { c["sub"] = 7 },
	} {
		_, err := f.finish(client, change)
		wantReason(t, name, err, BadToken)
	}
	if _, err := f.finish(client, func(c jwt.MapClaims) { c["aud"], c["azp"] = []string{"us", "x"}, "us" }); err != nil {
		t.Errorf("a token for us among others: %v", err)
	}
}

func TestSignaturesThatProveNothingAreRefused(t *testing.T) {
	f, client := newFake(t), New(time.Now)
	foreign, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := f.key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	for name, sign := range map[string]func(jwt.MapClaims) any{
		"none":                    unsigned,
		"HS256 with our secret":   func(c jwt.MapClaims) any { return f.signed(jwt.SigningMethodHS256, []byte(f.us().ClientSecret), c) },
		"HS256 with a public key": func(c jwt.MapClaims) any { return f.signed(jwt.SigningMethodHS256, public, c) },
		"foreign key":             func(c jwt.MapClaims) any { return f.signed(jwt.SigningMethodES256, foreign, c) },
		"tampered": func(c jwt.MapClaims) any {
			parts := strings.Split(f.honest(c).(string), ".")
			c["sub"] = "somebody else"
			return parts[0] + "." + segment(c) + "." + parts[2]
		},
		"no signature": func(c jwt.MapClaims) any {
			return strings.Join(strings.Split(f.honest(c).(string), ".")[:2], ".") + "."
		},
		"dots":           func(jwt.MapClaims) any { return strings.Repeat(".", 100_000) },
		"no string":      func(jwt.MapClaims) any { return 7 },
		"empty":          func(jwt.MapClaims) any { return "" },
		"not even there": func(jwt.MapClaims) any { return nil },
	} {
		f.set(func() { f.sign = sign })
		_, err := f.finish(client, unchanged)
		wantReason(t, name, err, BadToken)
	}
}

func TestAddressesCountOnlyWhenTheProviderVouches(t *testing.T) {
	f, client := newFake(t), New(time.Now)
	for value, want := range map[any]bool{true: true, "true": true, false: false, "false": false, 1: false, "yes": false, nil: false} {
		who, err := f.finish(client, func(c jwt.MapClaims) { c["email_verified"] = value })
		if err != nil || who.EmailVerified != want {
			t.Errorf("email_verified %v: %+v, %v", value, who, err)
		}
	}
	bare := func(c jwt.MapClaims) { delete(c, "email"); c["amr"] = []string{"pwd", "mfa"} }
	f.set(func() { f.userinfo = map[string]any{"sub": "s-1", "email": "ann@example.com", "email_verified": true} })
	if who, err := f.finish(client, bare); err != nil || who.Email != "ann@example.com" || !who.EmailVerified || !who.MFA {
		t.Errorf("with userinfo: %+v, %v", who, err)
	}
	f.set(func() { f.userinfo["sub"] = "somebody else" })
	_, err := f.finish(client, bare)
	wantReason(t, "userinfo of somebody else", err, BadToken)
	f.set(func() { f.intercept["/me"] = answering(404, "") })
	_, err = f.finish(client, bare)
	wantReason(t, "no userinfo", err, Unavailable)
	f.set(func() { f.intercept["/me"] = huge })
	_, err = f.finish(client, bare)
	wantReason(t, "huge userinfo", err, Unavailable)
}

func TestAProviderThatFailsIsUnavailable(t *testing.T) {
	for name, c := range map[string]struct {
		path   string
		handle http.HandlerFunc
		reason string
	}{
		"document missing":   {"/.well-known/openid-configuration", answering(404, "{}"), Unavailable},
		"document no JSON":   {"/.well-known/openid-configuration", answering(200, "<html>"), Unavailable},
		"document huge":      {"/.well-known/openid-configuration", huge, Unavailable},
		"document redirects": {"/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }, Unavailable},
		"keys missing":       {"/jwks", answering(500, ""), Unavailable},
		"keys huge":          {"/jwks", huge, Unavailable},
		"keys empty":         {"/jwks", answering(200, `{"keys":[]}`), BadToken},
		"token huge":         {"/token", huge, Unavailable},
		"token broken":       {"/token", answering(500, "secret"), Unavailable},
		"token busy":         {"/token", answering(429, ""), Unavailable},
		"code replayed":      {"/token", answering(400, `{"error":"invalid_grant"}`), CodeRefused},
		"client unknown":     {"/token", answering(401, `{"error":"invalid_client"}`), CodeRefused},
		"token redirects": {"/token", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, CodeRefused},
	} {
		f := newFake(t)
		f.set(func() { f.intercept[c.path] = c.handle })
		_, err := f.finish(New(time.Now), unchanged)
		wantReason(t, name, err, c.reason)
		if f.asked["/elsewhere"] > 0 {
			t.Errorf("%s: followed", name)
		}
		if err != nil && len(err.Error()) > 300 {
			t.Errorf("%s: the error has %d bytes", name, len(err.Error()))
		}
	}
}

func TestASlowProviderHoldsNobody(t *testing.T) {
	for _, path := range []string{"/.well-known/openid-configuration", "/jwks", "/token"} {
		f, client := newFake(t), New(time.Now)
		client.http.machine.Timeout = 50 * time.Millisecond
		f.set(func() {
			f.intercept[path] = func(w http.ResponseWriter, r *http.Request) {
				_, _ = w.Write([]byte("{"))
				w.(http.Flusher).Flush()
				<-r.Context().Done()
			}
		})
		_, err := f.finish(client, unchanged)
		wantReason(t, path, err, Unavailable)
	}
}

func TestAProviderThatIsDownIsAskedSeldom(t *testing.T) {
	f, now := newFake(t), time.Now()
	client := New(func() time.Time { return now })
	f.set(func() { f.intercept["/.well-known/openid-configuration"] = answering(503, "") })
	for range 5 {
		_, err := client.Begin(t.Context(), f.us(), NewAttempt())
		wantReason(t, "down", err, Unavailable)
	}
	if n := f.asked["/.well-known/openid-configuration"]; n != 1 {
		t.Errorf("asked %d times", n)
	}
	f.set(func() { delete(f.intercept, "/.well-known/openid-configuration") })
	now = now.Add(2 * rememberFault)
	if _, err := client.Begin(t.Context(), f.us(), NewAttempt()); err != nil {
		t.Errorf("up again: %v", err)
	}
	f.Close()
	now = now.Add(2 * remember)
	_, err := client.Begin(t.Context(), f.us(), NewAttempt())
	wantReason(t, "gone", err, Unavailable)
}

func TestSoManyLoginsAtOnce(t *testing.T) {
	f, client := newFake(t), New(time.Now)
	for range maxAtOnce {
		client.busy <- struct{}{}
	}
	_, err := client.Begin(t.Context(), f.us(), NewAttempt())
	wantReason(t, "one too many", err, Busy)
	<-client.busy
	if _, err := client.Begin(t.Context(), f.us(), NewAttempt()); err != nil || len(client.busy) != maxAtOnce-1 {
		t.Errorf("the next: %v, %d", err, len(client.busy))
	}
}

func TestSecretsAreSentAsTheProviderAsks(t *testing.T) {
	f := newFake(t)
	f.set(func() { f.document["token_endpoint_auth_methods_supported"] = []string{"client_secret_post"} })
	if _, err := f.finish(New(time.Now), unchanged); err != nil || f.basic || f.form.Get("client_secret") == "" {
		t.Errorf("client_secret_post: %v, %v, %v", err, f.basic, f.form)
	}
	attempt := NewAttempt()
	f.set(func() { f.claims = f.good(attempt) })
	p := f.us()
	p.ClientSecret = ""
	if _, err := New(time.Now).Finish(t.Context(), p, attempt, "code"); err != nil || f.basic || f.form.Has("client_secret") {
		t.Errorf("public client: %v, %v, %v", err, f.basic, f.form)
	}
	for _, code := range []string{"", strings.Repeat("x", maxClaim+1)} {
		_, err := New(time.Now).Finish(t.Context(), p, attempt, code)
		wantReason(t, "code", err, CodeRefused)
	}
}

func TestIssuersThatLeadElsewhereAreRefused(t *testing.T) {
	for _, issuer := range []string{
		"", "x", "https://", "http://login.example.com", "http://10.0.0.1", "http://127.0.0.1.example.com", "http://127.0.0.1@example.com", "ftp://127.0.0.1", "file:///etc/passwd",
		"https://user:password@login.example.com", "https://login.example.com?x=1", "https://login.example.com#x", "https://" + strings.Repeat("x", maxURL), "gopher://x", "//login.example.com", "https:login.example.com",
	} {
		if err := CheckIssuer(issuer); err == nil {
			t.Errorf("%.60q is accepted", issuer)
		}
	}
	for _, issuer := range []string{"https://login.example.com", "https://login.example.com/realms/x/", "https://10.0.0.1:8443", "http://localhost:9000", "http://127.0.0.1:1", "http://[::1]:1/x"} {
		if err := CheckIssuer(issuer); err != nil {
			t.Errorf("%s: %v", issuer, err)
		}
	}
	for _, address := range []string{"http://console.example.com", "https://console.example.com/", "https://console.example.com/x", "https://a@b.example.com", "javascript:alert(1)", "https://console.example.com?x"} {
		if err := CheckPublicURL(address); err == nil {
			t.Errorf("public URL %s is accepted", address)
		}
	}
	if err := CheckPublicURL("https://console.example.com:8443"); err != nil {
		t.Error(err)
	}
}

func TestEndpointsOfADocumentAreHeldToTheSameRules(t *testing.T) {
	for _, name := range []string{"authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"} {
		for _, address := range []string{"http://10.0.0.1/x", "file:///etc/passwd", "javascript:alert(1)", "https://user@x.example.com"} {
			f := newFake(t)
			f.set(func() { f.document[name] = address })
			wantReason(t, name+" "+address, New(time.Now).Check(t.Context(), f.URL), Unavailable)
		}
	}
	f := newFake(t)
	f.set(func() { delete(f.document, "jwks_uri") })
	wantReason(t, "no keys", New(time.Now).Check(t.Context(), f.URL), Unavailable)
	f.set(func() { f.document["issuer"] = "https://somebody.example.com" })
	wantReason(t, "another issuer", New(time.Now).Check(t.Context(), f.URL), Unavailable)
	if err := checkEndpoint("https://login.example.com", "http://127.0.0.1/token"); err == nil {
		t.Error("an https provider leads to http on this machine")
	}
}

func TestNoNameLeadsWhereAnAddressWouldNot(t *testing.T) {
	inner := httptest.NewTLSServer(http.NotFoundHandler())
	defer inner.Close()
	port := inner.URL[strings.LastIndex(inner.URL, ":"):]
	client := newClients().of("https://login.example.com")
	for _, host := range []string{"127.0.0.1", "localhost", "0x7f.1", "2130706433", "[::ffff:127.0.0.1]", "169.254.169.254", "0.0.0.0", "[fe80::1]"} {
		response, err := client.Get("https://" + host + port)
		var refused *guard.RefusedError
		if err == nil {
			response.Body.Close()
		}
		if !errors.As(err, &refused) {
			t.Errorf("%s: %v", host, err)
		}
	}
	if newClients().of("http://127.0.0.1:9000").Timeout != answerTimeout || client.Timeout != answerTimeout {
		t.Error("a provider may take as long as it likes")
	}
}

func TestTheIssuerOfAnAnswerIsLookedAt(t *testing.T) {
	p := Provider{Issuer: "https://a.example.com"}
	for query, want := range map[string]bool{"": true, "iss=https%3A%2F%2Fa.example.com": true, "iss=https%3A%2F%2Fb.example.com": false, "iss=": false} {
		values, _ := url.ParseQuery(query)
		if SameIssuer(p, values) != want {
			t.Errorf("%q: want %v", query, want)
		}
	}
}
