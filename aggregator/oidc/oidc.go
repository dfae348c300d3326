// Package oidc logs people in at an OpenID Connect provider: the authorization-code flow with PKCE, as a
// web server does it.
//
//	Begin ──► browser ──► provider ──► browser ──► Finish ──► who it is
//
// The provider is not trusted beyond the configuration of an owner: its answers are bounded in bytes and
// time, it is reached at no address that a provider cannot have, and an ID token counts only if it is
// signed with a public key of the provider, by it, for us, for this attempt, and has not expired.
//
// A [Client] remembers the documents of one provider for some minutes and nothing of anybody's login.
package oidc

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// Bounds on a provider's answers.
const (
	maxAnswer     = 256 << 10 // bytes of a document, a key set or a token answer
	maxClaim      = 2048      // bytes of each kept claim of a person, and of a code
	answerTimeout = 5 * time.Second
	flowTimeout   = 12 * time.Second // of everything that one login asks
	maxAtOnce     = 8                // logins that talk to the provider
	remember      = 10 * time.Minute
	rememberFault = 3 * time.Second
)

// Reasons why a login cannot go on. They are stable: the audit log and metrics have them.
const (
	Unavailable = "provider_unavailable" // down, slow, or not answering as the standard says
	Busy        = "busy"
	CodeRefused = "code_refused"  // the provider does not take the code, or does not know us
	BadToken    = "token_invalid" // its statements about the person cannot be believed
)

// Error is why a login cannot go on.
type Error struct {
	Reason string
	err    error
}

// Error says what happened, for the log.
func (e *Error) Error() string { return clip(e.Reason+": "+e.err.Error(), 300) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.err }

// Provider is where people log in, and who we are there.
type Provider struct {
	Issuer       string
	ClientID     string
	ClientSecret string // empty for a public client
	RedirectURL  string
}

// Identity is a person as the provider vouches for them.
type Identity struct {
	Subject       string
	Email         string
	EmailVerified bool
	Name          string
	MFA           bool // it asked for more than one factor
}

// Client talks to providers. Its methods may be called from any goroutine.
type Client struct {
	http clients
	now  func() time.Time
	busy chan struct{} // a slot for each login that talks to the provider

	mu    sync.Mutex
	known discovered // the provider that was asked last
}

// discovered is a provider's description of itself.
type discovered struct {
	issuer   string
	provider *oidc.Provider
	style    oauth2.AuthStyle
	err      error
	until    time.Time
}

// New makes a client.
func New(now func() time.Time) *Client {
	return &Client{http: newClients(), now: now, busy: make(chan struct{}, maxAtOnce)}
}

// Check lists the faults of an issuer, in words for whoever configures it: in its URL, and in its answers.
func (c *Client) Check(ctx context.Context, issuer string) error {
	if err := CheckIssuer(issuer); err != nil {
		return err
	}
	ctx, done, err := c.enter(ctx, issuer)
	if err != nil {
		return err
	}
	defer done()
	c.mu.Lock()
	c.known = discovered{} // whoever mends a provider wants to see that at once
	c.mu.Unlock()
	_, err = c.discover(ctx, issuer)
	return err
}

// Begin returns the address of the provider to which the browser goes.
func (c *Client) Begin(ctx context.Context, p Provider, attempt Attempt) (string, error) {
	ctx, done, err := c.enter(ctx, p.Issuer)
	if err != nil {
		return "", err
	}
	defer done()
	d, err := c.discover(ctx, p.Issuer)
	if err != nil {
		return "", err
	}
	return d.config(p).AuthCodeURL(attempt.State(), oidc.Nonce(attempt.nonce()), oauth2.S256ChallengeOption(attempt.verifier())), nil
}

// Finish exchanges the code that the browser brought back for the provider's description of the person.
func (c *Client) Finish(ctx context.Context, p Provider, attempt Attempt, code string) (Identity, error) {
	if code == "" || len(code) > maxClaim {
		return Identity{}, &Error{CodeRefused, errors.New("no code of reasonable length")}
	}
	ctx, done, err := c.enter(ctx, p.Issuer)
	if err != nil {
		return Identity{}, err
	}
	defer done()
	d, err := c.discover(ctx, p.Issuer)
	if err != nil {
		return Identity{}, err
	}
	token, err := d.config(p).Exchange(ctx, code, oauth2.VerifierOption(attempt.verifier()))
	if err != nil {
		return Identity{}, exchangeError(err)
	}
	claims, err := c.verify(ctx, d.provider, p.ClientID, attempt, token)
	if err != nil {
		return Identity{}, err
	}
	return claims.identity()
}

// enter takes a slot and bounds the time.
func (c *Client) enter(ctx context.Context, issuer string) (context.Context, func(), error) {
	select {
	case c.busy <- struct{}{}:
	default:
		return nil, nil, &Error{Busy, fmt.Errorf("%d logins at once talk to %s", maxAtOnce, issuer)}
	}
	ctx, cancel := context.WithTimeout(oidc.ClientContext(ctx, c.http.of(issuer)), flowTimeout)
	return ctx, func() { cancel(); <-c.busy }, nil
}

// discover returns the provider's description of itself, asking again every ten minutes.
func (c *Client) discover(ctx context.Context, issuer string) (discovered, error) {
	c.mu.Lock()
	d := c.known
	c.mu.Unlock()
	if d.issuer == issuer && c.now().Before(d.until) {
		return d, d.err
	}
	d = discovered{issuer: issuer, until: c.now().Add(remember)}
	if d.provider, d.style, d.err = fetch(ctx, issuer); d.err != nil {
		d.err = &Error{Unavailable, fmt.Errorf("read the configuration of %s: %w", issuer, d.err)}
		d.until = c.now().Add(rememberFault)
	}
	if errors.Is(d.err, context.Canceled) {
		return d, d.err // the caller went away: that says nothing about the provider
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known = d
	return d, d.err
}

func fetch(ctx context.Context, issuer string) (*oidc.Provider, oauth2.AuthStyle, error) {
	if err := CheckIssuer(issuer); err != nil {
		return nil, 0, err
	}
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		return nil, 0, err
	}
	var document struct {
		Keys    string   `json:"jwks_uri"`
		Methods []string `json:"token_endpoint_auth_methods_supported"`
	}
	if err := provider.Claims(&document); err != nil {
		return nil, 0, err
	}
	endpoint := provider.Endpoint()
	for name, address := range map[string]string{
		"authorization_endpoint": endpoint.AuthURL, "token_endpoint": endpoint.TokenURL,
		"jwks_uri": document.Keys, "userinfo_endpoint": provider.UserInfoEndpoint(),
	} {
		if address == "" && name == "userinfo_endpoint" {
			continue
		}
		if err := checkEndpoint(issuer, address); err != nil {
			return nil, 0, fmt.Errorf("%s: %w", name, err)
		}
	}
	style := oauth2.AuthStyleInHeader // the default of the standard
	if len(document.Methods) > 0 && !slices.Contains(document.Methods, "client_secret_basic") {
		style = oauth2.AuthStyleInParams
	}
	return provider, style, nil
}

func (d *discovered) config(p Provider) *oauth2.Config {
	endpoint := d.provider.Endpoint()
	endpoint.AuthStyle = d.style
	if p.ClientSecret == "" {
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	return &oauth2.Config{ClientID: p.ClientID, ClientSecret: p.ClientSecret, Endpoint: endpoint, RedirectURL: p.RedirectURL,
		Scopes: []string{oidc.ScopeOpenID, "email", "profile"}}
}

// exchangeError tells a provider that says no from one that does not answer.
func exchangeError(err error) error {
	var said *oauth2.RetrieveError
	if errors.As(err, &said) && said.Response != nil && said.Response.StatusCode < http.StatusInternalServerError && said.Response.StatusCode != http.StatusTooManyRequests {
		return &Error{CodeRefused, fmt.Errorf("status %d, %.100q", said.Response.StatusCode, said.ErrorCode)}
	}
	return &Error{Unavailable, err}
}

// algorithms are those of public keys. HS256, whose key a client would share, and none are not among them.
func algorithms() []string {
	return []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA}
}

// verify checks the ID token, and asks the provider for the address of the person if that is not in it.
func (c *Client) verify(ctx context.Context, provider *oidc.Provider, clientID string, attempt Attempt, token *oauth2.Token) (claims, error) {
	var said claims
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return said, &Error{BadToken, errors.New("the token answer has no id_token")}
	}
	verifier := provider.Verifier(&oidc.Config{ClientID: clientID, SupportedSigningAlgs: algorithms(), Now: c.now})
	id, err := verifier.Verify(ctx, raw)
	switch {
	case err != nil && keysUnread(err):
		return said, &Error{Unavailable, err}
	case err != nil:
		return said, &Error{BadToken, err}
	case subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(attempt.nonce())) != 1:
		return said, &Error{BadToken, errors.New("the nonce is that of another attempt")}
	}
	if err := id.Claims(&said); err != nil {
		return said, &Error{BadToken, fmt.Errorf("read claims: %w", err)}
	}
	if len(id.Audience) > 1 && said.Party != clientID || said.Party != "" && said.Party != clientID {
		return said, &Error{BadToken, errors.New("the token was made for another party")}
	}
	if said.Email == "" && provider.UserInfoEndpoint() != "" {
		if err := said.complete(ctx, provider, token); err != nil {
			return said, err
		}
	}
	return said, nil
}

// keysUnread says whether it was the provider's keys that could not be fetched.
func keysUnread(err error) bool { return strings.Contains(err.Error(), "fetching keys") }

// claims are what we read of an ID token, or of the userinfo endpoint.
type claims struct {
	Subject  string   `json:"sub"`
	Party    string   `json:"azp"`
	Email    string   `json:"email"`
	Verified truth    `json:"email_verified"`
	Name     string   `json:"name"`
	Methods  []string `json:"amr"`
}

// truth is a boolean that some providers write as a string. Whatever is neither is not true.
type truth bool

// UnmarshalJSON reads true and "true" as true.
func (t *truth) UnmarshalJSON(data []byte) error {
	*t = string(data) == `true` || string(data) == `"true"`
	return nil
}

// complete adds what only the userinfo endpoint tells. It counts only if it is about the same person.
func (said *claims) complete(ctx context.Context, provider *oidc.Provider, token *oauth2.Token) error {
	info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return &Error{Unavailable, fmt.Errorf("read userinfo: %w", err)}
	}
	var more claims
	if err := info.Claims(&more); err != nil {
		return &Error{BadToken, fmt.Errorf("read userinfo: %w", err)}
	}
	if more.Subject != said.Subject {
		return &Error{BadToken, errors.New("userinfo is about somebody else")}
	}
	said.Email, said.Verified = more.Email, more.Verified
	if said.Name == "" {
		said.Name = more.Name
	}
	return nil
}

func (said *claims) identity() (Identity, error) {
	if said.Subject == "" || len(said.Subject) > 255 || len(said.Email) > maxClaim || strings.ContainsFunc(said.Subject, unicode.IsControl) {
		return Identity{}, &Error{BadToken, errors.New("sub is missing, or sub or email cannot be kept")}
	}
	return Identity{Subject: said.Subject, Email: said.Email, EmailVerified: bool(said.Verified), Name: clip(said.Name, maxClaim),
		MFA: slices.Contains(said.Methods, "mfa")}, nil
}

// clip shortens text to whole characters within so many bytes.
func clip(text string, most int) string {
	if len(text) > most {
		text = text[:most]
	}
	return strings.ToValidUTF8(text, "")
}

// SameIssuer says whether the iss parameter that came back with a code, if one did, is the provider's
// (RFC 9207).
func SameIssuer(p Provider, query url.Values) bool {
	return !query.Has("iss") || query.Get("iss") == p.Issuer
}
