package childtest_test

import (
	"context"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(childtest.Goroutine))
}

func TestClickHouseGivesEachTestItsOwnDatabase(t *testing.T) {
	names := map[string]bool{}
	for range 2 {
		options, err := clickhouse.ParseDSN(childtest.ClickHouse(t))
		if err != nil {
			t.Fatal(err)
		}
		conn, err := clickhouse.Open(options)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		var name, engine string
		row := conn.QueryRow(context.Background(), "SELECT name, engine FROM system.databases WHERE name = currentDatabase()")
		if err := row.Scan(&name, &engine); err != nil {
			t.Fatal(err)
		}
		if engine != "Atomic" {
			t.Errorf("engine is %s, want Atomic", engine)
		}
		names[name] = true
		// The same table name in both must not clash.
		if err := conn.Exec(context.Background(), "CREATE TABLE facts (id UInt64) ENGINE = ReplacingMergeTree ORDER BY id"); err != nil {
			t.Fatal(err)
		}
	}
	if len(names) != 2 {
		t.Errorf("databases %v, want two", names)
	}
}

func TestPostgresGivesEachTestItsOwnDatabase(t *testing.T) {
	for range 2 {
		conn, err := pgx.Connect(context.Background(), childtest.Postgres(t))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		if _, err := conn.Exec(context.Background(), "CREATE TABLE accounts (id bigint PRIMARY KEY)"); err != nil {
			t.Fatal(err)
		}
	}
}
