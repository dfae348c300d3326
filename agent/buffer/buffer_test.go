package buffer

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// event encodes one event of about 440 bytes with the given id.
func event(id string) []byte {
	return protocol.AppendEvent(nil, &protocol.Event{App: "app_1", ID: id, Kind: protocol.KindTrack, Name: "Order Completed",
		Original: 1_760_000_000_000, Time: 1_760_000_000_000, Received: 1_760_000_000_123, UserID: "user-" + id, AnonymousID: "anon-" + id,
		IP: "203.0.113.7", UserAgent: "analytics-go (version: 3.3.0)",
		Payload: []byte(`{"type":"track","event":"Order Completed","messageId":"` + id + `","properties":{"revenue":12.5,"currency":"EUR","products":[{"sku":"A-` + id + `","price":12.5}]},"context":{"library":{"name":"analytics-go","version":"3.3.0"}}}`)})
}

func batch(name string, n int) []byte {
	var b []byte
	for i := range n {
		b = append(b, event(fmt.Sprintf("%s-%d", name, i))...)
	}
	return b
}

// noise is an event that does not compress.
func noise(id string, n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(n)})
	_, _ = r.Read(b)
	return protocol.AppendEvent(nil, &protocol.Event{App: "a", ID: id, Kind: protocol.KindTrack, Payload: b})
}

func testOptions(t testing.TB) Options {
	return Options{Dir: filepath.Join(t.TempDir(), "buffer"), BallastBytes: -1, MinFree: 1}
}

func open(t testing.TB, o Options) *Queue {
	t.Helper()
	q, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	})
	return q
}

func mustAppend(t testing.TB, q *Queue, encoded []byte, count int) uint64 {
	t.Helper()
	seq, err := q.Append(t.Context(), encoded, count)
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

// events decodes a block that Next gave.
func events(t testing.TB, block []byte) []protocol.Event {
	t.Helper()
	b, err := protocol.ParseBlock(block)
	if err != nil {
		t.Fatal(err)
	}
	c, err := protocol.NewCompressor()
	if err != nil {
		t.Fatal(err)
	}
	list, err := c.Events(&b)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// drain reads, without waiting, everything that is not acknowledged.
func drain(t testing.TB, q *Queue, visit func(seq uint64, e []protocol.Event)) {
	t.Helper()
	_, next, _ := q.Position()
	after := uint64(0)
	for {
		ctx, cancel := context.WithCancel(t.Context())
		if after+1 >= next {
			cancel()
			return
		}
		stop := context.AfterFunc(ctx, func() {})
		// Nothing left above `after` would block: the tail may be all holes.
		if q.nothingAfter(after) {
			stop()
			cancel()
			return
		}
		block, seq, err := q.Next(ctx, after)
		stop()
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		visit(seq, events(t, block))
		after = seq
	}
}

func (q *Queue) nothingAfter(after uint64) bool {
	_, wait, err := q.pick(after)
	return err != nil || wait != nil
}

func TestAppendIsReadBackInOrder(t *testing.T) {
	q := open(t, testOptions(t))
	for i := range 5 {
		seq := mustAppend(t, q, batch(fmt.Sprint(i), 3), 3)
		if seq != uint64(i+1) {
			t.Fatalf("append %d: sequence %d", i, seq)
		}
	}
	var got []string
	drain(t, q, func(seq uint64, list []protocol.Event) {
		for _, e := range list {
			got = append(got, e.ID)
		}
	})
	want := "0-0 0-1 0-2 1-0 1-1 1-2 2-0 2-1 2-2 3-0 3-1 3-2 4-0 4-1 4-2"
	if strings.Join(got, " ") != want {
		t.Fatalf("got %v", got)
	}
	if s := q.Stats(); s.QueuedEvents != 15 || s.QueuedBlocks != 5 || s.OldestEvent != 1_760_000_000_123 || s.DiskUsed == 0 {
		t.Fatalf("stats %+v", s)
	}
}

func TestConcurrentAppendsShareCommits(t *testing.T) {
	q := open(t, testOptions(t))
	var wg sync.WaitGroup
	for w := range 64 {
		wg.Go(func() {
			for i := range 20 {
				if _, err := q.Append(t.Context(), event(fmt.Sprintf("%d-%d", w, i)), 1); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	var last uint64
	drain(t, q, func(seq uint64, list []protocol.Event) {
		if seq != last+1 {
			t.Errorf("block %d after %d", seq, last)
		}
		last = seq
		for _, e := range list {
			if seen[e.ID] {
				t.Errorf("%s twice", e.ID)
			}
			seen[e.ID] = true
		}
	})
	if len(seen) != 64*20 {
		t.Fatalf("%d events of %d", len(seen), 64*20)
	}
	if last > 64*20/2 {
		t.Errorf("%d commits for %d appends: they are not grouped", last, 64*20)
	}
}

func TestReopenKeepsEpochPositionAndChain(t *testing.T) {
	o := testOptions(t)
	q := open(t, o)
	for i := range 10 {
		mustAppend(t, q, batch(fmt.Sprint(i), 2), 2)
	}
	epoch := q.Epoch()
	for seq := uint64(1); seq <= 4; seq++ {
		if _, got, err := q.Next(t.Context(), seq-1); err != nil || got != seq {
			t.Fatal(got, err)
		}
		if err := q.Forget(seq); err != nil {
			t.Fatal(err)
		}
	}
	first, next, chain := q.Position()
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	q = open(t, o)
	first2, next2, chain2 := q.Position()
	if q.Epoch() != epoch || first2 != first || next2 != next || chain2 != chain {
		t.Fatalf("epoch %x position %d %d %x, was %x %d %d %x", q.Epoch(), first2, next2, chain2, epoch, first, next, chain)
	}
	if s := q.Stats(); s.QueuedBlocks != 6 || s.QueuedEvents != 12 || s.KeptBlocks != 4 || s.Lost != 0 {
		t.Fatalf("stats %+v", s)
	}
	if seq := mustAppend(t, q, event("x"), 1); seq != 11 {
		t.Fatalf("sequence %d after reopening", seq)
	}
}

func TestTwoProcessesCannotShareADirectory(t *testing.T) {
	o := testOptions(t)
	open(t, o)
	if _, err := Open(o); err == nil || !strings.Contains(err.Error(), "another agent") {
		t.Fatalf("second open: %v", err)
	}
}

func TestForgetOutOfOrder(t *testing.T) {
	q := open(t, testOptions(t))
	for i := range 5 {
		mustAppend(t, q, event(fmt.Sprint(i)), 1)
	}
	if err := q.Forget(3); err == nil {
		t.Fatal("a block that was never sent was forgotten")
	}
	for seq := uint64(1); seq <= 5; seq++ {
		_, _, _ = q.Next(t.Context(), seq-1)
	}
	for _, seq := range []uint64{5, 2, 2, 3} {
		if err := q.Forget(seq); err != nil {
			t.Fatal(err)
		}
	}
	if first, _, _ := q.Position(); first != 1 {
		t.Fatalf("first is %d", first)
	}
	var left []uint64
	drain(t, q, func(seq uint64, _ []protocol.Event) { left = append(left, seq) })
	if fmt.Sprint(left) != "[1 4]" {
		t.Fatalf("left %v", left)
	}
	if err := q.Forget(1); err != nil {
		t.Fatal(err)
	}
	if first, _, _ := q.Position(); first != 4 {
		t.Fatalf("first is %d", first)
	}
}

func TestWaitStored(t *testing.T) {
	q := open(t, testOptions(t))
	seq := mustAppend(t, q, event("a"), 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := q.WaitStored(ctx, seq); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	var wg sync.WaitGroup
	wg.Go(func() { done <- q.WaitStored(t.Context(), seq) })
	_, _, _ = q.Next(t.Context(), 0)
	if err := q.Forget(seq); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	wg.Wait()
}

func TestBothCodecsAreReadBack(t *testing.T) {
	o := testOptions(t)
	o.zstdBelow = 5000
	q := open(t, o)
	for i := range 20 {
		mustAppend(t, q, batch(fmt.Sprint(i), 10), 10)
	}
	codecs := map[protocol.Codec]int{}
	if err := q.Each(t.Context(), func(_ uint64, block []byte) error {
		b, err := protocol.ParseBlock(block)
		codecs[b.Codec]++
		if len(events(t, block)) != 10 {
			t.Error("events are missing")
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if codecs[protocol.CodecZstd] == 0 || codecs[protocol.CodecS2] == 0 {
		t.Fatalf("codecs %v", codecs)
	}
}

func TestLargeAndIncompressibleAppendsAreSplit(t *testing.T) {
	q := open(t, testOptions(t))
	var big []byte
	for i := range 150 {
		big = append(big, noise(fmt.Sprint(i), 30<<10)...)
	}
	seq := mustAppend(t, q, big, 150)
	n, blocks := 0, 0
	drain(t, q, func(_ uint64, list []protocol.Event) {
		blocks++
		for _, e := range list {
			if e.ID != fmt.Sprint(n) {
				t.Fatalf("event %s where %d belongs", e.ID, n)
			}
			n++
		}
	})
	if n != 150 || blocks < 5 || uint64(blocks) != seq {
		t.Fatalf("%d events in %d blocks, sequence %d", n, blocks, seq)
	}
	// The append is stored only when all its blocks are.
	for s := uint64(2); s <= seq; s++ {
		_ = q.Forget(s)
	}
	q.mu.Lock()
	done := q.state.isAcked(seq)
	q.mu.Unlock()
	if done {
		t.Fatal("stored although its first block is not")
	}
	_ = q.Forget(1)
	if err := q.WaitStored(t.Context(), seq); err != nil {
		t.Fatal(err)
	}
}

func TestQuotaRefusesAndRecovers(t *testing.T) {
	o := testOptions(t)
	o.QuotaBytes = 64 << 10
	q := open(t, o)
	var full *FullError
	n := 0
	for ; n < 1000; n++ {
		_, err := q.Append(t.Context(), noise(fmt.Sprint(n), 4000), 1)
		if errors.As(err, &full) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if full == nil || n < 10 || full.RetryAfter() <= 0 || !q.Stats().Full {
		t.Fatalf("no refusal after %d appends: %v", n, full)
	}
	if q.Healthy() != nil {
		t.Fatal("a full queue is not a broken one")
	}
	for seq := uint64(1); seq <= 5; seq++ {
		_, _, _ = q.Next(t.Context(), seq-1)
		_ = q.Forget(seq)
	}
	mustAppend(t, q, event("again"), 1)
}

func TestShortDiskRefuses(t *testing.T) {
	o := testOptions(t)
	free := int64(10 << 30)
	o.FreeSpace = func(string) (int64, error) { return free, nil }
	now := time.Unix(1_760_000_000, 0)
	o.Now = func() time.Time { return now }
	o.MinFree = 1 << 30
	o.sweepEvery = time.Hour
	q := open(t, o)
	mustAppend(t, q, event("a"), 1)
	free, now = 1<<20, now.Add(2*time.Second)
	var full *FullError
	if _, err := q.Append(t.Context(), event("b"), 1); !errors.As(err, &full) || !strings.Contains(full.Reason, "disk") {
		t.Fatalf("append on a short disk: %v", err)
	}
	free, now = 10<<30, now.Add(2*time.Second)
	mustAppend(t, q, event("c"), 1)
}

func TestBallastIsGivenUpWhenTheDiskIsFull(t *testing.T) {
	o := testOptions(t)
	o.BallastBytes = 1 << 20
	free := int64(10 << 30)
	o.FreeSpace = func(string) (int64, error) { return free, nil }
	o.MinFree = 1 << 30
	q := open(t, o)
	path := filepath.Join(o.Dir, ballastFile)
	if info, err := os.Stat(path); err != nil || allocated(info) < 1<<20 {
		t.Fatalf("ballast: %v", err)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	free = 1 << 20
	open(t, o)
	if _, err := os.Stat(path); err == nil {
		t.Fatal("the ballast is still there")
	}
}

func TestDiskErrorIsFinal(t *testing.T) {
	o := testOptions(t)
	var broken bool
	var mu sync.Mutex
	o.commitFault = func() error {
		mu.Lock()
		defer mu.Unlock()
		if broken {
			broken = false // the next fsync would "succeed", as it does on Linux
			return errors.New("input/output error")
		}
		return nil
	}
	q := open(t, o)
	mustAppend(t, q, event("a"), 1)
	mu.Lock()
	broken = true
	mu.Unlock()
	if _, err := q.Append(t.Context(), event("b"), 1); err == nil {
		t.Fatal("acknowledged although the commit failed")
	}
	if _, err := q.Append(t.Context(), event("c"), 1); err == nil {
		t.Fatal("acknowledged after the disk had failed")
	}
	if q.Healthy() == nil {
		t.Fatal("healthy after the disk had failed")
	}
	// Blocks stored before can still be sent.
	if _, seq, err := q.Next(t.Context(), 0); err != nil || seq != 1 {
		t.Fatal(seq, err)
	}
	// The end does not wait for the disk, and the next start finds all of it.
	dir := q.store.newest.dir
	if err := errors.Join(os.Rename(dir, dir+"-away"), q.Close(), os.Rename(dir+"-away", dir)); err != nil {
		t.Fatal(err)
	}
	left := testOptions(t)
	if err := os.CopyFS(left.Dir, os.DirFS(o.Dir)); err != nil {
		t.Fatal(err)
	}
	if s := open(t, left).Stats(); s.QueuedBlocks != 1 || s.Lost != 0 {
		t.Fatalf("left %+v", s)
	}
}

// A file that cannot be synced stands for a disk that fails an fsync.
func TestFailedSyncIsNotAcknowledged(t *testing.T) {
	for _, which := range []string{"value log", "key log"} {
		q := open(t, testOptions(t))
		mustAppend(t, q, event("a"), 1)
		null, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		l := q.store.newest.logs
		if which == "value log" {
			null, l.values, l.size = l.values, null, 0
		} else {
			null, l.keys = l.keys, null
		}
		if err := null.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := q.Append(t.Context(), event("b"), 1); err == nil {
			t.Fatalf("acknowledged although the %s was not synced", which)
		}
		if q.Healthy() == nil {
			t.Fatalf("healthy although the %s was not synced", which)
		}
	}
}

func TestRetentionIsBoundedInBytes(t *testing.T) {
	o := testOptions(t)
	o.RetentionBytes = 100 << 10
	o.sweepEvery = time.Hour
	q := open(t, o)
	for i := range 100 {
		mustAppend(t, q, noise(fmt.Sprint(i), 4000), 1)
		_, _, _ = q.Next(t.Context(), uint64(i))
		_ = q.Forget(uint64(i + 1))
	}
	if _, err := q.sweepOnce(saved{}); err != nil {
		t.Fatal(err)
	}
	if s := q.Stats(); s.KeptBytes > 100<<10 || s.KeptBytes < 80<<10 {
		t.Fatalf("kept %d bytes", s.KeptBytes)
	}
}

func TestRetentionGivesWayOnAShortDisk(t *testing.T) {
	o := testOptions(t)
	free := int64(10 << 30)
	now := time.Unix(1_760_000_000, 0)
	o.FreeSpace = func(string) (int64, error) { return free, nil }
	o.Now = func() time.Time { return now }
	o.MinFree, o.sweepEvery = 1<<30, time.Hour
	q := open(t, o)
	mustAppend(t, q, event("a"), 1)
	_, _, _ = q.Next(t.Context(), 0)
	_ = q.Forget(1)
	if _, err := q.sweepOnce(saved{}); err != nil || q.Stats().KeptBlocks != 1 {
		t.Fatal(err, q.Stats())
	}
	free, now = 1<<20, now.Add(2*time.Second)
	if _, err := q.sweepOnce(saved{}); err != nil || q.Stats().KeptBlocks != 0 {
		t.Fatal(err, q.Stats())
	}
}

func TestLostTailIsNamed(t *testing.T) {
	var log bytes.Buffer
	o := testOptions(t)
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	q := open(t, o)
	for i := range 8 {
		mustAppend(t, q, event(fmt.Sprint(i)), 1)
	}
	_, _, chain := q.Position()
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	ruin(t, o.Dir, 6, 8)
	ruin(t, o.Dir, 3, 3)
	q = open(t, o)
	if s := q.Stats(); s.Lost != 4 || s.NextSeq != 9 {
		t.Fatalf("stats %+v", s)
	}
	if _, _, got := q.Position(); got != chain {
		t.Fatal("the chain broke")
	}
	for _, want := range []string{"first=3 last=3", "first=6 last=8"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("log does not name %q:\n%s", want, &log)
		}
	}
	var left []uint64
	drain(t, q, func(seq uint64, _ []protocol.Event) { left = append(left, seq) })
	if fmt.Sprint(left) != "[1 2 4 5]" {
		t.Fatalf("left %v", left)
	}
	for _, seq := range left {
		_ = q.Forget(seq)
	}
	if first, _, _ := q.Position(); first != 9 {
		t.Fatalf("the queue does not move on: first is %d", first)
	}
}

func TestBlockDamagedWhileRunningIsSkipped(t *testing.T) {
	q := open(t, testOptions(t))
	for i := range 3 {
		mustAppend(t, q, event(fmt.Sprint(i)), 1)
	}
	ruin(t, q.opts.Dir, 2, 2)
	if _, seq, err := q.Next(t.Context(), 1); err != nil || seq != 3 {
		t.Fatal(seq, err)
	}
	if s := q.Stats(); s.Lost != 1 {
		t.Fatalf("stats %+v", s)
	}
}

func TestMarksSurviveTheLossOfEither(t *testing.T) {
	for _, tamper := range []string{"marker gone", "marker damaged", "epoch damaged"} {
		t.Run(tamper, func(t *testing.T) {
			o := testOptions(t)
			q := open(t, o)
			for i := range 5 {
				mustAppend(t, q, event(fmt.Sprint(i)), 1)
			}
			_, _, chain := q.Position()
			epoch := q.Epoch()
			if err := q.Close(); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(o.Dir, strings.Fields(tamper)[0])
			if strings.HasSuffix(tamper, "gone") {
				_ = os.Remove(file)
			} else {
				raw, _ := os.ReadFile(file)
				for i := 0; i < len(raw); i += 8 {
					raw[i] ^= 0xff
				}
				_ = os.WriteFile(file, raw, 0o600)
			}
			q = open(t, o)
			if _, next, got := q.Position(); next != 6 || got != chain || q.Epoch() != epoch {
				t.Fatalf("next %d chain %x epoch %x, want 6 %x %x", next, got, q.Epoch(), chain, epoch)
			}
		})
	}
}

func TestMarkMergeTakesTheLater(t *testing.T) {
	a := mark{low: 5, tail: 9, chain: 1, floor: 2}
	b := mark{low: 4, tail: 10, chain: 2, floor: 3}
	if got := a.merge(b); got != (mark{low: 5, tail: 10, chain: 2, floor: 3}) {
		t.Fatalf("%+v", got)
	}
	b.rewinds = 1
	if got := a.merge(b); got.low != 4 || b.merge(a).low != 4 {
		t.Fatalf("a rewound mark loses: %+v", got)
	}
	raw := a.encode()
	raw[3] ^= 1
	if _, ok := decodeMark(raw); ok {
		t.Fatal("a damaged mark is accepted")
	}
	if _, ok := decodeMark(nil); ok || binary.BigEndian.Uint64(make([]byte, 8)) != 0 {
		t.Fatal("nothing is a mark")
	}
}
