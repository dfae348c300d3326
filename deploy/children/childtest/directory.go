package childtest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/unmogrowp/unmogrowp/deploy/children"
)

// makeDirectory makes the servers' directory. A test process cannot clean up
// after its last test, so each removes what dead ones left: a directory whose
// lock nobody holds. The lock must live as long as the process, so its file is
// never closed.
func makeDirectory() (string, error) {
	sweep()
	dir, err := os.MkdirTemp("", "unmogrowp-childtest-")
	if err != nil {
		return "", fmt.Errorf("make directory: %w", err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		return "", fmt.Errorf("open directory to other users: %w", err)
	}
	if _, err := lock(dir); err != nil {
		return "", fmt.Errorf("lock directory: %w", err)
	}
	return dir, nil
}

func sweep() {
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), "unmogrowp-childtest-*"))
	if err != nil {
		return
	}
	for _, dir := range dirs {
		// Without its lock file a directory is just being made.
		if _, err := os.Stat(filepath.Join(dir, "lock")); err != nil {
			continue
		}
		descriptor, err := lock(dir)
		if err != nil {
			continue
		}
		// What cannot be removed belongs to somebody else.
		_ = (&children.Postgres{Dir: filepath.Join(dir, "postgres")}).Remove()
		_ = os.RemoveAll(dir)
		_ = syscall.Close(descriptor)
	}
}

// lock returns a bare descriptor: an os.File would be closed, and the lock
// lost, when the garbage collector finds it.
func lock(dir string) (int, error) {
	descriptor, err := syscall.Open(filepath.Join(dir, "lock"), syscall.O_CREAT|syscall.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return -1, err
	}
	if err := syscall.Flock(descriptor, syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return -1, errors.Join(err, syscall.Close(descriptor))
	}
	return descriptor, nil
}
