package buffer

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestPowerCutLosesNothing cuts the power of the disk under a real process and
// looks at what is left. It needs root, loop devices and a program that
// UNMOGROWP_POWERCUT names: called with -img FILE -mnt DIR -mode MODE -seed N it
// serves FILE as DIR/disk.img, prints "ready", loses on SIGUSR1 what was not
// synced (mode drop: all of it; subset: a random half; prefix: the later part)
// and serves nothing from then on. UNMOGROWP_POWERCUTS says how often.
func TestPowerCutLosesNothing(t *testing.T) {
	tool := os.Getenv("UNMOGROWP_POWERCUT")
	if tool == "" {
		t.Skip("UNMOGROWP_POWERCUT names no program that cuts the power")
	}
	cuts := 3
	if n, err := strconv.Atoi(os.Getenv("UNMOGROWP_POWERCUTS")); err == nil {
		cuts = n
	}
	acked := 0
	for n := range cuts {
		mode := []string{"drop", "subset", "prefix"}[n%3]
		t.Run(fmt.Sprintf("%s-%d", mode, n), func(t *testing.T) { acked += cutPower(t, tool, mode, n) })
	}
	t.Logf("%d cuts, %d events acknowledged", cuts, acked)
}

// cutPower fills a disk through one cut, and checks what it holds after it.
func cutPower(t *testing.T, tool, mode string, seed int) int {
	dir := t.TempDir()
	image, fuse, mounted := filepath.Join(dir, "image"), filepath.Join(dir, "fuse"), filepath.Join(dir, "mounted")
	for _, d := range []string{fuse, mounted} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	shell(t, "truncate", "-s", "512M", image)
	disk := exec.Command(tool, "-img", image, "-mnt", fuse, "-mode", mode, "-seed", strconv.Itoa(seed))
	out, err := disk.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := disk.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatal(line, err)
	}
	loop := shell(t, "losetup", "-f", "--show", filepath.Join(fuse, "disk.img"))
	shell(t, "mkfs.ext4", "-q", loop)
	shell(t, "mount", loop, mounted)
	acked, forgot := map[string]bool{}, map[string]bool{}
	cut := time.AfterFunc(time.Duration(500+rand.IntN(1500))*time.Millisecond, func() { _ = disk.Process.Signal(syscall.SIGUSR1) })
	killChild(t, filepath.Join(mounted, "buffer"), 3*time.Second, func(line string) {
		verb, rest, _ := strings.Cut(line, " ")
		switch verb {
		case "acked":
			acked[rest] = true
		case "forgot":
			for id := range strings.FieldsSeq(rest) {
				forgot[id] = true
			}
		}
	})
	cut.Stop()
	shell(t, "umount", "-l", mounted)
	shell(t, "losetup", "-d", loop)
	_ = disk.Process.Signal(syscall.SIGTERM)
	_ = disk.Wait()

	loop = shell(t, "losetup", "-f", "--show", image)
	defer shell(t, "losetup", "-d", loop)
	shell(t, "mount", loop, mounted)
	defer shell(t, "umount", mounted)
	checkSurvivors(t, filepath.Join(mounted, "buffer"), acked, forgot)
	if len(acked) == 0 {
		t.Error("nothing was acknowledged before the cut: the test is too weak")
	}
	return len(acked)
}

func shell(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}
