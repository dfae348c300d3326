package children

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// forgetDeadPostmaster keeps a killed Postgres from blocking the next one. The
// file postmaster.pid names the process that had the data; after a reboot that
// number may belong to any program, and Postgres, seeing it alive, would refuse
// to start. The file cannot just go, because Postgres also finds in it the
// shared memory that backends may still use. But Postgres takes a file that
// names its own parent for stale, so that is what we write.
func forgetDeadPostmaster(data string) error {
	path := filepath.Join(data, "postmaster.pid")
	content, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read postmaster.pid: %w", err)
	}
	first, rest, _ := bytes.Cut(content, []byte("\n"))
	pid, err := strconv.Atoi(string(bytes.TrimSpace(first)))
	if err != nil {
		return nil // Postgres explains the fault best
	}
	// A Postgres sits in its data directory. Where /proc cannot tell, its owner
	// is another user, whom Postgres ignores by itself.
	where, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	if resolved, failed := filepath.EvalSymlinks(data); err != nil || failed != nil || where == resolved {
		return nil
	}
	content = fmt.Appendf(nil, "%d\n%s", os.Getpid(), rest)
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return fmt.Errorf("correct postmaster.pid: %w", err)
	}
	if _, err := file.Write(content); err != nil {
		return errors.Join(fmt.Errorf("correct postmaster.pid: %w", err), file.Close())
	}
	return file.Close()
}
