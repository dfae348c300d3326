package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/unmogrowp/unmogrowp/aggregator/accounts"
	"github.com/unmogrowp/unmogrowp/aggregator/accounts/accountstest"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
)

// with opens the database of the DSN with these keys.
func with(t *testing.T, dsn string, keys ...byte) *accounts.Accounts {
	t.Helper()
	options := accounts.Options{DSN: dsn, MasterKey: accountstest.MasterKey(keys[0])}
	for _, key := range keys[1:] {
		options.OtherKeys = append(options.OtherKeys, accountstest.MasterKey(key))
	}
	a, err := accounts.Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

// sealedUnder counts the sealed secrets under each key.
func sealedUnder(t *testing.T, a *accounts.Accounts) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for _, c := range postgres.SealedTables() {
		rows, err := a.Pool.Query(t.Context(), `SELECT substring(sealed FROM 2 FOR 8) FROM `+c)
		if err != nil {
			t.Fatal(err)
		}
		var name []byte
		if _, err := pgx.ForEachRow(rows, []any{&name}, func() error { counts[string(name)]++; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	return counts
}

func mustSecret(t *testing.T, a *accounts.Accounts, name, want string) {
	t.Helper()
	got, err := a.Secret(t.Context(), name, func() ([]byte, error) { return []byte(want), nil })
	if err != nil || string(got) != want {
		t.Fatalf("secret %s: %q, %v", name, got, err)
	}
}

func TestTheMasterKeyIsChangedWhileNodesRun(t *testing.T) {
	dsn := childtest.Postgres(t)
	old := with(t, dsn, 1)
	if err := old.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	const many = 2*postgres.ResealBatch + 7
	for i := range many {
		mustSecret(t, old, fmt.Sprintf("secret-%03d", i), fmt.Sprint("plain ", i))
	}
	user := accountstest.Owner(t, old, "o@example.com")
	if _, err := old.Logins.EnrolTOTP(t.Context(), user.ID, accountstest.GoodPassword); err != nil {
		t.Fatal(err)
	}
	// Every node has both keys, the old one first; they go on sealing under that.
	node := with(t, dsn, 1, 2)
	mustSecret(t, node, "under the old key", "x")
	if got := sealedUnder(t, node); len(got) != 1 || got[old.KeyName()] != many+2 {
		t.Fatalf("before: %v", got)
	}
	// A change is interrupted, while others seal.
	changer := with(t, dsn, 2, 1)
	interrupted, stop := context.WithCancel(t.Context())
	if _, err := changer.RotateMasterKey(interrupted, func(int) { stop() }); err == nil {
		t.Fatal("not interrupted")
	}
	if got := sealedUnder(t, node); len(got) != 2 || got[changer.KeyName()] != postgres.ResealBatch {
		t.Fatalf("interrupted: %v", got)
	}
	mustSecret(t, node, "secret-003", "plain 3")
	mustSecret(t, node, "secret-205", "plain 205")
	mustSecret(t, node, "while it is changed", "y")
	if err := errors.Join(node.Check(t.Context()), changer.Check(t.Context())); err != nil {
		t.Error(err)
	}
	r, err := changer.RotateMasterKey(t.Context(), nil)
	if err != nil || r.From != "" || r.Resealed != many+2-postgres.ResealBatch {
		t.Fatalf("%+v, %v", r, err)
	}
	if got := sealedUnder(t, node); len(got) != 1 || got[changer.KeyName()] != many+3 {
		t.Fatalf("after: %v", got)
	}
	mustSecret(t, node, "secret-003", "plain 3")
	mustSecret(t, node, "secret-205", "plain 205")
	fresh := with(t, dsn, 2)
	mustSecret(t, fresh, "secret-100", "plain 100")
	if err := fresh.Check(t.Context()); err != nil {
		t.Error(err)
	}
	wantOldRefused(t, old)
	entries, err := fresh.Audit(t.Context(), postgres.AuditPage{Action: "master_key.", Limit: 10})
	if err != nil || len(entries) != 2 || entries[0].Action != "master_key.resealed" || entries[1].Action != "master_key.change" {
		t.Errorf("audit: %+v, %v", entries, err)
	}
	for _, e := range entries {
		if bytes.Contains(e.Detail, []byte(fmt.Sprintf("%x", accountstest.MasterKey(2))[:20])) {
			t.Error("the audit log tells a key")
		}
	}
}

// wantOldRefused wants that a node with a retired key alone can do nothing with secrets.
func wantOldRefused(t *testing.T, old *accounts.Accounts) {
	t.Helper()
	if err := old.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "master key was changed") {
		t.Errorf("a node with the old key alone starts: %v", err)
	}
	if _, err := old.Secret(t.Context(), "secret-001", nil); err == nil || !strings.Contains(err.Error(), "another master key") {
		t.Errorf("the old key opens: %v", err)
	}
	if _, err := old.Secret(t.Context(), "new", func() ([]byte, error) { return []byte("x"), nil }); err == nil || !strings.Contains(err.Error(), "in force") {
		t.Errorf("the old key seals: %v", err)
	}
	var bad *postgres.InvalidError
	if _, err := old.RotateMasterKey(t.Context(), nil); !errors.As(err, &bad) {
		t.Errorf("the old key puts itself back: %v", err)
	}
}

func TestARetiredKeyDoesNotComeBack(t *testing.T) {
	dsn := childtest.Postgres(t)
	a := with(t, dsn, 1)
	if err := a.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustSecret(t, a, "s", "x")
	if _, err := with(t, dsn, 2, 1).RotateMasterKey(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	var bad *postgres.InvalidError
	if _, err := with(t, dsn, 1, 2).RotateMasterKey(t.Context(), nil); !errors.As(err, &bad) {
		t.Errorf("back to the old key: %v", err)
	}
	if _, err := with(t, dsn, 3).RotateMasterKey(t.Context(), nil); !errors.As(err, &bad) {
		t.Errorf("a change without the key in force: %v", err)
	}
	mustSecret(t, with(t, dsn, 2), "s", "x")
}

// TestSealingAndChangingAtOnce leaves nothing under the old key, whoever came first.
func TestSealingAndChangingAtOnce(t *testing.T) {
	dsn := childtest.Postgres(t)
	a := with(t, dsn, 1, 2)
	if err := a.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustSecret(t, a, "first", "x")
	changer := with(t, dsn, 2, 1)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := range 15 {
				name := fmt.Sprintf("%d-%d", i, n)
				if _, err := a.Secret(t.Context(), name, func() ([]byte, error) { return []byte(name), nil }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Go(func() {
		if _, err := changer.RotateMasterKey(t.Context(), nil); err != nil {
			t.Error(err)
		}
	})
	wg.Wait()
	if _, err := changer.RotateMasterKey(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if got := sealedUnder(t, a); len(got) != 1 || got[changer.KeyName()] != 61 {
		t.Errorf("%v", got)
	}
}

// TestADatabaseFromBeforeThereWasAChoice keeps its key, whichever is given first.
func TestADatabaseFromBeforeThereWasAChoice(t *testing.T) {
	dsn := childtest.Postgres(t)
	a := with(t, dsn, 1)
	if err := a.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustSecret(t, a, "s", "x")
	accountstest.Exec(t, a, `DELETE FROM master_keys`)
	if _, err := with(t, dsn, 2).Secret(t.Context(), "new", func() ([]byte, error) { return []byte("y"), nil }); err == nil {
		t.Error("a foreign key takes the throne")
	}
	mustSecret(t, with(t, dsn, 2, 1), "new", "y")
	if got := sealedUnder(t, a); got[a.KeyName()] != 2 {
		t.Errorf("%v", got)
	}
}

func TestEverySealedColumnIsListed(t *testing.T) {
	a := accountstest.Open(t)
	listed := map[string]bool{}
	for _, c := range postgres.SealedTables() {
		listed[c] = true
	}
	rows, err := a.Pool.Query(t.Context(), `SELECT table_name FROM information_schema.columns WHERE table_schema = current_schema() AND column_name LIKE '%sealed%'`)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		if !listed[table] {
			t.Errorf("%s has a sealed column that a change of the master key would forget: list it in sealedColumns", table)
		}
		delete(listed, table)
	}
	if len(listed) > 0 {
		t.Errorf("%v have none", listed)
	}
}
