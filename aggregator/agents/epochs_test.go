package agents_test

import (
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/accounts"
	"github.com/unmogrowp/unmogrowp/aggregator/accounts/accountstest"
	"github.com/unmogrowp/unmogrowp/aggregator/agents"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// buffer is one copy of a buffer directory.
type buffer struct{ agents.Buffer }

// writes appends a block, which no other copy has.
func (b *buffer) writes(digest uint64) {
	b.At = protocol.Position{Next: b.At.Next + 1, Chain: b.At.Chain*31 + digest}
	b.History = append(b.History[:len(b.History):len(b.History)], b.At)
}

func (b *buffer) tells(t *testing.T, a *accounts.Accounts, agent string, hello bool) (agents.Known, error) {
	t.Helper()
	b.Hello = hello
	return a.Agents.RegisterBuffer(t.Context(), agent, b.Buffer)
}

func audited(t *testing.T, a *accounts.Accounts, action string) (n int) {
	t.Helper()
	if err := a.QueryRow(t.Context(), `SELECT count(*) FROM audit_log WHERE action = $1`, action).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTheCopyIsRefusedAndTheOtherGoesOn(t *testing.T) {
	a := accountstest.Open(t)
	one, two := enroll(t, a, "one"), enroll(t, a, "two")
	honest := &buffer{agents.Buffer{Epoch: 1<<63 + 5, First: 1}}
	honest.writes(1)
	if _, err := honest.tells(t, a, one.ID, true); err != nil {
		t.Fatal(err)
	}
	clone := &buffer{honest.Buffer}
	_, err := clone.tells(t, a, two.ID, true)
	accountstest.WantError(t, "the buffer of another agent", err, agents.ErrClone)
	if _, err := clone.tells(t, a, one.ID, true); err != nil {
		t.Fatal("two that are the same cannot be told apart yet", err)
	}
	honest.writes(2)
	clone.writes(3)
	if _, err := honest.tells(t, a, one.ID, false); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_, err = clone.tells(t, a, one.ID, false)
		accountstest.WantError(t, "the copy", err, agents.ErrClone)
		clone.writes(4)
	}
	honest.writes(5)
	if _, err := honest.tells(t, a, one.ID, false); err != nil {
		t.Fatal("the honest one: ", err)
	}
	if n := audited(t, a, "agent.clone"); n != 1 {
		t.Errorf("%d entries in the audit log of one copy within an hour", n)
	}
	_, err = honest.tells(t, a, "nobody", true)
	accountstest.WantError(t, "unknown agent", err, agents.ErrClone)
}

func TestALostEndIsToldAndAudited(t *testing.T) {
	a := accountstest.Open(t)
	agent := enroll(t, a, "one")
	b := &buffer{agents.Buffer{Epoch: 7, First: 1}}
	b.writes(1)
	old := &buffer{b.Buffer}
	b.writes(2)
	b.writes(3)
	b.First = 3 // the first two are acknowledged
	if _, err := b.tells(t, a, agent.ID, true); err != nil {
		t.Fatal(err)
	}
	if _, err := old.tells(t, a, agent.ID, false); !errors.Is(err, agents.ErrBehind) {
		t.Fatalf("a heartbeat that was overtaken: %v", err)
	}
	_, err := old.tells(t, a, agent.ID, true)
	accountstest.WantError(t, "an older copy while the other one is alive", err, agents.ErrClone)
	accountstest.Exec(t, a, `UPDATE agent_epochs SET last_seen = now() - interval '2 minutes'`)
	known, err := old.tells(t, a, agent.ID, true)
	if err != nil || known.At != b.At || known.First != 3 {
		t.Fatalf("known %+v: %v", known, err)
	}
	if n := audited(t, a, "agent.gap"); n != 1 {
		t.Errorf("%d entries", n)
	}
	old.At, old.History = known.At, []protocol.Position{known.At}
	old.writes(9)
	if _, err := old.tells(t, a, agent.ID, false); err != nil {
		t.Fatal("going on from where it was known to be: ", err)
	}
}

func TestOnlyTheLastUsedCertificateRenewsOnceExpired(t *testing.T) {
	a := accountstest.Open(t)
	agent := enroll(t, a, "one")
	for i, serial := range []string{"aa", "bb", "cc"} {
		if err := a.Agents.RecordCertificate(t.Context(), agent.ID, serial, time.Now().Add(time.Duration(i-5)*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Agents.CertificateUsed(t.Context(), agent.ID, "bb"); err != nil {
		t.Fatal(err)
	}
	accountstest.WantError(t, "a certificate before the last one used", a.Agents.MayRenewExpired(t.Context(), agent.ID, "aa"), postgres.ErrNotFound)
	accountstest.WantError(t, "another agent's", a.Agents.MayRenewExpired(t.Context(), enroll(t, a, "two").ID, "bb"), postgres.ErrNotFound)
	for _, serial := range []string{"bb", "cc"} { // the answer that carried cc may have been lost
		if err := a.Agents.MayRenewExpired(t.Context(), agent.ID, serial); err != nil {
			t.Errorf("%s: %v", serial, err)
		}
	}
	if err := a.Agents.RevokeAgent(t.Context(), agent.ID); err != nil {
		t.Fatal(err)
	}
	accountstest.WantError(t, "revoked", a.Agents.MayRenewExpired(t.Context(), agent.ID, "bb"), postgres.ErrNotFound)
	if n := audited(t, a, "agent.renew_expired"); n != 5 {
		t.Errorf("%d entries", n)
	}
}

func TestATokenForAnAgentKeepsItsID(t *testing.T) {
	a := accountstest.Open(t)
	agent := enroll(t, a, "one")
	token := func(name string) (agents.Agent, error) {
		hash := sha256.Sum256([]byte(name))
		if err := a.Agents.CreateEnrollment(t.Context(), agents.Enrollment{Agent: agent.ID, SecretHash: hash[:], Expires: time.Now().Add(time.Minute)}); err != nil {
			return agents.Agent{}, err
		}
		return a.Agents.ConsumeEnrollment(t.Context(), hash[:])
	}
	again, err := token("again")
	if err != nil || again.ID != agent.ID || again.Name != "one" || again.Region != "eu" {
		t.Fatalf("%+v: %v", again, err)
	}
	if err := a.Agents.RevokeAgent(t.Context(), agent.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := token("revoked"); err == nil {
		t.Fatal("a revoked agent is back")
	}
}

func TestReplayIsAskedForOnceAndMeasured(t *testing.T) {
	a := accountstest.Open(t)
	ctx := t.Context()
	one, two := enroll(t, a, "one"), enroll(t, a, "two")
	for _, agent := range []agents.Agent{one, two} {
		if err := a.Agents.RecordHeartbeat(ctx, agent.ID, "n", "v", protocol.Heartbeat{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok, err := a.Agents.OpenReplay(ctx); ok || err != nil {
		t.Fatal(ok, err)
	}
	if _, err := a.Agents.BeginReplay(ctx, time.Now().Add(time.Hour)); err == nil {
		t.Fatal("a replay of the future")
	}
	r, err := a.Agents.BeginReplay(ctx, time.Now().Add(-time.Hour))
	if err != nil || len(r.Agents) != 2 || r.Done() {
		t.Fatalf("%+v: %v", r, err)
	}
	for range 2 { // sent twice, after a lost answer
		if err := a.Agents.RecordReplayed(ctx, one.ID, protocol.Replayed{ID: r.ID, Blocks: 9, Events: 90, MissingBlocks: 2, MissingEvents: 20, MissingFrom: 1_760_000_000_000, MissingUntil: 1_760_000_900_000}); err != nil {
			t.Fatal(err)
		}
	}
	open, ok, err := a.Agents.OpenReplay(ctx)
	if err != nil || !ok || open.ID != r.ID || len(open.Agents) != 1 || open.Agents[0].Agent != one.ID {
		t.Fatalf("%+v %t: %v", open, ok, err)
	}
	if err := a.Agents.RecordHeartbeat(ctx, one.ID, "n", "v", protocol.Heartbeat{ReplayID: r.ID, ReplayLeft: 4}); err != nil {
		t.Fatal(err)
	}
	if r, err = a.Agents.Replay(ctx, ""); err != nil || r.Agents[0].BlocksLeft != 4 || r.Agents[0].MissingEvents != 20 || r.Agents[0].MissingUntil == nil || r.Agents[1].Answered {
		t.Fatalf("%+v: %v", r, err)
	}
	if err := a.Agents.RecordReplayed(ctx, two.ID, protocol.Replayed{ID: r.ID}); err != nil {
		t.Fatal(err)
	}
	if err := a.Agents.RecordHeartbeat(ctx, one.ID, "n", "v", protocol.Heartbeat{ReplayID: r.ID}); err != nil {
		t.Fatal(err)
	}
	if r, err = a.Agents.Replay(ctx, r.ID); err != nil || !r.Done() {
		t.Fatalf("%+v: %v", r, err)
	}
}
