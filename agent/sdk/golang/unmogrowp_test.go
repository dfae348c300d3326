package unmogrowp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// post is one request as the agent saw it.
type post struct {
	path, key string
	at        time.Time
	messages  []map[string]any
	root      map[string]any
}

// agent stands in for an agent: it answers what script says, and then 200.
type agent struct {
	t      *testing.T
	mu     sync.Mutex
	posts  []post
	script []func(w http.ResponseWriter)
	down   bool
	missed int // requests while it was down
}

func answers(status int, header ...string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"success":false,"error":{"code":"refused","message":"because"}}`)
	}
}

func writes(text string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { _, _ = io.WriteString(w, text) }
}

func (a *agent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p := post{path: r.URL.Path, at: time.Now()}
	p.key, _, _ = r.BasicAuth()
	if err := json.NewDecoder(r.Body).Decode(&p.root); err != nil {
		a.t.Error(err)
	}
	for _, list := range []string{"batch", "touches"} {
		items, _ := p.root[list].([]any)
		for _, item := range items {
			p.messages = append(p.messages, item.(map[string]any))
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.posts = append(a.posts, p)
	if len(a.script) == 0 {
		writes(`{"success":true}`)(w)
		return
	}
	a.script[0](w)
	a.script = a.script[1:]
}

// RoundTrip serves without a network, for virtual time.
func (a *agent) RoundTrip(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	down := a.down
	if down {
		a.missed++
	}
	a.mu.Unlock()
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if down {
		return nil, errors.New("connection refused")
	}
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	return w.Result(), nil
}

func (a *agent) setDown(down bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.down = down
}

func (a *agent) seen() []post {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.posts)
}

// names are the events of all requests that were seen.
func (a *agent) names() (names []string) {
	for _, p := range a.seen() {
		for _, m := range p.messages {
			names = append(names, fmt.Sprint(m["event"]))
		}
	}
	return names
}

// start makes a client of a fake agent, for a bubble.
func start(t *testing.T, a *agent, o Options) (*Client, *[]Rejection) {
	t.Helper()
	a.t = t
	rejected := new([]Rejection)
	o.Host, o.Key, o.Transport = "http://agent.test/", "key", a
	o.Rejected = func(r Rejection) { *rejected = append(*rejected, r) }
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c, rejected
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestEachCallIsSentAsTheAPIHasIt(t *testing.T) {
	a := &agent{t: t}
	server := httptest.NewUnstartedServer(a)
	ended := make(chan struct{}, 8)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			ended <- struct{}{}
		}
	}
	server.Start()
	defer server.Close()
	c, err := New(Options{Host: server.URL, Key: "key", Interval: time.Hour, Consent: Consent{Ads: Denied}})
	must(t, err)
	happened := time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC)
	must(t, c.Track("Order Completed", Message{ID: "m-1", UserID: "ann", Time: happened, Properties: map[string]any{"revenue": 12.5},
		Context: map[string]any{"ip": "203.0.113.7"}, Consent: Consent{Attribution: Granted}}))
	must(t, c.Identify(Message{UserID: "ann", Traits: map[string]any{"plan": "pro"}}))
	must(t, c.Page("Home", Message{AnonymousID: "a"}))
	must(t, c.Screen("Main", Message{UserID: "ann"}))
	must(t, c.Group("acme", Message{UserID: "ann"}))
	must(t, c.Alias("a", Message{UserID: "ann"}))
	must(t, c.Touch(Touch{ID: "t-1", Kind: Click, Time: happened, MediaSource: "google", Sub: [5]string{"", "two"}, Cost: "0.25", CostCurrency: "EUR",
		Retargeting: true, Keys: Keys{UserID: "ann"}}))
	must(t, c.Close(t.Context()))
	<-ended // the client keeps no connection
	posts := a.seen()
	if len(posts) != 2 || posts[0].path != pathBatch || posts[1].path != pathTouch || posts[0].key != "key" || len(posts[0].messages) != 6 {
		t.Fatalf("requests %+v", posts)
	}
	sameJSON(t, posts[0].messages[0], `{"type":"track","event":"Order Completed","messageId":"m-1","userId":"ann","timestamp":"2026-01-02T03:04:05.0000006Z",
		"properties":{"revenue":12.5},"context":{"ip":"203.0.113.7","consent":{"attribution":true,"ads":false}}}`)
	for i, want := range []string{"track", "identify", "page", "screen", "group", "alias"} {
		m := posts[0].messages[i]
		if m["type"] != want || m["messageId"] == "" || m["timestamp"] == "" {
			t.Errorf("message %d is %v", i, m)
		}
	}
	sameJSON(t, posts[0].root["context"], `{"library":{"name":"unmogrowp-go","version":"`+version+`"}}`)
	if _, err := time.Parse(time.RFC3339Nano, fmt.Sprint(posts[0].root["sentAt"])); err != nil {
		t.Error(err)
	}
	sameJSON(t, posts[1].messages[0], `{"id":"t-1","kind":"click","time":"2026-01-02T03:04:05.0000006Z","media_source":"google","sub2":"two",
		"cost":"0.25","cost_currency":"EUR","retargeting":true,"keys":{"user_id":"ann"}}`)
	if err := c.Track("Late", Message{}); !errors.Is(err, ErrClosed) {
		t.Errorf("a call after Close answers %v", err)
	}
}

func sameJSON(t *testing.T, got any, want string) {
	t.Helper()
	var wanted any
	must(t, json.Unmarshal([]byte(want), &wanted))
	a, _ := json.Marshal(got)
	b, _ := json.Marshal(wanted)
	if string(a) != string(b) {
		t.Errorf("got  %s\nwant %s", a, b)
	}
}

func TestCallsThatCannotBeTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := start(t, &agent{}, Options{QueueMessages: 2, Interval: time.Hour})
		defer c.Close(t.Context())
		denied := Consent{Denied, Denied, Denied}
		if err := c.Track("x", Message{Consent: denied}); !errors.Is(err, ErrNoConsent) {
			t.Errorf("without consent: %v", err)
		}
		if err := c.Track("x", Message{Properties: map[string]any{"f": func() {}}}); err == nil {
			t.Error("a function was taken")
		}
		if err := c.Track(strings.Repeat("x", maxMessage), Message{}); !errors.Is(err, ErrTooLarge) {
			t.Errorf("too large: %v", err)
		}
		must(t, c.Track("1", Message{}))
		must(t, c.Track("2", Message{}))
		if err := c.Track("3", Message{}); !errors.Is(err, ErrFull) {
			t.Errorf("a third of two: %v", err)
		}
	})
	for _, o := range []Options{{Key: "k"}, {Host: "agent", Key: "k"}, {Host: "http://agent"}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v makes a client", o)
		}
	}
}

func TestBatchesAreBoundedAndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &agent{}
		c, _ := start(t, a, Options{})
		var want []string
		for i := range 250 {
			want = append(want, strconv.Itoa(i))
			must(t, c.Track(strconv.Itoa(i), Message{}))
		}
		for range 40 {
			want = append(want, "large")
			must(t, c.Track("large", Message{Properties: map[string]any{"text": strings.Repeat("x", 30_000)}}))
		}
		must(t, c.Flush(t.Context()))
		for _, p := range a.seen() {
			if text, _ := json.Marshal(p.messages); len(p.messages) > maxBatch || len(text) > maxBatchBytes {
				t.Errorf("a batch of %d messages and %d bytes", len(p.messages), len(text))
			}
		}
		if got := a.names(); !slices.Equal(got, want) {
			t.Errorf("got %v", got)
		}
		must(t, c.Close(t.Context()))
	})
}

func TestAMessageWaitsForOthersNoLongerThanTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &agent{}
		c, _ := start(t, a, Options{Interval: 3 * time.Second})
		must(t, c.Track("1", Message{}))
		time.Sleep(2 * time.Second)
		must(t, c.Track("2", Message{}))
		if len(a.seen()) != 0 {
			t.Error("sent at once")
		}
		time.Sleep(1100 * time.Millisecond)
		if len(a.seen()) != 1 || len(a.names()) != 2 {
			t.Errorf("sent %v", a.names())
		}
		must(t, c.Close(t.Context()))
	})
}

func TestFlushWaitsForNoInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &agent{}
		c, _ := start(t, a, Options{Interval: time.Hour})
		must(t, c.Flush(t.Context()))
		must(t, c.Track("1", Message{}))
		began := time.Now()
		must(t, c.Flush(t.Context()))
		if time.Since(began) > time.Second || len(a.names()) != 1 {
			t.Errorf("took %s, sent %v", time.Since(began), a.names())
		}
		must(t, c.Close(t.Context()))
	})
}

func TestARetryBringsTheSameMessagesOnce(t *testing.T) {
	for name, script := range map[string][]func(http.ResponseWriter){
		"two errors":    {answers(500), answers(500)},
		"not an agent":  {writes("<h1>Welcome</h1>"), writes(`{}`)},
		"timeouts":      {answers(408), answers(504)},
		"told to wait":  {answers(429, "Retry-After", "7"), answers(503, "Retry-After", "7")},
		"told nonsense": {answers(429, "Retry-After", "soon"), answers(429, "Retry-After", "-1")},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &agent{script: script}
				c, rejected := start(t, a, Options{})
				must(t, c.Track("1", Message{}))
				must(t, c.Track("2", Message{}))
				must(t, c.Flush(t.Context()))
				posts := a.seen()
				if len(posts) != 3 || len(*rejected) != 0 {
					t.Fatalf("%d requests, rejected %v", len(posts), *rejected)
				}
				for i, p := range posts {
					sameJSON(t, p.messages, jsonOf(posts[0].messages))
					if i == 0 {
						continue
					}
					wait := p.at.Sub(posts[i-1].at)
					if ordered := name == "told to wait"; ordered && wait < 7*time.Second || wait < firstPause/2 || wait > 8*time.Second {
						t.Errorf("waited %s", wait)
					}
				}
				must(t, c.Close(t.Context()))
			})
		})
	}
}

func jsonOf(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}

func TestAWaitOfHoursIsNotBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &agent{script: []func(http.ResponseWriter){answers(429, "Retry-After", "86400")}}
		c, _ := start(t, a, Options{})
		must(t, c.Track("1", Message{}))
		must(t, c.Flush(t.Context()))
		if posts := a.seen(); posts[1].at.Sub(posts[0].at) > 6*time.Minute {
			t.Errorf("waited %s", posts[1].at.Sub(posts[0].at))
		}
		must(t, c.Close(t.Context()))
	})
}

func TestFinalRefusalsAreToldAndHoldNothingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &agent{script: []func(http.ResponseWriter){answers(400), writes(`{"success":true,"rejected":[{"index":1,"code":"too_deep","reason":"flatten it"},{"index":9}]}`)}}
		c, rejected := start(t, a, Options{})
		must(t, c.Track("bad", Message{ID: "m-1"}))
		must(t, c.Flush(t.Context()))
		must(t, c.Track("good", Message{ID: "m-2"}))
		must(t, c.Track("deep", Message{ID: "m-3"}))
		must(t, c.Close(t.Context()))
		if len(*rejected) != 2 || (*rejected)[0].ID != "m-1" || (*rejected)[0].Code != "refused" || (*rejected)[0].Reason != "because" ||
			(*rejected)[1].ID != "m-3" || (*rejected)[1].Code != "too_deep" || !strings.Contains(string((*rejected)[1].Message), "deep") {
			t.Errorf("rejected %+v", *rejected)
		}
	})
}

func TestABatchTooLargeIsHalved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &agent{script: []func(http.ResponseWriter){answers(413), answers(413)}}
		c, rejected := start(t, a, Options{})
		for i := range 4 {
			must(t, c.Track(strconv.Itoa(i), Message{}))
		}
		must(t, c.Close(t.Context()))
		var sizes []int
		for _, p := range a.seen() {
			sizes = append(sizes, len(p.messages))
		}
		if !slices.Equal(sizes, []int{4, 2, 1, 3}) || len(*rejected) != 0 {
			t.Errorf("batches of %v, rejected %v", sizes, *rejected)
		}
	})
}

func TestCloseTriesUntilItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &agent{down: true}
		c, rejected := start(t, a, Options{})
		must(t, c.Track("1", Message{ID: "m-1"}))
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := c.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("flush: %v", err)
		}
		ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := c.Close(ctx)
		if err == nil || time.Since(began) != 2*time.Minute || len(*rejected) != 1 || (*rejected)[0].ID != "m-1" || (*rejected)[0].Code != "closed" {
			t.Errorf("after %s: %v, rejected %v", time.Since(began), err, *rejected)
		}
		if again := c.Close(t.Context()); again == nil || again.Error() != err.Error() {
			t.Errorf("closed again: %v", again)
		}
	})
}

func TestCloseTriesOnceMoreAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &agent{down: true}
		c, _ := start(t, a, Options{})
		must(t, c.Track("1", Message{}))
		time.Sleep(10 * time.Minute) // pauses are long by now
		a.setDown(false)
		if shortest := int(10 * time.Minute / longestPause); a.missed < shortest || a.missed > 3*shortest {
			t.Errorf("tried %d times in ten minutes", a.missed)
		}
		began := time.Now()
		must(t, c.Close(t.Context()))
		if took := time.Since(began); took > time.Second || len(a.names()) != 1 {
			t.Errorf("took %s, sent %v", took, a.names())
		}
	})
}

// Everybody calls at once while the agent errs: each message is answered once.
func TestConcurrentCalls(t *testing.T) {
	a := &agent{t: t}
	for range 20 {
		a.script = append(a.script, answers(500), writes(`{"success":true}`))
	}
	server := httptest.NewServer(a)
	defer server.Close()
	c, err := New(Options{Host: server.URL, Key: "key", Interval: time.Millisecond})
	must(t, err)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 100 {
				if err := c.Track("x", Message{ID: fmt.Sprintf("%d-%d", g, i)}); err != nil {
					t.Error(err)
				}
			}
			if err := c.Flush(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	must(t, c.Close(t.Context()))
	ids := map[string]bool{}
	for _, p := range a.seen() {
		for _, m := range p.messages {
			ids[fmt.Sprint(m["messageId"])] = true
		}
	}
	if len(ids) != 800 {
		t.Errorf("%d of 800 messages", len(ids))
	}
}

func TestItNeedsOnlyTheStandardLibrary(t *testing.T) {
	files, err := filepath.Glob("*.go")
	must(t, err)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		must(t, err)
		for _, spec := range f.Imports {
			if path, _ := strconv.Unquote(spec.Path.Value); strings.Contains(path, ".") && path != "github.com/google/uuid" {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
}
