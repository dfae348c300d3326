package children_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/unmogrowp/unmogrowp/deploy/children"
)

// durableTable has the settings that make an insert survive a power cut.
const durableTable = `CREATE TABLE facts.events (id UInt64, text String) ENGINE = ReplacingMergeTree ORDER BY id
	SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1`

func startClickHouse(t *testing.T, dir string) *children.ClickHouse {
	t.Helper()
	server := &children.ClickHouse{Software: installed(t), Dir: dir}
	t.Cleanup(func() {
		if err := server.Kill(); err != nil {
			t.Error(err)
		}
	})
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return server
}

func connect(t testing.TB, dsn string) driver.Conn {
	t.Helper()
	options, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := clickhouse.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	return conn
}

func mustExec(t *testing.T, conn driver.Conn, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if err := conn.Exec(context.Background(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

func clickHouseRows(t *testing.T, dsn string) uint64 {
	t.Helper()
	conn := connect(t, dsn)
	defer conn.Close() // a clean stop wants no connections
	var rows uint64
	if err := conn.QueryRow(context.Background(), "SELECT count() FROM facts.events FINAL").Scan(&rows); err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestClickHouseKeepsRowsOverKillAndStop(t *testing.T) {
	server := startClickHouse(t, filepath.Join(publicDir(t), "click house"))
	dsn := server.DSN("default")
	mustExec(t, connect(t, dsn),
		"CREATE DATABASE facts ENGINE = Atomic", durableTable,
		"INSERT INTO facts.events SELECT number, toString(number) FROM numbers(1000)")

	if err := server.Start(t.Context()); err == nil {
		t.Error("it was started twice")
	}
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if server.DSN("default") != dsn {
		t.Errorf("the address moved from %s to %s", dsn, server.DSN("default"))
	}
	if rows := clickHouseRows(t, dsn); rows != 1000 {
		t.Errorf("%d rows after a kill, want 1000", rows)
	}
	conn := connect(t, dsn)
	mustExec(t, conn, "INSERT INTO facts.events SELECT number, '' FROM numbers(500, 1000)")
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}

	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := server.Process().Err(); err != nil {
		t.Errorf("unclean stop: %v", err)
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if rows := clickHouseRows(t, dsn); rows != 1500 {
		t.Errorf("%d rows after a stop, want 1500", rows)
	}
}

func TestClickHouseWithoutThePasswordDoesNothing(t *testing.T) {
	server := startClickHouse(t, t.TempDir())
	host := strings.SplitAfter(server.DSN("default"), "@")[1]
	nobody := connect(t, "clickhouse://default@"+host)
	for _, statement := range []string{"CREATE DATABASE facts", "SELECT * FROM system.users", "SELECT * FROM file('/etc/passwd', 'LineAsString')", "SYSTEM SHUTDOWN"} {
		if err := nobody.Exec(t.Context(), statement); err == nil || !strings.Contains(err.Error(), "Not enough privileges") {
			t.Errorf("%s as default: %v, want a refusal", statement, err)
		}
	}
	if err := connect(t, "clickhouse://unmogrowp:wrong@"+host).Exec(t.Context(), "SELECT 1"); err == nil {
		t.Error("a wrong password was accepted")
	}
	info, err := os.Stat(filepath.Join(server.Dir, "password"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("password file has mode %v, %v, want 0600", info.Mode(), err)
	}
}

func TestClickHouseMovesFromTakenPortsAndHasBounds(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	taken := listener.Addr().(*net.TCPAddr).Port
	server := &children.ClickHouse{
		Software: installed(t), Dir: t.TempDir(), NativePort: taken, MemoryBytes: 1 << 30,
		ExtraConfig: "<remote_servers><pair><shard><replica><host>127.0.0.1</host><port>9</port></replica></shard></pair></remote_servers>",
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer server.Kill()
	if server.NativePort == taken || server.NativePort == 0 {
		t.Errorf("native port %d, want another than %d", server.NativePort, taken)
	}
	conn := connect(t, server.DSN("default"))
	var limit string
	if err := conn.QueryRow(t.Context(), "SELECT value FROM system.server_settings WHERE name = 'max_server_memory_usage'").Scan(&limit); err != nil || limit != "1073741824" {
		t.Errorf("memory limit %s, %v, want 1 GiB", limit, err)
	}
	var shards uint64
	if err := conn.QueryRow(t.Context(), "SELECT count() FROM system.clusters WHERE cluster = 'pair'").Scan(&shards); err != nil || shards != 1 {
		t.Errorf("%d shards, %v, want the one of the extra configuration", shards, err)
	}
	var logTables uint64
	if err := conn.QueryRow(t.Context(), "SELECT count() FROM system.tables WHERE database = 'system' AND engine LIKE '%MergeTree'").Scan(&logTables); err != nil || logTables != 0 {
		t.Errorf("%d system log tables, %v, want none", logTables, err)
	}
}

func TestClickHouseRefusesADirectoryInUse(t *testing.T) {
	server := startClickHouse(t, t.TempDir())
	second := &children.ClickHouse{Software: server.Software, Dir: server.Dir}
	err := second.Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "already running") {
		t.Errorf("error %v, want one that names the reason", err)
	}
	if err := connect(t, server.DSN("default")).Exec(t.Context(), "SELECT 1"); err != nil {
		t.Errorf("the first server suffered: %v", err)
	}
}
