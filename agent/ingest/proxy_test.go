package ingest

import (
	"net/netip"
	"testing"
)

func proxies(list ...string) []netip.Prefix {
	var p []netip.Prefix
	for _, s := range list {
		p = append(p, netip.MustParsePrefix(s))
	}
	return p
}

func TestClientAddress(t *testing.T) {
	body := `{"event":"E","messageId":"m1","context":{"direct":true}}`
	for name, c := range map[string]struct {
		remote  string
		headers []string
		want    string
	}{
		"direct":                        {"203.0.113.9:5", nil, "203.0.113.9"},
		"IPv6":                          {"[2001:db8::1]:5", nil, "2001:db8::1"},
		"mapped IPv4":                   {"[::ffff:203.0.113.9]:5", nil, "203.0.113.9"},
		"stranger's header":             {"203.0.113.9:5", []string{"X-Forwarded-For: 1.1.1.1"}, "203.0.113.9"},
		"one proxy":                     {"10.0.0.1:5", []string{"X-Forwarded-For: 203.0.113.9"}, "203.0.113.9"},
		"two proxies":                   {"10.0.0.1:5", []string{"X-Forwarded-For: 203.0.113.9, 10.0.0.2"}, "203.0.113.9"},
		"forged first hop":              {"10.0.0.1:5", []string{"X-Forwarded-For: 1.1.1.1, 203.0.113.9"}, "203.0.113.9"},
		"two headers":                   {"10.0.0.1:5", []string{"X-Forwarded-For: 1.1.1.1", "X-Forwarded-For: 203.0.113.9"}, "203.0.113.9"},
		"with port":                     {"10.0.0.1:5", []string{"X-Forwarded-For: 203.0.113.9:4444"}, "203.0.113.9"},
		"garbage from a trusted proxy":  {"10.0.0.1:5", []string{"X-Forwarded-For: unknown"}, "10.0.0.1"},
		"only proxies":                  {"10.0.0.1:5", []string{"X-Forwarded-For: 10.0.0.3"}, "10.0.0.3"},
		"proxy without header":          {"10.0.0.1:5", nil, "10.0.0.1"},
		"unreadable connection address": {"@", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoor(t, func(o *Options) { o.TrustedProxies = proxies("10.0.0.0/8") })
			headers := append([]string{basic(clientKey), "Remote: " + c.remote}, c.headers...)
			if w := d.send("POST", "/v1/track", body, headers...); w.Code != 200 {
				t.Fatal(w.Code, w.Body)
			}
			if got := d.buffer.taken()[0].IP; got != c.want {
				t.Errorf("address %q, want %q", got, c.want)
			}
		})
	}
}
