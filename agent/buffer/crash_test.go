package buffer

import (
	"bufio"
	"bytes"
	"context"
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

	"github.com/unmogrowp/unmogrowp/protocol"
)

// childDir is set in the process that TestKilledProcessLosesNothing kills.
const childDir = "UNMOGROWP_BUFFER_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		appendUntilKilled(dir)
		return
	}
	os.Exit(m.Run())
}

// appendUntilKilled is the child: 16 writers append and report each
// acknowledged event; a reader forgets blocks meanwhile, and says so before.
func appendUntilKilled(dir string) {
	q, err := Open(Options{Dir: dir, BallastBytes: -1, MinFree: 1, RetentionBytes: 64 << 10, sweepEvery: 20 * time.Millisecond, segmentBytes: 64 << 10})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	var mu sync.Mutex
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Printf(format+"\n", args...)
	}
	say("open %016x", q.Epoch())
	run := strconv.FormatInt(time.Now().UnixNano(), 36)
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("%s-%d-%d", run, w, i)
				if _, err := q.Append(context.Background(), event(id), 1); err != nil {
					say("error %v", err)
					return
				}
				say("acked %s", id)
			}
		})
	}
	wg.Go(func() {
		after := uint64(0)
		for {
			block, seq, err := q.Next(context.Background(), after)
			if err != nil {
				return
			}
			after = seq
			if seq%3 != 0 { // some stay
				var ids []string
				b, _ := protocol.ParseBlock(block)
				list, _ := q.codec.Events(&b)
				for _, e := range list {
					ids = append(ids, e.ID)
				}
				say("forgot %s", strings.Join(ids, " "))
				_ = q.Forget(seq)
			}
		}
	})
	wg.Wait()
}

// TestKilledProcessLosesNothing kills real processes with SIGKILL at random
// moments and reopens the queues they leave. Several directories have victims
// of their own at the same time. UNMOGROWP_BUFFER_KILLS sets the number of
// kills in all.
func TestKilledProcessLosesNothing(t *testing.T) {
	const victims = 4
	kills := 3 * victims
	if n, err := strconv.Atoi(os.Getenv("UNMOGROWP_BUFFER_KILLS")); err == nil {
		kills = n
	}
	var starting starting
	var mu sync.Mutex
	var all toll
	t.Run("victims", func(t *testing.T) {
		for v := range victims {
			t.Run(strconv.Itoa(v), func(t *testing.T) {
				t.Parallel()
				own := killAgain(t, &starting, kills/victims)
				mu.Lock()
				defer mu.Unlock()
				all.kills += own.kills
				all.acked += own.acked
				all.forgot += own.forgot
			})
		}
	})
	t.Logf("%d kills, %d events acknowledged, %d of them shipped; none is missing, none there twice", all.kills, all.acked, all.forgot)
	if all.acked < kills {
		t.Fatalf("only %d events in %d runs: the test is too weak", all.acked, kills)
	}
}

// toll counts kills, and the events acknowledged and forgotten before them.
type toll struct{ kills, acked, forgot int }

// killAgain kills the users of one directory one after the other.
func killAgain(t *testing.T, starting *starting, kills int) (sum toll) {
	dir := filepath.Join(t.TempDir(), "buffer")
	acked, forgot, before := map[string]bool{}, map[string]bool{}, map[string]bool{}
	epoch := ""
	for n := range kills {
		killChild(t, starting, dir, time.Duration(10+rand.IntN(140))*time.Millisecond, func(line string) {
			verb, rest, _ := strings.Cut(line, " ")
			switch verb {
			case "open":
				if epoch != "" && epoch != rest {
					t.Fatalf("kill %d: epoch %s became %s", n, epoch, rest)
				}
				epoch = rest
			case "acked":
				acked[rest] = true
			case "forgot":
				for id := range strings.FieldsSeq(rest) {
					forgot[id] = true
				}
			default:
				t.Fatalf("kill %d: child says %q", n, line)
			}
		})
		sum.kills++
		if n%5 < 4 && n < kills-1 { // one directory has to survive several kills
			continue
		}
		for id := range checkSurvivors(t, starting, dir, acked, forgot) {
			if before[id] {
				t.Fatalf("kill %d: event %s is there again, although it was shipped before the last clean stop", n, id)
			}
			before[id] = true
		}
		sum.acked += len(acked)
		sum.forgot += len(forgot)
		clear(acked)
		clear(forgot)
	}
	return sum
}

// starting is held by who starts a process, and shared by who opens a directory
// in this one: a child has all files of its parent, and so the locks of the
// directory, until it has become another program.
type starting struct{ sync.RWMutex }

// killChild starts the child, kills it after the given time and hands on the
// complete lines that it wrote.
func killChild(t *testing.T, starting *starting, dir string, after time.Duration, line func(string)) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	starting.Lock()
	err = cmd.Start()
	starting.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	started := false
	for {
		text, err := r.ReadString('\n')
		if err != nil { // the last line may be cut
			break
		}
		if !started {
			started = true
			timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
			defer timer.Stop()
		}
		line(strings.TrimSuffix(text, "\n"))
	}
	_, _ = io.Copy(io.Discard, out)
	_ = cmd.Wait()
	if !started {
		t.Fatalf("the child did not start: %s", &stderr)
	}
}

// checkSurvivors opens the queue of a killed process: every event that was
// acknowledged must be there once, or have been shipped. It ships the events
// that are there, and returns them.
func checkSurvivors(t *testing.T, starting *starting, dir string, acked, forgot map[string]bool) map[string]bool {
	t.Helper()
	starting.RLock()
	defer starting.RUnlock()
	q, err := Open(Options{Dir: dir, BallastBytes: -1, MinFree: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	}()
	if lost := q.Stats().Lost; lost != 0 {
		t.Errorf("%d blocks are lost after a kill", lost)
	}
	found := map[string]bool{}
	twice := 0
	drain(t, q, func(seq uint64, list []protocol.Event) {
		for _, e := range list {
			if found[e.ID] {
				twice++
			}
			found[e.ID] = true
		}
		if err := q.Forget(seq); err != nil {
			t.Error(err)
		}
	})
	missing := 0
	for id := range acked {
		if !found[id] && !forgot[id] {
			missing++
		}
	}
	if missing > 0 || twice > 0 {
		t.Fatalf("%d acknowledged events are gone, %d are there twice", missing, twice)
	}
	return found
}
