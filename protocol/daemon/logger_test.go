package daemon

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestOneRecordIsOneLineWhateverItHolds(t *testing.T) {
	nasty := "x\n{\"level\":\"ERROR\"}\r\x1b[31m\u2028\x00"
	for _, format := range []string{"json", "text", "auto"} {
		var out bytes.Buffer
		log, err := NewLogger(&out, "info", format)
		if err != nil {
			t.Fatal(err)
		}
		log.Info("event rejected", "reason", nasty, "error", errors.New(nasty), "bytes", []byte(nasty), nasty, 1,
			"long", strings.Repeat("y", 1<<20), "took", time.Second)
		log.Debug("not shown")
		line := out.String()
		if strings.Count(line, "\n") != 1 || !strings.HasSuffix(line, "\n") {
			t.Errorf("%s: %d lines", format, strings.Count(line, "\n"))
		}
		if strings.ContainsAny(line[:len(line)-1], "\r\x1b\x00\u2028") {
			t.Errorf("%s: control characters in %.200q", format, line)
		}
		if len(line) > maxLogValue+2000 {
			t.Errorf("%s: a line of %d bytes", format, len(line))
		}
	}
}

func TestLoggerRefusesWhatItDoesNotKnow(t *testing.T) {
	if _, err := NewLogger(&bytes.Buffer{}, "loud", "json"); err == nil || !strings.Contains(err.Error(), "want debug, info, warn or error") {
		t.Errorf("level: %v", err)
	}
	if _, err := NewLogger(&bytes.Buffer{}, "info", "xml"); err == nil || !strings.Contains(err.Error(), "want auto, json or text") {
		t.Errorf("format: %v", err)
	}
}
