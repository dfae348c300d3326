package buffer

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
)

// logs are the two files that a commit writes through Badger: the value log,
// which holds the block, and the log of the memory table, which holds its key.
//
// Badger could sync them itself. It does so on pages that are mapped and dirty,
// and for each of them the kernel interrupts every processor: with blocks of a
// megabyte that was an eighth of all the agent computes. And it only logs an
// fsync of the value log that failed.
type logs struct {
	values, keys *os.File
	mapping      mapping // of values
	size         int64   // of values: Badger changes it only if it begins another
	low, high    int64   // between these offsets the next block begins
	released     int64   // below it nothing is mapped
}

const (
	// entryBytes is more than what Badger writes around a value.
	entryBytes = 128
	// releaseBytes is from when on it is worth the call.
	releaseBytes = 16 << 10
)

// openLogs opens the logs of a segment that Badger has just made.
func openLogs(dir string, log *slog.Logger) (l *logs, err error) {
	l = &logs{high: entryBytes}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("open logs of segment %s: %w", dir, err), l.close())
		}
	}()
	if l.values, err = openOnly(dir, "*.vlog"); err != nil {
		return l, err
	}
	if l.keys, err = openOnly(dir, "*.mem"); err != nil {
		return l, err
	}
	info, err := l.values.Stat()
	if err != nil {
		return l, err
	}
	l.size = info.Size()
	for _, f := range []*os.File{l.keys, l.values} {
		m, err := mapped(f.Name())
		if err == nil {
			err = m.writeOnly()
		}
		if err != nil { // only slower
			log.Debug("buffer writes without advice to the kernel", "file", f.Name(), "error", err)
			continue
		}
		if f == l.values {
			l.mapping = m
		}
	}
	return l, nil
}

// openOnly opens the one file that a pattern matches.
func openOnly(dir, pattern string) (*os.File, error) {
	paths, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		return nil, err
	}
	if len(paths) != 1 {
		return nil, fmt.Errorf("%d files match %s, not one", len(paths), pattern)
	}
	return os.Open(paths[0])
}

// reserve gives the logs real blocks of the disk for all that they will hold: they
// are written through memory maps, and the kernel ends a process that writes to a
// page for which there is no room. Some file systems cannot.
func (l *logs) reserve(values, keys int64) error {
	for f, size := range map[*os.File]int64{l.values: values, l.keys: keys} {
		w, err := os.OpenFile(f.Name(), os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		err = reserve(w, min(size, l.sizeOf(f)))
		if errors.Is(err, errors.ErrUnsupported) {
			err = nil
		}
		if err := errors.Join(err, w.Close()); err != nil {
			return fmt.Errorf("reserve room for %s: %w", f.Name(), err)
		}
	}
	return nil
}

func (l *logs) sizeOf(f *os.File) int64 {
	info, err := f.Stat()
	if err != nil {
		return 0
	}
	return info.Size()
}

// sync returns once a block of so many bytes, which Badger has written, is on
// the disk: first the block, then its key, so that nobody was told of a block that
// a power cut leaves without either. The caller holds the segment's lock.
func (l *logs) sync(bytes int) error {
	info, err := l.values.Stat()
	if err != nil {
		return err
	}
	if info.Size() != l.size {
		return fmt.Errorf("sync %s: it is %d bytes long instead of %d: Badger has begun another", l.values.Name(), info.Size(), l.size)
	}
	l.low += int64(bytes)
	l.high += int64(bytes) + entryBytes
	if l.low-l.released >= releaseBytes { // pages that are not mapped are written without interrupting anybody
		l.mapping.release(l.released, l.high)
		l.released = l.low
	}
	if err := syncData(l.values); err != nil {
		return fmt.Errorf("sync %s: %w", l.values.Name(), err)
	}
	if err := syncData(l.keys); err != nil {
		return fmt.Errorf("sync %s: %w", l.keys.Name(), err)
	}
	return nil
}

func (l *logs) close() error {
	if l == nil {
		return nil
	}
	var errs []error
	for _, f := range []*os.File{l.values, l.keys} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}
