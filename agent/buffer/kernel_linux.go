package buffer

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// trimMapped asks the kernel to take back the memory in which Badger has its
// tables mapped. They are clean pages of files, so nothing is lost and the
// kernel would take them under pressure anyway; but until then a day's
// retention tail counts as resident, and looks like a leak. The advice is
// harmless even if another mapping has come to lie at the address meanwhile:
// unlike MADV_DONTNEED it never drops what has no copy. dir is absolute, without
// symbolic links.
func trimMapped(dir string) error {
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return err
	}
	defer maps.Close()
	prefix := filepath.Join(dir, "badger") + string(filepath.Separator)
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		line := lines.Text()
		at := strings.IndexByte(line, '/')
		if at < 0 || !strings.HasPrefix(line[at:], prefix) || !strings.HasSuffix(line, ".sst") {
			continue
		}
		var from, to uintptr
		if _, err := fmt.Sscanf(line, "%x-%x", &from, &to); err != nil || to <= from {
			continue
		}
		// An old kernel does not know the advice: then everything stays as it is.
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_PAGEOUT)
	}
	return lines.Err()
}

// reserve gives a file real blocks of the disk.
func reserve(f *os.File, size int64) error { return unix.Fallocate(int(f.Fd()), 0, 0, size) }
