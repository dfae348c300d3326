package daemon

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"
)

// maxLogValue bounds one string in a log line: a value from outside may be a megabyte.
const maxLogValue = 4 << 10

// NewLogger writes to w from the given level (debug, info, warn, error) on, as "json", as "text",
// or with "auto" as text on a terminal and as JSON elsewhere. Whatever a value holds, one record
// is one line: control characters are escaped by both formats, and long strings are cut. Times
// are UTC.
func NewLogger(w io.Writer, level, format string) (*slog.Logger, error) {
	min, err := ParseLevel(level)
	if err != nil {
		return nil, err
	}
	return NewLoggerAt(w, min, format)
}

// ParseLevel reads a level: debug, info, warn or error.
func ParseLevel(text string) (level slog.Level, err error) {
	if err := level.UnmarshalText([]byte(text)); err != nil {
		return level, fmt.Errorf("log level %q: want debug, info, warn or error", text)
	}
	return level, nil
}

// NewLoggerAt is NewLogger with a level that may change later.
func NewLoggerAt(w io.Writer, min slog.Leveler, format string) (*slog.Logger, error) {
	options := &slog.HandlerOptions{Level: min, ReplaceAttr: tameAttr}
	if format == "auto" || format == "" {
		format = "json"
		if isTerminal(w) {
			format = "text"
		}
	}
	switch format {
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	}
	return nil, fmt.Errorf("log format %q: want auto, json or text", format)
}

// tameAttr puts times into UTC, writes durations as text and cuts long strings.
func tameAttr(groups []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindTime:
		a.Value = slog.StringValue(a.Value.Time().UTC().Format(time.RFC3339Nano))
	case slog.KindDuration:
		a.Value = slog.StringValue(a.Value.Duration().String())
	case slog.KindString:
		a.Value = slog.StringValue(cut(a.Value.String()))
	case slog.KindAny:
		switch v := a.Value.Any().(type) {
		case *slog.Source, slog.Level, nil:
		case error:
			a.Value = slog.StringValue(cut(v.Error()))
		case []byte:
			a.Value = slog.StringValue(cut(string(v)))
		}
	}
	return a
}

func cut(s string) string {
	if len(s) <= maxLogValue {
		return s
	}
	return strings.ToValidUTF8(s[:maxLogValue], "") + "… (cut)"
}

// isTerminal says whether w is a character device that a person may be looking at.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && f.Name() != os.DevNull
}
