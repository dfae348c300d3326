package system

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	unmogrowp "github.com/unmogrowp/unmogrowp/agent/sdk/golang"
	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// toldToOurs is the story with the arguments of our own SDK for websites. The
// campaign is in the address of the page.
func toldToOurs(ordered time.Time) []object {
	call := func(method string, arguments ...any) object { return object{"method": method, "arguments": arguments} }
	return []object{
		call("identify", storyUser, storyTraits()),
		call("track", "Order Completed", storyOrder(), object{"timestamp": at(ordered), "context": object{"device": storyDevice()}}),
		call("page", "Home", object{"section": "shoes"}),
		call("group", "g-1", object{"name": "Acme", "employees": 329}),
		call("alias", storyUser, "anon-1"),
	}
}

// TestOurSDKs tells the story through our own SDKs to a whole system: each call
// is stored once, whatever happened on the way.
func TestOurSDKs(t *testing.T) {
	c := New(t, childtest.ClickHouse(t), childtest.Postgres(t), 1, 1)
	others := c.tellInOurBrowser(t, c.nearAgent(t))
	c.tellWithOurGo(t, others)
}

// tellWithOurGo speaks through the SDK for Go with a server key, while the agent
// errs, and in a process that ends before it was heard.
func (c *Cluster) tellWithOurGo(t *testing.T, others int) {
	for _, v := range []struct {
		name     string
		refusals int
		fault    fault
		patient  bool // waits until the agent has answered
	}{
		{"go answered", 0, fault{}, true},
		{"go told to wait", 1, fault{http.StatusTooManyRequests, "2"}, true},
		{"go after two errors", 2, fault{status: http.StatusInternalServerError}, true},
		{"go started again", 1, fault{status: http.StatusInternalServerError}, false},
	} {
		t.Run(v.name, func(t *testing.T) {
			w := listenIn(t, c.Agents[0], times(v.refusals, v.fault))
			ordered := time.Now().Add(-time.Hour).Round(time.Millisecond)
			options := unmogrowp.Options{Host: w.URL, Key: c.ServerKey, Interval: 10 * time.Millisecond,
				Rejected: func(r unmogrowp.Rejection) { t.Errorf("rejected: %+v", r) }}
			if !v.patient {
				options.Spool = t.TempDir()
			}
			speakOurGo(t, options, ordered, v.patient)
			if !v.patient {
				speakNobody(t, options)
			}
			messages, attempts := w.delivered()
			stored := c.awaitSent(t, messages, others)
			others += len(messages)
			checkStory(t, stored, ordered, 1)
			for _, e := range stored {
				if !e.Has(protocol.FlagTrusted) || e.IP != "" {
					t.Errorf("%s has flags %v and the address %q", e.ID, e.Flags, e.IP)
				}
			}
			checkAttempts(t, attempts, v.refusals, false)
		})
	}
	t.Run("go touch", func(t *testing.T) {
		client, err := unmogrowp.New(unmogrowp.Options{Host: c.Agents[0].URL, Key: c.ServerKey, Rejected: func(r unmogrowp.Rejection) { t.Errorf("rejected: %+v", r) }})
		if err != nil {
			t.Fatal(err)
		}
		touch := unmogrowp.Touch{ID: "touch-1", Kind: unmogrowp.Click, MediaSource: "newsletter", Campaign: "spring", Sub: [5]string{"", "two"},
			Cost: "0.25", CostCurrency: "EUR", Keys: unmogrowp.Keys{UserID: storyUser}}
		for range 2 { // the same touch
			touch.Time = time.UnixMilli(time.Now().Add(-time.Hour).Truncate(time.Hour).UnixMilli())
			if err := client.Touch(touch); err != nil {
				t.Fatal(err)
			}
		}
		if err := client.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.Await("the touch in ClickHouse", func() error { return c.checkTouch(others + 1) })
	})
}

// checkTouch wants so many messages, the touch of the test among them.
func (c *Cluster) checkTouch(total int) error {
	events, err := c.storedEvents()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(events, func(e protocol.Event) bool { return e.ID == "touch-1" })
	if len(events) != total || i < 0 {
		return fmt.Errorf("%d messages, want %d, the touch at %d", len(events), total, i)
	}
	e := events[i]
	if e.Kind != protocol.KindClick || e.MediaSource != "newsletter" || e.Campaign != "spring" || e.Cost != 250_000 || e.CostCurrency != "EUR" || e.UserID != storyUser {
		return fmt.Errorf("the touch is stored as %+v", e)
	}
	return nil
}

// speakOurGo tells the story and ends, if need be before the agent answered.
func speakOurGo(t *testing.T, o unmogrowp.Options, ordered time.Time, patient bool) {
	client, err := unmogrowp.New(o)
	if err != nil {
		t.Fatal(err)
	}
	m := func(set unmogrowp.Message) unmogrowp.Message {
		set.UserID = storyUser
		return set
	}
	for _, err := range []error{
		client.Identify(m(unmogrowp.Message{Traits: storyTraits()})),
		client.Track("Order Completed", m(unmogrowp.Message{Time: ordered, Properties: storyOrder(),
			Context: object{"campaign": storyCampaign(), "device": storyDevice()}})),
		client.Page("Home", m(unmogrowp.Message{Properties: object{"url": "https://shop.example/"}})),
		client.Screen("Main", m(unmogrowp.Message{})),
		client.Group("g-1", m(unmogrowp.Message{Traits: object{"name": "Acme"}})),
		client.Alias("anon-1", m(unmogrowp.Message{})),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if patient {
		err = client.Flush(t.Context())
	}
	if err = errors.Join(err, client.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// speakNobody says nothing: it brings the events that an earlier client left in the spool.
func speakNobody(t *testing.T, o unmogrowp.Options) {
	Await(t, "an empty spool", func() error {
		client, err := unmogrowp.New(o)
		if err != nil {
			return err
		}
		if err := client.Close(t.Context()); err != nil {
			return err
		}
		left, err := filepath.Glob(filepath.Join(o.Spool, "*"))
		if err == nil && len(left) > 0 {
			err = fmt.Errorf("%v", left)
		}
		return err
	})
}

// tellInOurBrowser speaks through the SDK for websites in Chromium and returns
// how many messages that were.
func (c *Cluster) tellInOurBrowser(t *testing.T, near *wire) int {
	runs := []struct {
		name, scenario    string
		stories, refusals int
		fault             fault
		wire              *wire
	}{
		{"answered", "story", 1, 0, fault{}, nil},
		{"told to wait", "story", 1, 1, fault{http.StatusTooManyRequests, "2"}, nil},
		{"two errors", "story", 1, 2, fault{status: http.StatusInternalServerError}, nil},
		{"without a network", "offline", 2, 0, fault{}, nil},
		{"a page that is left", "leave", 1, 0, fault{}, nil},
		{"the nearest agent", "nearest", 1, 0, fault{}, nil},
	}
	var told []object
	for i := range runs {
		runs[i].wire = listenIn(t, c.Agents[0], times(runs[i].refusals, runs[i].fault))
		told = append(told, object{"scenario": runs[i].scenario, "host": runs[i].wire.URL})
	}
	distant := &runs[len(runs)-1]
	distant.wire.look = farAway()
	ordered := time.Now().Add(-time.Hour)
	node(t, filepath.Join(ourWebSDK, "test", "browser.mjs"), map[string]string{"RUNS": jsonText(t, told),
		"WRITE_KEY": c.WriteKey, "CALLS": jsonText(t, toldToOurs(ordered)),
		"PAGE": shopWithOurs(t) + "/?utm_source=google&utm_medium=cpc&utm_campaign=spring&utm_term=shoes&utm_content=banner&gclid=click-7"})
	if messages, _ := distant.wire.delivered(); len(messages) > 0 {
		t.Errorf("%d messages went to the distant agent", len(messages))
	}
	distant.wire = near
	var all []sent
	for _, r := range runs {
		messages, _ := r.wire.delivered()
		all = append(all, distinct(messages)...)
	}
	stored := c.awaitSent(t, all, 0)
	for _, r := range runs {
		messages, attempts := r.wire.delivered()
		once := distinct(messages)
		t.Run(r.name, func(t *testing.T) {
			checkOurStory(t, stored[:len(once)], ordered, r.stories)
			if r.scenario == "story" { // else a closing page cannot see the answer, and the next one asks again
				checkAttempts(t, attempts, r.refusals, false)
			}
		})
		stored = stored[len(once):]
	}
	return len(all)
}

// nearAgent makes the agent public under the address of a wire to it.
func (c *Cluster) nearAgent(t *testing.T) *wire {
	near := listenIn(t, c.Agents[0], nil)
	agents, err := c.Accounts.Agents.List(t.Context())
	if err != nil || len(agents) != 1 {
		t.Fatalf("%d agents: %v", len(agents), err)
	}
	if err := c.Accounts.Agents.SetAgentURL(t.Context(), agents[0].ID, near.URL); err != nil {
		t.Fatal(err)
	}
	c.Await("a public agent", func() error {
		answer, err := http.Get(c.Agents[0].URL + "/v1/edges")
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		list, err := io.ReadAll(answer.Body)
		if err == nil && !strings.Contains(string(list), jsonText(t, near.URL)) {
			err = fmt.Errorf("listed are %s", list)
		}
		return err
	})
	return near
}

// farAway answers who is public, and once more, and then takes for ever: it is
// not the first in a race.
func farAway() func(r *http.Request) {
	var asked atomic.Int32
	return func(r *http.Request) {
		if r.URL.Path == "/v1/edges" && asked.Add(1) > 2 {
			<-r.Context().Done()
		}
	}
}

// checkOurStory wants each call of the web SDK stored so many times.
func checkOurStory(t testing.TB, events []protocol.Event, ordered time.Time, times int) {
	t.Helper()
	for _, e := range events {
		clickID := ""
		if e.Kind == protocol.KindPage || e.Kind == protocol.KindTrack {
			clickID = "click-7" // page views and tracked events name it too
		}
		granted := protocol.Consent(0).With(protocol.PurposeAttribution, protocol.ConsentGranted).
			With(protocol.PurposeAnalytics, protocol.ConsentGranted).With(protocol.PurposeAds, protocol.ConsentGranted)
		if e.ClickID != clickID || e.Consent != granted || e.AnonymousID == "" {
			t.Errorf("%s has click id %q, consent %v, anonymous id %q", e.Kind, e.ClickID, e.Consent, e.AnonymousID)
		}
	}
	count := checkCalls(t, events, ordered)
	for _, kind := range []protocol.Kind{protocol.KindIdentify, protocol.KindTrack, protocol.KindPage, protocol.KindGroup, protocol.KindAlias} {
		if count[kind] != times {
			t.Errorf("%d of kind %s, want %d", count[kind], kind, times)
		}
	}
}

// distinct leaves out messages that were sent again.
func distinct(messages []sent) []sent {
	seen := map[string]bool{}
	var once []sent
	for _, m := range messages {
		if !seen[m.id()] {
			once = append(once, m)
		}
		seen[m.id()] = true
	}
	return once
}

// ourWebSDK is where the SDK for websites is.
const ourWebSDK = "../../agent/sdk/web"

// shopWithOurs serves a page with the SDK as it is now, from another origin
// than the agent's.
func shopWithOurs(t *testing.T) string {
	t.Helper()
	consolePackages(t)
	if !exists(t, filepath.Join(ourWebSDK, "node_modules", ".package-lock.json")) {
		npm(t, ourWebSDK, "ci")
	}
	npm(t, ourWebSDK, "run", "build")
	mux := http.NewServeMux()
	mux.Handle("GET /sdk/", http.StripPrefix("/sdk/", http.FileServer(http.Dir(filepath.Join(ourWebSDK, "dist")))))
	mux.HandleFunc("GET /", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(rw, `<!doctype html><title>Shop</title><link rel="icon" href="data:,"><script src="/sdk/unmogrowp.global.js"></script>`)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}
