package postgres_test

import (
	"strings"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/accounts/accountstest"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

func TestSignaturesFindARewrittenLog(t *testing.T) {
	a := logWith(t, 6)
	head, fresh, err := a.SignAuditHead(t.Context())
	if err != nil || !fresh || head.Seq != 7 { // making the key is an entry too
		t.Fatalf("head = %+v, %v, %v", head, fresh, err)
	}
	if _, fresh, err := a.SignAuditHead(t.Context()); err != nil || fresh {
		t.Errorf("signing the same again: %v, %v", fresh, err)
	}
	if v := verify(t, a); !v.Valid || v.Signed == nil || *v.Signed != head {
		t.Fatalf("untouched log: %+v", v)
	}
	for _, sql := range []string{`UPDATE audit_heads SET key = 'x'`, `DELETE FROM audit_heads`, `TRUNCATE audit_heads`} {
		if err := accountstest.ExecAsOwner(t, a, sql); err == nil || !strings.Contains(err.Error(), "append-only") {
			t.Errorf("%s as owner: %v", sql, err)
		}
		wantDenied(t, a, sql)
	}
	// Whoever owns the database cuts the log off and mends its head: the chain is whole.
	accountstest.Exec(t, a, `CREATE TABLE backup AS SELECT * FROM audit_log`)
	auditUnlocked(t, a, `DELETE FROM audit_log WHERE seq > 4`)
	accountstest.Exec(t, a, `UPDATE audit_head SET seq = 4, hash = (SELECT hash FROM audit_log WHERE seq = 4)`)
	if v := verify(t, a); v.Valid || v.FirstBad != 5 || !strings.Contains(v.Reason, "missing") {
		t.Errorf("cut off: %+v", v)
	}
	// And writes others in place of the entries that were cut off.
	for range 5 {
		if err := a.Record(t.Context(), "test", postgres.Success, "", "", nil); err != nil {
			t.Fatal(err)
		}
	}
	if v := verify(t, a); v.Valid || v.FirstBad != 7 || !strings.Contains(v.Reason, "rewritten") {
		t.Errorf("rewritten: %+v", v)
	}
	// And makes the stored head fit: the signature does not.
	accountstest.Exec(t, a, `ALTER TABLE audit_heads DISABLE TRIGGER ALL`)
	accountstest.Exec(t, a, `UPDATE audit_heads SET hash = (SELECT hash FROM audit_log WHERE seq = 7)`)
	if v := verify(t, a); v.Valid || v.FirstBad != 7 || !strings.Contains(v.Reason, "signature") {
		t.Errorf("forged head: %+v", v)
	}
}

// TestEveryStoredHeadIsCompared: also one before the last, whose signature nobody needs.
func TestEveryStoredHeadIsCompared(t *testing.T) {
	a := logWith(t, 3)
	first, _, err := a.SignAuditHead(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Record(t.Context(), "test", postgres.Success, "", "", nil); err != nil {
		t.Fatal(err)
	}
	if _, fresh, err := a.SignAuditHead(t.Context()); err != nil || !fresh {
		t.Fatal(fresh, err)
	}
	if v := verify(t, a); !v.Valid {
		t.Fatalf("untouched log: %+v", v)
	}
	accountstest.Exec(t, a, `ALTER TABLE audit_heads DISABLE TRIGGER ALL`)
	accountstest.Exec(t, a, `UPDATE audit_heads SET hash = (SELECT hash FROM audit_log WHERE seq = 1) WHERE seq = $1`, first.Seq)
	if v := verify(t, a); v.Valid || v.FirstBad != first.Seq || !strings.Contains(v.Reason, "rewritten") {
		t.Errorf("an older head that does not fit: %+v", v)
	}
}

func TestAuditFilters(t *testing.T) {
	a := accountstest.Open(t)
	ctx := t.Context()
	for _, e := range []struct{ action, outcome, target string }{
		{"user.create", postgres.Success, "ann"}, {"user.delete", postgres.Denied, "ann"}, {"userland", postgres.Success, "bob"}, {"login", postgres.Failure, "ann"},
	} {
		if err := a.Record(ctx, e.action, e.outcome, e.target, "", nil); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	for name, c := range map[string]struct {
		page postgres.AuditPage
		want int
	}{
		"all": {postgres.AuditPage{}, 4}, "action": {postgres.AuditPage{Action: "login"}, 1}, "group": {postgres.AuditPage{Action: "user."}, 2}, "outcome": {postgres.AuditPage{Outcome: postgres.Success}, 2},
		"target": {postgres.AuditPage{Target: "ann"}, 3}, "both": {postgres.AuditPage{Target: "ann", Outcome: postgres.Denied}, 1}, "wild": {postgres.AuditPage{Action: "%."}, 0},
		"since": {postgres.AuditPage{From: now.Add(-time.Minute)}, 4}, "until": {postgres.AuditPage{To: now.Add(-time.Minute)}, 0}, "between": {postgres.AuditPage{From: now.Add(-time.Minute), To: now.Add(time.Minute)}, 4},
	} {
		c.page.Limit = 10
		if entries, err := a.Audit(ctx, c.page); err != nil || len(entries) != c.want {
			t.Errorf("%s: %d entries, want %d, %v", name, len(entries), c.want, err)
		}
	}
}
