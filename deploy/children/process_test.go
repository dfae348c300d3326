package children_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/deploy/children"
)

func TestErrCarriesTheEndOfTheLog(t *testing.T) {
	process, err := children.Start(shell(t, "echo port 9000 is taken; exit 3"))
	if err != nil {
		t.Fatal(err)
	}
	<-process.Done()
	if err := process.Err(); err == nil || !strings.Contains(err.Error(), "port 9000 is taken") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("error %v, want the exit status and the log", err)
	}
}

func TestStartNamesTheMissingProgram(t *testing.T) {
	_, err := children.Start(children.Command{Name: "agent", Path: "/nowhere/agent"})
	if err == nil || !strings.Contains(err.Error(), "start agent") {
		t.Errorf("error %v, want one that names the child", err)
	}
}

func TestAwaitEndsWithTheChild(t *testing.T) {
	process, err := children.Start(shell(t, "exit 1"))
	if err != nil {
		t.Fatal(err)
	}
	err = process.Await(t.Context(), func(context.Context) error { return os.ErrNotExist })
	if err == nil || !strings.Contains(err.Error(), "await script") {
		t.Errorf("error %v, want one about the child's end", err)
	}
}

func TestStopIsCleanForAnObedientChild(t *testing.T) {
	started := filepath.Join(t.TempDir(), "started")
	process, err := children.Start(shell(t, `trap 'exit 0' TERM; touch "`+started+`"; while :; do sleep 0.01; done`))
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Await(t.Context(), ready(started)); err != nil {
		t.Fatal(err)
	}
	if err := process.Stop(); err != nil {
		t.Error(err)
	}
	if err := process.Err(); err != nil {
		t.Error(err)
	}
	if err := process.Stop(); err != nil {
		t.Errorf("stop again: %v", err)
	}
}

func TestStopKillsADeafChild(t *testing.T) {
	started := filepath.Join(t.TempDir(), "started")
	command := shell(t, `trap '' TERM; touch "`+started+`"; while :; do sleep 0.01; done`)
	command.StopTimeout = 50 * time.Millisecond
	process, err := children.Start(command)
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Await(t.Context(), ready(started)); err != nil {
		t.Fatal(err)
	}
	if err := process.Stop(); err == nil || !strings.Contains(err.Error(), "was killed") {
		t.Errorf("error %v, want one that tells of the kill", err)
	}
}

func TestLogIsTrimmedAtStart(t *testing.T) {
	command := shell(t, "echo new")
	old := bytes.Repeat([]byte("old line\n"), 1<<20)
	if err := os.WriteFile(command.Log, old, 0o600); err != nil {
		t.Fatal(err)
	}
	process, err := children.Start(command)
	if err != nil {
		t.Fatal(err)
	}
	<-process.Done()
	log, err := os.ReadFile(command.Log)
	if err != nil {
		t.Fatal(err)
	}
	if string(log) != "new\n" {
		t.Errorf("log has %d bytes, want only the new line", len(log))
	}
	kept, err := os.ReadFile(command.Log + ".old")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasSuffix(old, kept) || len(kept) != 8<<20 {
		t.Errorf("old log has %d bytes, want the last 8 MiB", len(kept))
	}
}

func TestChildDiesWithAKilledParent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells a child of its parent's death")
	}
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), roleEnv+"=parent")
	parent.Stderr = os.Stderr
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 16)
	n, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(string(line[:n])))
	if err != nil {
		t.Fatal(err)
	}
	if !alive(child) {
		t.Fatal("the child never lived")
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // killed, as wanted
	eventually(t, "the child is dead", func() bool { return !alive(child) })
}

// parentRole starts a child, prints its process id and waits to be killed.
func parentRole() error {
	process, err := children.Start(children.Command{Name: "sleep", Path: "/bin/sleep", Args: []string{"600"}})
	if err != nil {
		return err
	}
	fmt.Println(process.PID())
	<-process.Done()
	return process.Err()
}

// alive is false for a zombie too, which waits for its new parent.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}
