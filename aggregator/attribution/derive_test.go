package attribution

import (
	"fmt"
	"slices"
	"testing"

	"github.com/unmogrowp/unmogrowp/protocol"
)

func TestDeriveTouches(t *testing.T) {
	page := func(payload string) protocol.Event {
		return protocol.Event{Kind: protocol.KindPage, AnonymousID: "a", Payload: []byte(payload)}
	}
	track := func(name, source string) protocol.Event {
		return protocol.Event{Kind: protocol.KindTrack, Name: name, DeviceID: "d", MediaSource: source}
	}
	for name, c := range map[string]struct {
		event protocol.Event
		want  string
	}{
		"page without a campaign": {page(`{"context":{"page":{"search":"?q=shoes"}}}`), ""},
		"page with utm":           {page(`{"context":{"page":{"search":"?utm_source=news&utm_medium=mail&utm_campaign=may&utm_term=a%20b&utm_content=top"}}}`), "visit news mail may  top a b  [anon:a]"},
		"gclid names google":      {page(`{"context":{"page":{"search":"?gclid=G"}}}`), "visit google      G [anon:a]"},
		"fbclid in the address":   {page(`{"context":{"page":{"url":"https://s.example/?fbclid=F#x"}}}`), "visit facebook      F [anon:a]"},
		"ttclid":                  {page(`{"properties":{"search":"?ttclid=T"}}`), "visit tiktok      T [anon:a]"},
		"msclkid":                 {page(`{"properties":{"url":"https://s.example/p?msclkid=M"}}`), "visit microsoft      M [anon:a]"},
		"a named source wins":     {page(`{"context":{"page":{"search":"?utm_source=brand&gclid=G"}}}`), "visit brand      G [anon:a]"},
		"bad escapes are left":    {page(`{"context":{"page":{"search":"?utm_source=%zz&utm_medium=mail"}}}`), "visit direct mail      [anon:a]"},
		"payload is no object":    {page(`utm_source=x`), ""},
		"deep link with campaign": {track("Deep Link Opened", "email"), "visit email       [device:d]"},
		"app opened, no campaign": {track("Application Opened", ""), "open        [device:d]"},
		"app opened by nobody":    {protocol.Event{Kind: protocol.KindTrack, Name: "Application Opened"}, ""},
		"app opened, no consent": {protocol.Event{Kind: protocol.KindTrack, Name: "Application Opened", DeviceID: "d",
			Consent: protocol.Consent(0).With(protocol.PurposeAttribution, protocol.ConsentDenied)}, ""},
		"order with a campaign": {track("Order Completed", "email"), ""},
		"click of a link": {protocol.Event{ID: "m1", Kind: protocol.KindClick, LinkID: "l", MediaSource: "google", ClickID: "C", GAID: "AB"},
			"click google      C [click:C click:m1 gaid:ab]"},
		"click from a server": {protocol.Event{ID: "m1", Kind: protocol.KindClick, MediaSource: "google", ClickID: "C", IDFA: "00000000-0000-0000-0000-000000000000"},
			"click google      C [click:C]"},
		"click from a server without a click id": {protocol.Event{ID: "m1", Kind: protocol.KindClick, MediaSource: "google", UserID: "u"},
			"click google       [click:m1 user:u]"},
		"impression": {protocol.Event{ID: "m1", Kind: protocol.KindImpression, MediaSource: "tv", UserID: " u "}, "impression tv       [user:u]"},
		"macro that was not replaced": {protocol.Event{ID: "m1", Kind: protocol.KindImpression, MediaSource: "tv", ClickID: "{click_id}"},
			"impression tv      {click_id} []"},
	} {
		s := Default()
		got := ""
		for _, x := range Derive(&c.event, &s).Touches {
			got = fmt.Sprintf("%s %s %s %s %s %s %s %s %v", x.Kind, x.MediaSource, x.Medium, x.Campaign, x.AdSet, x.Ad, x.Keyword, x.ClickID, x.Keys)
		}
		if got != c.want {
			t.Errorf("%s:\n got %q\nwant %q", name, got, c.want)
		}
	}
}

func TestDeriveConversions(t *testing.T) {
	s := Default()
	s.ConversionEvents = append(s.ConversionEvents, "Signed Up", "Checkout")
	event := protocol.Event{
		App: "app", ID: "m", Kind: protocol.KindTrack, Name: "Order Completed", Original: 1, Time: 2, Received: 3, Digest: 4, UserID: "u",
		Revenue: 140_000_000, Currency: "EUR", Flags: protocol.FlagHasRevenue,
	}
	got := Derive(&event, &s).Conversions
	if len(got) != 1 || got[0].Install || !got[0].HasRevenue || got[0].Revenue != 140_000_000 || !got[0].Untrusted || got[0].Original != 1 ||
		got[0].Time != 2 || got[0].Received != 3 || got[0].Digest != 4 || !slices.Equal(got[0].Keys, []string{"user:u"}) {
		t.Errorf("order: %+v", got)
	}
	event.Flags |= protocol.FlagTrusted
	if got := Derive(&event, &s).Conversions; got[0].Untrusted {
		t.Error("revenue sent with a server key is untrusted")
	}
	event.Flags = 0
	if got := Derive(&event, &s).Conversions; got[0].HasRevenue || got[0].Revenue != 0 {
		t.Errorf("revenue without its flag: %+v", got)
	}
	for _, c := range []struct {
		kind protocol.Kind
		name string
		want int
	}{
		{protocol.KindTrack, "Signed Up", 1}, {protocol.KindTrack, "signed up", 0}, {protocol.KindPage, "Checkout", 1},
		{protocol.KindIdentify, "Signed Up", 0}, {protocol.KindTrack, "", 0}, {protocol.KindPage, InstallEvent, 0},
	} {
		e := protocol.Event{Kind: c.kind, Name: c.name}
		if got := len(Derive(&e, &s).Conversions); got != c.want {
			t.Errorf("%s %q: %d conversions, want %d", c.kind, c.name, got, c.want)
		}
	}
	install := protocol.Event{Kind: protocol.KindTrack, Name: InstallEvent, DeviceID: "d", ClickID: "C", Referrer: "click_id%3DR%26utm_source%3Dx"}
	if c := Derive(&install, &s).Conversions[0]; !c.Install || !slices.Equal(c.Keys, []string{"click:C", "click:R", "device:d"}) {
		t.Errorf("install: %+v", c)
	}
}

func TestDeriveLinks(t *testing.T) {
	s := Default()
	for name, c := range map[string]struct {
		event protocol.Event
		want  string
	}{
		"one id":             {protocol.Event{Kind: protocol.KindTrack, UserID: "u"}, ""},
		"every pair":         {protocol.Event{Kind: protocol.KindIdentify, UserID: "u", AnonymousID: "a", DeviceID: "d"}, "anon:a-device:d anon:a-user:u device:d-user:u "},
		"alias":              {protocol.Event{Kind: protocol.KindAlias, UserID: "u", PreviousID: "p"}, "anon:p-user:p anon:p-user:u user:p-user:u "},
		"not by placeholder": {protocol.Event{Kind: protocol.KindIdentify, UserID: "null", DeviceID: "d", GAID: "00000000-0000-0000-0000-000000000000"}, ""},
		"click of a track":   {protocol.Event{Kind: protocol.KindTrack, ClickID: "C", DeviceID: "d"}, "click:C-device:d "},
		"click of a page":    {protocol.Event{Kind: protocol.KindPage, ClickID: "C", AnonymousID: "a"}, "anon:a-click:C "},
		"clicks join nobody": {protocol.Event{Kind: protocol.KindTrack, Name: InstallEvent, ClickID: "C", Referrer: "click_id=D"}, ""},
		"without consent": {protocol.Event{Kind: protocol.KindIdentify, UserID: "u", AnonymousID: "a",
			Consent: protocol.Consent(0).With(protocol.PurposeAttribution, protocol.ConsentDenied)}, ""},
	} {
		got := ""
		for _, l := range Derive(&c.event, &s).Links {
			got += l.A + "-" + l.B + " "
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func FuzzReferrer(f *testing.F) {
	for _, s := range []string{"click_id=1&utm_source=a", "click_id%3D1", "https://a/?referrer=click_id%3D1", "?%zz", "a://?referrer=b://?referrer=c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, referrer string) {
		c := parseReferrer(referrer)
		if len(c.clickID) > maxID || len(c.source) > maxID {
			t.Errorf("%q gives a field of more than %d bytes", referrer, maxID)
		}
		organicReferrer(referrer, &c)
	})
}
