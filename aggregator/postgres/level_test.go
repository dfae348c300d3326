package postgres_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/unmogrowp/unmogrowp/aggregator/accounts/accountstest"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

func TestANewerSchemaIsRefusedOnlyOnceItNeedsMore(t *testing.T) {
	a := accountstest.Open(t)
	ctx := t.Context()
	if err := a.CheckLevel(ctx); err != nil {
		t.Fatal(err)
	}
	var level, needs int
	if err := a.QueryRow(ctx, `SELECT level, needs FROM schema_level`).Scan(&level, &needs); err != nil || level != postgres.Level || needs > level {
		t.Fatalf("level %d needs %d, this program is of level %d: %v", level, needs, postgres.Level, err)
	}
	accountstest.Exec(t, a, `UPDATE schema_level SET level = 99`) // the next release has only added
	if err := a.CheckLevel(ctx); err != nil {
		t.Fatal(err)
	}
	accountstest.Exec(t, a, `UPDATE schema_level SET needs = 98`)
	err := a.CheckLevel(ctx)
	if !errors.Is(err, postgres.ErrNewer) || !strings.Contains(err.Error(), "need a program of level 98 at least, this one is of level") {
		t.Fatal(err)
	}
	if err := a.Migrate(ctx); !errors.Is(err, postgres.ErrNewer) {
		t.Fatal("migrated all the same: ", err)
	}
	accountstest.Exec(t, a, `DROP TABLE schema_level`)
	if err := a.CheckLevel(ctx); err != nil {
		t.Fatal("a release before levels: ", err)
	}
}
