package children_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/unmogrowp/unmogrowp/deploy/children"
)

func startPostgres(t *testing.T, dir string) *children.Postgres {
	t.Helper()
	server := &children.Postgres{Software: installed(t), Dir: dir}
	t.Cleanup(func() {
		if err := server.Kill(); err != nil {
			t.Error(err)
		}
		if err := server.Remove(); err != nil {
			t.Error(err)
		}
	})
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return server
}

func query[T any](t *testing.T, dsn, statement string) T {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var value T
	if err := conn.QueryRow(t.Context(), statement).Scan(&value); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return value
}

func TestPostgresKeepsRowsOverKillAndStop(t *testing.T) {
	server := startPostgres(t, filepath.Join(publicDir(t), "post gres"))
	for range 2 {
		if err := server.CreateDatabase(t.Context(), "accounts"); err != nil {
			t.Fatal(err)
		}
	}
	dsn := server.DSN("accounts")
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, statement := range []string{"CREATE TABLE users (id bigint PRIMARY KEY)", "INSERT INTO users SELECT generate_series(1, 100)"} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}

	// conn stays open: the backend of a killed server must not block the next.
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if server.DSN("accounts") != dsn {
		t.Errorf("the address moved from %s to %s", dsn, server.DSN("accounts"))
	}
	if rows := query[int](t, dsn, "SELECT count(*) FROM users"); rows != 100 {
		t.Errorf("%d rows after a kill, want 100", rows)
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
	if rows := query[int](t, dsn, "SELECT count(*) FROM users"); rows != 100 {
		t.Errorf("%d rows after a stop, want 100", rows)
	}
	if durable := query[string](t, dsn, "SHOW fsync") + query[string](t, dsn, "SHOW synchronous_commit"); durable != "onon" {
		t.Errorf("fsync and synchronous_commit are %s, want both on", durable)
	}
}

// After a reboot the number in postmaster.pid may be anybody's.
func TestPostgresStartsThoughAStrangerHasItsOldProcessID(t *testing.T) {
	server := startPostgres(t, filepath.Join(publicDir(t), "postgres"))
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	stranger := exec.Command("/bin/sleep", "600")
	if os.Geteuid() == 0 { // whoever runs Postgres
		stranger.SysProcAttr = &syscall.SysProcAttr{Credential: nobody(t)}
	}
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = stranger.Process.Kill()
		_ = stranger.Wait()
	}()
	path := filepath.Join(server.Dir, "data", "postmaster.pid")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := bytes.Cut(content, []byte("\n"))
	content = append(strconv.AppendInt(nil, int64(stranger.Process.Pid), 10), '\n')
	if err := os.WriteFile(path, append(content, rest...), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestPostgresOfRootMovesToWhereNobodyCanReachIt(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root needs that")
	}
	private := t.TempDir() // its parent is closed to other users
	if err := os.Chmod(filepath.Dir(private), 0o700); err != nil {
		t.Fatal(err)
	}
	server := startPostgres(t, filepath.Join(private, "postgres"))
	home, err := os.Readlink(filepath.Join(server.Dir, "home"))
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := server.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(home); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", home, err)
	}
}

func TestPostgresRefusesADirectoryInUse(t *testing.T) {
	server := startPostgres(t, filepath.Join(publicDir(t), "postgres"))
	second := &children.Postgres{Software: server.Software, Dir: server.Dir}
	err := second.Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "already exists") {
		t.Errorf("error %v, want one that names the reason", err)
	}
	if one := query[int](t, server.DSN("postgres"), "SELECT 1"); one != 1 {
		t.Error("the first server suffered")
	}
}

// Debian keeps its servers apart by version, in the layout that Software wants.
func TestPostgresOfDebianWorksToo(t *testing.T) {
	versions, err := filepath.Glob("/usr/lib/postgresql/*")
	if err != nil || len(versions) == 0 {
		t.Skip("no Postgres of Debian here")
	}
	server := &children.Postgres{
		Software: children.Software{Postgres: versions[len(versions)-1]},
		Dir:      filepath.Join(publicDir(t), "postgres"),
		Volatile: true,
		Settings: map[string]string{"max_connections": "17"},
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer server.Kill()
	if limit := query[string](t, server.DSN("postgres"), "SHOW max_connections"); limit != "17" {
		t.Errorf("max_connections is %s, want 17", limit)
	}
}

func nobody(t *testing.T) *syscall.Credential {
	t.Helper()
	account, err := user.Lookup("nobody")
	if err != nil {
		t.Skip(err)
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}
}

// The other tests ran as root if this one does not skip.
func TestServersStartForAnOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("all tests run as an ordinary user")
	}
	software, err := json.Marshal(installed(t))
	if err != nil {
		t.Fatal(err)
	}
	dir := publicDir(t)
	home := filepath.Join(dir, "home of nobody")
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	credential := nobody(t)
	if err := os.Chown(home, int(credential.Uid), int(credential.Gid)); err != nil {
		t.Fatal(err)
	}
	binary, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "children.test")
	if err := os.WriteFile(program, binary, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Dir = dir
	cmd.Env = []string{roleEnv + "=ordinary user", "HOME=" + home, "SOFTWARE=" + string(software)}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
	if out, err := cmd.CombinedOutput(); err != nil {
		if strings.Contains(string(out), "permission denied") {
			t.Skipf("the cache is closed to other users: %s", out)
		}
		t.Fatalf("%v\n%s", err, out)
	}
}

func ordinaryUserRole() error {
	var software children.Software
	if err := json.Unmarshal([]byte(os.Getenv("SOFTWARE")), &software); err != nil {
		return err
	}
	clickHouse := children.ClickHouse{Software: software, Dir: filepath.Join(os.Getenv("HOME"), "clickhouse")}
	if err := clickHouse.Start(context.Background()); err != nil {
		return err
	}
	postgres := children.Postgres{Software: software, Dir: filepath.Join(os.Getenv("HOME"), "postgres")}
	if err := postgres.Start(context.Background()); err != nil {
		return err
	}
	if err := clickHouse.Stop(); err != nil {
		return err
	}
	return postgres.Stop()
}
