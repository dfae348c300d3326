package ingest

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// atlas is a Locator.
type atlas map[string]string

func (a atlas) Country(address netip.Addr) string { return a[address.String()] }

// last is the event that was stored last.
func (d *door) last(t *testing.T) protocol.Event {
	t.Helper()
	events := d.buffer.taken()
	if len(events) == 0 {
		t.Fatal("nothing was stored")
	}
	return events[len(events)-1]
}

func TestCountries(t *testing.T) {
	d := newDoor(t, func(o *Options) {
		o.TrustedProxies, o.Locator = proxies("10.0.0.0/8"), atlas{"198.51.100.7": "DE", "203.0.113.9": "FR", "203.0.113.10": "IT"}
	})
	const body = `{"userId":"u","event":"x","context":{"ip":"203.0.113.9","location":{"country":"at"}}}`
	for _, c := range []struct {
		name, want string
		headers    []string
	}{
		{"a device is where its address is", "DE", []string{basic(clientKey), "CF-IPCountry: US"}},
		{"a server says where its customer is", "AT", []string{basic(serverKey)}},
		{"behind a proxy of ours", "FR", []string{basic(clientKey), "Remote: 10.0.0.1:80", "X-Forwarded-For: 203.0.113.9", "CF-IPCountry: US"}},
		{"an address that is not in the database", "US", []string{basic(clientKey), "Remote: 10.0.0.1:80", "X-Forwarded-For: 192.0.2.1", "CF-IPCountry: us"}},
		{"a network without a country", "", []string{basic(clientKey), "Remote: 10.0.0.1:80", "X-Forwarded-For: 192.0.2.1", "CF-IPCountry: XX"}},
		{"the next request is somebody else's", "IT", []string{basic(clientKey), "Remote: 203.0.113.10:1"}},
	} {
		if w := d.send("POST", "/v1/track", body, c.headers...); w.Code != 200 {
			t.Fatalf("%s: %d %s", c.name, w.Code, w.Body)
		}
		if got := d.last(t).Country; got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestAddressesAreHidden(t *testing.T) {
	for policy, want := range map[protocol.AddressPolicy][2]string{
		protocol.KeepAddresses:     {"203.0.113.9", "2001:db8:1:2::3"},
		protocol.TruncateAddresses: {"203.0.113.0", "2001:db8:1::"},
		protocol.DropAddresses:     {"", ""},
	} {
		d := newDoor(t, func(o *Options) { o.Locator = atlas{"203.0.113.9": "FR", "2001:db8:1:2::3": "FR"} })
		d.book.apps["app1"] = protocol.App{ID: "app1", Addresses: policy}
		d.book.links["a"] = protocol.Link{ID: "l", Slug: "a", App: "app1", Fallback: "https://shop.example.com/"}
		for i, ip := range [...]string{"203.0.113.9", "2001:db8:1:2::3"} {
			remote := "Remote: " + netip.AddrPortFrom(netip.MustParseAddr(ip), 80).String()
			d.send("POST", "/v1/track", `{"userId":"u","event":"x","context": {"ip":"`+ip+`"}}`, basic(serverKey))
			said := d.last(t)
			d.send("POST", "/v1/track", `{"userId":"u","event":"x"}`, basic(clientKey), remote)
			seen := d.last(t)
			d.send("GET", "/c/a", "", remote)
			for name, e := range map[string]protocol.Event{"said by a server": said, "seen": seen, "of a click": d.last(t)} {
				if e.IP != want[i] || e.Country != "FR" {
					t.Errorf("%q, %s: %q in %q, want %q", policy, name, e.IP, e.Country, want[i])
				}
				if !json.Valid(e.Payload) || policy != protocol.KeepAddresses && strings.Contains(string(e.Payload), ip) {
					t.Errorf("%q, %s: the message is stored as %s", policy, name, e.Payload)
				}
			}
		}
	}
}

func TestBotOnATablet(t *testing.T) {
	d := newDoor(t)
	d.send("POST", "/v1/track", `{"userId":"u","event":"x"}`, basic(clientKey), "User-Agent: Mozilla/5.0 (iPad) Googlebot/2.1")
	if e := d.last(t); e.Flags.Class() != protocol.ClassTablet || !e.Has(protocol.FlagBot) {
		t.Errorf("flags = %b", e.Flags)
	}
}

func TestLinksLeadByPlatformAndCountry(t *testing.T) {
	link := protocol.Link{ID: "l", Slug: "a", App: "app1", Fallback: "https://example.com/",
		DeepLinks: map[string]string{"ios/DE": "shop://de"},
		Redirects: map[string]string{"ios": "https://example.com/ios", "*/FR": "https://example.com/fr", "android/FR": "https://example.com/fr/android"},
		Stores:    map[string]string{"android": "https://store.example.com/"}}
	for _, c := range []struct{ platform, country, want string }{
		{"ios", "DE", "https://example.com/ios"}, {"ios", "FR", "https://example.com/fr"}, {"ios", "US", "https://example.com/ios"}, {"ios", "", "https://example.com/ios"},
		{"android", "FR", "https://example.com/fr/android"}, {"android", "DE", "https://store.example.com/"},
		{"web", "FR", "https://example.com/fr"}, {"web", "DE", "https://example.com/"},
	} {
		v := visitor{platform: c.platform, country: c.country, link: &link, event: &protocol.Event{ID: "id"}}
		if got := v.lead().to; got != c.want+"?umcid=id" {
			t.Errorf("%s in %q leads to %s, want %s", c.platform, c.country, got, c.want)
		}
	}
	d := newDoor(t, func(o *Options) { o.Locator = atlas{"198.51.100.7": "FR"} })
	d.book.links["a"] = link
	if w := d.send("GET", "/c/a", ""); w.Header().Get("Location") != "https://example.com/fr?umcid=minted-1.a" || d.last(t).Country != "FR" {
		t.Errorf("a click from France leads to %s", w.Header().Get("Location"))
	}
}

func TestEdgesOfTheOwnRegionComeFirst(t *testing.T) {
	d := newDoor(t, func(o *Options) { o.Region, o.Zone = "eu", "b" })
	if w := d.send("GET", "/v1/edges", ""); w.Code != 200 || strings.TrimSpace(w.Body.String()) != `{"region":"eu","zone":"b","edges":[]}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	d.book.edges = []protocol.Edge{{URL: "https://us.example", Region: "us"}, {URL: "https://eu-a.example", Region: "eu", Zone: "a"}, {URL: "https://eu-b.example", Region: "eu", Zone: "b"}}
	w := d.send("GET", "/v1/edges", "", "Origin: https://shop.example.com")
	const want = `{"region":"eu","zone":"b","edges":[{"url":"https://eu-b.example","region":"eu","zone":"b"},{"url":"https://eu-a.example","region":"eu","zone":"a"},{"url":"https://us.example","region":"us"}]}`
	if got := strings.TrimSpace(w.Body.String()); got != want || w.Header().Get("Access-Control-Allow-Origin") == "" {
		t.Errorf("%s %v", got, w.Header())
	}
	if w := d.send("POST", "/v1/edges", ""); w.Code != 405 {
		t.Errorf("POST answers %d", w.Code)
	}
}
