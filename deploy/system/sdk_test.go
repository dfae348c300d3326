package system

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// The one story that every SDK tells, and how its events must be stored.
const (
	storyUser     = "u-1"
	storyAdvertID = "38400000-8cf0-11bd-b23e-10b96e40000d"
	storyText     = "grüße \"quoted\" <&> 漢字 \u2028 🛒"
)

// retryAfter is the pause that a 429 asks for.
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

// toldToRudder are the calls of RudderStack's SDK for browsers, which has no screens.
func toldToRudder(ordered time.Time) []object {
	calls := slices.DeleteFunc(toldInBrowser(ordered), func(call object) bool { return call["method"] == "screen" })
	for _, call := range calls {
		if call["method"] == "track" {
			call["arguments"] = []any{"Order Completed", storyOrder(), object{"originalTimestamp": at(ordered), "context": object{"device": storyDevice()}}}
		}
	}
	return calls
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

// storyKinds are the calls of the story.
var storyKinds = []protocol.Kind{protocol.KindIdentify, protocol.KindTrack, protocol.KindPage, protocol.KindScreen, protocol.KindGroup, protocol.KindAlias}

// kindsOf are the kinds of calls.
func kindsOf(t testing.TB, calls []object) []protocol.Kind {
	t.Helper()
	var kinds []protocol.Kind
	for _, call := range calls {
		i := slices.IndexFunc(storyKinds, func(k protocol.Kind) bool { return k.String() == call["method"] })
		if i < 0 {
			t.Fatalf("no kind of event is called %v", call["method"])
		}
		kinds = append(kinds, storyKinds[i])
	}
	return kinds
}

// checkStory wants each call stored so many times, with its fields.
func checkStory(t testing.TB, events []protocol.Event, ordered time.Time, times int) {
	t.Helper()
	checkKinds(t, checkCalls(t, events, ordered), storyKinds, times)
}

// checkKinds wants each of the kinds so many times and no others.
func checkKinds(t testing.TB, count map[protocol.Kind]int, kinds []protocol.Kind, times int) {
	t.Helper()
	for _, kind := range kinds {
		if count[kind] != times {
			t.Errorf("%d of kind %s, want %d", count[kind], kind, times)
		}
	}
	if len(count) != len(kinds) {
		t.Errorf("stored %v, want the kinds %v", count, kinds)
	}
}

// checkCalls wants each call stored with its fields, and counts them.
func checkCalls(t testing.TB, events []protocol.Event, ordered time.Time) map[protocol.Kind]int {
	t.Helper()
	count := map[protocol.Kind]int{}
	for _, e := range events {
		count[e.Kind]++
		e.Payload = nil // compared with the sent message, and long
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

// telling is the story told by one SDK over one wire.
type telling struct {
	name, client string
	calls        []object
	refusals     int // of each request, before it is let through
	fault        fault
	hasty        bool // it does not read Retry-After
	wire         *wire
}

// thrice is the story told to an agent that answers, to one that is busy and to
// one that errs.
func thrice(name, client string, calls []object, hasty bool) []*telling {
	return []*telling{
		{name: name, client: client, calls: calls},
		{name: name + " told to wait", client: client, calls: calls, refusals: 1, fault: fault{http.StatusTooManyRequests, "2"}, hasty: hasty},
		{name: name + " after two errors", client: client, calls: calls, refusals: 2, fault: fault{status: http.StatusInternalServerError}},
	}
}

// TestSDKs tells the same story through SDKs that their makers wrote, to a whole
// system: each call must be stored exactly once, with all its fields.
func TestSDKs(t *testing.T) {
	c := New(t, childtest.ClickHouse(t), childtest.Postgres(t), 1, 1)
	ordered := time.Now().Add(-time.Hour)
	servers := slices.Concat(thrice("analytics-node", "segment", told(ordered), false),
		thrice("rudder-sdk-node with gzip", "rudder", told(ordered), false),
		thrice("rudder-sdk-node", "rudder plain", told(ordered), false))
	browsers := slices.Concat(thrice("analytics-next", "segment", toldInBrowser(ordered), false),
		thrice("analytics-next batching", "segment batching", toldInBrowser(ordered), false),
		thrice("analytics-js", "rudder", toldToRudder(ordered), true))
	segmentGo, rudderGo := thrice("analytics-go", "", nil, true), thrice("rudder analytics-go", "", nil, true)
	rudderGo = append(rudderGo, &telling{name: "rudder analytics-go told to count nodes", refusals: 1, fault: fault{status: http.StatusUnavailableForLegalReasons}})
	all := slices.Concat(servers, browsers, segmentGo, rudderGo)
	for _, one := range all {
		one.wire = listenIn(t, c.Agents[0], times(one.refusals, one.fault))
	}
	t.Run("speak", func(t *testing.T) {
		speak := func(name string, f func(t *testing.T)) {
			t.Run(name, func(t *testing.T) { t.Parallel(); f(t) })
		}
		npmPackages(t)
		speak("servers", func(t *testing.T) { c.speakNode(t, servers, told(ordered)) })
		speak("browsers", func(t *testing.T) { c.speakBrowser(t, browsers) })
		for _, one := range segmentGo {
			speak(one.name, func(t *testing.T) { c.speakGo(t, one.wire, ordered) })
		}
		for i, one := range rudderGo {
			speak(one.name, func(t *testing.T) { c.speakRudderGo(t, one.wire, ordered, i == 0) })
		}
	})
	c.checkTold(t, all, ordered)
}

// checkTold wants the story of each SDK stored once.
func (c *Cluster) checkTold(t *testing.T, all []*telling, ordered time.Time) {
	var messages []sent
	for _, one := range all {
		heard, _ := one.wire.delivered()
		messages = append(messages, heard...)
	}
	stored := c.awaitSent(t, messages, 0)
	for _, one := range all {
		heard, attempts := one.wire.delivered()
		t.Run(one.name, func(t *testing.T) {
			kinds := storyKinds
			if one.calls != nil {
				kinds = kindsOf(t, one.calls)
			}
			checkKinds(t, checkCalls(t, stored[:len(heard)], ordered), kinds, 1)
			checkAttempts(t, attempts, one.refusals, one.hasty)
			checkWire(t, one, heard)
		})
		stored = stored[len(heard):]
	}
}

// checkWire looks at what only some SDKs do.
func checkWire(t *testing.T, one *telling, heard []sent) {
	for _, m := range heard {
		if packed := m.encoding == "gzip"; one.client == "rudder" && m.path == "/v1/batch" && !packed || one.client == "rudder plain" && packed {
			t.Errorf("the encoding of %s is %q", m.id(), m.encoding)
		}
		if one.calls != nil && m.path != "/v1/batch" && m.text("anonymousId") == "" {
			t.Errorf("%s has no anonymous id", m.id())
		}
		if batched := m.path == "/v1/b"; batched != (one.client == "segment batching") {
			t.Errorf("%s went to %s", m.id(), m.path)
		}
	}
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
// and an SDK that was told to wait to have waited, unless it cannot read that.
func checkAttempts(t *testing.T, attempts []attempt, refusals int, hasty bool) {
	t.Helper()
	last := map[string]attempt{}
	tries := map[string]int{}
	for _, a := range attempts {
		before, again := last[a.body]
		if again && !hasty && before.status == http.StatusTooManyRequests && a.at.Sub(before.at) < retryAfter {
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

// speakNode tells the story through SDKs for Node.js.
func (c *Cluster) speakNode(t *testing.T, all []*telling, calls []object) {
	node(t, filepath.Join("sdk", "node.mjs"), map[string]string{"RUNS": runs(t, all), "WRITE_KEY": c.WriteKey, "MODULES": npmPackages(t), "CALLS": jsonText(t, calls)})
}

func runs(t *testing.T, all []*telling) string {
	var list []object
	for _, one := range all {
		list = append(list, object{"client": one.client, "host": one.wire.URL, "refusals": one.refusals, "calls": one.calls})
	}
	return jsonText(t, list)
}

// speakBrowser opens pages of a shop in Chromium. The shop's server is another
// origin than the agent's.
func (c *Cluster) speakBrowser(t *testing.T, all []*telling) {
	modules := filepath.Join(npmPackages(t), "node_modules")
	mux := http.NewServeMux()
	for path, dir := range map[string]string{"/segment/": "@segment/analytics-next/dist/umd", "/rudder/": "@rudderstack/analytics-js/dist/npm/modern/bundled/esm"} {
		mux.Handle("GET "+path, http.StripPrefix(path, http.FileServer(http.Dir(filepath.Join(modules, filepath.FromSlash(dir))))))
	}
	mux.HandleFunc("GET /", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(rw, `<!doctype html><title>Shop</title><link rel="icon" href="data:,"><script src="/segment/index.js"></script>`)
	})
	shop := httptest.NewServer(mux)
	defer shop.Close()
	consolePackages(t)
	node(t, filepath.Join("sdk", "browser.mjs"), map[string]string{"RUNS": runs(t, all), "WRITE_KEY": c.WriteKey,
		"PAGE": shop.URL + "/?utm_source=google&utm_medium=cpc&utm_campaign=spring&utm_term=shoes&utm_content=banner"})
}
