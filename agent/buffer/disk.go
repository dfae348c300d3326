package buffer

import (
	"fmt"
	"log/slog"
	"strings"
)

// diskLog receives what Badger logs.
type diskLog struct{ log *slog.Logger }

// Errorf logs an error.
func (d diskLog) Errorf(format string, args ...any) {
	d.log.Error("badger error", "message", strings.TrimSpace(fmt.Sprintf(format, args...)))
}

// Warningf logs a warning.
func (d diskLog) Warningf(format string, args ...any) {
	d.log.Warn("badger warning", "message", strings.TrimSpace(fmt.Sprintf(format, args...)))
}

// Infof drops what only Badger's developers read.
func (d diskLog) Infof(string, ...any) {}

// Debugf drops what only Badger's developers read.
func (d diskLog) Debugf(string, ...any) {}
