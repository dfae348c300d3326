package apps_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/unmogrowp/unmogrowp/aggregator/apps"
)

// FuzzDestination looks for a fallback that is accepted and leads elsewhere than to a plain web page.
func FuzzDestination(f *testing.F) {
	for _, seed := range []string{
		"https://example.com/a?b=c#d", "//evil", "/\\evil", "https:evil", "javascript:alert(1)", "https://a@b", "http://[::1]:80/", "https://ex.com%0d%0a",
		"https://ex.com\t", "HtTpS://EX.com", "https://ex.com:99999/", "http://", "https://％00", "https://аррӏе.com/",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, target string) {
		if apps.ValidDestination("fallback", target, nil) != nil {
			return
		}
		u, err := url.Parse(target)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.User != nil || u.Opaque != "" {
			t.Errorf("%q is accepted: %+v", target, u)
		}
		if strings.ContainsAny(target, "\r\n\t\\ \x00") || !strings.HasPrefix(strings.ToLower(target), "http") {
			t.Errorf("%q is accepted", target)
		}
	})
}
