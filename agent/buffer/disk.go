package buffer

import (
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
)

// diskLog receives what Badger logs. Badger reports some failures of the disk
// only there, above all a failed fsync of its value log, so an error that is
// logged after the opening counts as a failed write.
type diskLog struct {
	log    *slog.Logger
	opened atomic.Bool
	err    atomic.Pointer[error]
}

// Errorf logs an error and remembers the first one.
func (d *diskLog) Errorf(format string, args ...any) {
	message := strings.TrimSpace(fmt.Sprintf(format, args...))
	d.log.Error("badger error", "message", message)
	if d.opened.Load() && strings.Contains(message, "sync") {
		err := fmt.Errorf("badger: %s", message)
		d.err.CompareAndSwap(nil, &err)
	}
}

// Warningf logs a warning.
func (d *diskLog) Warningf(format string, args ...any) {
	d.log.Warn("badger warning", "message", strings.TrimSpace(fmt.Sprintf(format, args...)))
}

// Infof drops what only Badger's developers read.
func (d *diskLog) Infof(string, ...any) {}

// Debugf drops what only Badger's developers read.
func (d *diskLog) Debugf(string, ...any) {}

func (d *diskLog) failed() error {
	if err := d.err.Load(); err != nil {
		return *err
	}
	return nil
}
