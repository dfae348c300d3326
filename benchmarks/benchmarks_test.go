package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/agent/links"
	"github.com/unmogrowp/unmogrowp/agent/uplink"
)

type body struct {
	Type, MessageID, UserID, AnonymousID string
	Timestamp, SentAt                    time.Time
	Batch                                []body
}

func TestRequestsAreWhatClientsSend(t *testing.T) {
	for _, s := range sizes() {
		if s.events == reads {
			continue
		}
		list := templates(s.events, 2000, writeKey, time.Now())
		ids, next := map[string]bool{}, uint64(0)
		var out []byte
		for i := range min(len(list), 200) {
			out = list[i].fill(out, &next)
			head, content, _ := strings.Cut(string(out), "\r\n\r\n")
			var b body
			if err := json.Unmarshal([]byte(content), &b); err != nil {
				t.Fatalf("%v: %.300s", err, content)
			}
			if !strings.HasSuffix(head, fmt.Sprintf("Content-Length: %d", len(content))) {
				t.Fatalf("%d bytes follow %s", len(content), head)
			}
			if s.events == 1 {
				b.Batch = []body{b}
			}
			if len(b.Batch) != s.events || b.SentAt.IsZero() {
				t.Fatalf("%d events, sent at %s", len(b.Batch), b.SentAt)
			}
			for _, e := range b.Batch {
				if len(e.MessageID) != 36 || ids[e.MessageID] || e.Type == "" || e.UserID == "" || len(e.AnonymousID) != 36 || e.Timestamp.IsZero() {
					t.Fatalf("%+v, sent before: %t", e, ids[e.MessageID])
				}
				ids[e.MessageID] = true
			}
		}
		if n := eventBytes(list); n < 395 || n > 455 {
			t.Errorf("%d bytes an event in requests of %d", n, s.events)
		}
	}
}

func TestQuantilesAreThoseOfTheDurations(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	h := new(histogram)
	var all []time.Duration
	for range 20_000 {
		d := time.Duration(random.ExpFloat64() * float64(3*time.Millisecond))
		all = append(all, d)
		h.add(d)
	}
	slices.Sort(all)
	for _, part := range []float64{0, 0.5, 0.99, 0.999} {
		got, want := h.quantile(part), all[int(part*float64(len(all)))]
		if diff := (got - want).Abs(); diff > want/250+2*time.Microsecond {
			t.Errorf("quantile %g: %s, want %s", part, got, want)
		}
	}
	if h.quantile(1) != all[len(all)-1] || h.max != all[len(all)-1] {
		t.Errorf("greatest %s and %s, want %s", h.quantile(1), h.max, all[len(all)-1])
	}
	h.add(3 * time.Hour)
	if h.quantile(1) != 3*time.Hour {
		t.Error(h.quantile(1))
	}
}

func TestAnswersAreReadWhole(t *testing.T) {
	const whole = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 5\r\n\r\nlater"
	for i := range len(whole) {
		if status, n, err := readAnswer([]byte(whole[:i])); n != 0 || err != nil {
			t.Errorf("%d bytes: %d, %d, %v", i, status, n, err)
		}
	}
	if status, n, err := readAnswer([]byte(whole)); status != 429 || n != len(whole) || err != nil {
		t.Error(status, n, err)
	}
	for _, bad := range []string{"SSH-2.0-x\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", "HTTP/1.1 abc OK\r\n\r\n"} {
		if _, _, err := readAnswer([]byte(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestKernelFiguresAreRead(t *testing.T) {
	cpu, err := parseStat([]byte("42 (a) (b c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0"))
	if err != nil || cpu != 2*time.Second {
		t.Error(cpu, err)
	}
	peak, err := parseMemory([]byte("Name:\tagent\nVmPeak:\t  99 kB\nVmHWM:\t    2048 kB\nVmRSS:\t 1 kB\n"), "VmHWM:")
	if err != nil || peak != 2<<20 {
		t.Error(peak, err)
	}
	if _, err := parseMemory([]byte("Name:\tagent\n"), "VmHWM:"); err == nil {
		t.Error("memory was read where there is none")
	}
}

// counting is a server that refuses every tenth request.
type counting struct {
	mu       sync.Mutex
	requests int
	ids      map[string]int
}

func (c *counting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var b body
	err := json.NewDecoder(r.Body).Decode(&b)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests++
	c.ids[b.MessageID]++
	if err != nil || c.requests%10 == 0 {
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	answer(w)
}

func TestLoadSendsAndCounts(t *testing.T) {
	c := &counting{ids: map[string]int{}}
	server := httptest.NewServer(c)
	defer server.Close()
	l := &load{server: netip.MustParseAddrPort(server.Listener.Addr().String()), templates: templates(1, 2000, writeKey, time.Now()),
		connections: 8, duration: 300 * time.Millisecond}
	warm := 0
	o, err := l.run(t.Context(), func() { warm++ })
	if err != nil {
		t.Fatal(err)
	}
	if o.requests == 0 || o.failed == 0 || !strings.Contains(o.failure, "429") || warm != 1 {
		t.Errorf("%d requests, %d failed with %q, warm %d times", o.requests, o.failed, o.failure, warm)
	}
	server.Close() // waits for requests under way
	if got := uint64(c.requests); got < o.requests+o.failed || got > o.requests+o.failed+8 || len(c.ids) != c.requests {
		t.Errorf("the server saw %d requests with %d ids, the client %d and %d", got, len(c.ids), o.requests, o.failed)
	}
	if o.latency.total != o.requests || o.latency.max <= 0 || o.latency.max > time.Minute {
		t.Errorf("%d latencies up to %s", o.latency.total, o.latency.max)
	}
}

func TestPacedLoadKeepsItsPaceAndLargeRequestsArrive(t *testing.T) {
	c := &counting{ids: map[string]int{}}
	server := httptest.NewServer(c)
	defer server.Close()
	l := &load{server: netip.MustParseAddrPort(server.Listener.Addr().String()), templates: templates(500, 2000, writeKey, time.Now()),
		connections: 4, rate: 40, duration: 500 * time.Millisecond}
	o, err := l.run(t.Context(), func() {})
	if err != nil {
		t.Fatal(err)
	}
	if n := o.requests + o.failed; n > 20 || n == 0 {
		t.Errorf("%d requests in half a second at 40 a second", n)
	}
}

func TestAgentTakesItsIdentityAndSettings(t *testing.T) {
	dir := t.TempDir()
	ca, err := newAuthority(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := ca.writeIdentity(filepath.Join(dir, "identity.json")); err != nil {
		t.Fatal(err)
	}
	if id, err := uplink.LoadIdentity(dir); err != nil || id.Agent() != "bench" {
		t.Error(err)
	}
	if err := writeSettings(filepath.Join(dir, "settings")); err != nil {
		t.Fatal(err)
	}
	table, err := links.Open(filepath.Join(dir, "settings"))
	if err != nil {
		t.Fatal(err)
	}
	if key, ok := table.Key(sha256.Sum256([]byte(writeKey))); !ok || key.App != "bench" {
		t.Error(key, ok)
	}
}

func TestResultsAreRelatedToTheBareServer(t *testing.T) {
	r := &results{Cells: []cell{
		{Target: bare, Events: 100, EventsPerSecond: 2_000_000, HalfKept: true},
		{Target: agent, Events: 100, EventsPerSecond: 500_000, HalfKept: true},
		{Target: agent, Events: 500, EventsPerSecond: 600_000, Failed: 3, Failure: "HTTP/1.1 429"},
	}}
	r.compare()
	var table bytes.Buffer
	if err := r.table(&table); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"2 000 000", "0.25", "(pace lost)", "agent/500: 3 requests failed"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("no %q in:\n%s", want, table.String())
		}
	}
	path := filepath.Join(t.TempDir(), "run")
	if err := r.write(path); err != nil {
		t.Fatal(err)
	}
}

func TestCellsAreChosenByTargetAndSize(t *testing.T) {
	for only, want := range map[string]string{"": "agent/1 agent/100 bare/100", "agent": "agent/1 agent/100", "agent/": "agent/1 agent/100",
		"agent/1": "agent/1", "100": "agent/100 bare/100", "/1": "agent/1", "age": "", "ship": ""} {
		var got []string
		for _, name := range []string{"agent/1", "agent/100", "bare/100"} {
			if wanted(name, only) {
				got = append(got, name)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q chooses %q", only, got)
		}
	}
}
