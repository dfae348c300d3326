package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/deploy/standalone/traffic"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

func sample(t *testing.T) *traffic.Traffic {
	t.Helper()
	made, err := traffic.Generate(traffic.Options{Seed: 1, Now: time.Date(2026, 3, 18, 12, 0, 0, 0, time.UTC), People: 150})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// moody is an agent that takes one request in three: it is busy, it breaks, or
// it hangs up in the middle of the answer.
type moody struct {
	mu    sync.Mutex
	calls int
	taken map[string]int
	fault error
}

func (m *moody) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	switch m.calls % 6 {
	case 1:
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(http.StatusTooManyRequests)
		return
	case 2:
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case 4:
		panic(http.ErrAbortHandler)
	}
	key, _, _ := r.BasicAuth()
	var body struct {
		Batch   []struct{ MessageID string }
		Touches []struct{ ID string }
		SentAt  time.Time
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		m.fault = err
	}
	switch {
	case r.URL.Path == "/v1/s2s/touch" && key == "server":
	case r.URL.Path == "/v1/batch" && (key == "write" || key == "server") && time.Since(body.SentAt).Abs() < time.Minute:
	default:
		m.fault = fmt.Errorf("%s with key %q, sent at %s", r.URL.Path, key, body.SentAt)
	}
	for _, e := range body.Batch {
		m.taken[e.MessageID]++
	}
	for _, e := range body.Touches {
		m.taken[e.ID]++
	}
	fmt.Fprint(w, `{"success":true}`)
}

func TestEverythingArrivesAtAMoodyAgent(t *testing.T) {
	agent := &moody{taken: map[string]int{}}
	server := httptest.NewServer(agent)
	defer server.Close()
	made := sample(t)
	s := sender{agent: server.URL + "/", write: "write", server: "server", senders: 4, http: server.Client(), patience: 20 * time.Second, now: time.Now}
	var mu sync.Mutex
	done := 0
	err := s.all(t.Context(), made.Requests(), func(n int) { mu.Lock(); done += n; mu.Unlock() })
	if err != nil || agent.fault != nil {
		t.Fatal(err, agent.fault)
	}
	want := map[string]int{}
	for _, m := range made.Messages {
		want[m.ID]++
	}
	if done != len(made.Messages) || len(want) != made.Summary.Events || len(agent.taken) != len(want) {
		t.Errorf("%d of %d messages, %d of %d ids", done, len(made.Messages), len(agent.taken), len(want))
	}
	for id, n := range want {
		if agent.taken[id] < n {
			t.Errorf("message %s arrived %d times, was sent %d times", id, agent.taken[id], n)
		}
	}
}

func TestSenderGivesUpWhereNothingCanChange(t *testing.T) {
	for _, c := range []struct {
		status     int
		body, want string
	}{
		{http.StatusUnauthorized, `{"success":false}`, "401 Unauthorized"},
		{http.StatusOK, `{"success":true,"rejected":[{"index":3,"reason":"of a typo"}]}`, "refused 1 messages, number 3 because of a typo"},
		{http.StatusOK, `<html>`, "makes no sense"},
		{http.StatusServiceUnavailable, `{}`, "gave up after"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			fmt.Fprint(w, c.body)
		}))
		s := sender{agent: server.URL, senders: 2, http: server.Client(), patience: 300 * time.Millisecond, now: time.Now}
		if err := s.all(t.Context(), sample(t).Requests(), func(int) {}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%d %s: %v", c.status, c.body, err)
		}
		server.Close()
	}
}

// console is a console API whose reports show more with every question.
func console(t *testing.T, want *traffic.Summary, questions int) *client {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conversions := want.Installs + want.Orders
		if strings.HasSuffix(r.URL.Path, "/reports/attribution") {
			credited := conversions - max(questions+1-asked, 0)
			fmt.Fprintf(w, `{"model":"position_based","currency":"EUR","rows":[{"media_source":"google","conversions":"7.400000","revenue":"1234.500000"}],"total":{"conversions":"%d.000000"}}`, credited)
			return
		}
		asked++
		events := min(want.Events*asked/questions, want.Events)
		fmt.Fprintf(w, `{"events":%d,"clicks":2,"impressions":1,"installs":%d,"conversions":%d,"revenue":[{"currency":"EUR","amount":"-12345.670000"}],"fresh_until":"2026-03-18T12:00:%02dZ"}`, events, want.Installs, conversions, min(asked, 10))
	}))
	t.Cleanup(server.Close)
	return &client{base: server.URL + "/api/v1/", http: server.Client()}
}

func TestDemoWaitsUntilEveryConversionIsCredited(t *testing.T) {
	made := sample(t)
	var log, out bytes.Buffer
	std := daemon.Streams{Err: &log, Getenv: func(string) (string, bool) { return "", false }}
	w := watcher{api: console(t, &made.Summary, 3), app: "a", every: time.Millisecond, patience: 10 * time.Second,
		sent: time.Date(2026, 3, 18, 12, 0, 8, 0, time.UTC)}
	shown, err := w.await(t.Context(), &made.Summary, newProgress(std, made.Summary.Events, false))
	if err != nil {
		t.Fatal(err)
	}
	if shown.counts.FreshUntil.Before(w.sent) {
		t.Errorf("did not wait for the last request: %s", shown.counts.FreshUntil)
	}
	if err := (report{standing: shown, env: &environment{}}).print(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"-12 345.67", "position based", "google", "1 234.50", "7.40"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
	if lines := strings.Count(log.String(), "\n"); lines != 3 {
		t.Errorf("%d lines of progress:\n%s", lines, log.String())
	}
}

// TestDemoEndsWhenNothingNewWasSent is the demo run again at once.
func TestDemoEndsWhenNothingNewWasSent(t *testing.T) {
	made := sample(t)
	std := daemon.Streams{Err: &bytes.Buffer{}, Getenv: func(string) (string, bool) { return "", false }}
	w := watcher{api: console(t, &made.Summary, 1), app: "a", every: time.Millisecond, patience: 10 * time.Second, sent: time.Now()}
	if _, err := w.await(t.Context(), &made.Summary, newProgress(std, made.Summary.Events, false)); err != nil {
		t.Error(err)
	}
}

func TestDemoSaysWhatIsMissing(t *testing.T) {
	made := sample(t)
	std := daemon.Streams{Err: &bytes.Buffer{}, Getenv: func(string) (string, bool) { return "", false }}
	w := watcher{api: console(t, &made.Summary, 1_000_000), app: "a", every: time.Millisecond, patience: 50 * time.Millisecond}
	_, err := w.await(t.Context(), &made.Summary, newProgress(std, made.Summary.Events, false))
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("of %d events", made.Summary.Events)) {
		t.Error(err)
	}
}

func TestDemoNeedsARunningSystem(t *testing.T) {
	p := plan{data: t.TempDir()}
	if _, err := p.runningSystem(t.Context()); err == nil || !strings.Contains(err.Error(), "run make start first") {
		t.Error(err)
	}
}

func TestGroupedNumbers(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1 000", -1234567: "-1 234 567", -100: "-100"} {
		if got := grouped(n); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
}
