package children

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Command says what to run and how to end it.
type Command struct {
	// Name is what errors and log lines call the child.
	Name string
	// Path is the program; Args are its arguments without the program's name.
	Path string
	Args []string
	// Env is added to the environment of this process.
	Env []string
	// Dir is the working directory; empty means this process's.
	Dir string
	// Log is the file that standard output and error are appended to. When it is
	// larger than 8 MiB, it is copied to Log+".old" and emptied: at the start of
	// the child, and every minute under a Supervisor.
	Log string
	// User runs the child as somebody else. Only root may set it.
	User *User
	// StopSignal asks the child to end; 0 means SIGTERM.
	StopSignal syscall.Signal
	// StopTimeout is how long Stop waits before it kills; 0 means 6 s.
	StopTimeout time.Duration
	// Orphan is the signal that the kernel sends the child when this process dies without
	// stopping it; 0 means SIGKILL. Only Linux can do that.
	Orphan syscall.Signal
}

// User is a numeric user and group.
type User struct{ UID, GID uint32 }

const (
	maxLogBytes  = 8 << 20
	logTailBytes = 2 << 10
	stopTimeout  = 6 * time.Second
)

// Process is a running or ended child. Its methods may be called from any
// goroutine.
type Process struct {
	command Command
	cmd     *exec.Cmd
	done    chan struct{}
	err     error // set before done is closed
}

// Start starts the child and returns at once; see Await for its readiness.
func Start(c Command) (*Process, error) {
	if c.StopSignal == 0 {
		c.StopSignal = syscall.SIGTERM
	}
	if c.StopTimeout == 0 {
		c.StopTimeout = stopTimeout
	}
	if c.Orphan == 0 {
		c.Orphan = syscall.SIGKILL
	}
	log, err := openLog(c.Log)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	cmd := exec.Command(c.Path, c.Args...)
	cmd.Dir = c.Dir
	cmd.Env = append(os.Environ(), c.Env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = attributes(c)

	p := &Process{command: c, cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	// Nobody waits for this goroutine: it is done when the child is.
	var life sync.WaitGroup
	life.Go(func() {
		defer log.Close()
		p.attend(started)
	})
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	return p, nil
}

// attend starts the child, tells so, and returns when it has ended. The kernel
// ties Orphan to the thread that forked, not to the process, so this thread must
// live as long as the child.
func (p *Process) attend(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	p.err = p.cmd.Wait()
	close(p.done)
}

// PID is the child's process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the child has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err says how the child ended, with the end of its log. It is nil while the
// child runs and after a clean exit.
func (p *Process) Err() error {
	select {
	case <-p.done:
	default:
		return nil
	}
	if p.err == nil {
		return nil
	}
	return p.describe(p.err)
}

// Await calls probe until it succeeds. It fails when the child ends first or
// the context does, and then reports probe's last error and the log's end.
func (p *Process) Await(ctx context.Context, probe func(context.Context) error) error {
	pause := 10 * time.Millisecond
	for {
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := probe(attempt)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("await %s: %w", p.command.Name, p.describe(errors.Join(errors.New("it ended"), p.err)))
		case <-ctx.Done():
			return fmt.Errorf("await %s: %w", p.command.Name, p.describe(errors.Join(ctx.Err(), err)))
		case <-time.After(pause):
		}
		pause = min(pause*3/2, 250*time.Millisecond)
	}
}

// Signal sends a signal; to a child that has ended it does nothing.
func (p *Process) Signal(signal syscall.Signal) error {
	if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal %s: %w", p.command.Name, err)
	}
	return nil
}

// Stop asks the child to end and kills it when it does not in time. It returns
// when the child has ended, and an error only if it had to be killed.
func (p *Process) Stop() error {
	if err := p.Signal(p.command.StopSignal); err != nil {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(p.command.StopTimeout):
	}
	if err := p.Kill(); err != nil {
		return err
	}
	return fmt.Errorf("stop %s: it ignored %v for %v and was killed", p.command.Name, p.command.StopSignal, p.command.StopTimeout)
}

// Kill ends the child without asking, and returns when it has ended.
func (p *Process) Kill() error {
	if err := p.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.done
	return nil
}

func (p *Process) describe(err error) error {
	if p.command.Log == "" {
		return err
	}
	return fmt.Errorf("%w\nthe end of %s:\n%s", err, p.command.Log, Tail(p.command.Log, logTailBytes))
}

func openLog(path string) (*os.File, error) {
	if path == "" {
		path = os.DevNull
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("make log directory: %w", err)
	}
	if err := trimLog(path); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	return log, nil
}

// trimLog bounds a log that a child may be appending to: the child goes on at
// the start of the emptied file, and lines that it writes during the copy are lost.
func trimLog(path string) error {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() <= maxLogBytes {
		return nil // nothing to trim; opening it tells the fault, if there is one
	}
	log, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("trim log: %w", err)
	}
	defer log.Close()
	old, err := os.OpenFile(path+".old", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("trim log: %w", err)
	}
	if _, err := log.Seek(-maxLogBytes, io.SeekEnd); err != nil {
		return errors.Join(fmt.Errorf("trim log: %w", err), old.Close())
	}
	_, err = io.Copy(old, io.LimitReader(log, maxLogBytes))
	if err := errors.Join(err, old.Close()); err != nil {
		return fmt.Errorf("trim log: %w", err)
	}
	if err := os.Truncate(path, 0); err != nil {
		return fmt.Errorf("trim log: %w", err)
	}
	return nil
}

// Tail returns the end of a text file, at most n bytes, or why it cannot be read.
func Tail(path string, n int64) string {
	file, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Size() > n {
		if _, err := file.Seek(-n, io.SeekEnd); err != nil {
			return err.Error()
		}
	}
	tail, err := io.ReadAll(io.LimitReader(file, n))
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(tail))
}
