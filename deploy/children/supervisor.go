package children

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Child is a process that a Supervisor keeps alive: a ClickHouse, a Postgres, a Program.
type Child interface {
	// Start starts the child and returns when it is ready.
	Start(ctx context.Context) error
	// Process is the running or last process, or nil before the first Start.
	Process() *Process
	// Stop ends the child; without a running one it does nothing.
	Stop() error
}

// Program is any other child: a command, and how to tell that it is ready.
type Program struct {
	Command Command
	// Ready is asked until it returns nil; nil means ready at once.
	Ready func(ctx context.Context) error
	// StartTimeout bounds Start; 0 means one minute.
	StartTimeout time.Duration

	process *Process
}

// Start starts the program and returns when it is ready.
func (p *Program) Start(ctx context.Context) error {
	timeout := p.StartTimeout
	if timeout == 0 {
		timeout = startTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if running(p.process) {
		return fmt.Errorf("start %s: it is running", p.Command.Name)
	}
	process, err := Start(p.Command)
	if err != nil {
		return err
	}
	if p.Ready != nil {
		if err := process.Await(ctx, p.Ready); err != nil {
			return errors.Join(err, process.Kill())
		}
	}
	p.process = process
	return nil
}

// Process is the running or last process, or nil before Start.
func (p *Program) Process() *Process { return p.process }

// Stop ends the program cleanly. Without a process it does nothing.
func (p *Program) Stop() error { return stop(p.process) }

// Kill ends the program as a crash does.
func (p *Program) Kill() error { return kill(p.process) }

// try starts a server a few times. A second attempt cures two faults: a port that
// somebody took between its choice and the listening, and the remains of a
// killed predecessor that takes a moment to die.
func try(ctx context.Context, start func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for attempt := 1; ; attempt++ {
		err := start(ctx)
		if err == nil || attempt == startAttempts {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Duration(attempt) * 200 * time.Millisecond):
		}
	}
}

func stop(p *Process) error {
	if p == nil {
		return nil
	}
	return p.Stop()
}

func kill(p *Process) error {
	if p == nil {
		return nil
	}
	return p.Kill()
}

// Supervisor keeps one child alive. Its child must be used by nobody else while
// Run runs.
type Supervisor struct {
	Name  string
	Child Child
	// Log, if not nil, receives ends and starts.
	Log *slog.Logger
	// MinPause and MaxPause bound the pause before a restart, which doubles with
	// each failure; 0 means 250 ms and 15 s. A minute of life resets it.
	MinPause, MaxPause time.Duration
}

const (
	startTimeout   = time.Minute
	startAttempts  = 5
	stableAfter    = time.Minute
	trimLogsEvery  = time.Minute
	defaultMinimum = 250 * time.Millisecond
	defaultMaximum = 15 * time.Second
)

// Run starts the child unless it is running already, starts it again whenever it
// ends, and stops it when the context ends. It returns only then.
func (s *Supervisor) Run(ctx context.Context) error {
	shortest, longest := s.MinPause, s.MaxPause
	if shortest == 0 {
		shortest = defaultMinimum
	}
	if longest == 0 {
		longest = defaultMaximum
	}
	log := s.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	pause := shortest
	for {
		begin := time.Now()
		err := s.live(ctx, log)
		if ctx.Err() != nil {
			break
		}
		if time.Since(begin) > stableAfter {
			pause = shortest
		}
		log.Error("child ended, starting it again", "child", s.Name, "pause", pause, "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, longest)
	}
	if err := s.Child.Stop(); err != nil {
		return fmt.Errorf("stop %s: %w", s.Name, err)
	}
	return nil
}

// live is one life of the child: it returns when the child has ended, could not
// start, or is no longer wanted.
func (s *Supervisor) live(ctx context.Context, log *slog.Logger) error {
	if ctx.Err() != nil {
		return nil
	}
	if !running(s.Child.Process()) {
		if err := s.Child.Start(ctx); err != nil {
			return err
		}
		log.Info("child started", "child", s.Name, "pid", s.Child.Process().PID())
	}
	process := s.Child.Process()
	trim := time.NewTicker(trimLogsEvery)
	defer trim.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-process.Done():
			if err := process.Err(); err != nil {
				return err
			}
			return errors.New("it ended by itself, without an error")
		case <-trim.C:
			if err := trimLog(process.command.Log); err != nil {
				log.Warn("child's log cannot be trimmed", "child", s.Name, "error", err)
			}
		}
	}
}

func running(p *Process) bool {
	if p == nil {
		return false
	}
	select {
	case <-p.Done():
		return false
	default:
		return true
	}
}
