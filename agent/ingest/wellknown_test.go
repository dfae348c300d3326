package ingest

import (
	"strings"
	"testing"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// hosted is a door whose app1 has a link host of its own.
func hosted(t *testing.T) *door {
	d := newDoor(t)
	d.book.apps["app1"] = protocol.App{ID: "app1", LinkHosts: []string{"go.shop.example"}, AppleAppIDs: []string{"ABCDE12345.com.example.shop"},
		AndroidApps: []protocol.AndroidApp{{Package: "com.example.shop", Fingerprints: []string{"AB:CD"}}}}
	d.book.links["own"] = protocol.Link{ID: "l1", Slug: "own", App: "app1", MediaSource: "news", Campaign: "spring", Retargeting: true, Fallback: "https://shop.example.com/"}
	d.book.links["other"] = protocol.Link{ID: "l2", Slug: "other", App: "app2", MediaSource: "x", Fallback: "https://other.example.com/"}
	return d
}

func TestSystemsLearnWhichAppOpensLinks(t *testing.T) {
	d := hosted(t)
	for path, want := range map[string]string{
		"/.well-known/apple-app-site-association": `{"applinks":{"details":[{"appIDs":["ABCDE12345.com.example.shop"],"components":[{"/":"/c/*"}]}]}}`,
		"/.well-known/assetlinks.json": `[{"relation":["delegate_permission/common.handle_all_urls"],` +
			`"target":{"namespace":"android_app","package_name":"com.example.shop","sha256_cert_fingerprints":["AB:CD"]}}]`,
	} {
		if w := d.send("GET", path, ""); w.Code != 404 {
			t.Errorf("%s of another host: %d %s", path, w.Code, w.Body)
		}
		for _, host := range []string{"go.shop.example", "GO.Shop.example:8080"} {
			r := request("GET", path, strings.NewReader(""))
			r.Host = host
			w := newAnswer()
			d.ServeHTTP(w, r)
			if w.Code != 200 || w.Body.String() != want || w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("%s of %s: %d %s", path, host, w.Code, w.Body)
			}
		}
	}
}

// A host of an app's own shows no other app's links.
func TestLinkHostIsForItsAppOnly(t *testing.T) {
	d := hosted(t)
	for slug, want := range map[string]int{"own": 302, "other": 404} {
		r := request("GET", "/c/"+slug, strings.NewReader(""))
		r.Host = "go.shop.example"
		w := newAnswer()
		d.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s: %d", slug, w.Code)
		}
	}
}

// A link that opens the app never reaches an agent: the opening is all there is of the click.
func TestOpeningByAVerifiedLinkNamesTheLink(t *testing.T) {
	d := hosted(t)
	for address, want := range map[string]string{
		"https://go.shop.example/c/own?utm_campaign=x#y": "l1", "https://go.shop.example/c/own": "l1", "https://go.shop.example/c/other": "", "https://evil.example/c/own": "",
		"https://go.shop.example/own": "",
	} {
		d.send("POST", "/v1/track", `{"userId":"u","event":"Deep Link Opened","properties":{"url":"`+address+`"}}`, basic(clientKey))
		e := d.last(t)
		if e.LinkID != want || want != "" && (e.MediaSource != "news" || !e.Has(protocol.FlagRetargeting) || e.Stated != protocol.StatedByLink) {
			t.Errorf("%s: link %q, source %q, flags %b", address, e.LinkID, e.MediaSource, e.Flags)
		}
	}
	d.send("POST", "/v1/track", `{"userId":"u","event":"Order Completed","properties":{"url":"https://go.shop.example/c/own"}}`, basic(clientKey))
	if e := d.last(t); e.LinkID != "" {
		t.Errorf("an order is of link %s", e.LinkID)
	}
}

func TestTheSmartPageIsSmallAndRunsNothingElse(t *testing.T) {
	d := newDoor(t)
	d.book.links["a"] = protocol.Link{ID: "l", Slug: "a", App: "app1", MediaSource: "m", Fallback: "https://shop.example.com/",
		DeepLinks: map[string]string{"ios": `shop://x?"><script>alert(1)</script>&c={campaign}`}, Stores: map[string]string{"ios": "https://apps.apple.com/app/id1"}}
	w := d.send("GET", "/c/a?campaign=%22%3E%3Cscript%3Ealert(2)%3C/script%3E", "", "User-Agent: Mozilla/5.0 (iPhone)")
	page, policy := w.Body.String(), w.Header().Get("Content-Security-Policy")
	if w.Code != 200 || len(page) > 2048 || strings.Count(page, "<script>") != 1 || strings.Contains(page, "alert(1)</script>") || strings.Contains(page, "alert(2)</script>") {
		t.Errorf("%d, %d bytes: %s", w.Code, len(page), page)
	}
	if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, fingerprint(tryScript)) || strings.Contains(policy, "unsafe") {
		t.Error(policy)
	}
	if got := w.Header().Get("Cache-Control"); got != "no-store" {
		t.Error(got)
	}
}
