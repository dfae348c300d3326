package buffer

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// mapping is where a file is mapped in this process's memory. Advice about other
// memory would clear it, so whoever uses one sees to it that the file stays
// mapped there.
type mapping struct{ from, to uintptr }

// mapped looks for the mapping of a file. path is absolute, without symbolic
// links.
func mapped(path string) (mapping, error) {
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return mapping{}, err
	}
	defer maps.Close()
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		line, ok := strings.CutSuffix(lines.Text(), path)
		if !ok || !strings.HasSuffix(line, " ") {
			continue
		}
		var m mapping
		if _, err := fmt.Sscanf(line, "%x-%x", &m.from, &m.to); err != nil || m.to <= m.from {
			continue
		}
		return m, nil
	}
	if err := lines.Err(); err != nil {
		return mapping{}, err
	}
	return mapping{}, fmt.Errorf("%s is not mapped", path)
}

// writeOnly keeps the kernel from reading ahead. Files that are written through
// their mapping are holes before: a page that is touched first would have it
// fill everything around with zeros, as far as the disk's read-ahead goes. With
// one of 8 MiB that held a commit up for 20 ms.
func (m mapping) writeOnly() error { return m.advise(unix.MADV_RANDOM) }

// release takes the bytes from low to high of the file out of this process's
// memory. They are shared with the kernel, which keeps their contents, written
// back or not; they are only no longer counted as ours. Only speed and memory
// depend on it.
func (m mapping) release(low, high int64) {
	page := int64(os.Getpagesize())
	low, high = low&^(page-1), min(high, int64(m.to-m.from)) //nolint:gosec // a length
	if low < high {
		_ = mapping{m.from + uintptr(low), m.from + uintptr(high)}.advise(unix.MADV_DONTNEED)
	}
}

func (m mapping) advise(advice uintptr) error {
	if _, _, errno := unix.Syscall(unix.SYS_MADVISE, m.from, m.to-m.from, advice); errno != 0 {
		return fmt.Errorf("advise the kernel on memory: %w", errno)
	}
	return nil
}

// syncData returns once the data written to a file is on the disk.
func syncData(f *os.File) error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); err != unix.EINTR { //nolint:gosec // a descriptor
			return err
		}
	}
}

// reserve gives a file real blocks of the disk.
func reserve(f *os.File, size int64) error { return unix.Fallocate(int(f.Fd()), 0, 0, size) }
