package api

import (
	"net/http"
	"net/netip"
	"testing"
)

func TestOnlyTrustedProxiesSayWhoAsks(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for _, c := range []struct {
		peer      string
		forwarded []string
		want      string
	}{
		{"203.0.113.9:1", nil, "203.0.113.9"},
		{"203.0.113.9:1", []string{"198.51.100.1"}, "203.0.113.9"},
		{"10.0.0.1:1", []string{"198.51.100.1"}, "198.51.100.1"},
		{"[::ffff:10.0.0.1]:1", []string{"198.51.100.1:4711"}, "198.51.100.1"},
		{"[fd00::1%eth0]:1", []string{"[2001:db8::1]:4711"}, "2001:db8::1"},
		{"10.0.0.1:1", []string{"1.1.1.1, 198.51.100.1, 10.0.0.2"}, "198.51.100.1"}, // the first is the client's own word
		{"10.0.0.1:1", []string{"1.1.1.1", "198.51.100.1", "10.0.0.2"}, "198.51.100.1"},
		{"10.0.0.1:1", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"10.0.0.1:1", []string{"198.51.100.1, unknown"}, "10.0.0.1"},
		{"10.0.0.1:1", []string{""}, "10.0.0.1"},
	} {
		r := &http.Request{RemoteAddr: c.peer, Header: http.Header{"X-Forwarded-For": c.forwarded}}
		if got := clientAddress(r, proxies); got != c.want {
			t.Errorf("%s, %q: %s, want %s", c.peer, c.forwarded, got, c.want)
		}
		if got := clientAddress(r, nil); got == "198.51.100.1" {
			t.Errorf("%s is believed without trust", c.peer)
		}
	}
}

// TestNobodyEscapesTheThrottleByAHeader: the tests' client is no trusted proxy.
func TestNobodyEscapesTheThrottleByAHeader(t *testing.T) {
	s := newSystem(t)
	c := s.client()
	status := 0
	for i := range freeFailures + 1 {
		status = c.send("POST", "auth/login", map[string]any{"email": "x@example.com", "password": "wrong wrong wrong"},
			map[string]string{"X-Forwarded-For": netip.AddrFrom4([4]byte{198, 51, byte(i), 1}).String()}).status
	}
	if status != 429 {
		t.Errorf("status %d after %d failures, want 429", status, freeFailures)
	}
}
