package children_test

import (
	"context"
	"net"
	"path/filepath"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/unmogrowp/unmogrowp/deploy/children"
)

// Clients are killed in the middle of everything. That ends their queries and
// nothing else.
func TestClickHouseOutlivesItsClients(t *testing.T) {
	server := startClickHouse(t, filepath.Join(t.TempDir(), "clickhouse"))
	for name, use := range map[string]func(*testing.T, clickhouse.Conn){"idle": idle, "reading": reading, "inserting": inserting} {
		for range 10 {
			hangUp(t, server, use)
		}
		if err := server.Exec(t.Context(), "SELECT 1"); err != nil {
			t.Fatalf("after clients died %s: %v: %v", name, err, server.Process().Err())
		}
	}
}

func idle(t *testing.T, conn clickhouse.Conn) {
	if err := conn.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func reading(t *testing.T, conn clickhouse.Conn) {
	// The context must not end while rows arrive: the client library panics then.
	rows, err := conn.Query(context.Background(), "SELECT number FROM system.numbers")
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if !rows.Next() {
			t.Fatal(rows.Err())
		}
	}
}

func inserting(t *testing.T, conn clickhouse.Conn) {
	if err := conn.Exec(t.Context(), "CREATE TABLE IF NOT EXISTS default.t (n UInt64) ENGINE = MergeTree ORDER BY n"); err != nil {
		t.Fatal(err)
	}
	batch, err := conn.PrepareBatch(t.Context(), "INSERT INTO default.t")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100_000 {
		if err := batch.Append(uint64(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Flush(); err != nil {
		t.Fatal(err)
	}
}

// hangUp resets a connection in the middle of its use, as the kernel does for a
// process that is killed with bytes unread.
func hangUp(t *testing.T, server *children.ClickHouse, use func(*testing.T, clickhouse.Conn)) {
	t.Helper()
	options, err := clickhouse.ParseDSN(server.DSN("default"))
	if err != nil {
		t.Fatal(err)
	}
	var dialled []*net.TCPConn
	options.MaxOpenConns = 1
	options.DialContext = func(ctx context.Context, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			dialled = append(dialled, conn.(*net.TCPConn))
		}
		return conn, err
	}
	conn, err := clickhouse.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	use(t, conn)
	for _, c := range dialled {
		if err := c.SetLinger(0); err != nil {
			t.Error(err)
		}
		_ = c.Close()
	}
}
