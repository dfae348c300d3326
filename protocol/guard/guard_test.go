package guard

import (
	"strings"
	"testing"
)

func TestDestinationsAreWholeAndPlain(t *testing.T) {
	for _, address := range [...]string{"https://example.com", "http://example.com:8080/a?b=c#d", "https://bücher.example/", "https://xn--bcher-kva.example/", "https://[2001:db8::1]/"} {
		if u, err := Destination(address, nil); err != nil || u.String() == "" {
			t.Errorf("%q: %v", address, err)
		}
	}
	for _, address := range [...]string{
		"", "/", "//evil.example", `/\evil.example`, `\\evil.example`, "https:evil.example", "https:/evil.example", "https:///evil.example", "https://", "http://:80/", "https://[::1", "javascript:alert(1)", "JavaScript:alert(1)",
		"java\tscript:alert(1)", "data:text/html,x", "https://good.example@evil.example", "https://user:pass@evil.example/", "https://evil.example\\@good.example", " https://evil.example", "https://evil .example",
		"https://good.example%0d%0aSet-Cookie:x", "https://good.example/\r\nSet-Cookie: x", "https://\x00", "https://evil.example/\x7f", "ftp://evil.example", "evil.example", "?x", "%6aavascript:alert(1)", "myapp://open",
	} {
		if _, err := Destination(address, nil); err == nil {
			t.Errorf("%q is accepted", address)
		}
		if u, err := Destination(address, AppScheme); err == nil && u.Scheme != "myapp" {
			t.Errorf("%q opens an app", address)
		}
	}
	for address, accepted := range map[string]bool{"myapp://open/x": true, "market://details?id=x": true, "itms-apps://x": true, "blob:x": false, "view-source:x": false, "wss://x": false, "myapp://u@x": false} {
		if _, err := Destination(address, AppScheme); (err == nil) != accepted {
			t.Errorf("%q: %v", address, err)
		}
		if _, err := Destination(address, StoreScheme); (err == nil) != (accepted && !strings.HasPrefix(address, "myapp")) {
			t.Errorf("%q in a store: %v", address, err)
		}
	}
}
