package apps

import "testing"

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
