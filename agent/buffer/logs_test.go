package buffer

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dgraph-io/badger/v4"
)

// A segment is full before Badger begins another log, which nobody would sync.
func TestFullSegmentHasOneLogOfEach(t *testing.T) {
	for _, c := range []struct {
		name          string
		blocks, bytes int
	}{
		{"small blocks", maxSegmentBlocks, minSegmentBytes / maxSegmentBlocks},
		{"the largest blocks", 2, maxBlockBytes},
		{"blocks of a quarter", 16, maxSegmentBytes / 16},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := testOptions(t)
			o.segmentBytes = max(minSegmentBytes, int64(c.blocks*c.bytes))
			q := open(t, o)
			s, err := q.store.make()
			if err != nil {
				t.Fatal(err)
			}
			value := make([]byte, max(c.bytes, valueThreshold+1))
			for seq := range uint64(c.blocks) {
				if err := s.db.Update(func(txn *badger.Txn) error {
					if err := txn.Set(blockKey(q.epoch, seq), value); err != nil {
						return err
					}
					return txn.Set(markKey(), mark{tail: seq}.encode())
				}); err != nil {
					t.Fatal(err)
				}
			}
			for _, pattern := range []string{"*.vlog", "*.mem"} {
				if paths, err := filepath.Glob(filepath.Join(s.dir, pattern)); err != nil || len(paths) != 1 {
					t.Errorf("%v: %v", paths, err)
				}
			}
			if err := s.logs.sync(0); err != nil {
				t.Error(err)
			}
			if err := s.close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// Memory is only released where the log is still mapped.
func TestLogThatChangedIsNotSynced(t *testing.T) {
	q := open(t, testOptions(t))
	mustAppend(t, q, event("a"), 1)
	l := q.store.newest.logs
	if err := os.Truncate(l.values.Name(), l.size+1); err != nil {
		t.Fatal(err)
	}
	if _, err := q.Append(t.Context(), event("b"), 1); err == nil {
		t.Fatal("acknowledged")
	}
}

func TestWrittenBlocksAreNotResident(t *testing.T) {
	o := testOptions(t)
	q := open(t, o)
	for i := range 8 {
		mustAppend(t, q, noise(fmt.Sprint(i), 38000), 1)
	}
	resident, ok := residentBytes(t, q.store.newest.logs.values.Name())
	if !ok {
		t.Skip("this kernel does not tell")
	}
	if page := os.Getpagesize(); resident > releaseBytes+page {
		t.Fatalf("%d bytes of the value log are resident", resident)
	}
}

// residentBytes is how much of a mapped file this process has in memory.
func residentBytes(t *testing.T, path string) (bytes int, ok bool) {
	t.Helper()
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return 0, false
	}
	_, rest, ok := strings.Cut(string(smaps), path+"\n")
	if !ok {
		return 0, false
	}
	_, rest, _ = strings.Cut(rest, "\nRss:")
	if _, err := fmt.Sscanf(rest, "%d kB", &bytes); err != nil {
		t.Fatal(err)
	}
	return bytes << 10, true
}
