package ops

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// unpack gives the file system of an image.
func (im *image) unpack(t *testing.T) string {
	t.Helper()
	bundle := filepath.Join(t.TempDir(), "bundle")
	MustRun(t, "", Tool(t, "umoci"), "unpack", "--image", im.layout+":test", bundle)
	return filepath.Join(bundle, "rootfs")
}

// command makes a command in the image's file system, as its user and with its environment.
func (im *image) command(root string, words []string, env ...string) *exec.Cmd {
	cmd := exec.Command(words[0], words[1:]...) //nolint:gosec // what the image says
	cmd.Path = words[0]
	cmd.Err = nil // it was looked for outside
	cmd.Dir = "/"
	cmd.Env = append(append([]string{}, im.config.Env...), env...)
	user, group, _ := strings.Cut(im.config.User, ":")
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Pdeathsig: syscall.SIGKILL,
		Credential: &syscall.Credential{Uid: number(user), Gid: number(group), NoSetGroups: true}}
	return cmd
}

func number(text string) uint32 {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 1 // nobody of ours
	}
	return uint32(n)
}

// start runs the image's entry point and command.
func (im *image) start(t *testing.T, root string, env ...string) *process {
	t.Helper()
	p := &process{t: t, done: make(chan error, 1), cmd: im.command(root, append(append([]string{}, im.config.Entrypoint...), im.config.Cmd...), env...)}
	p.cmd.Stdout, p.cmd.Stderr = p, p
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() { p.done <- p.cmd.Wait() })
	t.Cleanup(wg.Wait)
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	return p
}
