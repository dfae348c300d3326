package api

import (
	"crypto/sha256"
	"encoding/json"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/agents"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

func enrollmentFor(name string) agents.Enrollment {
	hash := sha256.Sum256([]byte(name))
	return agents.Enrollment{Name: name, Region: "eu", SecretHash: hash[:], Expires: time.Now().Add(time.Minute)}
}

// lastAudit returns the newest entry of the log.
func (s *system) lastAudit() postgres.Entry {
	s.t.Helper()
	entries, err := s.accounts.Audit(s.t.Context(), postgres.AuditPage{Limit: 1})
	if err != nil || len(entries) == 0 {
		s.t.Fatalf("audit: %v, %v", entries, err)
	}
	return entries[0]
}

func TestWrongLoginsAreAllAlike(t *testing.T) {
	s := newSystem(t)
	s.owner()
	c := s.client()
	var bodies []string
	for _, email := range []string{"owner@example.com", "nobody@example.com", "not an address"} {
		got := c.post("auth/login", map[string]any{"email": email, "password": "wrong wrong wrong"}).want(401)
		p := got.problem()
		p.RequestID = ""
		text, _ := json.Marshal(p)
		bodies = append(bodies, string(text))
		if got.header.Get("Set-Cookie") != "" {
			t.Error("a refused login sets a cookie")
		}
	}
	if bodies[0] != bodies[1] || bodies[0] != bodies[2] {
		t.Errorf("answers differ: %v", bodies)
	}
	if last := s.lastAudit(); last.Action != "login" || last.Outcome != postgres.Failure || last.IP != "127.0.0.1" || last.RequestID == "" {
		t.Errorf("audit = %+v", last)
	}
}

func TestSessionsOverHTTP(t *testing.T) {
	s := newSystem(t)
	c := s.owner()
	first := c.token
	other := s.login("owner@example.com")
	var refreshed tokenAnswer
	c.post("auth/refresh", nil).want(200).decode(&refreshed)
	if refreshed.AccessToken == "" || refreshed.ExpiresIn != 600 || refreshed.User.ID != c.user.ID {
		t.Errorf("refreshed %+v", refreshed)
	}
	var sessions page[sessionItem]
	c.get("me/sessions").want(200).decode(&sessions)
	if len(sessions.Data) != 2 || !sessions.Data[1].Current {
		t.Fatalf("sessions = %+v", sessions)
	}
	c.send("DELETE", "me/sessions/"+sessions.Data[0].ID, nil, nil).want(204)
	c.send("DELETE", "me/sessions/"+sessions.Data[0].ID, nil, nil).want(404)
	other.post("auth/refresh", nil).want(401)
	c.post("auth/logout", nil).want(204)
	if got := c.post("auth/refresh", nil).want(401); got.problem().Code != "unauthenticated" {
		t.Errorf("%s", got.body)
	}
	s.clock.advance(5 * time.Second)
	c.token = first
	c.get("me").want(401)
	s.client().post("auth/refresh", nil).want(401)
	s.client().post("auth/logout", nil).want(204)
}

func TestOwnPassword(t *testing.T) {
	s := newSystem(t)
	c := s.owner()
	c.send("PATCH", "me", map[string]any{"password": "another good password"}, nil).want(400)
	c.send("PATCH", "me", map[string]any{"password": "short", "current_password": testPassword}, nil).want(400)
	c.send("PATCH", "me", map[string]any{"password": "another good password", "current_password": "wrong wrong wrong"}, nil).want(400)
	c.send("PATCH", "me", map[string]any{"password": "another good password", "current_password": testPassword}, nil).want(200)
	c.get("me").want(200)
	s.client().post("auth/login", map[string]any{"email": "owner@example.com", "password": testPassword}).want(401)
	s.client().post("auth/login", map[string]any{"email": "owner@example.com", "password": "another good password"}).want(200)
}

func TestRefusalsAreInTheAuditLog(t *testing.T) {
	s := newSystem(t)
	owner := s.owner()
	user := s.user("v@example.com", access.Assignment{Role: access.Viewer, AllApps: true})
	c := s.login("v@example.com")
	c.get("users").want(403)
	if last := s.lastAudit(); last.Action != "access.denied" || last.Outcome != postgres.Denied || last.Actor != user.ID || last.Target != "GET users" {
		t.Errorf("audit = %+v", last)
	}
	c.token = "forged.forged.forged"
	c.get("users").want(401)
	if last := s.lastAudit(); last.Action != "access.denied" || last.ActorKind != "anonymous" || !strings.Contains(string(last.Detail), `"token"`) {
		t.Errorf("audit = %+v", last)
	}
	var entries page[postgres.Entry]
	owner.get("audit?limit=2").want(200).decode(&entries)
	if len(entries.Data) != 2 || entries.Next == nil {
		t.Fatalf("page = %+v", entries)
	}
	var next page[postgres.Entry]
	owner.get("audit?limit=2&cursor=" + *entries.Next).want(200).decode(&next)
	if next.Data[0].Seq != entries.Data[1].Seq-1 {
		t.Errorf("pages do not follow: %d, %d", entries.Data[1].Seq, next.Data[0].Seq)
	}
	var v postgres.Verification
	owner.get("audit/verify").want(200).decode(&v)
	if !v.Valid {
		t.Errorf("%+v", v)
	}
}

func TestThrottle(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	th := newThrottle(30)
	attacker, victim := originOf("ann@example.com", "192.0.2.7"), originOf("Ann@Example.com ", "198.51.100.1")
	tried := 0
	for range 200 { // at 20 a second
		if th.attempt(attacker, now) == 0 {
			tried++
		}
		now = now.Add(50 * time.Millisecond)
	}
	if tried > 10 {
		t.Errorf("%d of 200 attempts were tried", tried)
	}
	if wait := th.attempt(victim, now); wait != 0 {
		t.Errorf("the right person waits %v", wait)
	}
	if originOf("ann@example.com", "192.0.2.99") != attacker || originOf("ann@example.com", "::ffff:192.0.2.1") != attacker {
		t.Error("the network of an address is not its /24")
	}
	// One network that tries many accounts.
	tried = 0
	for i := range 200 {
		if th.attempt(originOf(strings.Repeat("x", i), "203.0.113.5"), now) == 0 {
			tried++
		}
	}
	if tried != 30 {
		t.Errorf("%d attempts of one network, want 30", tried)
	}
	// A success takes its attempt back.
	th = newThrottle(30)
	for range 200 {
		if wait := th.attempt(victim, now); wait != 0 {
			t.Fatalf("the right password waits %v", wait)
		}
		th.success(victim, now)
	}
}

func TestOnlyAVerdictChangesTheCount(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	th := newThrottle(30)
	o := originOf("ann@example.com", "192.0.2.7")
	for range freeFailures {
		th.attempt(o, now)
	}
	now = now.Add(2 * time.Second)
	if wait := th.attempt(o, now); wait != 0 {
		t.Fatalf("waits %v", wait)
	}
	th.undo(o, now) // the server was too busy
	if got := th.failed[o].count; got != freeFailures {
		t.Errorf("%d failures are remembered, want %d", got, freeFailures)
	}
}

func TestThrottleForgets(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	th := newThrottle(30)
	for i := range maxRemembered + 10 {
		o := originOf("x", "")
		o.network = netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(i >> 16), byte(i >> 8), byte(i), 0}), 24)
		th.attempt(o, now)
	}
	if len(th.failed) > maxRemembered || len(th.networks) > maxRemembered {
		t.Errorf("%d accounts and %d networks are remembered", len(th.failed), len(th.networks))
	}
}

func TestNetworksThatAreKnownCannotFillTheMemory(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	th := newThrottle(30)
	for i := range 2 * maxRemembered {
		if i%100 == 0 {
			now = now.Add(2 * time.Second) // as often as a network may
		}
		o := originOf(strconv.Itoa(i), "10.0."+strconv.Itoa(i%100)+".1")
		if wait := th.attempt(o, now); wait != 0 {
			t.Fatalf("attempt %d waits %v", i, wait)
		}
		if len(th.failed) > maxRemembered {
			t.Fatalf("%d accounts are remembered", len(th.failed))
		}
	}
}

func TestManyLoginsAtOnceAreThrottled(t *testing.T) {
	s := newSystem(t)
	s.owner()
	var mu sync.Mutex
	statuses := map[int]int{}
	var wg sync.WaitGroup
	c := s.client()
	for range 20 {
		wg.Go(func() {
			got := c.post("auth/login", map[string]any{"email": "owner@example.com", "password": "wrong wrong wrong"})
			if got.status == 429 && got.header.Get("Retry-After") == "" {
				t.Error("429 without Retry-After")
			}
			mu.Lock()
			defer mu.Unlock()
			statuses[got.status]++
		})
	}
	wg.Wait()
	if statuses[401] > freeFailures+1 || statuses[401]+statuses[429] != 20 {
		t.Errorf("statuses = %v", statuses)
	}
}
