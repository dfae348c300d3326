package system

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	analytics "github.com/segmentio/analytics-go/v3"

	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// The one story that every SDK tells, and how its events must be stored.
const (
	storyUser     = "u-1"
	storyAdvertID = "38400000-8cf0-11bd-b23e-10b96e40000d"
	storyText     = "grüße \"quoted\" <&> 漢字 \u2028 🛒"
)

// retryAfter is what a 429 asks for.
const retryAfter = 2 * time.Second

type object = map[string]any

// told are the calls with the arguments of the SDKs of servers.
func told(ordered time.Time) []object {
	call := func(method string, message object) object {
		message["userId"] = storyUser
		return object{"method": method, "message": message}
	}
	return []object{
		call("identify", object{"traits": storyTraits()}),
		call("track", object{"event": "Order Completed", "timestamp": at(ordered), "properties": storyOrder(),
			"context": object{"campaign": storyCampaign(), "device": storyDevice()}}),
		call("page", object{"name": "Home", "properties": object{"url": "https://shop.example/", "title": "Shop"}}),
		call("screen", object{"name": "Main", "properties": object{"dark": true}}),
		call("group", object{"groupId": "g-1", "traits": object{"name": "Acme", "employees": 329}}),
		call("alias", object{"previousId": "anon-1"}),
	}
}

// toldInBrowser are the same calls with the arguments of the browser's SDK. The
// campaign is in the address of the page.
func toldInBrowser(ordered time.Time) []object {
	call := func(method string, arguments ...any) object { return object{"method": method, "arguments": arguments} }
	return []object{
		call("identify", storyUser, storyTraits()),
		call("track", "Order Completed", storyOrder(), object{"timestamp": at(ordered), "context": object{"device": storyDevice()}}),
		call("page", "Docs", "Home", object{"section": "shoes"}),
		call("screen", "Docs", "Main", object{"dark": true}),
		call("group", "g-1", object{"name": "Acme", "employees": 329}),
		call("alias", storyUser, "anon-1"),
	}
}

func storyTraits() object {
	return object{"email": "a@example.com", "plan": nil, "address": object{"city": "Wien", "lines": []any{"a", storyText}}}
}

func storyOrder() object {
	return object{"order_id": "o-1", "revenue": 12.5, "currency": "EUR", "coupon": storyText,
		"products": []any{object{"sku": "s-1", "price": 12.5, "quantity": 1}}}
}

func storyCampaign() object {
	return object{"source": "google", "medium": "cpc", "name": "spring", "term": "shoes", "content": "banner"}
}

func storyDevice() object {
	return object{"id": "D1", "type": "android", "advertisingId": storyAdvertID}
}

// checkStory wants each call stored so many times, with its fields.
func checkStory(t testing.TB, events []protocol.Event, ordered time.Time, times int) {
	t.Helper()
	count := checkCalls(t, events, ordered)
	for _, kind := range []protocol.Kind{protocol.KindIdentify, protocol.KindTrack, protocol.KindPage, protocol.KindScreen, protocol.KindGroup, protocol.KindAlias} {
		if count[kind] != times {
			t.Errorf("%d of kind %s, want %d", count[kind], kind, times)
		}
	}
}

// checkCalls wants each call stored with its fields, and counts them.
func checkCalls(t testing.TB, events []protocol.Event, ordered time.Time) map[protocol.Kind]int {
	t.Helper()
	count := map[protocol.Kind]int{}
	for _, e := range events {
		count[e.Kind]++
		e.Payload = nil // compared with what was sent, and long
		want := e
		want.UserID = storyUser
		switch e.Kind {
		case protocol.KindTrack:
			want.Name, want.Original = "Order Completed", ordered.UnixMilli()
			want.Revenue, want.Currency, want.Flags = 12_500_000, "EUR", e.Flags|protocol.FlagHasRevenue
			want.MediaSource, want.Medium, want.Campaign, want.Keyword, want.Ad = "google", "cpc", "spring", "shoes", "banner"
			want.DeviceID, want.GAID = "D1", storyAdvertID
		case protocol.KindPage:
			want.Name = "Home"
		case protocol.KindScreen:
			want.Name = "Main"
		case protocol.KindGroup:
			want.GroupID = "g-1"
		case protocol.KindAlias:
			want.PreviousID = "anon-1"
		}
		if fmt.Sprintf("%+v", e) != fmt.Sprintf("%+v", want) {
			t.Errorf("%s is stored as\n%+v, want\n%+v", e.Kind, e, want)
		}
	}
	return count
}

// TestSDKs tells the same story through SDKs that their makers wrote, to a whole
// system: each call must be stored exactly once, with all its fields.
func TestSDKs(t *testing.T) {
	c := New(t, childtest.ClickHouse(t), childtest.Postgres(t), 1, 1)
	others := 0
	tell := func(name string, stories, refusals int, f fault, speak func(t *testing.T, w *wire, ordered time.Time)) {
		t.Run(name, func(t *testing.T) {
			w := listenIn(t, c.Agents[0], times(refusals, f))
			ordered := time.Now().Add(-time.Hour)
			speak(t, w, ordered)
			messages, attempts := w.delivered()
			checkStory(t, c.awaitSent(t, messages, others), ordered, stories)
			others += len(messages)
			checkAttempts(t, attempts, refusals)
		})
	}
	server := func(client string) func(*testing.T, *wire, time.Time) {
		return func(t *testing.T, w *wire, ordered time.Time) {
			node(t, filepath.Join("sdk", "node.mjs"), map[string]string{"CLIENT": client, "HOST": w.URL, "WRITE_KEY": c.WriteKey,
				"MODULES": npmPackages(t), "CALLS": jsonText(t, told(ordered))})
		}
	}
	tell("analytics-node", 1, 0, fault{}, server("segment"))
	tell("analytics-node told to wait", 1, 1, fault{http.StatusTooManyRequests, "2"}, server("segment"))
	tell("analytics-node after two errors", 1, 2, fault{status: http.StatusInternalServerError}, server("segment"))
	tell("rudder-sdk-node", 1, 0, fault{}, server("rudder"))
	tell("analytics-go", 1, 1, fault{status: http.StatusServiceUnavailable}, c.speakGo)
	tell("analytics-next", 2, 0, fault{}, c.speakBrowser)
}

// times answers a body in the agent's place so many times.
func times(n int, f fault) func(try int) *fault {
	return func(try int) *fault {
		if try < n {
			return &f
		}
		return nil
	}
}

// checkAttempts wants each body sent until it was accepted and not once more,
// and an SDK that was told to wait to have waited.
func checkAttempts(t *testing.T, attempts []attempt, refusals int) {
	t.Helper()
	last := map[string]attempt{}
	tries := map[string]int{}
	for _, a := range attempts {
		before, again := last[a.body]
		if again && before.status == http.StatusTooManyRequests && a.at.Sub(before.at) < retryAfter {
			t.Errorf("the SDK waited %s, told to wait %s", a.at.Sub(before.at), retryAfter)
		}
		last[a.body] = a
		tries[a.body]++
	}
	for body, n := range tries {
		if n != refusals+1 {
			t.Errorf("%s was sent %d times, want %d", body, n, refusals+1)
		}
	}
}

// goOutcomes passes on what the Go SDK says of each message.
type goOutcomes struct{ results chan error }

func (o goOutcomes) Success(analytics.Message)            { o.results <- nil }
func (o goOutcomes) Failure(_ analytics.Message, e error) { o.results <- e }

func (c *Cluster) speakGo(t *testing.T, w *wire, ordered time.Time) {
	story := goStory(ordered)
	outcomes := goOutcomes{make(chan error, len(story))}
	client, err := analytics.NewWithConfig(c.WriteKey, analytics.Config{Endpoint: w.URL, BatchSize: 3, Interval: time.Hour, Callback: outcomes,
		DefaultContext: &analytics.Context{App: analytics.AppInfo{Name: "shop"}, Library: analytics.LibraryInfo{Name: "analytics-go", Version: "3.0.0"}},
		Logger:         analytics.StdLogger(log.New(io.Discard, "", 0)), RetryAfter: func(int) time.Duration { return time.Millisecond }})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range story {
		if err := client.Enqueue(m); err != nil {
			t.Fatal(err)
		}
	}
	for range story { // before Close, after which it does not try again
		if err := <-outcomes.results; err != nil {
			t.Error(err)
		}
	}
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	messages, _ := w.delivered()
	for _, m := range messages {
		// It names itself and the app for the whole batch, not in each message.
		context, _ := m.message["context"].(object)
		library, _ := context["library"].(object)
		if library["name"] != "analytics-go" {
			t.Errorf("the library of a message is %v", context)
		}
	}
}

func goStory(ordered time.Time) []analytics.Message {
	return []analytics.Message{
		analytics.Identify{UserId: storyUser, Traits: storyTraits()},
		analytics.Track{UserId: storyUser, Event: "Order Completed", Timestamp: ordered, Properties: storyOrder(),
			Context: &analytics.Context{Campaign: analytics.CampaignInfo{Source: "google", Medium: "cpc", Name: "spring", Term: "shoes", Content: "banner"},
				Device: analytics.DeviceInfo{Id: "D1", Type: "android", AdvertisingID: storyAdvertID}}},
		analytics.Page{UserId: storyUser, Name: "Home", Properties: analytics.NewProperties().SetURL("https://shop.example/")},
		analytics.Screen{UserId: storyUser, Name: "Main"},
		analytics.Group{UserId: storyUser, GroupId: "g-1", Traits: analytics.NewTraits().SetName("Acme")},
		analytics.Alias{UserId: storyUser, PreviousId: "anon-1"},
	}
}

// speakBrowser opens a page of a shop in Chromium. The shop's server is another
// origin than the agent.
func (c *Cluster) speakBrowser(t *testing.T, w *wire, ordered time.Time) {
	mux := http.NewServeMux()
	mux.Handle("GET /sdk/", http.StripPrefix("/sdk/", http.FileServer(http.Dir(filepath.Join(npmPackages(t), "node_modules", "@segment", "analytics-next", "dist", "umd")))))
	mux.HandleFunc("GET /", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(rw, `<!doctype html><title>Shop</title><link rel="icon" href="data:,"><script src="/sdk/index.js"></script>`)
	})
	shop := httptest.NewServer(mux)
	defer shop.Close()
	consolePackages(t)
	node(t, filepath.Join("sdk", "browser.mjs"), map[string]string{"HOST": w.URL, "WRITE_KEY": c.WriteKey, "CALLS": jsonText(t, toldInBrowser(ordered)),
		"PAGE": shop.URL + "/?utm_source=google&utm_medium=cpc&utm_campaign=spring&utm_term=shoes&utm_content=banner"})
	messages, _ := w.delivered()
	paths := map[string]int{}
	for _, m := range messages {
		paths[m.path]++
		if m.text("anonymousId") == "" {
			t.Errorf("%s has no anonymous id", m.id())
		}
	}
	if paths["/v1/b"] != 6 || paths["/v1/t"] != 1 || len(paths) != 7 {
		t.Errorf("messages by path: %v", paths)
	}
}
