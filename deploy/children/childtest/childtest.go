// Package childtest gives tests a fresh database on a real ClickHouse or a real
// Postgres.
//
// There is one server of each kind for a test process, started by the first test
// that asks and killed by the kernel when the process ends, or the one that
// UNMOGROWP_TEST_CLICKHOUSE_DSN or UNMOGROWP_TEST_POSTGRES_DSN names: see the
// command deploy/children/withservers, which starts both once for many packages.
//
// The call must be outside of any testing/synctest bubble, because time stands
// still in there while a real server works. goleak must ignore the goroutines
// that attend the servers: goleak.IgnoreAnyFunction(childtest.Goroutine).
//
// The servers are variables of this package, against the rule, because testing
// offers no other place that lives as long as the process.
package childtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/jackc/pgx/v5"

	"github.com/unmogrowp/unmogrowp/deploy/children"
)

// The variables that name a server to use instead of an own one. The value is a
// DSN of a user who may create databases.
const (
	ClickHouseEnv = "UNMOGROWP_TEST_CLICKHOUSE_DSN"
	PostgresEnv   = "UNMOGROWP_TEST_POSTGRES_DSN"
)

// Goroutine is the function of the goroutines that live as long as the servers.
const Goroutine = "github.com/unmogrowp/unmogrowp/deploy/children.(*Process).attend"

const (
	startTimeout = 10 * time.Minute // the first start may have to install
	queryTimeout = 30 * time.Second
)

var (
	clickHouseServer = sync.OnceValues(startClickHouse)
	postgresServer   = sync.OnceValues(startPostgres)
	loginProvider    = sync.OnceValues(startLoginProvider)
	scratch          = sync.OnceValues(children.ScratchDir)
)

// ClickHouse returns the clickhouse-go DSN of a new, empty Atomic database, which
// is dropped when the test ends.
func ClickHouse(t testing.TB) string {
	t.Helper()
	server, err := clickHouseServer()
	if err != nil {
		t.Fatalf("childtest: %v", err)
	}
	database, err := createDatabase(server)
	if err != nil {
		t.Fatalf("childtest: create ClickHouse database: %v", err)
	}
	t.Cleanup(func() {
		if err := execClickHouse(server, "DROP DATABASE "+database+" SYNC"); err != nil {
			t.Errorf("childtest: drop ClickHouse database: %v", err)
		}
	})
	return withDatabase(t, server, database)
}

// Postgres returns the pgx DSN of a new, empty database, which is dropped when
// the test ends, with whatever is still connected to it and the role that the
// aggregator makes for it. The DSN is a superuser's.
func Postgres(t testing.TB) string {
	t.Helper()
	server, err := postgresServer()
	if err != nil {
		t.Fatalf("childtest: %v", err)
	}
	database := databaseName()
	if err := execPostgres(server, "CREATE DATABASE "+database); err != nil {
		t.Fatalf("childtest: create Postgres database: %v", err)
	}
	t.Cleanup(func() {
		if err := execPostgres(server, "DROP DATABASE "+database+" WITH (FORCE)"); err != nil {
			t.Errorf("childtest: drop Postgres database: %v", err)
		}
		if err := execPostgres(server, "DROP ROLE IF EXISTS "+database+"_app"); err != nil {
			t.Errorf("childtest: drop the role of a Postgres database: %v", err)
		}
	})
	return withDatabase(t, server, database)
}

// LoginProvider returns a certified OpenID Connect provider, one for the test process.
func LoginProvider(t testing.TB) *children.LoginProvider {
	t.Helper()
	provider, err := loginProvider()
	if err != nil {
		t.Fatalf("childtest: %v", err)
	}
	return provider
}

// createDatabase takes one of the names that the server knows and that no other
// test has taken.
func createDatabase(server string) (string, error) {
	const exists = 82 // DATABASE_ALREADY_EXISTS
	names := children.ScratchDatabases()
	first := mathrand.IntN(len(names))
	for i := range names {
		name := names[(first+i)%len(names)]
		err := execClickHouse(server, "CREATE DATABASE "+name+" ENGINE = Atomic")
		var exception *clickhouse.Exception
		if err == nil || !errors.As(err, &exception) || exception.Code != exists {
			return name, err
		}
	}
	return "", fmt.Errorf("all %d databases are in use", len(names))
}

func databaseName() string { return "test_" + strings.ToLower(rand.Text()) }

func withDatabase(t testing.TB, dsn, database string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatalf("childtest: parse DSN: %v", err)
	}
	u.Path = "/" + database
	return u.String()
}

func execClickHouse(dsn, statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), queryTimeout)
	defer cancel()
	options, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		return fmt.Errorf("parse DSN: %w", err)
	}
	conn, err := clickhouse.Open(options)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()
	return conn.Exec(ctx, statement)
}

func execPostgres(dsn, statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), queryTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	return err
}

func startClickHouse() (string, error) {
	if dsn := os.Getenv(ClickHouseEnv); dsn != "" {
		return dsn, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	software, err := children.Install(ctx)
	if err != nil {
		return "", err
	}
	dir, err := scratch()
	if err != nil {
		return "", err
	}
	server := children.ClickHouse{Software: software, Dir: filepath.Join(dir, "clickhouse"), Databases: children.ScratchDatabases()}
	if err := server.Start(ctx); err != nil {
		return "", err
	}
	return server.DSN("default"), nil
}

func startPostgres() (string, error) {
	if dsn := os.Getenv(PostgresEnv); dsn != "" {
		return dsn, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	software, err := children.Install(ctx)
	if err != nil {
		return "", err
	}
	dir, err := scratch()
	if err != nil {
		return "", err
	}
	server := children.Postgres{Software: software, Dir: filepath.Join(dir, "postgres"), Volatile: true}
	if err := server.Start(ctx); err != nil {
		return "", err
	}
	return server.DSN("postgres"), nil
}

func startLoginProvider() (*children.LoginProvider, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	dir, err := scratch()
	if err != nil {
		return nil, err
	}
	provider := &children.LoginProvider{Dir: filepath.Join(dir, "login-provider")}
	return provider, provider.Start(ctx)
}
