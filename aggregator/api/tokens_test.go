package api

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/people"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

// apiToken makes a token of whoever is logged in.
func (c *client) apiToken(apps any, permissions ...access.Permission) newToken {
	c.t.Helper()
	var token newToken
	c.post("me/tokens", map[string]any{"name": "script", "permissions": permissions, "apps": apps, "expires_in_days": 1}).want(201).decode(&token)
	return token
}

func TestAPITokensOverHTTP(t *testing.T) {
	s := newSystem(t)
	c := s.owner()
	own, foreign := s.app("Own"), s.app("Foreign")
	token := c.apiToken([]string{own}, access.AppsRead, access.ReportsRead, access.UsersManage)
	script := s.client()
	script.token = token.Secret
	script.get("apps/" + own + "/reports/overview").want(200)
	script.get("apps/" + foreign + "/reports/overview").want(404)
	script.get("apps/" + own + "/conflicts").want(403)
	script.post("users", map[string]any{"email": "x@example.com", "name": "X", "roles": []any{}}).want(403) // it reaches one app only
	var who person
	script.get("me").want(200).decode(&who)
	if len(who.Permissions) != 3 || who.ID != c.user.ID {
		t.Errorf("me = %+v", who)
	}
	if got := script.get("me/tokens").want(403); got.problem().Code != "session_required" {
		t.Errorf("%s", got.body)
	}
	if last := s.lastAudit(); last.Actor != c.user.ID || last.ActorKind != "token:"+token.Prefix || last.Outcome != postgres.Denied {
		t.Errorf("audit = %+v", last)
	}
	c.send("DELETE", "me/tokens/"+token.ID, nil, nil).want(204)
	s.clock.advance(5 * time.Second)
	script.get("apps/" + own + "/reports/overview").want(401)
	c.post("me/tokens", map[string]any{"name": "x", "permissions": []string{"apps.read"}, "expires_in_days": 1}).want(400)
}

func TestServiceAccountsOverHTTP(t *testing.T) {
	s := newSystem(t)
	c := s.owner()
	var robot people.User
	c.post("users", map[string]any{"kind": "service", "name": "Export", "roles": []any{map[string]any{"role": "analyst", "apps": "*"}}}).want(201).decode(&robot)
	var token newToken
	body := map[string]any{"name": "nightly", "permissions": []string{"raw.read"}, "apps": "*", "expires_in_days": 90}
	c.post("users/"+robot.ID+"/tokens", body).want(201).decode(&token)
	c.post("users/"+s.user("ann@example.com").ID+"/tokens", body).want(400)
	script := s.client()
	script.token = token.Secret
	script.get("apps/" + s.app("Shop") + "/conflicts").want(200)
	c.send("DELETE", "users/"+c.user.ID+"/tokens/"+token.ID, nil, nil).want(404)
	c.send("DELETE", "users/"+robot.ID+"/tokens/"+token.ID, nil, nil).want(204)
	var left page[people.Token]
	c.get("users/" + robot.ID + "/tokens").want(200).decode(&left)
	if len(left.Data) != 0 {
		t.Errorf("tokens = %+v", left)
	}
}

// TestGuessedTokensAreThrottled: each costs a look into the database.
func TestGuessedTokensAreThrottled(t *testing.T) {
	s := newSystem(t)
	var late atomic.Int64 // the throttle's clock stands still
	began, options := time.Now(), s.options()
	options.Now = func() time.Time { return began.Add(time.Duration(late.Load())) }
	s.serve(options)

	c, known, next, guess := s.owner(), s.client(), s.client(), s.client()
	known.token, next.token = c.apiToken("*", access.AppsRead).Secret, c.apiToken("*", access.AppsRead).Secret
	guess.token = people.TokenPrefix + strings.Repeat("a", len(known.token)-len(people.TokenPrefix))
	for range guessesPerMinute {
		guess.get("me").want(401)
	}
	if got := guess.get("me").want(429); got.problem().Code != "throttled" || got.header.Get("Retry-After") == "" {
		t.Errorf("%v %s", got.header, got.body)
	}
	next.get("me").want(429)
	c.get("me").want(200) // a signature needs no database
	late.Store(int64(time.Second))
	for range guessesPerMinute/60 + 10 { // good ones do not count
		known.get("me").want(200)
		s.auth.forget("")
	}
}

// TestRevokedTokensEndOnEveryNode uses the real clock and no announcements: memory alone must be short.
func TestRevokedTokensEndOnEveryNode(t *testing.T) {
	s := newSystem(t)
	c := s.owner()
	token := c.apiToken("*", access.AppsRead)
	if _, err := s.auth.session(t.Context(), "Bearer "+token.Secret); err != nil {
		t.Fatal(err)
	}
	if err := s.accounts.Logins.RevokeToken(postgres.WithActor(t.Context(), postgres.Actor{Kind: "user", ID: c.user.ID}), c.user.ID, token.ID); err != nil {
		t.Fatal(err)
	}
	deadline := time.NewTimer(5 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := s.auth.session(t.Context(), "Bearer "+token.Secret); err != nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatal("the token still works after five seconds")
		}
	}
}
