package ingest

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/protocol"
)

func TestClicksOfACrowdAreMarked(t *testing.T) {
	now := noon()
	d := newDoor(t, func(o *Options) { o.Now = func() time.Time { return now } })
	d.book.apps["app1"] = protocol.App{ID: "app1", Addresses: protocol.DropAddresses}
	d.book.links["a"] = protocol.Link{ID: "l", Slug: "a", App: "app1", Fallback: "https://shop.example.com/"}
	click := func(address string) bool {
		t.Helper()
		if w := d.send("GET", "/c/a", "", "Remote: "+netip.AddrPortFrom(netip.MustParseAddr(address), 80).String()); w.Code != 302 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		e := d.last(t)
		if e.IP != "" {
			t.Errorf("the address is kept: %s", e.IP)
		}
		return e.Has(protocol.FlagCrowd)
	}
	for i := range crowdClicks {
		if click("192.0.2.1") || click("2001:db8::"+string(rune('1'+i%9))) {
			t.Errorf("click %d is of a crowd", i)
		}
		now = now.Add(time.Second)
	}
	if !click("192.0.2.1") || !click("2001:db8::ffff") {
		t.Error("the next one is of none")
	}
	if click("192.0.2.2") || click("2001:db8:0:1::1") {
		t.Error("so is that of another address")
	}
	d.send("GET", "/i/a", "", "Remote: 192.0.2.1:80")
	if e := d.last(t); e.Has(protocol.FlagCrowd) {
		t.Error("an impression is of a crowd")
	}
	now = now.Add(crowdWindow - 9*time.Second - time.Millisecond) // since the second click
	if !click("192.0.2.1") {
		t.Error("ten others came in this minute")
	}
	now = now.Add(2 * time.Second)
	if click("192.0.2.1") {
		t.Error("nine others came in this minute")
	}
}

func TestCrowdsAreBounded(t *testing.T) {
	var c crowds
	for i := range 5 * maxCrowds {
		address := netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, uint32(i))))
		if c.click(address, noon()) || len(c.known.young)+len(c.known.old) > 2*maxCrowds {
			t.Fatalf("%s: %d remembered", address, len(c.known.young)+len(c.known.old))
		}
	}
	if c.click(netip.Addr{}, noon()) {
		t.Error("no address is of a crowd")
	}
}
