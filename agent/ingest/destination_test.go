package ingest

import (
	"strings"
	"testing"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// A click leads only to a registered destination that cannot run code, forge
// headers or hide its host; else to the fallback.
func TestClicksLeadToNothingHarmful(t *testing.T) {
	const fallback = "https://shop.example.com/"
	for _, registered := range [...]string{
		"//evil.example", `/\evil.example`, `\\evil.example`, "https:evil.example", "https:/evil.example", "https:///evil.example",
		"javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "blob:x", "about:blank",
		"https://shop.example.com\r\nSet-Cookie: a=b", "https://shop.example.com/\nx", "https://shop.example.com@evil.example/",
		"https://user:secret@evil.example/", " https://evil.example", "java\tscript:alert(1)", "evil.example", "/evil", "https://shop.example.com\\@evil.example/", "%6aavascript:alert(1)",
	} {
		link := protocol.Link{ID: "l", Redirects: map[string]string{"web": registered}, Fallback: fallback}
		v := visitor{platform: "web", event: &protocol.Event{ID: "c1"}, link: &link}
		if got := v.lead(); got != (way{to: fallback + "?umcid=c1"}) {
			t.Errorf("%q leads to %q", registered, got)
		}
	}
	d := newDoor(t)
	d.book.links["a"] = protocol.Link{ID: "l", Slug: "a", App: "app1", Fallback: fallback}
	for _, parameters := range [...]string{"url=//evil.example", "redirect=https://evil.example", "fallback=javascript:alert(1)", "click_id=%0d%0aLocation:%20https://evil.example", "@evil.example"} {
		w := d.send("GET", "/c/a?"+parameters, "")
		if got := w.Header().Get("Location"); w.Code != 302 || !strings.HasPrefix(got, fallback+"?umcid=minted-") || len(w.Header().Values("Location")) != 1 {
			t.Errorf("%s: %d to %q", parameters, w.Code, got)
		}
	}
	for _, slug := range [...]string{"a%0d%0ab", "..%2fa", "a/../a", "%2e%2e", strings.Repeat("a", 8000)} {
		if w := d.send("GET", "/c/"+slug, ""); w.Code == 302 || w.Code >= 500 {
			t.Errorf("%.20s: %d to %q", slug, w.Code, w.Header().Get("Location"))
		}
	}
}
