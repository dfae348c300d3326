package ingest

import (
	"context"
	"errors"
	"image/gif"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/unmogrowp/unmogrowp/agent/event/script"
	"github.com/unmogrowp/unmogrowp/protocol"
)

type fullError struct{ after time.Duration }

func (e *fullError) Error() string             { return "full" }
func (e *fullError) RetryAfter() time.Duration { return e.after }

func TestFullBufferTellsWhenToComeAgain(t *testing.T) {
	for after, want := range map[time.Duration]string{time.Millisecond: "1", 1500 * time.Millisecond: "2", time.Hour: "300"} {
		d := newDoor(t)
		d.buffer.fail = errors.Join(errors.New("append"), &fullError{after})
		w := d.send("POST", "/v1/batch", batchOf(tracked(""), tracked("")), basic(clientKey))
		if w.Code != 429 || w.Header().Get("Retry-After") != want {
			t.Errorf("full for %s: %d, Retry-After %q, want 429, %s", after, w.Code, w.Header().Get("Retry-After"), want)
		}
		if got := counted(t, d.metrics.refused); got != 2 {
			t.Errorf("%v events counted as refused, want 2", got)
		}
	}
}

func TestFailingBufferIsNotAnswered200(t *testing.T) {
	var log strings.Builder
	now := noon()
	d := newDoor(t, func(o *Options) {
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		o.Now = func() time.Time { return now }
	})
	d.buffer.fail = errors.New("disk: /secret/path")
	for range 100 {
		w := d.send("POST", "/v1/track", track, basic(clientKey))
		if w.Code != 503 || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("answer %d %s", w.Code, w.Body)
		}
		now = now.Add(time.Second / 5)
	}
	if n := strings.Count(log.String(), "/secret/path"); n != 2 { // in 20 seconds
		t.Errorf("the log says %d times why:\n%s", n, &log)
	}
}

func TestClosedDoor(t *testing.T) {
	d := newDoor(t)
	d.Close()
	w := d.send("POST", "/v1/track", track, basic(clientKey))
	if w.Code != 503 || w.Header().Get("Retry-After") == "" || w.Header().Get("Connection") != "close" {
		t.Errorf("answer %d %v", w.Code, w.Header())
	}
}

func TestSyncWaitsForTheAggregator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t)
		var waited []uint64
		d.buffer.wait = func(_ context.Context, seq uint64) error {
			waited = append(waited, seq)
			time.Sleep(3 * time.Second)
			return nil
		}
		begin := time.Now()
		if w := d.send("POST", "/v1/track?sync=true", track, basic(clientKey)); w.Code != 200 || time.Since(begin) != 3*time.Second || len(waited) != 1 {
			t.Errorf("answer %d after %s, waited for %v", w.Code, time.Since(begin), waited)
		}
		if w := d.send("POST", "/v1/track?sync=false", track, basic(clientKey)); w.Code != 200 || len(waited) != 1 {
			t.Errorf("sync=false waited")
		}
	})
}

func TestSyncThatIsNotConfirmedSaysSo(t *testing.T) {
	for name, c := range map[string]struct {
		stop func(*door)
		took time.Duration
	}{
		"in time":       {func(*door) {}, syncTimeout},
		"before a stop": {func(d *door) { time.AfterFunc(time.Second, d.Close) }, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDoor(t)
				d.buffer.wait = func(ctx context.Context, _ uint64) error { <-ctx.Done(); return ctx.Err() }
				c.stop(d)
				begin := time.Now()
				w := d.send("POST", "/v1/track?sync=true", track, basic(clientKey))
				if code, _ := refusal(t, w); w.Code != 503 || code != "not_confirmed" || w.Header().Get("Retry-After") == "" || time.Since(begin) != c.took {
					t.Errorf("answer %d %s after %s", w.Code, code, time.Since(begin))
				}
				if len(d.buffer.taken()) != 1 {
					t.Error("the event is not on the agent")
				}
			})
		})
	}
}

func TestLargeRequestIsAppendedInParts(t *testing.T) {
	d := newDoor(t)
	events := make([]string, 100)
	for i := range events {
		events[i] = manyStrings(30_000)
	}
	body := batchOf(events...)
	w := d.send("POST", "/v1/batch", string(compress(t, "gzip", []byte(strings.ReplaceAll(body, "xxxx", "ab3d")))), basic(clientKey), "Content-Encoding: gzip")
	if w.Code == 413 { // more repetitive than is allowed
		d = newDoor(t, func(o *Options) { o.Limits.Ratio = 10_000 })
		w = d.send("POST", "/v1/batch", string(compress(t, "gzip", []byte(body))), basic(clientKey), "Content-Encoding: gzip")
	}
	d.buffer.mu.Lock()
	appends := d.buffer.appends
	d.buffer.mu.Unlock()
	if got := len(d.buffer.taken()); w.Code != 200 || got != 100 || appends != 3 {
		t.Errorf("answer %d, %d events in %d appends; want 100 in 3", w.Code, got, appends)
	}
}

func TestRetryHasTheSameDigest(t *testing.T) {
	data, err := os.ReadFile("testdata/sdk/segment-node-retries.txt")
	if err != nil {
		t.Fatal(err)
	}
	d := newDoor(t)
	digests := map[string]uint64{}
	requests := script.Split(string(data))
	if len(requests) != 3 {
		t.Fatalf("%d requests", len(requests))
	}
	repeats := 0
	for _, b := range requests {
		if b.Target != "/v1/batch" {
			t.Fatal(b.Target)
		}
		d.send("POST", "/v1/batch", b.Body, basic(clientKey))
		for _, e := range d.buffer.taken() {
			if known, ok := digests[e.ID]; ok {
				repeats++
				if known != e.Digest {
					t.Errorf("%s: digest %x, then %x", e.ID, known, e.Digest)
				}
			}
			digests[e.ID] = e.Digest
		}
	}
	if repeats != 12 {
		t.Errorf("%d repeated events, want 12", repeats)
	}
}

func TestDigestTellsContentAndKind(t *testing.T) {
	d := newDoor(t)
	digestOf := func(path, body string) uint64 {
		d.send("POST", path, body, basic(clientKey))
		return d.buffer.taken()[0].Digest
	}
	base := digestOf("/v1/page", `{"name":"E","event":"E","messageId":"m"}`)
	for what, other := range map[string]uint64{
		"another kind":    digestOf("/v1/track", `{"name":"E","event":"E","messageId":"m"}`),
		"another content": digestOf("/v1/page", `{"name":"F","event":"E","messageId":"m"}`),
	} {
		if other == base {
			t.Errorf("%s has the same digest", what)
		}
	}
	for what, same := range map[string]uint64{
		"whitespace": digestOf("/v1/page", `{"name": "E", "event":"E","messageId":"m"}`),
		"sentAt":     digestOf("/v1/page", `{"name":"E","event":"E","messageId":"m","sentAt":"2026-11-22T11:00:00Z"}`),
	} {
		if same != base {
			t.Errorf("%s changes the digest", what)
		}
	}
}

func TestClickIsSentOnEvenIfItCannotBeStored(t *testing.T) {
	d := newDoor(t)
	for _, l := range scriptLinks() {
		d.book.links[l.Slug] = l
	}
	d.buffer.fail = &fullError{time.Second}
	w := d.send("GET", "/c/plain", "")
	if w.Code != 302 || counted(t, d.metrics.lost) != 1 {
		t.Errorf("answer %d, %v counted as lost", w.Code, counted(t, d.metrics.lost))
	}
}

func TestUnknownLinkIsToldToComeAgainWhileCutOff(t *testing.T) {
	d := newDoor(t)
	d.book.stale = true
	if w := d.send("GET", "/c/new", ""); w.Code != 503 {
		t.Errorf("answer %d", w.Code)
	}
}

func TestHugeClickIsStoredWithoutItsParameters(t *testing.T) {
	d := newDoor(t)
	for _, l := range scriptLinks() {
		d.book.links[l.Slug] = l
	}
	w := d.send("GET", "/c/plain?a="+strings.Repeat("%00%C3", 20_000)+"&b="+strings.Repeat("b", 9000)+"&c="+strings.Repeat("c", 40_000), "")
	if events := d.buffer.taken(); w.Code != 302 || len(events) != 1 {
		t.Errorf("answer %d, %d events", w.Code, len(events))
	}
}

func TestPixelIsAnImage(t *testing.T) {
	image, err := gif.Decode(strings.NewReader(gifPixel))
	if err != nil || image.Bounds().Dx() != 1 || image.Bounds().Dy() != 1 {
		t.Errorf("%v, %v", image, err)
	}
}

func TestCounts(t *testing.T) {
	d := newDoor(t)
	d.send("POST", "/v1/batch", batchOf(tracked(""), `1`, tracked("")), basic(clientKey))
	if accepted, rejected := d.Counts(); accepted != 2 || rejected != 1 {
		t.Errorf("accepted %d, rejected %d", accepted, rejected)
	}
}

func TestTwoDoorsInOneProcess(t *testing.T) {
	for range 2 {
		newDoor(t)
	}
	registry := prometheus.NewRegistry()
	newDoor(t, func(o *Options) { o.Registerer = registry })
	if _, err := New(Options{Buffer: &memory{}, Directory: newBook(), Registerer: registry}); err == nil {
		t.Error("one registry served two doors")
	}
	if _, err := New(Options{}); err == nil {
		t.Error("a door without a buffer")
	}
}

func TestUntrustedRevenueIsKept(t *testing.T) {
	d := newDoor(t)
	body := `{"event":"Order Completed","messageId":"m","properties":{"revenue":5}}`
	d.send("POST", "/v1/track", body, basic(clientKey))
	d.send("POST", "/v1/track", body, basic(serverKey))
	events := d.buffer.taken()
	if !events[0].Has(protocol.FlagHasRevenue) || events[0].Has(protocol.FlagTrusted) || !events[1].Has(protocol.FlagHasRevenue|protocol.FlagTrusted) {
		t.Errorf("flags %b and %b", events[0].Flags, events[1].Flags)
	}
}

func TestTheSDKThatNeverGivesUpIsNotToldTo(t *testing.T) {
	d := newDoor(t)
	for agent, want := range map[string]int{"analytics-swift/1.9.1": 200, "analytics-ios/4.1.8": 200, "analytics-kotlin/1.19.0": 400} {
		w := d.send("POST", "/v1/b", `{"batch":`, basic(clientKey), "User-Agent: "+agent)
		if code, _ := refusal(t, w); w.Code != want || code != "malformed_json" {
			t.Errorf("%s: %d %s, want %d", agent, w.Code, w.Body, want)
		}
	}
	d.buffer.fail = &fullError{time.Second}
	if w := d.send("POST", "/v1/track", track, basic(clientKey), "User-Agent: analytics-swift/1.9.1"); w.Code != 429 {
		t.Errorf("full: %d", w.Code)
	}
}
