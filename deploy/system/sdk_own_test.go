package system

import (
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

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
	c.tellInOurBrowser(t)
}

// tellInOurBrowser speaks through the SDK for websites in Chromium and returns
// how many messages that were.
func (c *Cluster) tellInOurBrowser(t *testing.T) int {
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
	}
	var told []object
	for i := range runs {
		runs[i].wire = listenIn(t, c.Agents[0], times(runs[i].refusals, runs[i].fault))
		told = append(told, object{"scenario": runs[i].scenario, "host": runs[i].wire.URL})
	}
	ordered := time.Now().Add(-time.Hour)
	node(t, filepath.Join(ourWebSDK, "test", "browser.mjs"), map[string]string{"RUNS": jsonText(t, told),
		"WRITE_KEY": c.WriteKey, "CALLS": jsonText(t, toldToOurs(ordered)),
		"PAGE": shopWithOurs(t) + "/?utm_source=google&utm_medium=cpc&utm_campaign=spring&utm_term=shoes&utm_content=banner&gclid=click-7"})
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
				checkAttempts(t, attempts, r.refusals)
			}
		})
		stored = stored[len(once):]
	}
	return len(all)
}

// checkOurStory wants each call of the web SDK stored so many times.
func checkOurStory(t testing.TB, events []protocol.Event, ordered time.Time, times int) {
	t.Helper()
	for _, e := range events {
		clickID := ""
		if e.Kind == protocol.KindPage {
			clickID = "click-7" // it belongs to the visit alone
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
