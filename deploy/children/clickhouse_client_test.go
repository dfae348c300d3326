package children_test

import (
	"context"
	"net"
	"path/filepath"
	"sync"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// A client that dies in the middle of an answer is no reason for the server to
// die: its write to the broken connection must only end that query.
func TestClickHouseOutlivesItsClients(t *testing.T) {
	server := startClickHouse(t, filepath.Join(t.TempDir(), "clickhouse"))
	for range 20 {
		hangUp(t, server.DSN("default"))
	}
	mustExec(t, connect(t, server.DSN("default")), "SELECT 1")
}

// hangUp breaks its connection while the server sends an endless answer.
func hangUp(t *testing.T, dsn string) {
	t.Helper()
	options, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var dialled []*net.TCPConn
	options.DialContext = func(ctx context.Context, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			mu.Lock()
			defer mu.Unlock()
			dialled = append(dialled, conn.(*net.TCPConn))
		}
		return conn, err
	}
	conn, err := clickhouse.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := conn.Query(t.Context(), "SELECT number FROM system.numbers")
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if !rows.Next() {
			t.Fatal(rows.Err())
		}
	}
	mu.Lock()
	for _, c := range dialled {
		if err := c.SetLinger(0); err != nil { // close with a reset
			t.Error(err)
		}
		_ = c.Close()
	}
	mu.Unlock()
	_ = rows.Close() // fails, as the connection is gone
	_ = conn.Close()
}
