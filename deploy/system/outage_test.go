package system

import (
	"bytes"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unmogrowp/unmogrowp/deploy/children"
	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
)

// While ClickHouse is away agents go on taking messages, which wait on their
// disks and are counted once when it is back.
func TestClickHouseOutage(t *testing.T) {
	server, dsn := ownClickHouse(t)
	c := New(t, dsn, childtest.Postgres(t), 1, 1)
	k := c.LogIn(c.Aggregators[0], OwnerEmail, OwnerPassword)
	s := newSender(c)
	s.must(c.Agents[0], 10, 10)
	s.awaitStored()
	c.awaitQueue(c.Agents[0], 0) // the acknowledgement has arrived, too

	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	s.must(c.Agents[0], 20, 10)
	c.awaitQueue(c.Agents[0], 200)
	if err := k.Try("GET", "apps/"+c.App+"/reports/overview", nil, nil); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("a report without ClickHouse: %v, want 503", err)
	}
	c.LogIn(c.Aggregators[0], OwnerEmail, OwnerPassword)

	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.must(c.Agents[0], 1, 10)
	s.awaitStored()
	c.awaitQueue(c.Agents[0], 0)
	c.awaitEvents(k, len(s.acked))
}

// While Postgres is away messages still become rows; only people wait.
func TestPostgresOutage(t *testing.T) {
	server, dsn := ownPostgres(t)
	c := New(t, childtest.ClickHouse(t), dsn, 1, 1)
	s := newSender(c)
	s.must(c.Agents[0], 5, 10)
	s.awaitStored()

	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	s.must(c.Agents[0], 20, 10)
	s.awaitStored()
	c.checkLogin(http.StatusServiceUnavailable, "application/problem+json")

	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.Await("login after the outage", func() error {
		return (&Console{t: t, base: c.Aggregators[0].URL + "/api/v1/"}).Try("POST", "auth/login", map[string]string{"email": OwnerEmail, "password": OwnerPassword}, nil)
	})
	s.must(c.Agents[0], 5, 10)
	s.awaitStored()
	c.awaitEvents(c.LogIn(c.Aggregators[0], OwnerEmail, OwnerPassword), len(s.acked))
}

func (c *Cluster) checkLogin(status int, contentType string) {
	c.T.Helper()
	body := bytes.NewReader(jsonBytes(c.T, map[string]string{"email": OwnerEmail, "password": OwnerPassword}))
	resp, err := http.Post(c.Aggregators[0].URL+"/api/v1/auth/login", "application/json", body)
	if err != nil {
		c.T.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != status || resp.Header.Get("Content-Type") != contentType {
		c.T.Errorf("login answered %s with %s, want %d with %s", resp.Status, resp.Header.Get("Content-Type"), status, contentType)
	}
}

// ownClickHouse starts a server that the test may kill, and returns it with the
// DSN of its database.
func ownClickHouse(t *testing.T) (*children.ClickHouse, string) {
	t.Helper()
	software, err := children.Install(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	server := &children.ClickHouse{Software: software, Dir: filepath.Join(t.TempDir(), "clickhouse")}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Kill() })
	if err := server.Exec(t.Context(), "CREATE DATABASE unmogrowp ENGINE = Atomic"); err != nil {
		t.Fatal(err)
	}
	return server, server.DSN("unmogrowp")
}

// ownPostgres is the same for Postgres.
func ownPostgres(t *testing.T) (*children.Postgres, string) {
	t.Helper()
	software, err := children.Install(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir, err := children.ScratchDir()
	if err != nil {
		t.Fatal(err)
	}
	server := &children.Postgres{Software: software, Dir: filepath.Join(dir, "postgres")}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Kill(); err != nil {
			t.Error(err)
		}
		if err := children.RemoveScratchDir(dir); err != nil {
			t.Error(err)
		}
	})
	if err := server.CreateDatabase(t.Context(), "unmogrowp"); err != nil {
		t.Fatal(err)
	}
	return server, server.DSN("unmogrowp")
}
