package children_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/deploy/children"
)

// lives runs a program under a supervisor and returns the file to which each
// life of it adds a line.
func lives(t *testing.T, ctx context.Context, script string) (file string, wait func() error) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "lives")
	program := &children.Program{Command: shell(t, fmt.Sprintf("echo $$ >> %q; %s", file, script))}
	supervisor := children.Supervisor{
		Name: "script", Child: program, Log: quiet(),
		MinPause: time.Millisecond, MaxPause: 4 * time.Millisecond,
	}
	var err error
	var run sync.WaitGroup
	run.Go(func() { err = supervisor.Run(ctx) })
	return file, func() error { run.Wait(); return err }
}

func count(file string) int {
	content, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	return strings.Count(string(content), "\n")
}

func TestSupervisorStartsAgainWhatEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	file, wait := lives(t, ctx, "exit 1")
	eventually(t, "five lives", func() bool { return count(file) >= 5 })
	cancel()
	if err := wait(); err != nil {
		t.Error(err)
	}
}

func TestSupervisorStopsItsChildInTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	file, wait := lives(t, ctx, "exec sleep 600")
	eventually(t, "one life", func() bool { return count(file) == 1 })
	cancel()
	if err := wait(); err != nil {
		t.Error(err)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscan(string(content), &pid); err != nil {
		t.Fatal(err)
	}
	if alive(pid) {
		t.Error("the child outlived its supervisor")
	}
}

func TestSupervisorAdoptsARunningChild(t *testing.T) {
	program := &children.Program{Command: shell(t, "exec sleep 600")}
	if err := program.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	first := program.Process()
	supervisor := children.Supervisor{Name: "script", Child: program, Log: quiet()}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := supervisor.Run(ctx); err != nil {
		t.Error(err)
	}
	if program.Process() != first {
		t.Error("the running child was replaced")
	}
	<-first.Done()
}

func TestProgramThatNeverGetsReadyIsEnded(t *testing.T) {
	program := &children.Program{
		Command:      shell(t, "echo waiting for godot; exec sleep 600"),
		Ready:        ready(filepath.Join(t.TempDir(), "never")),
		StartTimeout: 200 * time.Millisecond,
	}
	err := program.Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "waiting for godot") {
		t.Errorf("error %v, want one with the log", err)
	}
	if program.Process() != nil {
		t.Error("there is a process")
	}
}
