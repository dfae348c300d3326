package apps

import (
	"strings"
	"testing"

	"github.com/unmogrowp/unmogrowp/protocol"
)

func TestLinkDestinations(t *testing.T) {
	good := Link{Slug: "a", App: "a", MediaSource: "m", Fallback: "https://example.com/x?y=1#z"}
	if err := good.validate(); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{
		"", "//evil.example", "/\\evil.example", "https:evil.example", "javascript:alert(1)", "http://a@evil.example", "https://ex.com/\r\nX: y",
		"data:text/html,x", "ftp://example.com", "https://", "https:///path", "https://ex.com/ space", "HTTPS://user:pw@ex.com",
	} {
		link := good
		link.Fallback = target
		if link.validate() == nil {
			t.Errorf("fallback %q is accepted", target)
		}
	}
	for platform, target := range map[string]string{"ios": "javascript:alert(1)", "android": "data:x", "web": "shop://x", "tv": "https://x.com"} {
		link := good
		link.DeepLinks = map[string]string{platform: target}
		if link.validate() == nil {
			t.Errorf("deep link %q for %s is accepted", target, platform)
		}
	}
	good.DeepLinks = map[string]string{"ios": "shop://open/1", "android": "intent://x", "web": "https://ex.com"}
	good.Stores = map[string]string{"android": "market://details?id=x", "ios": "https://apps.apple.com/x"}
	if err := good.validate(); err != nil {
		t.Error(err)
	}
}

func TestLinkMacrosAndOpening(t *testing.T) {
	for target, good := range map[string]bool{
		"https://example.com/{campaign}?c={click_id}&g={gclid}": true, "https://example.com/?c={clickid}": false, "https://{sub1}.example.com/": false, "https://example.com/?c={": false,
	} {
		link := Link{Slug: "a", App: "a", MediaSource: "m", Fallback: target}
		if err := link.validate(); (err == nil) != good {
			t.Errorf("%s: %v", target, err)
		}
	}
	for open, good := range map[protocol.Open]bool{"": true, "try": true, "store": true, "app": true, "page": false} {
		link := Link{Slug: "a", App: "a", MediaSource: "m", Fallback: "https://example.com/", Open: open}
		if err := link.validate(); (err == nil) != good {
			t.Errorf("open %q: %v", open, err)
		}
	}
}

func TestLinkHostsAreWrittenInOneForm(t *testing.T) {
	print32 := strings.TrimSuffix(strings.Repeat("ab:", 32), ":")
	h := Hosted{LinkHosts: []string{"Go.Shop.Example."}, AppleAppIDs: []string{"ABCDE12345.com.example.shop"},
		AndroidApps: []protocol.AndroidApp{{Package: "com.example.shop", Fingerprints: []string{print32}}}}
	if err := h.validate(); err != nil || h.LinkHosts[0] != "go.shop.example" || h.AndroidApps[0].Fingerprints[0] != strings.ToUpper(print32) {
		t.Errorf("%v: %+v", err, h)
	}
	for _, bad := range []Hosted{
		{LinkHosts: []string{"shop"}}, {LinkHosts: []string{"https://shop.example"}}, {LinkHosts: []string{"shop.example:80"}}, {LinkHosts: []string{"203.0.113.1"}},
		{AppleAppIDs: []string{"com.example"}}, {AndroidApps: []protocol.AndroidApp{{Package: "shop"}}}, {AndroidApps: []protocol.AndroidApp{{Package: "com.shop"}}},
		{AndroidApps: []protocol.AndroidApp{{Package: "com.shop", Fingerprints: []string{"ab"}}}},
	} {
		if bad.validate() == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
}
