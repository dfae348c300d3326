package node

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/unmogrowp/unmogrowp/aggregator/accounts"
	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
)

// TestALogThatWasCutOffWithItsSignaturesIsFoundByTheCopies is what the file of heads is for: whoever owns
// the database can make a shorter log that is whole in itself.
func TestALogThatWasCutOffWithItsSignaturesIsFoundByTheCopies(t *testing.T) {
	ctx, dsn := t.Context(), childtest.Postgres(t)
	a, err := accounts.Open(ctx, accounts.Options{DSN: dsn, MasterKey: bytes.Repeat([]byte{7}, 32)})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if err := a.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "heads")
	one := &auditSigner{accounts: a, owner: "one", file: file, log: slog.New(slog.DiscardHandler)}
	two := &auditSigner{accounts: a, owner: "two", file: filepath.Join(t.TempDir(), "none"), log: one.log}
	for range 3 {
		for range 5 {
			if err := a.Record(ctx, "test", accounts.Success, "x", "", nil); err != nil {
				t.Fatal(err)
			}
		}
		for _, s := range []*auditSigner{one, two, one} {
			if err := s.sign(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	heads, err := readHeads(file)
	if err != nil || len(heads) != 3 {
		t.Fatalf("heads = %+v, %v", heads, err)
	}
	if heads, err := readHeads(two.file); err == nil {
		t.Errorf("a node without the lease signs: %+v", heads)
	}
	var out strings.Builder
	if err := verifyAudit(ctx, &out, a, file); err != nil || !strings.Contains(out.String(), `"signature"`) {
		t.Fatalf("untouched log: %v, %s", err, &out)
	}
	cutOff(ctx, t, dsn, heads[1].Seq-2)
	if err := verifyAudit(ctx, &out, a, ""); err != nil {
		t.Errorf("the cut log is not whole in itself, so the test shows nothing: %v", err)
	}
	out.Reset()
	if err := verifyAudit(ctx, &out, a, file); err == nil || !strings.Contains(out.String(), "the end of the log is missing") {
		t.Errorf("verification with the copies = %v, %s", err, &out)
	}
}

// cutOff does as a superuser would who wants the end of the log forgotten.
func cutOff(ctx context.Context, t *testing.T, dsn string, last int64) {
	t.Helper()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	for _, sql := range []string{
		`ALTER TABLE audit_log DISABLE TRIGGER ALL`, `ALTER TABLE audit_heads DISABLE TRIGGER ALL`,
		`DELETE FROM audit_log WHERE seq > $1`, `DELETE FROM audit_heads WHERE seq > $1`,
		`UPDATE audit_head SET seq = $1, hash = (SELECT hash FROM audit_log WHERE seq = $1)`,
	} {
		var args []any
		if strings.Contains(sql, "$1") {
			args = []any{last}
		}
		if _, err := conn.Exec(ctx, sql, args...); err != nil {
			t.Fatal(err)
		}
	}
}
