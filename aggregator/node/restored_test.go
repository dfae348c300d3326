package node

import (
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/accounts/accountstest"
	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
	"github.com/unmogrowp/unmogrowp/aggregator/warehouse"
	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
)

// TestARestoredPostgresIsNoticedOnce: ClickHouse has a head of the audit log that Postgres does not know,
// and results under settings that are lost. After it the log verifies, with its gap, and agents and results
// go by the restored data.
func TestARestoredPostgresIsNoticedOnce(t *testing.T) {
	store, err := warehouse.Open(t.Context(), warehouse.Options{DSN: childtest.ClickHouse(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	a := accountstest.Open(t)
	app := accountstest.NewApp(t, a, "Shop")
	backup, err := a.Apps.Settings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	accountstest.Exec(t, a, `CREATE TABLE saved AS SELECT seq, hash FROM audit_head`)
	accountstest.NewApp(t, a, "Lost")
	head, signed, err := a.SignAuditHead(t.Context())
	if err != nil || !signed {
		t.Fatal(signed, err)
	}
	s := &stored{warehouse: store, accounts: a}
	signer := &auditSigner{accounts: a, warehouse: store}
	if err := signer.copy(t.Context(), head); err != nil {
		t.Fatal(err)
	}
	if unknown, err := s.unknownEntries(t.Context()); err != nil || unknown {
		t.Fatalf("before the restore: %v %v", unknown, err)
	}
	row := attribution.Row{Conversion: attribution.Conversion{App: app.ID, ID: "o", Time: time.Now().UnixMilli()}, Result: attribution.Result{Generation: 7}}
	if err := store.InsertAttributions(t.Context(), []attribution.Row{row}); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{`DELETE FROM audit_log WHERE seq > (SELECT seq FROM saved)`, `DELETE FROM audit_heads WHERE seq > (SELECT seq FROM saved)`,
		`UPDATE audit_head SET (seq, hash) = (SELECT seq, hash FROM saved)`, `UPDATE settings_generation SET generation = generation - 1`} {
		accountstest.Exec(t, a, `ALTER TABLE audit_log DISABLE TRIGGER ALL; ALTER TABLE audit_heads DISABLE TRIGGER ALL; `+sql)
	}
	unknown, err := s.unknownEntries(t.Context())
	if err != nil || !unknown {
		t.Fatalf("the restore is not noticed: %v %v", unknown, err)
	}
	out, err := s.restored(t.Context())
	if err != nil || len(out.Raised) != 1 || out.Gap.Lost != head.Seq || out.Gap.After >= head.Seq {
		t.Fatalf("%+v, %v", out, err)
	}
	after, err := a.Apps.Settings(t.Context())
	if err != nil || after.Timeline <= backup.Timeline {
		t.Errorf("timeline %d after %d, %v", after.Timeline, backup.Timeline, err)
	}
	versions, err := a.Apps.SettingsOf(t.Context(), app.ID)
	if err != nil || versions[0].Generation != 8 {
		t.Errorf("settings have generation %d, want 8: %v", versions[0].Generation, err)
	}
	if unknown, err := s.unknownEntries(t.Context()); err != nil || unknown {
		t.Errorf("noticed again: %v %v", unknown, err)
	}
	v, err := a.VerifyAudit(t.Context(), head)
	if err != nil || !v.Valid || len(v.Gaps) != 1 || v.Gaps[0].Lost != head.Seq {
		t.Errorf("verification = %+v, %v", v, err)
	}
	if entries, err := a.Audit(t.Context(), postgres.AuditPage{Limit: 1, Action: postgres.Restored}); err != nil || len(entries) != 1 {
		t.Errorf("%v %v", entries, err)
	}
}

func TestADSNOfSeveralHostsIsRefused(t *testing.T) {
	for dsn, good := range map[string]bool{
		"clickhouse://u:p@a:9000/d": true, "clickhouse://u:p%2C@a:9000/d?secure=true": true, "clickhouse://u:p@a:9000,b:9000/d": false,
		"clickhouse://a:9000/d?alt_hosts=b:9000": false, "clickhouse://u:p,q@a:9000/d": true, "clickhouse://a,b?x=1": false,
	} {
		if err := oneHost(dsn); (err == nil) != good {
			t.Errorf("%s: %v", dsn, err)
		}
	}
}
