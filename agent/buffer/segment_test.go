package buffer

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// An operator moves away segments that Badger does not open.
func TestSegmentMovedAwayIsNamed(t *testing.T) {
	var log bytes.Buffer
	o := testOptions(t)
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	o.segmentBytes = 1
	q := open(t, o)
	for i := range 6 {
		mustAppend(t, q, event(fmt.Sprint(i)), 1)
	}
	var dirs []string
	for _, s := range q.store.list {
		dirs = append(dirs, s.dir)
	}
	if err := q.Close(); err != nil || len(dirs) != 6 {
		t.Fatalf("%d segments: %v", len(dirs), err)
	}
	for _, i := range []int{0, 3, 4} {
		if err := os.Rename(dirs[i], filepath.Join(t.TempDir(), "away")); err != nil {
			t.Fatal(err)
		}
	}
	q = open(t, o)
	if s := q.Stats(); s.Lost != 3 || s.NextSeq != 7 || s.QueuedBlocks != 3 {
		t.Fatalf("stats %+v", s)
	}
	for _, want := range []string{"first=1 last=1", "first=4 last=5"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("log does not name %q:\n%s", want, &log)
		}
	}
	var left []uint64
	drain(t, q, func(seq uint64, _ []protocol.Event) { left = append(left, seq) })
	if fmt.Sprint(left) != "[2 3 6]" {
		t.Fatalf("left %v", left)
	}
}

func TestReaderFollowsThroughManySegments(t *testing.T) {
	o := testOptions(t)
	o.segmentBytes = 2000
	q := open(t, o)
	const n = 60
	for i := range n {
		mustAppend(t, q, event(fmt.Sprint(i)), 1)
	}
	got := 0
	drain(t, q, func(seq uint64, e []protocol.Event) {
		if e[0].ID != fmt.Sprint(got) || seq != uint64(got+1) {
			t.Fatalf("block %d holds %s after %d", seq, e[0].ID, got)
		}
		got++
		if seq%7 == 0 { // an older one once more, as after a retry
			if _, again, err := q.Next(t.Context(), seq-7); err != nil || again != seq-6 {
				t.Fatal(again, err)
			}
		}
	})
	if got != n {
		t.Fatalf("%d events of %d", got, n)
	}
	files := 0
	for _, s := range q.store.list {
		if s.db != nil {
			files++
		}
	}
	if files > maxReaders+3 || len(q.store.list) < 8 {
		t.Fatalf("%d of %d segments are open", files, len(q.store.list))
	}
}

func TestSpaceOfDeletedBlocksComesBackAtOnce(t *testing.T) {
	o := testOptions(t)
	o.RetentionBytes, o.segmentBytes, o.sweepEvery = 1, 8<<20, time.Hour
	q := open(t, o)
	var big []byte
	for i := range 20 {
		big = append(big, noise(fmt.Sprint(i), 38000+i)...)
	}
	for i := range 150 { // 114 MB
		mustAppend(t, q, big, 20)
		_, _, _ = q.Next(t.Context(), uint64(i))
		_ = q.Forget(uint64(i + 1))
	}
	seq := mustAppend(t, q, noise("last", 38000), 1)
	if _, err := q.sweepOnce(saved{}); err != nil {
		t.Fatal(err)
	}
	if used := q.Stats().DiskUsed; used > 2*o.segmentBytes {
		t.Fatalf("%d bytes on disk for one block", used)
	}
	if dirs, err := os.ReadDir(filepath.Join(o.Dir, segmentsDir)); err != nil || len(dirs) > 3 { // the newest, the spare, one being made
		t.Fatalf("%d segments are left: %v", len(dirs), err)
	}
	if _, got, err := q.Next(t.Context(), 0); err != nil || got != seq {
		t.Fatal(got, err)
	}
}

// ruin damages a byte of every block from first to last, wherever it lies.
func ruin(t testing.TB, dir string, first, last uint64) {
	t.Helper()
	segments, err := filepath.Glob(filepath.Join(dir, segmentsDir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, segment := range segments {
		ix, err := indexBlocks(segment, 0)
		if err != nil {
			t.Fatal(err)
		}
		for seq, p := range ix.places {
			if seq < first || seq > last {
				continue
			}
			f, err := os.OpenFile(p.file.Name(), os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			_, err = f.WriteAt([]byte("ruined"), p.offset+int64(p.length)/2)
			if err := errors.Join(err, f.Close()); err != nil {
				t.Fatal(err)
			}
		}
		if err := ix.close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Earlier versions had all blocks in one store, and in its tree.
func TestStoreOfAnEarlierVersionIsRead(t *testing.T) {
	for _, crashed := range []bool{false, true} {
		t.Run(fmt.Sprintf("crashed=%t", crashed), func(t *testing.T) {
			o := testOptions(t)
			if err := os.MkdirAll(o.Dir, 0o700); err != nil {
				t.Fatal(err)
			}
			old := badger.DefaultOptions(filepath.Join(o.Dir, "badger")).WithSyncWrites(true).WithMemTableSize(8 << 20).WithNumMemtables(2).
				WithCompression(0).WithBlockCacheSize(0).WithBlockSize(256 << 10).WithValueLogFileSize(1 << 20).WithLogger(nil)
			db, err := badger.Open(old)
			if err != nil {
				t.Fatal(err)
			}
			m := mark{floor: 1}
			raw := append(protocol.AppendEvents(nil, 20), bytes.Repeat(noise("x", 38000), 20)...)
			blocks := uint64(25) // more than one memory table
			if crashed {
				blocks = 9 // all in one, but more than a segment's could hold
			}
			for seq := uint64(1); seq <= blocks; seq++ {
				block := protocol.AppendBlock(nil, &protocol.Block{Epoch: 7, Seq: seq, Count: 20, RawLen: len(raw), Codec: protocol.CodecNone, Payload: raw})
				m.tail, m.chain = seq, nextChain(m.chain, seq, block)
				if err := db.Update(func(txn *badger.Txn) error {
					return errors.Join(txn.Set(blockKey(7, seq), block), txn.Set(markKey(), m.encode()))
				}); err != nil {
					t.Fatal(err)
				}
			}
			if crashed {
				copied := filepath.Join(t.TempDir(), "copied")
				if err := errors.Join(os.CopyFS(copied, os.DirFS(filepath.Join(o.Dir, "badger"))), db.Close(), os.RemoveAll(filepath.Join(o.Dir, "badger")), os.Rename(copied, filepath.Join(o.Dir, "badger"))); err != nil {
					t.Fatal(err)
				}
			} else if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			q := open(t, o)
			if s := q.Stats(); q.Epoch() != 7 || s.QueuedBlocks != int64(blocks) || s.Lost != 0 || s.NextSeq != blocks+1 {
				t.Fatalf("epoch %d, stats %+v", q.Epoch(), s)
			}
			if seq := mustAppend(t, q, event("new"), 1); seq != blocks+1 {
				t.Fatalf("sequence %d", seq)
			}
			n := 0
			drain(t, q, func(_ uint64, list []protocol.Event) { n += len(list) })
			if n != int(blocks)*20+1 {
				t.Fatalf("%d events", n)
			}
		})
	}
}

// A segment that cannot be made does not stop the queue if another can.
func TestSegmentThatCannotBeMadeIsTriedAgain(t *testing.T) {
	o := testOptions(t)
	o.segmentBytes = 1
	q := open(t, o)
	for i := range 5 {
		mustAppend(t, q, event(fmt.Sprint(i)), 1)
		if i != 1 {
			continue
		}
		q.store.mu.Lock()
		number := q.store.number
		q.store.mu.Unlock()
		if err := os.WriteFile(segmentPath(q.store.dir, number+1), nil, 0o600); err != nil { // a directory cannot be made there
			t.Log(err) // it was made in this moment
		}
	}
	if err := q.Healthy(); err != nil {
		t.Fatal(err)
	}
	n := 0
	drain(t, q, func(uint64, []protocol.Event) { n++ })
	if n != 5 {
		t.Fatalf("%d blocks of 5", n)
	}
}
