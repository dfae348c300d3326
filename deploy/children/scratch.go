package children

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

const scratchPattern = "unmogrowp-scratch-"

// ScratchDir makes a directory for servers that die with this process. Nobody
// can clean up after a killed process, and a test process gets no chance to
// after its last test. So whoever makes a scratch directory removes those of
// dead processes first: the ones whose lock nobody holds. Any user can reach the
// directory, as Postgres needs when root starts it.
func ScratchDir() (string, error) {
	sweepScratch()
	dir, err := os.MkdirTemp("", scratchPattern)
	if err != nil {
		return "", fmt.Errorf("make scratch directory: %w", err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		return "", fmt.Errorf("open scratch directory to other users: %w", err)
	}
	// The lock lasts as long as the process: its descriptor is never closed.
	if _, err := lockScratch(dir); err != nil {
		return "", fmt.Errorf("lock scratch directory: %w", err)
	}
	return dir, nil
}

// maxScratchDatabases bounds how many tests may use one ClickHouse at a time.
const maxScratchDatabases = 400

// ScratchDatabases are the databases that tests may make in one ClickHouse. They
// are named beforehand because the engine cannot learn of more while it runs.
func ScratchDatabases() []string {
	names := make([]string, maxScratchDatabases)
	for i := range names {
		names[i] = fmt.Sprintf("test_%03d", i)
	}
	return names
}

// RemoveScratchDir removes the directory and what its Postgres had to put
// elsewhere. The servers must have ended.
func RemoveScratchDir(dir string) error {
	postgres := Postgres{Dir: filepath.Join(dir, "postgres")}
	return errors.Join(postgres.Remove(), os.RemoveAll(dir))
}

func sweepScratch() {
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), scratchPattern+"*"))
	if err != nil {
		return
	}
	for _, dir := range dirs {
		// Without its lock file a directory is just being made.
		if !exists(filepath.Join(dir, "lock")) {
			continue
		}
		descriptor, err := lockScratch(dir)
		if err != nil {
			continue
		}
		// A directory that cannot be removed belongs to somebody else, or is tried again
		// next time.
		_ = RemoveScratchDir(dir)
		_ = syscall.Close(descriptor)
	}
}

// lockScratch returns a bare descriptor: an os.File would be closed, and the
// lock lost, when the garbage collector finds it.
func lockScratch(dir string) (int, error) {
	descriptor, err := syscall.Open(filepath.Join(dir, "lock"), syscall.O_CREAT|syscall.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return -1, err
	}
	if err := syscall.Flock(descriptor, syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return -1, errors.Join(err, syscall.Close(descriptor))
	}
	return descriptor, nil
}
