package agents_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/accounts"
	"github.com/unmogrowp/unmogrowp/aggregator/accounts/accountstest"
	"github.com/unmogrowp/unmogrowp/aggregator/agents"
	"github.com/unmogrowp/unmogrowp/aggregator/apps"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
	"github.com/unmogrowp/unmogrowp/protocol"
)

func enroll(t *testing.T, a *accounts.Accounts, name string) agents.Agent {
	t.Helper()
	hash := sha256.Sum256([]byte(name))
	e := agents.Enrollment{Name: name, Region: "eu", SecretHash: hash[:], Expires: time.Now().Add(time.Minute)}
	if err := a.Agents.CreateEnrollment(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	agent, err := a.Agents.ConsumeEnrollment(t.Context(), hash[:])
	if err != nil {
		t.Fatal(err)
	}
	return agent
}

func TestEnrollmentIsUsedOnce(t *testing.T) {
	a := accountstest.Open(t)
	hash := sha256.Sum256([]byte("secret"))
	e := agents.Enrollment{Name: "edge-1", Region: "eu", Zone: "a", SecretHash: hash[:], Expires: time.Now().Add(time.Minute)}
	if err := a.Agents.CreateEnrollment(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	var won atomic.Int64
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			agent, err := a.Agents.ConsumeEnrollment(t.Context(), hash[:])
			if err == nil {
				won.Add(1)
				if agent.Name != "edge-1" || agent.Region != "eu" || agent.Zone != "a" || agent.ID == "" {
					t.Errorf("agent = %+v", agent)
				}
				return
			}
			accountstest.WantError(t, "used enrolment", err, postgres.ErrNotFound)
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Fatalf("%d agents joined with one token", won.Load())
	}
	agents, err := a.Agents.List(t.Context())
	if err != nil || len(agents) != 1 || agents[0].State != "enrolled" {
		t.Fatalf("agents = %+v, %v", agents, err)
	}
	_, err = a.Agents.ConsumeEnrollment(t.Context(), []byte("unknown"))
	accountstest.WantError(t, "unknown enrolment", err, postgres.ErrNotFound)
	expired := sha256.Sum256([]byte("expired"))
	e.SecretHash, e.Expires = expired[:], time.Now().Add(-time.Second)
	if err := a.Agents.CreateEnrollment(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	_, err = a.Agents.ConsumeEnrollment(t.Context(), expired[:])
	accountstest.WantError(t, "expired enrolment", err, postgres.ErrNotFound)
}

func TestAgentLife(t *testing.T) {
	a := accountstest.Open(t)
	ctx := t.Context()
	agent := enroll(t, a, "edge-1")
	expires := time.Now().Add(48 * time.Hour)
	if err := a.Agents.RecordCertificate(ctx, agent.ID, "abc", expires); err != nil {
		t.Fatal(err)
	}
	hb := protocol.Heartbeat{QueuedEvents: 7, DiskUsed: 10, DiskQuota: 100, Clock: time.Now().UnixMilli(), State: "running", OldestEvent: 1_700_000_000_000}
	if err := a.Agents.RecordHeartbeat(ctx, agent.ID, "node-1", "1.2.3", hb); err != nil {
		t.Fatal(err)
	}
	accountstest.WantError(t, "heartbeat of nobody", a.Agents.RecordHeartbeat(ctx, "nobody", "n", "v", hb), postgres.ErrNotFound)
	agents, err := a.Agents.List(ctx)
	if err != nil || len(agents) != 1 {
		t.Fatal(agents, err)
	}
	got := agents[0]
	if got.State != "running" || got.QueuedEvents != 7 || got.Version != "1.2.3" || got.Node != "node-1" || got.OldestEvent == nil ||
		got.CertificateExpires == nil || got.LastSeen == nil || got.ClockSkew < -5000 || got.ClockSkew > 5000 {
		t.Fatalf("agent = %+v", got)
	}
	accountstest.Exec(t, a, `UPDATE agents SET last_seen = now() - interval '1 minute'`)
	if agents, err = a.Agents.List(ctx); err != nil || agents[0].State != "silent" {
		t.Fatalf("agent = %+v, %v; want silent", agents, err)
	}
	before, _ := a.Generation(ctx)
	if err := a.Agents.RevokeAgent(ctx, agent.ID); err != nil {
		t.Fatal(err)
	}
	if after, _ := a.Generation(ctx); after <= before {
		t.Error("revocation does not wake the watchers")
	}
	accountstest.WantError(t, "second revocation", a.Agents.RevokeAgent(ctx, agent.ID), postgres.ErrNotFound)
	if revoked, err := a.Agents.RevokedAgents(ctx); err != nil || len(revoked) != 1 || revoked[0] != agent.ID {
		t.Fatalf("revoked = %v, %v", revoked, err)
	}
	accountstest.WantError(t, "certificate of a revoked agent", a.Agents.RecordCertificate(ctx, agent.ID, "def", expires), postgres.ErrNotFound)
}

func TestEnrollmentNames(t *testing.T) {
	a := accountstest.Open(t)
	for i, e := range []agents.Enrollment{{Name: "", Region: "eu"}, {Name: "a b", Region: "eu"}, {Name: "ok", Region: ""}, {Name: "ok", Region: "eu", Zone: "/"}} {
		e.SecretHash, e.Expires = fmt.Append(nil, i), time.Now().Add(time.Hour)
		if err := a.Agents.CreateEnrollment(context.Background(), e); err == nil {
			t.Errorf("%+v is accepted", e)
		}
	}
}

func TestAgentsWithAnAddressAreEdges(t *testing.T) {
	a := accountstest.Open(t)
	near, far := enroll(t, a, "near"), enroll(t, a, "far")
	for _, address := range []string{"http://eu.example.com", "https://eu.example.com/", "https://", "eu.example.com", "https://user@eu.example.com", "javascript:x", "ftp://127.0.0.1"} {
		var bad *postgres.InvalidError
		if err := a.Agents.SetAgentURL(t.Context(), near.ID, address); !errors.As(err, &bad) {
			t.Errorf("%s: %v, want a refusal", address, err)
		}
	}
	accountstest.WantError(t, "unknown agent", a.Agents.SetAgentURL(t.Context(), "nobody", ""), postgres.ErrNotFound)
	for id, address := range map[string]string{near.ID: "https://eu.example.com", far.ID: "http://127.0.0.1:8080"} {
		if err := a.Agents.SetAgentURL(t.Context(), id, address); err != nil {
			t.Fatal(err)
		}
	}
	edges := func() []protocol.Edge {
		s, err := a.Apps.Settings(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s.Edges
	}
	if got := edges(); len(got) != 2 || got[0].URL != "http://127.0.0.1:8080" || got[1] != (protocol.Edge{URL: "https://eu.example.com", Region: "eu"}) {
		t.Errorf("edges = %+v", got)
	}
	if err := a.Agents.SetAgentURL(t.Context(), near.ID, ""); err != nil {
		t.Fatal(err)
	}
	if err := a.Agents.RevokeAgent(t.Context(), far.ID); err != nil {
		t.Fatal(err)
	}
	if got := edges(); len(got) != 0 {
		t.Errorf("edges = %+v, want none that has no address or is revoked", got)
	}
	accountstest.WantError(t, "revoked agent", a.Agents.SetAgentURL(t.Context(), far.ID, "https://eu.example.com"), postgres.ErrNotFound)
}

func TestAddressPolicyReachesAgents(t *testing.T) {
	a := accountstest.Open(t)
	app := accountstest.NewApp(t, a, "Shop")
	policy := protocol.TruncateAddresses
	if changed, err := a.Apps.UpdateApp(t.Context(), app.ID, apps.AppChange{Addresses: &policy}); err != nil || changed.Addresses != policy {
		t.Fatalf("%+v, %v", changed, err)
	}
	s, err := a.Apps.Settings(t.Context())
	if err != nil || len(s.Apps) != 1 || s.Apps[0].Addresses != policy {
		t.Errorf("settings = %+v, %v", s, err)
	}
	wrong := protocol.AddressPolicy("hash")
	var bad *postgres.InvalidError
	if _, err := a.Apps.UpdateApp(t.Context(), app.ID, apps.AppChange{Addresses: &wrong}); !errors.As(err, &bad) {
		t.Errorf("an unknown policy: %v", err)
	}
}
