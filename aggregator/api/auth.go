package api

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/unmogrowp/unmogrowp/aggregator/people"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

// What access tokens look like and how long things are remembered.
const (
	issuer     = "unmogrowp"
	audience   = "unmogrowp-console"
	tokenType  = "at+jwt"
	tokenLife  = 10 * time.Minute
	leeway     = 30 * time.Second
	bearer     = "Bearer "
	maxToken   = 4 << 10 // bytes
	keyLife    = 30 * 24 * time.Hour
	keyGrace   = tokenLife + 2*leeway // an old key still verifies for so long
	keyRefresh = 10 * time.Minute

	rememberSession = 3 * time.Second // a change is effective after that at the latest
	maxRemembering  = 20_000          // tokens
)

// Secrets are what all nodes share; the pool keeps them.
type Secrets interface {
	Secret(ctx context.Context, name string, mint func() ([]byte, error)) ([]byte, error)
}

// Sessions is where an Authenticator looks sessions up; people.Logins is.
type Sessions interface {
	Session(ctx context.Context, id string) (people.Session, error)
	TokenSession(ctx context.Context, token string) (people.Session, error)
	Watch(ctx context.Context, changed func(user string)) error
}

// tokenError means that a token is missing, not ours, expired, or of a session that ended.
type tokenError struct{ reason string }

func (e *tokenError) Error() string { return e.reason }

// recollection is the session of a token that was verified a moment ago.
type recollection struct {
	session people.Session
	until   time.Time
}

// Authenticator checks API tokens, and issues and checks access tokens: JWTs signed with Ed25519. The keys are secrets of
// the installation, one for each 30 days; the one before, the present one and the next verify.
//
// A token names a session and nothing else that decides: roles are read with the session, which is
// remembered for three seconds and forgotten when [Authenticator.Run] hears of a change.
type Authenticator struct {
	secrets  Secrets
	sessions Sessions
	now      func() time.Time
	log      *slog.Logger
	parser   *jwt.Parser

	mu    sync.RWMutex
	keys  map[string]signingKey              // by kid
	cache map[[sha256.Size]byte]recollection // by digest of the token
}

type signingKey struct {
	private ed25519.PrivateKey
	period  int64
}

// retired is when the key stops to verify.
func (k *signingKey) retired() time.Time {
	return time.Unix((k.period+1)*int64(keyLife.Seconds()), 0).Add(keyGrace)
}

// claims are all that a token says.
type claims struct {
	jwt.RegisteredClaims
	Session string `json:"sid"`
}

// NewAuthenticator loads the signing keys, making them on the first start of the first node.
func NewAuthenticator(ctx context.Context, secrets Secrets, sessions Sessions, now func() time.Time, log *slog.Logger) (*Authenticator, error) {
	a := &Authenticator{
		secrets: secrets, sessions: sessions, now: now, log: log, keys: map[string]signingKey{}, cache: map[[sha256.Size]byte]recollection{},
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}), jwt.WithIssuer(issuer), jwt.WithAudience(audience),
			jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(leeway), jwt.WithStrictDecoding(), jwt.WithTimeFunc(now)),
	}
	if err := a.loadKeys(ctx); err != nil {
		return nil, fmt.Errorf("load signing keys: %w", err)
	}
	return a, nil
}

// Run keeps the keys current and forgets sessions that changed, until ctx ends.
func (a *Authenticator) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { a.keepKeys(ctx) })
	err := a.sessions.Watch(ctx, a.forget)
	wg.Wait()
	return err
}

func (a *Authenticator) keepKeys(ctx context.Context) {
	ticker := time.NewTicker(keyRefresh)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := a.loadKeys(ctx); err != nil && ctx.Err() == nil {
				a.log.Error("signing keys not refreshed", "error", err)
			}
		}
	}
}

func (a *Authenticator) period() int64 { return a.now().Unix() / int64(keyLife.Seconds()) }

// loadKeys reads the keys of the period before, of this one and of the next.
func (a *Authenticator) loadKeys(ctx context.Context) error {
	keys := map[string]signingKey{}
	for period := a.period() - 1; period <= a.period()+1; period++ {
		seed, err := a.secrets.Secret(ctx, fmt.Sprintf("access-token-%d", period), mintSeed)
		if err != nil {
			return err
		}
		if len(seed) != ed25519.SeedSize {
			return fmt.Errorf("signing key of period %d has %d bytes, want %d", period, len(seed), ed25519.SeedSize)
		}
		key := ed25519.NewKeyFromSeed(seed)
		keys[keyID(key)] = signingKey{private: key, period: period}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keys = keys
	return nil
}

func mintSeed() ([]byte, error) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, err
	}
	return key.Seed(), nil
}

// keyID is the name of a key in tokens.
func keyID(key ed25519.PrivateKey) string {
	sum := sha256.Sum256(key.Public().(ed25519.PublicKey))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// jwk is a public key as others read it (RFC 8037).
type jwk struct {
	Type  string `json:"kty"`
	Curve string `json:"crv"`
	Alg   string `json:"alg"`
	Use   string `json:"use"`
	ID    string `json:"kid"`
	X     string `json:"x"`
}

// jwks lists the keys that verify access tokens now, or will: those of this period and of the next,
// and the one before until it is retired.
func (a *Authenticator) jwks() []jwk {
	a.mu.RLock()
	defer a.mu.RUnlock()
	list := []jwk{}
	for id, key := range a.keys {
		if a.now().Before(key.retired()) {
			public := key.private.Public().(ed25519.PublicKey)
			list = append(list, jwk{Type: "OKP", Curve: "Ed25519", Alg: jwt.SigningMethodEdDSA.Alg(), Use: "sig", ID: id, X: base64.RawURLEncoding.EncodeToString(public)})
		}
	}
	slices.SortFunc(list, func(x, y jwk) int { return cmp.Compare(a.keys[x.ID].period, a.keys[y.ID].period) })
	return list
}

// issue makes an access token of a session.
func (a *Authenticator) issue(session people.Session) (token string, life time.Duration, err error) {
	now := a.now()
	life = tokenLife
	if left := session.Expires.Sub(now); left < life {
		life = max(left, time.Second)
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	for id, key := range a.keys {
		if key.period != a.period() {
			continue
		}
		t := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims{
			RegisteredClaims: jwt.RegisteredClaims{
				Issuer: issuer, Audience: jwt.ClaimStrings{audience}, Subject: session.User.ID,
				IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(life)),
			},
			Session: session.ID,
		})
		t.Header["kid"], t.Header["typ"] = id, tokenType
		token, err = t.SignedString(key.private)
		return token, life, err
	}
	return "", 0, errors.New("issue token: there is no signing key of this period: the clock jumped")
}

// remembered returns the session of an Authorization header whose token was verified a moment ago.
func (a *Authenticator) remembered(authorization string) (people.Session, bool) {
	token, ok := strings.CutPrefix(authorization, bearer)
	if !ok || len(token) > maxToken {
		return people.Session{}, false
	}
	digest := sha256.Sum256([]byte(token))
	a.mu.RLock()
	m, ok := a.cache[digest]
	a.mu.RUnlock()
	return m.session, ok && a.now().Before(m.until)
}

// session returns the session of an Authorization header. A tokenError means that it has none.
func (a *Authenticator) session(ctx context.Context, authorization string) (people.Session, error) {
	if session, ok := a.remembered(authorization); ok {
		return session, nil
	}
	token, ok := strings.CutPrefix(authorization, bearer)
	if !ok || len(token) > maxToken {
		return people.Session{}, &tokenError{"no bearer token"}
	}
	now := a.now()
	verify := a.verify
	if strings.HasPrefix(token, people.TokenPrefix) {
		verify = a.verifyAPIToken
	}
	m, err := verify(ctx, token, now)
	if err != nil {
		return people.Session{}, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.cache) >= maxRemembering {
		clear(a.cache)
	}
	a.cache[sha256.Sum256([]byte(token))] = m
	return m.session, nil
}

// verify checks a token and reads its session.
func (a *Authenticator) verify(ctx context.Context, token string, now time.Time) (recollection, error) {
	var said claims
	if _, err := a.parser.ParseWithClaims(token, &said, a.verificationKey); err != nil {
		return recollection{}, &tokenError{err.Error()}
	}
	session, err := a.sessions.Session(ctx, said.Session)
	if errors.Is(err, postgres.ErrNotFound) {
		return recollection{}, &tokenError{"session ended"}
	}
	if err != nil {
		return recollection{}, err
	}
	if session.User.ID != said.Subject {
		return recollection{}, &tokenError{"session does not fit the token"}
	}
	until := now.Add(rememberSession)
	for _, end := range []time.Time{said.ExpiresAt.Time, session.Expires} {
		if end.Before(until) {
			until = end
		}
	}
	return recollection{session: session, until: until}, nil
}

// verifyAPIToken looks an API token up.
func (a *Authenticator) verifyAPIToken(ctx context.Context, token string, now time.Time) (recollection, error) {
	session, err := a.sessions.TokenSession(ctx, token)
	if errors.Is(err, postgres.ErrNotFound) {
		return recollection{}, &tokenError{"unknown, expired or revoked API token"}
	}
	if err != nil {
		return recollection{}, err
	}
	until := now.Add(rememberSession)
	if session.Expires.Before(until) {
		until = session.Expires
	}
	return recollection{session: session, until: until}, nil
}

// verificationKey finds the key that the header names. Nothing else in the header is looked at, and
// nothing is fetched or read from disk.
func (a *Authenticator) verificationKey(token *jwt.Token) (any, error) {
	if typ, _ := token.Header["typ"].(string); typ != tokenType {
		return nil, errors.New("not an access token")
	}
	id, _ := token.Header["kid"].(string)
	a.mu.RLock()
	key, ok := a.keys[id]
	a.mu.RUnlock()
	if !ok {
		return nil, errors.New("unknown key")
	}
	if !a.now().Before(key.retired()) {
		return nil, errors.New("retired key")
	}
	return key.private.Public(), nil
}

// forget drops the remembered sessions of a person, of everybody if it is empty.
func (a *Authenticator) forget(user string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for digest, m := range a.cache {
		if user == "" || m.session.User.ID == user {
			delete(a.cache, digest)
		}
	}
}
