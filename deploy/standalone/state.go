package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// state is the supervisor's news for the other commands, in a file that is
// replaced whole. It counts only while the lock is held.
type state struct {
	PID   int    `json:"pid"`
	Phase string `json:"phase"`
	Ready bool   `json:"ready"`
	Infra bool   `json:"infra"` // only ClickHouse and Postgres
}

func (p plan) writeState(s state) error {
	s.PID = os.Getpid()
	data, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return replaceFile(p.stateFile(), data)
}

// readState returns the state of the running supervisor, false if none runs.
func (p plan) readState() (state, bool) {
	var s state
	if !p.locked() {
		return s, false
	}
	data, err := os.ReadFile(p.stateFile())
	if err != nil || json.Unmarshal(data, &s) != nil {
		return s, true // it holds the lock and has not written yet
	}
	return s, true
}

// lock makes this process the only supervisor of the data directory. The
// kernel lets go of it however the process ends.
func (p plan) lock() (release func(), err error) {
	f, err := os.OpenFile(p.lockFile(), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another system runs in %s: stop it first, or choose another DATA_DIR", p.data), f.Close())
	}
	return func() { _ = f.Close() }, nil
}

// locked says whether a supervisor runs.
func (p plan) locked() bool {
	f, err := os.OpenFile(p.lockFile(), os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil
}

// replaceFile writes a file of mode 0600 so that a reader, and a crash, sees
// the old or the new one and nothing between.
func replaceFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer os.Remove(f.Name()) // gone already if all went well
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
