package buffer

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestPowerCutLosesNothing cuts the power of the disk under a real process and
// checks the events that survive. It needs root, loop devices, /dev/fuse and a
// program that UNMOGROWP_POWERCUT names, deploy/powercut; `make powercut` sees
// to it. UNMOGROWP_POWERCUTS says how often.
func TestPowerCutLosesNothing(t *testing.T) {
	tool := powercutTool(t)
	cuts := 4
	if n, err := strconv.Atoi(os.Getenv("UNMOGROWP_POWERCUTS")); err == nil {
		cuts = n
	}
	var starting starting
	var mu sync.Mutex
	acked := 0
	t.Run("cuts", func(t *testing.T) {
		for n := range cuts {
			mode := []string{"drop", "subset", "prefix", "torn"}[n%4]
			t.Run(fmt.Sprintf("%s-%d", mode, n), func(t *testing.T) {
				t.Parallel()
				count := cutPower(t, &starting, tool, mode, n)
				mu.Lock()
				defer mu.Unlock()
				acked += count
			})
		}
	})
	t.Logf("%d cuts, %d events acknowledged, all of them there", cuts, acked)
}

// TestFailingDiskAcknowledgesNothing makes the disk under a real process fail,
// and then cuts its power: every acknowledged event has to be there all the
// same.
func TestFailingDiskAcknowledgesNothing(t *testing.T) {
	tool := powercutTool(t)
	for _, fault := range []string{"fail flushes", "fail writes"} {
		t.Run(fault, func(t *testing.T) {
			d := startDisk(t, new(starting), tool, "drop", 1)
			acked, forgot := map[string]bool{}, map[string]bool{}
			failed, after := "", 0
			fail := time.AfterFunc(time.Second, func() { d.tell(t, fault) })
			defer fail.Stop()
			killChild(t, d.starting, filepath.Join(d.mounted, "buffer"), 5*time.Second, func(line string) {
				verb, rest, _ := strings.Cut(line, " ")
				switch verb {
				case "acked":
					acked[rest] = true
					if failed != "" {
						after++
					}
				case "forgot":
					note(forgot, rest)
				case "error":
					failed = rest
				}
			})
			if failed == "" {
				t.Error("no writer was told that the disk fails")
			}
			if after > 16 { // other writers may report, a little later, events stored before
				t.Errorf("%d events were acknowledged after the disk had failed: %s", after, failed)
			}
			d.tell(t, "cut")
			d.again(t)
			checkSurvivors(t, d.starting, filepath.Join(d.mounted, "buffer"), acked, forgot)
			t.Logf("%d events acknowledged before %q", len(acked), failed)
		})
	}
}

// TestSlowDiskIsWaitedFor lets each flush take a fifth of a second for a while.
func TestSlowDiskIsWaitedFor(t *testing.T) {
	d := startDisk(t, new(starting), powercutTool(t), "drop", 1)
	acked, forgot := map[string]bool{}, map[string]bool{}
	var mu sync.Mutex
	slow := false
	during, later := 0, 0
	begin := time.AfterFunc(time.Second, func() {
		d.tell(t, "slow 200ms")
		mu.Lock()
		defer mu.Unlock()
		slow = true
	})
	defer begin.Stop()
	end := time.AfterFunc(4*time.Second, func() {
		d.tell(t, "heal")
		mu.Lock()
		defer mu.Unlock()
		slow = false
	})
	defer end.Stop()
	killChild(t, d.starting, filepath.Join(d.mounted, "buffer"), 6*time.Second, func(line string) {
		verb, rest, _ := strings.Cut(line, " ")
		mu.Lock()
		defer mu.Unlock()
		switch verb {
		case "acked":
			acked[rest] = true
			if slow {
				during++
			} else {
				later++
			}
		case "forgot":
			note(forgot, rest)
		case "error":
			t.Errorf("a slow disk is taken for a broken one: %s", rest)
		}
	})
	if during == 0 || later == 0 {
		t.Errorf("%d events acknowledged while the disk was slow, %d otherwise", during, later)
	}
	d.tell(t, "cut")
	d.again(t)
	checkSurvivors(t, d.starting, filepath.Join(d.mounted, "buffer"), acked, forgot)
	t.Logf("%d events acknowledged while each flush took 200 ms more, %d otherwise", during, later)
}

func note(ids map[string]bool, list string) {
	for id := range strings.FieldsSeq(list) {
		ids[id] = true
	}
}

func powercutTool(t *testing.T) string {
	t.Helper()
	tool := os.Getenv("UNMOGROWP_POWERCUT")
	if tool == "" {
		t.Skip("UNMOGROWP_POWERCUT names no program that cuts the power; run `make powercut`")
	}
	return tool
}

// cutPower fills a disk through one cut, and checks the events on it
// afterwards.
func cutPower(t *testing.T, starting *starting, tool, mode string, seed int) int {
	d := startDisk(t, starting, tool, mode, seed)
	acked, forgot := map[string]bool{}, map[string]bool{}
	cut := time.AfterFunc(time.Duration(500+rand.IntN(1500))*time.Millisecond, func() { d.tell(t, "cut") })
	defer cut.Stop()
	killChild(t, d.starting, filepath.Join(d.mounted, "buffer"), 3*time.Second, func(line string) {
		verb, rest, _ := strings.Cut(line, " ")
		switch verb {
		case "acked":
			acked[rest] = true
		case "forgot":
			note(forgot, rest)
		}
	})
	d.again(t)
	checkSurvivors(t, d.starting, filepath.Join(d.mounted, "buffer"), acked, forgot)
	if len(acked) == 0 {
		t.Error("nothing was acknowledged before the cut: the test is too weak")
	}
	return len(acked)
}

// testDisk is an ext4 on a disk that powercut serves.
type testDisk struct {
	starting             *starting
	image, mounted, loop string
	program              *exec.Cmd
	orders               io.WriteCloser
	answers              *bufio.Reader
	stopped              bool
}

func startDisk(t *testing.T, starting *starting, tool, mode string, seed int) *testDisk {
	t.Helper()
	dir := t.TempDir()
	served := filepath.Join(dir, "served")
	d := &testDisk{starting: starting, image: filepath.Join(dir, "image"), mounted: filepath.Join(dir, "mounted")}
	for _, path := range []string{served, d.mounted} {
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	d.shell(t, "truncate", "-s", "512M", d.image)
	d.program = exec.Command(tool, "--image", d.image, "--mount", served, "--mode", mode, "--seed", strconv.Itoa(seed))
	d.program.Stderr = os.Stderr
	out, err := d.program.StdoutPipe()
	if err == nil {
		d.orders, err = d.program.StdinPipe()
	}
	if err == nil {
		starting.Lock()
		err = d.program.Start()
		starting.Unlock()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.stop(t) })
	d.answers = bufio.NewReader(out)
	if line, err := d.answers.ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("powercut says %q: %v", line, err)
	}
	d.loop = d.shell(t, "losetup", "--find", "--show", filepath.Join(served, "disk"))
	d.shell(t, "mkfs.ext4", "-q", d.loop)
	d.shell(t, "mount", d.loop, d.mounted)
	return d
}

// tell gives an order and waits until it is obeyed.
func (d *testDisk) tell(t *testing.T, order string) {
	if _, err := fmt.Fprintln(d.orders, order); err != nil {
		t.Errorf("tell the disk to %s: %v", order, err)
		return
	}
	if line, err := d.answers.ReadString('\n'); err != nil {
		t.Errorf("disk told to %s: %q: %v", order, line, err)
	}
}

// again mounts the disk image after a cut, without the program between.
func (d *testDisk) again(t *testing.T) {
	t.Helper()
	d.stop(t)
	loop := d.shell(t, "losetup", "--find", "--show", d.image)
	t.Cleanup(func() { d.shell(t, "losetup", "-d", loop) })
	d.shell(t, "mount", loop, d.mounted)
	t.Cleanup(func() { d.shell(t, "umount", d.mounted) })
}

func (d *testDisk) stop(t *testing.T) {
	t.Helper()
	if d.stopped {
		return
	}
	d.stopped = true
	if d.loop != "" {
		d.shell(t, "umount", "-l", d.mounted)
		d.shell(t, "losetup", "-d", d.loop)
	}
	_ = d.orders.Close()
	if err := d.program.Wait(); err != nil {
		t.Errorf("powercut: %v", err)
	}
}

func (d *testDisk) shell(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	d.starting.Lock()
	err := cmd.Start()
	d.starting.Unlock()
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, &out)
	}
	return strings.TrimSpace(out.String())
}
