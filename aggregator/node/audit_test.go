package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/unmogrowp/unmogrowp/aggregator/accounts"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
	"github.com/unmogrowp/unmogrowp/aggregator/warehouse"
	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
)

// TestALogThatWasCutOffWithItsSignaturesIsFoundByTheCopies is the reason for the file of heads: whoever owns
// the database can make a shorter log that is whole in itself.
func TestALogThatWasCutOffWithItsSignaturesIsFoundByTheCopies(t *testing.T) {
	ctx, dsn := t.Context(), childtest.Postgres(t)
	w, err := warehouse.Open(ctx, warehouse.Options{DSN: childtest.ClickHouse(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	a, err := accounts.Open(ctx, accounts.Options{DSN: dsn, MasterKey: bytes.Repeat([]byte{7}, 32)})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if err := a.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "heads")
	one := &auditSigner{accounts: a, warehouse: w, owner: "one", file: file, log: slog.New(slog.DiscardHandler)}
	two := &auditSigner{accounts: a, warehouse: w, owner: "two", file: filepath.Join(t.TempDir(), "none"), log: one.log}
	for range 3 {
		for range 5 {
			if err := a.Record(ctx, "test", postgres.Success, "x", "", nil); err != nil {
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
	if err := verifyAudit(ctx, &out, a, w, file); err != nil || !strings.Contains(out.String(), `"signature"`) || !strings.Contains(out.String(), `"copies":6`) {
		t.Fatalf("untouched log: %v, %s", err, &out)
	}
	cutOff(ctx, t, dsn, heads[1].Seq-2)
	if err := verifyAudit(ctx, &out, a, nil, ""); err != nil {
		t.Errorf("the cut log is not whole in itself, so the test shows nothing: %v", err)
	}
	for name, copies := range map[string]struct {
		w    *warehouse.Warehouse
		file string
	}{"file": {nil, file}, "ClickHouse": {w, ""}, "both": {w, file}} {
		out.Reset()
		if err := verifyAudit(ctx, &out, a, copies.w, copies.file); err == nil || !strings.Contains(out.String(), "the end of the log is missing") {
			t.Errorf("verification with the copies in %s = %v, %s", name, err, &out)
		}
	}
	// Whoever goes on writing after the cut is found out too: the signed entries are not those in the log.
	for range 20 {
		if err := a.Record(ctx, "forged", postgres.Success, "x", "", nil); err != nil {
			t.Fatal(err)
		}
	}
	out.Reset()
	if err := verifyAudit(ctx, &out, a, w, ""); err == nil || !strings.Contains(out.String(), "rewritten") {
		t.Errorf("a log that was written anew = %v, %s", err, &out)
	}
	// And so is whoever puts a head of their own among the copies.
	if err := w.KeepHead(ctx, 1, []byte(`{"seq":1,"hash":"00","time":"2026-01-01T00:00:00Z","key":"","signature":""}`)); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	if err := verifyAudit(ctx, &out, a, w, ""); err == nil || !strings.Contains(out.String(), "not ours") {
		t.Errorf("a forged copy = %v, %s", err, &out)
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

// TestACopyThatFailedIsMadeLater has ClickHouse away for one signature.
func TestACopyThatFailedIsMadeLater(t *testing.T) {
	ctx := t.Context()
	a, err := accounts.Open(ctx, accounts.Options{DSN: childtest.Postgres(t), MasterKey: bytes.Repeat([]byte{7}, 32)})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	w, err := warehouse.Open(ctx, warehouse.Options{DSN: childtest.ClickHouse(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := a.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	if err := a.Record(ctx, "test", postgres.Success, "x", "", nil); err != nil {
		t.Fatal(err)
	}
	s := &auditSigner{accounts: a, warehouse: w, owner: "one", log: slog.New(slog.DiscardHandler)}
	if err := s.sign(ctx); err == nil {
		t.Fatal("there is no table yet, and no error")
	}
	if err := w.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.sign(ctx); err != nil { // nothing new is signed
		t.Fatal(err)
	}
	if heads, err := copiedHeads(w)(ctx); err != nil || len(heads) != 1 {
		t.Errorf("%+v, %v", heads, err)
	}
}

// TestHalfALineDoesNotSpoilTheHeads is a disk that was full, or a machine that died, in the middle of a line.
func TestHalfALineDoesNotSpoilTheHeads(t *testing.T) {
	file := filepath.Join(t.TempDir(), "heads")
	for seq, torn := range []string{"", `{"seq":7,"ha`, "{", ""} {
		if err := appendHead(file, fmt.Appendf(nil, `{"seq":%d}`, seq)); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.WriteString(torn)
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	heads, err := readHeads(file)
	if err != nil || len(heads) != 4 || heads[0].Seq != 0 || heads[3].Seq != 3 {
		t.Errorf("%+v %v", heads, err)
	}
	foreign := filepath.Join(t.TempDir(), "notes")
	if err := os.WriteFile(foreign, []byte("not ours"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := appendHead(foreign, []byte("{}")); err == nil {
		t.Error("a file of somebody else is written to")
	}
	if err := appendHead("/dev/full", []byte("{}")); err == nil {
		t.Error("a full disk is no error")
	}
}
