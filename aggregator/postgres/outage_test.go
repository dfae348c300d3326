package postgres_test

import (
	"context"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/accounts/accountstest"
	"github.com/unmogrowp/unmogrowp/aggregator/apps"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
)

// relay stands between the code under test and Postgres, and can be cut.
type relay struct {
	t      *testing.T
	target string
	wg     sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener
	conns    []net.Conn
}

// startRelay returns a relay to the server of a DSN, and the DSN through it.
func startRelay(t *testing.T, dsn string) (*relay, string) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{t: t, target: u.Host}
	r.open("127.0.0.1:0")
	t.Cleanup(func() {
		r.cut()
		r.wg.Wait()
	})
	u.Host = r.listener.Addr().String()
	return r, u.String()
}

func (r *relay) open(address string) {
	r.t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	r.listener = listener
	r.mu.Unlock()
	r.wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			r.wg.Go(func() { r.carry(conn) })
		}
	})
}

func (r *relay) carry(conn net.Conn) {
	defer conn.Close()
	server, err := net.Dial("tcp", r.target)
	if err != nil {
		return
	}
	defer server.Close()
	r.mu.Lock()
	r.conns = append(r.conns, conn, server)
	r.mu.Unlock()
	r.wg.Go(func() {
		_, _ = io.Copy(server, conn)
		server.Close()
	})
	_, _ = io.Copy(conn, server)
}

// cut breaks every connection and refuses new ones.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.listener.Close()
	for _, conn := range r.conns {
		conn.Close()
	}
	r.conns = nil
}

// heal accepts connections at the same address again.
func (r *relay) heal() { r.open(r.listener.Addr().String()) }

func TestPostgresAwayAndBack(t *testing.T) {
	relay, dsn := startRelay(t, childtest.Postgres(t))
	a := accountstest.OpenDSN(t, dsn, 1)
	if err := a.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	accountstest.NewApp(t, a, "before")
	ctx, cancel := context.WithCancel(t.Context())
	heard := make(chan struct{}, 100)
	var wg sync.WaitGroup
	wg.Go(func() { _ = a.Watch(ctx, func() { heard <- struct{}{} }) })
	defer wg.Wait()
	defer cancel()
	<-heard

	relay.cut()
	began := time.Now()
	_, err := a.Apps.List(t.Context())
	accountstest.WantError(t, "read while away", err, postgres.ErrUnavailable)
	_, err = a.Apps.CreateApp(t.Context(), apps.App{Name: "away"})
	accountstest.WantError(t, "change while away", err, postgres.ErrUnavailable)
	accountstest.WantError(t, "ping while away", a.Ping(t.Context()), postgres.ErrUnavailable)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the refusals took %v", took)
	}

	relay.heal()
	accountstest.NewApp(t, a, "after")
	select {
	case <-heard:
	case <-time.After(15 * time.Second):
		t.Fatal("the watch did not come back")
	}
	if apps, err := a.Apps.List(t.Context()); err != nil || len(apps) != 2 {
		t.Fatalf("apps = %v, %v", apps, err)
	}
}
