package buffer

import (
	"fmt"
	"log/slog"
	"strings"
)

// badgerLog receives what Badger logs.
type badgerLog struct{ log *slog.Logger }

// Errorf logs an error.
func (b badgerLog) Errorf(format string, args ...any) {
	b.log.Error("badger error", "message", strings.TrimSpace(fmt.Sprintf(format, args...)))
}

// Warningf logs a warning.
func (b badgerLog) Warningf(format string, args ...any) {
	b.log.Warn("badger warning", "message", strings.TrimSpace(fmt.Sprintf(format, args...)))
}

// Infof drops what only Badger's developers read.
func (b badgerLog) Infof(string, ...any) {}

// Debugf drops what only Badger's developers read.
func (b badgerLog) Debugf(string, ...any) {}
