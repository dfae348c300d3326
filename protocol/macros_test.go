package protocol

import (
	"strings"
	"testing"
)

func TestMacrosOfDestinations(t *testing.T) {
	for _, good := range []string{"https://shop.example.com/", "https://shop.example.com/{campaign}?c={click_id}&s={sub1}#{ad}", "shop://sale?click_id={click_id}", "https://a.example/?g={gclid}"} {
		if err := CheckMacros(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for bad, want := range map[string]string{
		"https://shop.example.com/?x={campain}": "{campain}", "https://shop.example.com/?x={": "brace", "https://shop.example.com/?x=}{": "brace",
		"https://{sub1}.example.com/": "host", "https://{sub1}/": "host", "{sub1}://x": "host", "https://a.example?x={CLICK_ID}": "{CLICK_ID}", "https://a.example/{}": "{}",
	} {
		if err := CheckMacros(bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want something about %s", bad, err, want)
		}
	}
	value := func(name string) string {
		return map[string]string{"campaign": "50% off&x=1#y", "sub1": "../../evil", "click_id": "c1"}[name]
	}
	for in, want := range map[string]string{
		"https://a.example/{sub1}?c={campaign}&id={click_id}&n={ad}": "https://a.example/..%2F..%2Fevil?c=50%25%20off%26x%3D1%23y&id=c1&n=",
		"https://a.example/{": "https://a.example/{", "shop://x": "shop://x",
	} {
		if got, ok := ExpandMacros(in, value); !ok || got != want {
			t.Errorf("%s becomes %s, want %s", in, got, want)
		}
	}
	if _, ok := ExpandMacros("https://{sub1}/", value); ok {
		t.Error("a visitor chose the host")
	}
}
