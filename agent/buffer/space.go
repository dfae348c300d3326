package buffer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// When a sender should come back: space returns when an aggregator has
// acknowledged blocks, or when somebody has cleaned the disk.
const (
	retryAfterQuota = 5 * time.Second
	retryAfterDisk  = 10 * time.Second
)

// admit refuses events long before the disk is full: Badger writes through
// memory maps, and a full disk kills the process there.
func (q *Queue) admit(bytes int) error {
	q.mu.Lock()
	live, refused := q.state.liveBytes, q.state.refused
	q.mu.Unlock()
	if refused != "" {
		return &FullError{After: retryAfterDisk, Reason: refused}
	}
	if live+int64(bytes) > q.opts.QuotaBytes {
		return &FullError{After: retryAfterQuota, Reason: fmt.Sprintf("%d bytes wait for an aggregator, the quota is %d", live, q.opts.QuotaBytes)}
	}
	free, err := q.space.free(int64(bytes))
	if err != nil {
		return fmt.Errorf("append: %w", err)
	}
	if free < q.opts.MinFree {
		return &FullError{After: retryAfterDisk, Reason: fmt.Sprintf("the disk has %d bytes left, %d must stay free", free, q.opts.MinFree)}
	}
	return nil
}

// full makes a refusal of an error that says that the disk has no room: nothing
// was written, and it is tried again.
func full(err error) error {
	if !errors.Is(err, unix.ENOSPC) {
		return err
	}
	return &FullError{After: retryAfterDisk, Reason: err.Error()}
}

// diskShort says whether events are refused for want of space on the disk.
func (q *Queue) diskShort() bool {
	free, err := q.space.free(0)
	return err == nil && free < q.opts.MinFree
}

// spaceGauge asks for the free space of a disk once a second. Between two
// questions it assumes that the bytes taken since have been written several
// times over: to the log, to the keys, and as the spare room of files that are
// not full.
type spaceGauge struct {
	dir     string
	measure func(dir string) (int64, error)
	now     func() time.Time

	mu    sync.Mutex
	asked time.Time
	bytes int64
	taken int64 // since asked
	err   error
}

// Between two questions a byte taken counts writeFactor times; after askAfter
// bytes the disk is asked again early.
const (
	writeFactor = 2
	askAfter    = 4 << 20
)

// free estimates the room that the disk has left once it takes more bytes.
func (s *spaceGauge) free(more int64) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken += more
	if s.taken > askAfter {
		s.asked = time.Time{}
	}
	if now := s.now(); s.asked.IsZero() || now.Sub(s.asked) >= time.Second || now.Before(s.asked) {
		s.bytes, s.err = s.measure(s.dir)
		s.asked, s.taken = now, more
	}
	return s.bytes - writeFactor*s.taken, s.err
}

// freeSpace is the number of bytes that an ordinary user may still write.
func freeSpace(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("ask for free space of %s: %w", dir, err)
	}
	return int64(st.Bavail) * int64(st.Bsize), nil //nolint:gosec // bytes of a disk
}

func allocated(info fs.FileInfo) int64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Blocks * 512
	}
	return info.Size()
}

// hasRoom says whether a disk has room for so many bytes, beside what others write
// to it in the same moment.
func hasRoom(dir string, bytes int64) error {
	free, err := freeSpace(dir)
	if err == nil && free < bytes {
		err = fmt.Errorf("the disk has %d bytes left, %d are needed: %w", free, bytes, unix.ENOSPC)
	}
	return err
}

const (
	// keysRoom is more than the log of maxSegmentBlocks keys and marks takes.
	keysRoom = 4 << 20
	// sealRoom is more than Badger writes when it closes a segment.
	sealRoom = 6 << 20
	// makeRoom is more than it writes, beside the logs, when it makes one.
	makeRoom = 2 << 20
)

// valuesRoom is how large the value log of a segment gets at most.
func (st *store) valuesRoom() int64 {
	return max(st.segmentBytes, maxBlockBytes) + maxSegmentBlocks*64 + 64<<10
}

// roomFor is the disk space that a new segment takes.
func (st *store) roomFor() int64 { return st.valuesRoom() + keysRoom + makeRoom }

const ballastFile = "ballast"

// releaseBallast gives the reserve up if the disk is short: without room to
// write Badger could not even open, and nothing could be sent and deleted.
func (q *Queue) releaseBallast() error {
	free, err := q.opts.FreeSpace(q.opts.Dir)
	if err != nil {
		return err
	}
	if free >= q.opts.MinFree {
		return nil
	}
	path := filepath.Join(q.opts.Dir, ballastFile)
	if err := os.Remove(path); err == nil {
		q.log.Warn("buffer ballast given up", "free_bytes", free, "min_free_bytes", q.opts.MinFree)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// layBallast reserves real blocks of the disk, if there is plenty.
func (q *Queue) layBallast() error {
	size := q.opts.BallastBytes
	if size <= 0 {
		return nil
	}
	path := filepath.Join(q.opts.Dir, ballastFile)
	if info, err := os.Stat(path); err == nil && info.Size() == size {
		return nil
	}
	free, err := q.opts.FreeSpace(q.opts.Dir)
	if err != nil || free < q.opts.MinFree+2*size {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if err := reserve(f, size); err != nil { // some file systems cannot
		q.log.Warn("buffer has no ballast", "error", err)
		return errors.Join(f.Close(), os.Remove(path))
	}
	return f.Close()
}
