package buffer

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// lockDir makes sure that no other process has the directory: two agents on
// one queue would give out the same sequences.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock %s: %w (is another agent using this directory?)", f.Name(), err)
	}
	return f, nil
}

const epochFile = "epoch"

// readEpoch returns the epoch of the directory, 0 if it has none yet.
func readEpoch(dir string) (uint64, error) {
	raw, err := os.ReadFile(filepath.Join(dir, epochFile))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	var epoch uint64
	var sum uint32
	if _, err := fmt.Sscanf(strings.TrimSpace(string(raw)), "%016x %08x", &epoch, &sum); err != nil || epochSum(epoch) != sum || epoch == 0 {
		return 0, fmt.Errorf("%s is damaged", filepath.Join(dir, epochFile))
	}
	return epoch, nil
}

func epochSum(epoch uint64) uint32 {
	return crc32.Checksum(binary.BigEndian.AppendUint64(nil, epoch), crc32.MakeTable(crc32.Castagnoli))
}

// mintEpoch draws the number that tells this directory from every other one,
// also from a copy that somebody starts anew.
func mintEpoch() uint64 {
	var b [8]byte
	for {
		_, _ = rand.Read(b[:]) // never fails
		if epoch := binary.BigEndian.Uint64(b[:]); epoch != 0 {
			return epoch
		}
	}
}

func writeEpoch(dir string, epoch uint64) error {
	return writeFileSync(filepath.Join(dir, epochFile), fmt.Appendf(nil, "%016x %08x\n", epoch, epochSum(epoch)))
}

// writeFileSync replaces a file so that after a power cut there is the old or
// the new content, never half of it. Where it fails it leaves nothing: the disk
// may be full.
func writeFileSync(path string, data []byte) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Exists says whether there is a queue in dir.
func Exists(dir string) bool {
	for _, name := range [...]string{epochFile, segmentsDir} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return true
		}
	}
	return false
}

// realPath is how the kernel names a directory.
func realPath(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	return dir
}
