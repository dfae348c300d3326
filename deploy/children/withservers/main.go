// Command withservers runs a command with a ClickHouse and a Postgres of its own,
// which package childtest finds through the environment:
//
//	go run ./deploy/children/withservers -- go test ./...
//
// It ends with the command's exit code, and its servers end with it. A server
// whose variable is set already is used as it is.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/unmogrowp/unmogrowp/deploy/children"
	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
)

const failed = 125 // like env and timeout: the command was never run

func main() {
	args := os.Args[1:]
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		fmt.Fprintln(os.Stderr, "usage: withservers [--] COMMAND [ARGUMENT...]")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	code, err := run(ctx, args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "withservers:", err)
	}
	os.Exit(code)
}

func run(ctx context.Context, args []string) (code int, err error) {
	software, err := children.Install(ctx)
	if err != nil {
		return failed, err
	}
	dir, err := children.ScratchDir()
	if err != nil {
		return failed, err
	}
	s := servers{
		clickHouse: children.ClickHouse{Software: software, Dir: filepath.Join(dir, "clickhouse"), Databases: children.ScratchDatabases()},
		postgres: children.Postgres{
			Software: software, Dir: filepath.Join(dir, "postgres"), Volatile: true,
			Settings: map[string]string{"max_connections": "300"},
		},
	}
	defer func() { err = errors.Join(err, s.end(), children.RemoveScratchDir(dir)) }()
	env, err := s.start(ctx)
	if err != nil {
		return failed, err
	}
	return command(ctx, args, env)
}

type servers struct {
	clickHouse children.ClickHouse
	postgres   children.Postgres
}

// start starts the servers that the environment does not name, both at once, and returns
// the variables to add.
func (s *servers) start(ctx context.Context) ([]string, error) {
	var env []string
	var errs [2]error
	var both sync.WaitGroup
	withClickHouse := os.Getenv(childtest.ClickHouseEnv) == ""
	withPostgres := os.Getenv(childtest.PostgresEnv) == ""
	if withClickHouse {
		both.Go(func() { errs[0] = s.clickHouse.Start(ctx) })
	}
	if withPostgres {
		both.Go(func() { errs[1] = s.postgres.Start(ctx) })
	}
	both.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	if withClickHouse {
		env = append(env, childtest.ClickHouseEnv+"="+s.clickHouse.DSN("default"))
	}
	if withPostgres {
		env = append(env, childtest.PostgresEnv+"="+s.postgres.DSN("postgres"))
	}
	return env, nil
}

// end throws the servers away with their data, so it need not be gentle.
func (s *servers) end() error {
	return errors.Join(s.clickHouse.Kill(), s.postgres.Kill())
}

// command runs the command with this terminal. A signal to us reaches it too,
// and it decides when to end.
func command(ctx context.Context, args, env []string) (int, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, nil
	case errors.As(err, &exit) && exit.Exited():
		return exit.ExitCode(), nil
	case errors.As(err, &exit):
		return 1, fmt.Errorf("run %s: %w", args[0], err)
	default:
		return failed, fmt.Errorf("run %s: %w", args[0], err)
	}
}
