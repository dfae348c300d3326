package buffer

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// Rebuilt is a segment that could not be opened and was made anew.
type Rebuilt struct {
	Segment     string `json:"segment"` // its directory
	Cause       string `json:"cause"`   // why it did not open
	Blocks      int    `json:"blocks"`  // that were found whole
	First, Last uint64 // their sequences
	Aside       string `json:"aside"` // where the old files are
}

// Rebuild puts a buffer right that does not open because Badger's bookkeeping in
// a segment is damaged. Every block carries its own checksum, so what is left of
// such a segment is looked for in its files byte by byte, and put into a new one.
// The old files are moved to the directory "damaged" of the buffer. What was
// not found is reported by the next Open, block by block. No agent may run.
func Rebuild(dir string, log *slog.Logger) (list []Rebuilt, err error) {
	opts := Options{Dir: dir, Logger: log}
	opts.defaults()
	lock, err := lockDir(dir)
	if err != nil {
		return nil, fmt.Errorf("rebuild buffer: %w", err)
	}
	defer lock.Close()
	epoch, err := readEpoch(dir)
	if err != nil {
		return nil, fmt.Errorf("rebuild buffer: %w", err)
	}
	st := &store{dir: realPath(dir), log: opts.Logger, segmentBytes: opts.segmentBytes}
	entries, err := os.ReadDir(filepath.Join(dir, segmentsDir))
	if err != nil {
		return nil, fmt.Errorf("rebuild buffer: %w", err)
	}
	for _, e := range entries {
		n, ok := segmentNumber(e.Name())
		s := &segment{dir: segmentPath(st.dir, n)}
		if !ok || !s.finished() {
			continue
		}
		cause := st.probe(s)
		if cause == nil {
			continue
		}
		r, err := st.rebuild(s, epoch)
		if err != nil {
			return list, fmt.Errorf("rebuild segment %s: %w", s.dir, err)
		}
		r.Cause = cause.Error()
		list = append(list, r)
	}
	return list, nil
}

// probe says why a segment does not open.
func (st *store) probe(s *segment) error {
	if err := s.removeEmptyLogs(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.openLocked(st, !s.crashed()); err != nil {
		return err
	}
	return s.closeLocked()
}

// rebuild moves a segment aside and makes a new one of the blocks in it.
func (st *store) rebuild(s *segment, epoch uint64) (r Rebuilt, err error) {
	r = Rebuilt{Segment: s.dir, Aside: filepath.Join(st.dir, "damaged", filepath.Base(s.dir))}
	if err := os.MkdirAll(filepath.Dir(r.Aside), 0o700); err != nil {
		return r, err
	}
	if err := os.Rename(s.dir, r.Aside); err != nil {
		return r, err
	}
	blocks, err := salvage(r.Aside, epoch)
	if err != nil || len(blocks) == 0 {
		return r, err
	}
	sequences := make([]uint64, 0, len(blocks))
	for seq := range blocks {
		sequences = append(sequences, seq)
	}
	slices.Sort(sequences)
	made := &segment{dir: s.dir, first: sequences[0]}
	made.mu.Lock()
	defer made.mu.Unlock()
	if err := made.openLocked(st, false); err != nil {
		return r, err
	}
	for _, seq := range sequences {
		err := made.db.Update(func(txn *badger.Txn) error { return txn.Set(blockKey(epoch, seq), blocks[seq]) })
		if err != nil {
			_ = made.closeLocked() // the first error says more
			return r, err
		}
	}
	r.Blocks, r.First, r.Last = len(sequences), sequences[0], sequences[len(sequences)-1]
	if err := made.closeLocked(); err != nil {
		return r, err
	}
	if err := made.finish(); err != nil {
		return r, err
	}
	if err := made.noteFirst(); err != nil {
		return r, err
	}
	return r, syncDir(filepath.Dir(made.dir))
}

// maxSalvaged bounds the file that is searched; a segment's are smaller.
const maxSalvaged = 1 << 30

// salvage finds the blocks of an epoch in the files of a segment by how they
// begin, and keeps those whose sums are right.
func salvage(dir string, epoch uint64) (map[uint64][]byte, error) {
	begin := protocol.AppendBlock(nil, &protocol.Block{})[:4]
	found := map[uint64][]byte{}
	for _, pattern := range []string{"*.vlog", "*.mem", "*.sst"} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, err
		}
		for _, path := range files {
			if info, err := os.Stat(path); err != nil || info.Size() > maxSalvaged {
				return nil, fmt.Errorf("read %s: it is too large or not there: %w", path, err)
			}
			data, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			for {
				at := bytes.Index(data, begin)
				if at < 0 {
					break
				}
				data = data[at:]
				if b, err := protocol.ReadBlock(bytes.NewReader(data)); err == nil && b.Epoch == epoch && b.Seq > 0 {
					found[b.Seq] = protocol.AppendBlock(nil, &b)
				}
				data = data[1:]
			}
		}
	}
	return found, nil
}
