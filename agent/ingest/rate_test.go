package ingest

import (
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestFloodOfOneKeyDoesNotTouchOthers(t *testing.T) {
	now := noon()
	d := newDoor(t, func(o *Options) {
		o.EventsPerSecond = 1000
		o.Buffer = sink{} // the stored events do not matter here
		o.Now = func() time.Time { return now }
	})
	flood := string(sampleBatch(1000))
	answers := map[int]int{}
	for range 30 {
		w := d.send("POST", "/v1/batch", flood)
		answers[w.Code]++
		if w.Code == 429 && w.Header().Get("Retry-After") == "" {
			t.Fatal("429 without Retry-After")
		}
	}
	if answers[200] != 5 || answers[429] != 25 { // the burst is two of the largest requests
		t.Errorf("answers %v", answers)
	}
	if w := d.send("POST", "/v1/track", track, "Authorization: Bearer "+restrictedKey); w.Code != 200 {
		t.Errorf("another app: %d %s", w.Code, w.Body)
	}
	if w := d.send("POST", "/v1/track", track, basic(serverKey)); w.Code != 200 {
		t.Errorf("another key of the app: %d %s", w.Code, w.Body)
	}
	now = now.Add(time.Second)
	if w := d.send("POST", "/v1/batch", flood); w.Code != 200 {
		t.Errorf("a second later: %d", w.Code)
	}
	if w := d.send("POST", "/v1/batch", flood); w.Code != 429 {
		t.Errorf("at once again: %d", w.Code)
	}
}

// To refuse a request after reading it would cost as much as to take it.
func TestKeyOverItsQuotaIsRefusedUnread(t *testing.T) {
	now := noon()
	d := newDoor(t, func(o *Options) {
		o.EventsPerSecond = 5000 // two seconds' worth may come at once
		o.Buffer = sink{}
		o.Now = func() time.Time { return now }
	})
	send := func(body io.Reader, key string) int {
		r := request("POST", "/v1/batch", body)
		name, value, _ := strings.Cut(basic(key), ": ")
		r.Header.Set(name, value)
		w := newAnswer()
		d.ServeHTTP(w, r)
		return w.Code
	}
	batch := string(sampleBatch(2000))
	for i := range 6 { // the sixth has to wait for 2000 events, 400 ms
		if code := send(strings.NewReader(batch), clientKey); code != map[bool]int{true: 200, false: 429}[i < 5] {
			t.Fatalf("request %d: %d", i, code)
		}
	}
	unread := iotest.ErrReader(errors.New("read"))
	now = now.Add(399 * time.Millisecond)
	if code := send(unread, clientKey); code != 429 {
		t.Errorf("a request that must not be read: %d", code)
	}
	if code := send(strings.NewReader(batch), serverKey); code != 200 {
		t.Errorf("another key: %d", code)
	}
	now = now.Add(time.Millisecond)
	if code := send(strings.NewReader(batch), clientKey); code != 200 {
		t.Errorf("when it was told to come again: %d", code)
	}
	now = now.Add(-time.Hour) // no reason to refuse anything unread for an hour
	if code := send(unread, clientKey); code == 429 {
		t.Errorf("after the clock was set back: %d", code)
	}
}

func TestFloodOfOneAddressDoesNotTouchOthers(t *testing.T) {
	now := noon()
	d := newDoor(t, func(o *Options) {
		o.RequestsPerSecond = 10
		o.TrustedProxies = proxies("10.0.0.0/8")
		o.Now = func() time.Time { return now }
	})
	from := func(headers ...string) int {
		return d.send("POST", "/v1/track", track, append(headers, basic(clientKey))...).Code
	}
	count := func(headers ...string) (served int) {
		for range 100 {
			if from(headers...) == 200 {
				served++
			}
		}
		return served
	}
	if n := count("Remote: 192.0.2.1:1"); n != 20 { // two seconds' worth
		t.Errorf("%d requests of one address served", n)
	}
	w := d.send("GET", "/c/spring", "", "Remote: 192.0.2.1:2")
	if w.Code != 429 || w.Header().Get("Retry-After") != "1" {
		t.Errorf("%d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
	if from("Remote: 192.0.2.2:1") != 200 {
		t.Error("another address had to wait")
	}
	if n := count("Remote: 10.0.0.1:1", "X-Forwarded-For: 192.0.2.3"); n != 20 {
		t.Errorf("%d requests of one address behind a proxy served", n)
	}
	if from("Remote: 10.0.0.1:1", "X-Forwarded-For: 192.0.2.4") != 200 {
		t.Error("another address behind the same proxy had to wait")
	}
	if n := count("Remote: 192.0.2.5:1", "X-Forwarded-For: 192.0.2.6"); n != 20 || from("Remote: 192.0.2.5:1", "X-Forwarded-For: 192.0.2.7") != 429 {
		t.Error("a client that claims to be a proxy was believed")
	}
	if n := count("Remote: [2001:db8::1]:1"); n != 20 || from("Remote: [2001:db8::2]:1") != 429 || from("Remote: [2001:db8:0:1::1]:1") != 200 {
		t.Error("an IPv6 network counts as one address")
	}
	now = now.Add(time.Second)
	if n := count("Remote: 192.0.2.1:1"); n != 10 {
		t.Errorf("%d requests a second later", n)
	}
}

func TestAddressesAreBounded(t *testing.T) {
	var a addresses
	for i := range 5 * maxAddresses {
		address := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		if a.take(address, 1, noon()) != 0 || len(a.known.young)+len(a.known.old) > 2*maxAddresses {
			t.Fatalf("%s: %d remembered", address, len(a.known.young)+len(a.known.old))
		}
	}
}
