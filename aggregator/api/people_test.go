package api

import (
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/people"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

func TestInvitationOverHTTP(t *testing.T) {
	s := newSystem(t)
	c := s.owner()
	var made newUser
	c.post("users", map[string]any{"email": "ann@example.com", "name": "Ann", "roles": []any{map[string]any{"role": "viewer", "apps": "*"}}}).want(201).decode(&made)
	if made.Invitation == nil || !made.Invited {
		t.Fatalf("made %+v", made)
	}
	ann := s.client()
	accept := func(token, password string) *answer {
		t.Helper()
		return ann.post("auth/accept", map[string]any{"token": token, "password": password})
	}
	accept(made.Invitation.Token, "short").want(400)
	accept(made.Invitation.Token, testPassword).want(204)
	if got := accept(made.Invitation.Token, testPassword).want(401); got.problem().Code != "link_invalid" {
		t.Errorf("%s", got.body)
	}
	if last := s.lastAudit(); last.Action != "access.denied" || last.Outcome != postgres.Denied {
		t.Errorf("audit = %+v", last)
	}
	signed := s.login("ann@example.com")
	signed.get("me").want(200)
	signed.post("users/"+made.ID+"/reset-link", nil).want(403)
	var link people.PasswordLink
	c.post("users/"+made.ID+"/reset-link", nil).want(201).decode(&link)
	accept(link.Token, "another good password").want(204)
	s.client().post("auth/login", map[string]any{"email": "ann@example.com", "password": "another good password"}).want(200)
	c.post("users", map[string]any{"email": "bob@example.com", "name": "Bob", "password": testPassword, "roles": []any{}}).want(201).decode(&made)
	for range freeFailures {
		accept("ul_guess", testPassword)
	}
	accept("ul_guess", testPassword).want(429)
}

func TestCustomRolesOverHTTP(t *testing.T) {
	s := newSystem(t)
	c, app := s.owner(), s.app("Shop")
	c.post("roles", map[string]any{"role": "reader", "permissions": []string{"raw.read", "apps.read"}}).want(201)
	var made people.User
	c.post("users", map[string]any{"email": "ann@example.com", "name": "Ann", "password": testPassword,
		"roles": []any{map[string]any{"role": "reader", "apps": []string{app}}}}).want(201).decode(&made)
	ann := s.login("ann@example.com")
	ann.get("apps/" + app + "/conflicts").want(200)
	ann.get("apps/" + app + "/reports/overview").want(403)
	if len(ann.user.Permissions) != 2 || made.Roles[0].Role != "reader" {
		t.Errorf("ann = %+v, %+v", ann.user, made)
	}
	c.send("PUT", "roles/reader", map[string]any{"permissions": []string{"reports.read", "apps.read"}}, nil).want(200)
	s.clock.advance(5 * time.Second)
	ann.get("apps/" + app + "/conflicts").want(403)
	ann.get("apps/" + app + "/reports/overview").want(200)
	if got := c.send("DELETE", "roles/reader", nil, nil).want(409); got.problem().Code != "role_in_use" {
		t.Errorf("%s", got.body)
	}
	c.post("users", map[string]any{"email": "x@example.com", "name": "X", "roles": []any{map[string]any{"role": "reader", "apps": "*", "granted": []string{"users.manage"}}}}).want(400)
	c.post("users", map[string]any{"email": "x@example.com", "name": "X", "roles": []any{map[string]any{"role": "nobody-knows", "apps": "*"}}}).want(400)
}
