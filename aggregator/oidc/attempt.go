package oidc

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

const attemptBytes = 32

// Attempt is one login of one browser. Its state, its nonce and its PKCE verifier are derived from one
// secret, which only the browser keeps, in a cookie: what another browser brings back does not fit, and
// whoever reads our database or the addresses that the browser visits cannot go on with it.
type Attempt struct{ secret [attemptBytes]byte }

// NewAttempt makes an attempt.
func NewAttempt() Attempt {
	var a Attempt
	_, _ = rand.Read(a.secret[:]) // never fails; see crypto/rand
	return a
}

// ParseAttempt reads what String wrote.
func ParseAttempt(text string) (Attempt, bool) {
	var a Attempt
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return a, err == nil && copy(a.secret[:], raw) == attemptBytes && len(raw) == attemptBytes
}

// String is the secret, for the cookie.
func (a Attempt) String() string { return base64.RawURLEncoding.EncodeToString(a.secret[:]) }

// Hash names the attempt where its secret must not be.
func (a Attempt) Hash() []byte {
	sum := sha256.Sum256(a.secret[:])
	return sum[:]
}

// State goes to the provider and must come back with the code.
func (a Attempt) State() string { return a.derive("state") }

func (a Attempt) nonce() string { return a.derive("nonce") }

// verifier has the 43 characters that RFC 7636 asks for at least.
func (a Attempt) verifier() string { return a.derive("verifier") }

func (a Attempt) derive(purpose string) string {
	mac := hmac.New(sha256.New, a.secret[:])
	mac.Write([]byte("unmogrowp/oidc/" + purpose))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
