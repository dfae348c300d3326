package oidc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// fake is a provider that lies as a test wants it to.
type fake struct {
	*httptest.Server
	t   *testing.T
	key *ecdsa.PrivateKey

	mu        sync.Mutex
	document  map[string]any                 // of discovery
	claims    jwt.MapClaims                  // of the next ID token
	sign      func(claims jwt.MapClaims) any // the id_token of the next answer
	userinfo  map[string]any
	intercept map[string]http.HandlerFunc // by path, in place of the fake's own
	asked     map[string]int              // requests by path
	form      url.Values                  // of the last token request
	basic     bool                        // whether that carried an Authorization header
}

func newFake(t *testing.T) *fake {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{t: t, key: key, intercept: map[string]http.HandlerFunc{}, asked: map[string]int{}}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	f.document = map[string]any{
		"issuer": f.URL, "authorization_endpoint": f.URL + "/auth", "token_endpoint": f.URL + "/token", "jwks_uri": f.URL + "/jwks",
		"userinfo_endpoint": f.URL + "/me", "id_token_signing_alg_values_supported": []string{"ES256", "HS256", "none"},
	}
	f.sign = f.honest
	return f
}

// honest signs with the key that the provider publishes.
func (f *fake) honest(claims jwt.MapClaims) any {
	return f.signed(jwt.SigningMethodES256, f.key, claims)
}

func (f *fake) signed(method jwt.SigningMethod, key any, claims jwt.MapClaims) string {
	token := jwt.NewWithClaims(method, claims)
	token.Header["kid"] = "1"
	text, err := token.SignedString(key)
	if err != nil {
		f.t.Error(err)
	}
	return text
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked[r.URL.Path]++
	if handle := f.intercept[r.URL.Path]; handle != nil {
		handle(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	var answer any
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		answer = f.document
	case "/jwks":
		public, err := f.key.PublicKey.Bytes()
		if err != nil {
			f.t.Error(err)
		}
		encode := base64.RawURLEncoding.EncodeToString
		answer = map[string]any{"keys": []any{map[string]any{"kty": "EC", "crv": "P-256", "kid": "1", "use": "sig", "alg": "ES256",
			"x": encode(public[1:33]), "y": encode(public[33:65])}}}
	case "/token":
		_ = r.ParseForm()
		_, _, f.basic = r.BasicAuth()
		f.form = r.Form
		answer = map[string]any{"access_token": "at", "token_type": "Bearer", "id_token": f.sign(f.claims)}
	case "/me":
		answer = f.userinfo
	}
	if answer == nil {
		w.WriteHeader(http.StatusNotFound)
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (f *fake) us() Provider {
	return Provider{Issuer: f.URL, ClientID: "us", ClientSecret: "a secret that both know, 32 bytes", RedirectURL: "https://console.example.com/cb"}
}

// good are the claims of an honest answer to the attempt.
func (f *fake) good(a Attempt) jwt.MapClaims {
	return jwt.MapClaims{"iss": f.URL, "aud": "us", "sub": "s-1", "nonce": a.nonce(), "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
		"email": "ann@example.com", "email_verified": true, "name": "Ann"}
}

// finish runs one whole login with these claims.
func (f *fake) finish(client *Client, change func(claims jwt.MapClaims)) (Identity, error) {
	f.t.Helper()
	attempt := NewAttempt()
	claims := f.good(attempt)
	change(claims)
	f.mu.Lock()
	f.claims = claims
	f.mu.Unlock()
	return client.Finish(f.t.Context(), f.us(), attempt, "code")
}

func unchanged(jwt.MapClaims) {}

func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// segment is a part of a token that is put together by hand.
func segment(value any) string {
	text, _ := json.Marshal(value)
	return base64.RawURLEncoding.EncodeToString(text)
}

func unsigned(claims jwt.MapClaims) any {
	return segment(map[string]string{"alg": "none", "typ": "JWT"}) + "." + segment(claims) + "."
}

func answering(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, body)
	}
}

func huge(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprint(w, `{"issuer":"`+strings.Repeat("x", 4<<20)+`"}`)
}
