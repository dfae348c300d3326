package children

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// quarters is where Postgres lives and as whom. An ordinary user runs it in its
// own directory. Root must run it as nobody, who may be unable to reach the
// directory or the programs, say below /root; then
//
//   - the data moves to a fresh directory below /var/lib/unmogrowp, and the
//     symbolic link "home" in the wanted directory says where;
//   - the programs are copied to /var/lib/unmogrowp, once for each version.
type quarters struct {
	home     string // holds the data directory
	software string // holds bin, lib and share
	user     *User  // nil means as this process
}

const (
	nobodyHome = "/var/lib/unmogrowp"
	homeLink   = "home"
)

func settle(dir, software string) (quarters, error) {
	q := quarters{home: dir, software: software}
	if os.Geteuid() != 0 {
		return q, nil
	}
	nobody, err := lookUpNobody()
	if err != nil {
		return q, err
	}
	q.user = nobody
	if err := os.Chmod(dir, 0o711); err != nil {
		return q, err
	}
	if q.home, err = reachableHome(dir); err != nil {
		return q, fmt.Errorf("find a directory for the user nobody: %w", err)
	}
	if q.software, err = reachableSoftware(software); err != nil {
		return q, fmt.Errorf("copy programs for the user nobody: %w", err)
	}
	return q, nil
}

func lookUpNobody() (*User, error) {
	account, err := user.Lookup("nobody")
	if err != nil {
		return nil, fmt.Errorf("Postgres does not run as root, and there is no user nobody: %w", err)
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("parse uid of nobody: %w", err)
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("parse gid of nobody: %w", err)
	}
	return &User{UID: uint32(uid), GID: uint32(gid)}, nil
}

func reachableHome(dir string) (string, error) {
	link := filepath.Join(dir, homeLink)
	if home, err := os.Readlink(link); err == nil && exists(home) {
		return home, nil
	}
	if reachable(dir) {
		return dir, nil
	}
	if err := os.MkdirAll(nobodyHome, 0o711); err != nil {
		return "", err
	}
	home, err := os.MkdirTemp(nobodyHome, "postgres-")
	if err != nil {
		return "", err
	}
	if err := os.Chmod(home, 0o711); err != nil {
		return "", err
	}
	if err := os.Remove(link); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	return home, os.Symlink(home, link)
}

// reachableSoftware copies under a temporary name and renames, so that two
// processes at once do no harm.
func reachableSoftware(software string) (string, error) {
	if reachable(software) {
		return software, nil
	}
	dir := filepath.Join(nobodyHome, "postgres-programs-"+digest("npm/package-lock.json"))
	if exists(dir) {
		return dir, nil
	}
	if err := os.MkdirAll(nobodyHome, 0o711); err != nil {
		return "", err
	}
	partial, err := os.MkdirTemp(nobodyHome, "partial-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(partial)
	if err := os.CopyFS(filepath.Join(partial, "native"), os.DirFS(software)); err != nil {
		return "", err
	}
	if err := os.Rename(filepath.Join(partial, "native"), dir); err != nil && !exists(dir) {
		return "", err
	}
	return dir, nil
}

// reachable says whether any user may search every directory down to path.
func reachable(path string) bool {
	for {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		parent := filepath.Dir(path)
		if parent == path {
			return true
		}
		path = parent
	}
}

func (q quarters) data() string { return filepath.Join(q.home, "data") }

func (q quarters) program(name string) string { return filepath.Join(q.software, "bin", name) }

func (q quarters) makeDir(path string) error {
	if err := os.Mkdir(path, 0o700); err != nil {
		return err
	}
	return q.give(path)
}

func (q quarters) writeFile(path, content string) error {
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		return err
	}
	return q.give(path)
}

func (q quarters) give(path string) error {
	if q.user == nil {
		return nil
	}
	return syscall.Chown(path, int(q.user.UID), int(q.user.GID))
}
