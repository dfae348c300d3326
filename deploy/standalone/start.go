package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/unmogrowp/unmogrowp/deploy/children"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

const (
	startTimeout = 10 * time.Minute // the first start downloads
	stopTimeout  = 45 * time.Second
	pollEvery    = 100 * time.Millisecond
)

// start runs the supervisor in the background and returns when the system is
// ready. Started twice, it says that it runs.
func start(ctx context.Context, std daemon.Streams, p plan, infra bool) error {
	if s, running := p.readState(); running && s.Ready {
		if s.Infra && !infra {
			return errors.New("only ClickHouse and Postgres run: run make stop, then make start")
		}
		if _, err := fmt.Fprintln(std.Out, "The system is running already."); err != nil {
			return err
		}
		return welcome(std.Out, p, s.Infra)
	}
	if err := os.MkdirAll(p.logDir(), 0o711); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	logPath := filepath.Join(p.logDir(), "standalone.log")
	if !p.locked() {
		if err := background(p, infra, logPath); err != nil {
			return err
		}
	}
	if err := awaitReady(ctx, std.Err, p, logPath); err != nil {
		return err
	}
	return welcome(std.Out, p, infra)
}

// background starts the supervisor detached from this terminal.
func background(p plan, infra bool, logPath string) error {
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	defer log.Close()
	args := []string{"run"}
	if infra {
		args = append(args, "--infra")
	}
	cmd := exec.Command(p.program("standalone"), args...)
	cmd.Env = append(os.Environ(), "DATA_DIR="+p.data)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start supervisor: %w", err)
	}
	return cmd.Process.Release()
}

// awaitReady shows the supervisor's phases until it is ready or gone.
func awaitReady(ctx context.Context, progress io.Writer, p plan, logPath string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	shown, missing := "", 0
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the system did not become ready; see %s: %w", logPath, ctx.Err())
		}
		s, running := p.readState()
		if !running {
			// The supervisor needs a moment to take the lock.
			if missing++; missing > 20 {
				return fmt.Errorf("the system did not start; the end of %s:\n%s", logPath, children.Tail(logPath, 4<<10))
			}
			continue
		}
		if s.Ready {
			return nil
		}
		if s.Phase != "" && s.Phase != shown {
			shown = s.Phase
			if _, err := fmt.Fprintln(progress, shown, "…"); err != nil {
				return err
			}
		}
	}
}

// stop ends the supervisor, which ends the rest in order.
func stop(ctx context.Context, std daemon.Streams, p plan) error {
	s, running := p.readState()
	if !running {
		_, err := fmt.Fprintln(std.Out, "The system is not running.")
		return err
	}
	if s.PID == 0 {
		return fmt.Errorf("a supervisor holds %s but has not said who it is: try again", p.lockFile())
	}
	if err := syscall.Kill(s.PID, syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop supervisor %d: %w", s.PID, err)
	}
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for p.locked() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the system did not stop within %s: see %s", stopTimeout, p.logDir())
		}
	}
	_, err := fmt.Fprintln(std.Out, "Stopped. The data stays in", p.data)
	return err
}

// welcome says where everything is and how to log in.
func welcome(w io.Writer, p plan, infra bool) error {
	env, err := readEnvironment(p.envFile())
	if err != nil {
		return err
	}
	if infra {
		_, err := fmt.Fprintf(w, "\n  ClickHouse  %s\n  Postgres    %s\n\n", env.get("CLICKHOUSE_DSN"), env.get("POSTGRES_DSN"))
		return err
	}
	_, err = fmt.Fprintf(w, `
  Console      %s
    email      %s
    password   %s
  Agent        %s   (point a Segment or RudderStack SDK here)
    write key  %s
  Everything   . %s

  Next: make demo sends a month of sample traffic, make status shows health, make stop ends it.
`, env.get("CONSOLE_URL"), env.get("ADMIN_EMAIL"), env.get("ADMIN_PASSWORD"), env.get("AGENT_URL"), env.get("WRITE_KEY"), shellQuote(p.envFile()))
	return err
}
