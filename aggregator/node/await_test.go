package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// TestANodeWaitsForItsDatabases starts a node while Postgres is away. It lives, says why it
// waits, and serves as soon as the database is there.
func TestANodeWaitsForItsDatabases(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := closed.Addr().String()
	_ = closed.Close()
	dsn, err := url.Parse(childtest.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	server := dsn.Host
	dsn.Host = address

	admin, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := DefaultConfig()
	c.PostgresDSN, c.ClickHouseDSN = daemon.Secret(dsn.String()), daemon.Secret(childtest.ClickHouse(t))
	c.MasterKey = daemon.Secret(strings.Repeat("ab", 32))
	c.Listen, c.AgentsListen, c.GossipListen = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		n, err := New(ctx, Options{Config: c, Log: slog.New(slog.DiscardHandler), Admin: admin})
		if err == nil {
			err = n.Run(ctx)
		}
		if err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(wg.Wait)
	t.Cleanup(cancel)

	ready := func() (int, string) {
		resp, err := http.Get("http://" + admin.Addr().String() + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body)
	}
	await(t, func() error {
		if status, body := ready(); status != http.StatusServiceUnavailable || !strings.Contains(body, "refused") {
			return fmt.Errorf("while Postgres is away: %d %s", status, body)
		}
		return nil
	})
	relay(t, address, server)
	await(t, func() error {
		if status, body := ready(); status != http.StatusOK {
			return fmt.Errorf("with Postgres: %d %s", status, body)
		}
		return nil
	})
}

// await asks until the answer is nil.
func await(t *testing.T, probe func() error) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for {
		err := probe()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal(err)
		}
	}
}

// relay listens at an address and passes connections on to a server.
func relay(t *testing.T, address, server string) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	t.Cleanup(func() { _ = l.Close() })
	wg.Go(func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", server)
			if err != nil {
				_ = from.Close()
				continue
			}
			both := func() { _, _ = from.Close(), to.Close() }
			wg.Go(func() { _, _ = io.Copy(to, from); both() })
			wg.Go(func() { _, _ = io.Copy(from, to); both() })
		}
	})
}

func TestOnlyAbsenceIsWaitedFor(t *testing.T) {
	for _, test := range []struct {
		err  error
		want bool
	}{
		{fmt.Errorf("open: %w", &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}), true},
		{&net.DNSError{Err: "no such host", Name: "postgres"}, true},
		{io.ErrUnexpectedEOF, true},
		{context.DeadlineExceeded, true},
		{&pgconn.PgError{Code: "57P03", Message: "the database system is starting up"}, true},
		{&pgconn.PgError{Code: "53300", Message: "too many clients"}, true},
		{&pgconn.PgError{Code: "28P01", Message: "password authentication failed"}, false},
		{&pgconn.PgError{Code: "3D000", Message: "database does not exist"}, false},
		{errors.New("check ClickHouse: table events lacks fsync"), false},
	} {
		if got := unreachable(test.err); got != test.want {
			t.Errorf("%v: %t, want %t", test.err, got, test.want)
		}
	}
}
