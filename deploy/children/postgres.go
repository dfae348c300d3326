package children

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// Postgres is a real server of its own on the loopback interface. Fill in the
// fields, then call Start; the zero value of all but Software and Dir is
// usable. One goroutine calls Start, Stop and Kill.
//
// Postgres refuses to run as root. Then it runs as the user nobody, and what
// that user cannot reach moves below /var/lib; see quarters.
type Postgres struct {
	Software Software
	// Dir holds data, password and log, and is made if missing.
	Dir string
	// Port is a wish; 0 means any. After Start it is the server's real port.
	Port int
	// Settings are added to the server's configuration.
	Settings map[string]string
	// Volatile gives up durability for speed: for tests.
	Volatile bool

	password string
	process  *Process // nil until the server was up once
}

const postgresUser = "unmogrowp"

// Start starts the server, after making its files the first time, and returns
// when it answers.
func (p *Postgres) Start(ctx context.Context) error {
	if p.Software.Postgres == "" {
		return errors.New("start Postgres: no package for this platform; give the DSN of a real server instead")
	}
	if running(p.process) {
		return errors.New("start Postgres: it is running")
	}
	if err := p.prepare(); err != nil {
		return fmt.Errorf("prepare Postgres in %s: %w", p.Dir, err)
	}
	q, err := settle(p.Dir, p.Software.Postgres)
	if err != nil {
		return fmt.Errorf("prepare Postgres in %s: %w", p.Dir, err)
	}
	if err := p.initialise(ctx, q); err != nil {
		return fmt.Errorf("initialise Postgres in %s: %w", p.Dir, err)
	}
	return try(ctx, func(ctx context.Context) error { return p.start(ctx, q) })
}

func (p *Postgres) prepare() error {
	dir, err := filepath.Abs(p.Dir)
	if err != nil {
		return err
	}
	p.Dir = dir
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return err
	}
	p.password, err = passwordFile(p.file("password"))
	return err
}

func (p *Postgres) file(name string) string { return filepath.Join(p.Dir, name) }

// initialise makes the data directory under another name first, so that an
// interrupted attempt is never taken for a whole one.
func (p *Postgres) initialise(ctx context.Context, q quarters) error {
	if exists(q.data()) {
		return nil
	}
	partial := q.data() + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return err
	}
	if err := q.makeDir(partial); err != nil {
		return err
	}
	secret := filepath.Join(q.home, "initial-password")
	if err := q.writeFile(secret, p.password); err != nil {
		return err
	}
	defer os.Remove(secret)
	args := []string{"-D", partial, "-U", postgresUser, "--pwfile=" + secret, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"}
	if p.Volatile {
		args = append(args, "--no-sync")
	}
	cmd := exec.CommandContext(ctx, q.program("initdb"), args...)
	cmd.Dir = q.home
	cmd.SysProcAttr = attributes(Command{User: q.user, Orphan: syscall.SIGKILL})
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return os.Rename(partial, q.data())
}

func (p *Postgres) start(ctx context.Context, q quarters) error {
	var err error
	if p.Port, err = serverPort(p.Port, p.process != nil); err != nil {
		return fmt.Errorf("start Postgres: %w", err)
	}
	if err := forgetDeadPostmaster(q.data()); err != nil {
		return fmt.Errorf("start Postgres: %w", err)
	}
	args := []string{"-D", q.data(), "-p", strconv.Itoa(p.Port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="}
	if p.Volatile {
		args = append(args, "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
	}
	for name, value := range p.Settings {
		args = append(args, "-c", name+"="+value)
	}
	process, err := Start(Command{
		Name:       "Postgres",
		Path:       q.program("postgres"),
		Args:       args,
		Dir:        q.home,
		Log:        p.file("server.log"),
		User:       q.user,
		StopSignal: syscall.SIGINT,  // disconnect clients, then end cleanly
		Orphan:     syscall.SIGQUIT, // end at once, and take the backends along
	})
	if err != nil {
		return err
	}
	if err := process.Await(ctx, p.probe); err != nil {
		return errors.Join(err, process.Signal(syscall.SIGQUIT), process.Stop())
	}
	p.process = process
	return nil
}

func (p *Postgres) probe(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, p.DSN("postgres"))
	if err != nil {
		return fmt.Errorf("connect to Postgres: %w", err)
	}
	return conn.Close(ctx)
}

// CreateDatabase makes a database unless there is one of that name.
func (p *Postgres) CreateDatabase(ctx context.Context, name string) error {
	conn, err := pgx.Connect(ctx, p.DSN("postgres"))
	if err != nil {
		return fmt.Errorf("connect to Postgres: %w", err)
	}
	defer conn.Close(ctx)
	var found bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)", name).Scan(&found); err != nil {
		return fmt.Errorf("look for database %s: %w", name, err)
	}
	if found {
		return nil
	}
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()); err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	return nil
}

// DSN is the pgx address of a database of the running server.
func (p *Postgres) DSN(database string) string {
	return (&url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(postgresUser, p.password),
		Host:     loopback(p.Port),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}).String()
}

// Process is the running or last child, or nil before Start.
func (p *Postgres) Process() *Process { return p.process }

// Stop ends the server cleanly. Without a running one it does nothing.
func (p *Postgres) Stop() error { return stop(p.process) }

// Kill ends the server as a crash does.
func (p *Postgres) Kill() error { return kill(p.process) }

// Remove deletes the directory with all data, also where those had to move. The
// server must not be running.
func (p *Postgres) Remove() error {
	home, err := os.Readlink(p.file(homeLink))
	if err == nil && filepath.Dir(home) == nobodyHome {
		if err := os.RemoveAll(home); err != nil {
			return fmt.Errorf("remove data of Postgres: %w", err)
		}
	}
	if err := os.RemoveAll(p.Dir); err != nil {
		return fmt.Errorf("remove Postgres: %w", err)
	}
	return nil
}
