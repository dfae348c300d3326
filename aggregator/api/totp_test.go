package api

import (
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/unmogrowp/unmogrowp/aggregator/people"
)

func TestSecondFactorOverHTTP(t *testing.T) {
	s := newSystem(t)
	c, other := s.owner(), s.login("owner@example.com")
	proof := map[string]any{"current_password": testPassword}
	c.post("me/totp", map[string]any{"current_password": "wrong wrong wrong"}).want(400)
	var made people.TOTPSecret
	c.post("me/totp", proof).want(201).decode(&made)
	code, err := totp.GenerateCode(made.Secret, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var recovery recoveryAnswer
	c.post("me/totp/confirm", map[string]any{"code": code}).want(200).decode(&recovery)
	c.post("me/totp", proof).want(409)
	s.clock.advance(5 * time.Second)
	other.get("me").want(401)
	var who person
	c.get("me").want(200).decode(&who)
	if !who.TOTP {
		t.Errorf("me = %+v", who)
	}
	login := map[string]any{"email": "owner@example.com", "password": testPassword}
	for want, totp := range map[string]string{"totp_required": "", "totp_wrong": code} {
		login["totp"] = totp
		if got := s.client().post("auth/login", login).want(401); got.problem().Code != want || got.header.Get("Set-Cookie") != "" {
			t.Errorf("code %q: %s", totp, got.body)
		}
	}
	login["totp"], login["password"] = recovery.Codes[0], "wrong wrong wrong"
	if got := s.client().post("auth/login", login).want(401); got.problem().Code != "credentials" {
		t.Errorf("who does not know the password hears of the factor: %s", got.body)
	}
	login["password"] = testPassword
	s.client().post("auth/login", login).want(200)
	c.send("DELETE", "me/totp", map[string]any{"current_password": "wrong wrong wrong"}, nil).want(400)
	c.send("DELETE", "users/"+c.user.ID+"/totp", nil, nil).want(204)
	c.send("DELETE", "users/"+c.user.ID+"/totp", nil, nil).want(404)
}

func TestGuessingOverHTTPIsThrottled(t *testing.T) {
	s := newSystem(t)
	c := s.owner()
	for range freeFailures {
		c.post("me/totp", map[string]any{"current_password": "wrong wrong wrong"}).want(400)
	}
	got := c.post("me/totp", map[string]any{"current_password": testPassword}).want(429)
	if got.header.Get("Retry-After") == "" || got.problem().Code != "throttled" {
		t.Errorf("%s", got.body)
	}
}
