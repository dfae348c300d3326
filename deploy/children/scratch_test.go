package children_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unmogrowp/unmogrowp/deploy/children"
)

func TestScratchDirOfADeadProcessGoes(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	owner := exec.Command(os.Args[0])
	owner.Env = append(os.Environ(), roleEnv+"=scratch owner")
	owner.Stderr = os.Stderr
	out, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	theirs := strings.TrimSpace(line)

	mine, err := children.ScratchDir()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(mine, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if !isDir(theirs) {
		t.Error("the directory of a living process is gone")
	}
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait() // killed, as wanted
	if _, err := children.ScratchDir(); err != nil {
		t.Fatal(err)
	}
	if isDir(theirs) {
		t.Error("the directory of a dead process is still there")
	}
	if !isDir(mine) {
		t.Error("our own directory is gone")
	}
	if err := children.RemoveScratchDir(mine); err != nil || isDir(mine) {
		t.Errorf("our directory is still there: %v", err)
	}
}

// scratchRole makes a scratch directory, prints it and waits to be killed. It
// prints once the child runs: one that is still between fork and exec holds the
// lock beyond the death of its parent.
func scratchRole() error {
	dir, err := children.ScratchDir()
	if err != nil {
		return err
	}
	sleep, err := children.Start(children.Command{Name: "sleep", Path: "/bin/sleep", Args: []string{"600"}})
	if err != nil {
		return err
	}
	fmt.Println(dir)
	<-sleep.Done()
	return sleep.Err()
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
