package api

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

func TestAuditExport(t *testing.T) {
	s := newSystem(t)
	c := s.owner()
	for range exportPage + 1 {
		if err := s.accounts.Record(t.Context(), "test.many", postgres.Success, "line\nbreak", "", nil); err != nil {
			t.Fatal(err)
		}
	}
	got := c.get("audit/export?action=test.").want(200)
	if got.header.Get("Content-Type") != "application/x-ndjson" || !strings.Contains(got.header.Get("Content-Disposition"), "attachment") {
		t.Errorf("header = %v", got.header)
	}
	lines := strings.Split(strings.TrimSpace(string(got.body)), "\n")
	if len(lines) != exportPage+1 {
		t.Fatalf("%d lines, want %d", len(lines), exportPage+1)
	}
	var newest, oldest postgres.Entry
	if json.Unmarshal([]byte(lines[0]), &newest) != nil || json.Unmarshal([]byte(lines[exportPage]), &oldest) != nil || newest.Seq-oldest.Seq != exportPage {
		t.Errorf("from %+v to %+v", newest, oldest)
	}
	if last := s.lastAudit(); last.Action != "audit.export" || last.Actor != c.user.ID || !strings.Contains(string(last.Detail), `"test."`) {
		t.Errorf("audit = %+v", last)
	}
	c.get("audit/export?limit=1").want(400)
	c.get("audit/export?from=yesterday").want(400)
}

// TestOthersCanCheckOurTokens checks a token like a service that trusts our tokens.
func TestOthersCanCheckOurTokens(t *testing.T) {
	s := newSystem(t)
	c := s.owner()
	got := s.client().get(jwksPath).want(200)
	var set struct{ Keys []jwk }
	got.decode(&set)
	if len(set.Keys) != 2 || strings.Contains(string(got.body), `"d"`) {
		t.Fatalf("keys = %s", got.body)
	}
	_, err := jwt.Parse(c.token, func(token *jwt.Token) (any, error) {
		for _, key := range set.Keys {
			if key.ID == token.Header["kid"] {
				x, err := base64.RawURLEncoding.DecodeString(key.X)
				return ed25519.PublicKey(x), err
			}
		}
		t.Errorf("key %v is not in the set", token.Header["kid"])
		return nil, nil
	}, jwt.WithValidMethods([]string{"EdDSA"}))
	if err != nil {
		t.Error(err)
	}
}
