package postgres_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/unmogrowp/unmogrowp/aggregator/accounts"
	"github.com/unmogrowp/unmogrowp/aggregator/accounts/accountstest"
	"github.com/unmogrowp/unmogrowp/aggregator/apps"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

// auditUnlocked does something to the audit log that only a superuser can.
func auditUnlocked(t *testing.T, a *accounts.Accounts, sql string, args ...any) {
	t.Helper()
	accountstest.Exec(t, a, `ALTER TABLE audit_log DISABLE TRIGGER ALL`)
	accountstest.Exec(t, a, sql, args...)
	accountstest.Exec(t, a, `ALTER TABLE audit_log ENABLE TRIGGER ALL`)
}

func verify(t *testing.T, a *accounts.Accounts) postgres.Verification {
	t.Helper()
	v, err := a.VerifyAudit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func logWith(t *testing.T, entries int) *accounts.Accounts {
	t.Helper()
	a := accountstest.Open(t)
	var wg sync.WaitGroup
	for range entries {
		wg.Go(func() {
			if err := a.Record(t.Context(), "test", postgres.Success, "target", "app", map[string]string{"a": "ü\u2028 '\""}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if v := verify(t, a); !v.Valid || v.Entries != int64(entries) {
		t.Fatalf("untouched log: %+v", v)
	}
	return a
}

func TestAuditFindsTampering(t *testing.T) {
	a := logWith(t, 10)
	accountstest.Exec(t, a, `CREATE TABLE backup AS SELECT * FROM audit_log`)
	for name, c := range map[string]struct {
		sql   string
		first int64
	}{
		"edit":             {`UPDATE audit_log SET target = 'other' WHERE seq = 4`, 4},
		"edit of the time": {`UPDATE audit_log SET time = time + interval '1 microsecond' WHERE seq = 2`, 2},
		"edit of a detail": {`UPDATE audit_log SET detail = replace(detail, ' ', '  ') WHERE seq = 9`, 9},
		"deletion":         {`DELETE FROM audit_log WHERE seq = 5`, 5},
		"first entry":      {`DELETE FROM audit_log WHERE seq = 1`, 1},
		"tail":             {`DELETE FROM audit_log WHERE seq > 7`, 8},
		"everything":       {`DELETE FROM audit_log`, 1},
		"reordering":       {`UPDATE audit_log SET seq = CASE seq WHEN 3 THEN 1003 WHEN 4 THEN 1004 END WHERE seq IN (3, 4); UPDATE audit_log SET seq = CASE seq WHEN 1003 THEN 4 ELSE 3 END WHERE seq > 1000`, 3},
		"insertion":        {`UPDATE audit_log SET seq = seq + 1000 WHERE seq > 6; INSERT INTO audit_log SELECT 7, time, actor_kind, actor, 'forged', outcome, target, app, request_id, ip, detail, hash, hash FROM audit_log WHERE seq = 6; UPDATE audit_log SET seq = seq - 999 WHERE seq > 1000`, 7},
	} {
		for statement := range strings.SplitSeq(c.sql, ";") {
			auditUnlocked(t, a, statement)
		}
		if v := verify(t, a); v.Valid || v.FirstBad != c.first || v.Reason == "" {
			t.Errorf("%s: verification = %+v, want first bad entry %d", name, v, c.first)
		}
		auditUnlocked(t, a, `DELETE FROM audit_log`)
		auditUnlocked(t, a, `INSERT INTO audit_log SELECT * FROM backup`)
	}
	if v := verify(t, a); !v.Valid {
		t.Errorf("restored log: %+v", v)
	}
}

func TestAuditIsAppendOnly(t *testing.T) {
	a := logWith(t, 2)
	for _, sql := range []string{`UPDATE audit_log SET actor = 'x'`, `DELETE FROM audit_log`, `TRUNCATE audit_log`} {
		if err := accountstest.ExecAsOwner(t, a, sql); err == nil || !strings.Contains(err.Error(), "append-only") {
			t.Errorf("%s as owner: %v", sql, err)
		}
		wantDenied(t, a, sql)
	}
}

func TestAuditKeepsWhatPostgresCannotHold(t *testing.T) {
	a := accountstest.Open(t)
	ctx := postgres.WithActor(t.Context(), postgres.Actor{Kind: "anonymous", ID: "a\x00b\xff", IP: strings.Repeat("ä", 300)})
	if err := a.Record(ctx, "test", postgres.Denied, strings.Repeat("x", 10_000), "", map[string]string{"long": strings.Repeat("y", 20_000), "nul": "\x00"}); err != nil {
		t.Fatal(err)
	}
	if v := verify(t, a); !v.Valid || v.Entries != 1 {
		t.Fatalf("%+v", v)
	}
	entries, err := a.Audit(t.Context(), postgres.AuditPage{Limit: 10, Action: "test"})
	if err != nil || len(entries) != 1 || entries[0].Actor != "a?b?" || string(entries[0].Detail) != `{"truncated":true}` {
		t.Fatalf("entries = %+v, %v", entries, err)
	}
}

func TestNothingChangesWhileTheAuditLogCannotBeWritten(t *testing.T) {
	a := accountstest.Open(t)
	accountstest.Exec(t, a, `ALTER TABLE audit_log ADD CONSTRAINT unwritable CHECK (seq < 0) NOT VALID`)
	_, err := a.Apps.CreateApp(t.Context(), apps.App{Name: "Unaudited"})
	accountstest.WantError(t, "create app", err, postgres.ErrUnavailable)
	apps, err := a.Apps.List(t.Context())
	if err != nil || len(apps) != 0 {
		t.Errorf("apps = %v, %v", apps, err)
	}
}
