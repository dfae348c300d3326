package unmogrowp

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheSpoolBringsEverythingThroughAnOutageInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		a := &agent{down: true}
		c, rejected := start(t, a, Options{Spool: dir, QueueMessages: 150})
		var want []string
		for i := range 1000 {
			name := strconv.Itoa(i)
			want = append(want, name)
			for errors.Is(c.Track(name, Message{}), ErrFull) {
				time.Sleep(time.Millisecond)
			}
			if i == 300 || i == 600 { // another process goes on where this one stopped
				must(t, c.Close(t.Context()))
				c, rejected = start(t, a, Options{Spool: dir, QueueMessages: 150})
			}
		}
		time.Sleep(time.Minute)
		a.setDown(false)
		must(t, c.Track("last", Message{}))
		time.Sleep(time.Minute)
		must(t, c.Close(t.Context()))
		if got := a.names(); !slices.Equal(got, append(want, "last")) || len(*rejected) != 0 {
			t.Errorf("got %d messages: %v, rejected %v", len(got), got, *rejected)
		}
		if files, _ := filepath.Glob(filepath.Join(dir, "*")); len(files) != 0 {
			t.Errorf("left %v", files)
		}
	})
}

func TestTheSpoolIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		c, rejected := start(t, &agent{down: true}, Options{Spool: dir, SpoolBytes: 50_000, QueueMessages: 300})
		taken := 0
		for range 5000 {
			if err := c.Track("x", Message{Properties: map[string]any{"text": strings.Repeat("x", 100)}}); err == nil {
				taken++
			} else if !errors.Is(err, ErrFull) {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		if err := c.Close(t.Context()); err == nil {
			t.Error("nothing is said of what was lost")
		}
		spooled, size := 0, 0
		files, _ := filepath.Glob(filepath.Join(dir, "*.batch"))
		for _, f := range files {
			content, err := os.ReadFile(f)
			must(t, err)
			spooled, size = spooled+strings.Count(string(content), "\n"), size+len(content)
		}
		if taken == 5000 || size > 50_000 || spooled+len(*rejected) != taken {
			t.Errorf("%d taken, %d spooled in %d bytes, %d rejected", taken, spooled, size, len(*rejected))
		}
	})
}

func TestDamageInTheSpoolIsToldAndHoldsNothingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		for name, content := range map[string]string{
			"0000000000000001-a.batch":      "/v1/batch\n{\"messageId\":\"m-1\",\"event\":\"one\"}\n{\"messageId\":\"m-2\",\n{\"messageId\":\"m-3\",\"event\":\"three\"}",
			"0000000000000002-a.batch":      "\x00\x00\x00\x00",
			"0000000000000003-a.batch":      "/v1/batch\n{\"messageId\":\"m-4\",\"event\":\"four\"}",
			"0000000000000004-a.batch.part": "/v1/batch\n{\"mess",
		} {
			must(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
		}
		a := &agent{script: []func(http.ResponseWriter){answers(500)}}
		c, rejected := start(t, a, Options{Spool: dir})
		time.Sleep(time.Minute)
		must(t, c.Close(t.Context()))
		if got := a.names(); !slices.Equal(got, []string{"one", "three", "one", "three", "four"}) {
			t.Errorf("got %v", got)
		}
		if len(*rejected) != 1 || (*rejected)[0].Code != "unreadable" {
			t.Errorf("rejected %v", *rejected)
		}
		left, _ := filepath.Glob(filepath.Join(dir, "*"))
		if len(left) != 1 || filepath.Base(left[0]) != "0000000000000002-a.batch.bad" {
			t.Errorf("left %v", left)
		}
	})
}
